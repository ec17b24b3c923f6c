"""In which other way the same rows are written: what a program changed that wrote the file anew."""

import re
from collections.abc import Iterator

from csv_manager.core.reading import Table

_SAMPLE = 1 << 16
_LINE_ENDS = {b"\r\n": "CRLF", b"\n": "LF", b"\r": "CR"}


def rewriting(old: Table, new: Table) -> tuple[str, ...]:
    """What differs in how two contents are written, in words, each `what: before → after`."""
    return tuple(f"{what}: {before} → {after}" for what, before, after in _differences(old, new) if before != after)


def _differences(old: Table, new: Table) -> Iterator[tuple[str, str, str]]:
    before, after = old.csv_format, new.csv_format
    yield "compression", before.compression or "none", after.compression or "none"
    yield "encoding", before.encoding, after.encoding
    yield "delimiter", repr(before.delimiter), repr(after.delimiter)
    yield "quotechar", repr(before.quotechar), repr(after.quotechar)
    yield "lines skipped", str(before.skip_lines), str(after.skip_lines)
    yield "header", "yes" if before.header else "no", "yes" if after.header else "no"
    if old.columns != new.columns and set(old.columns) == set(new.columns):
        yield "columns", ", ".join(old.columns), ", ".join(new.columns)
    samples = [table.plain.read(table.start, _SAMPLE) for table in (old, new)]
    ends = [_line_end(table, sample) for table, sample in zip((old, new), samples, strict=True)]
    if all(ends):
        yield "line ends", ends[0], ends[1]
    yield "quotes", _quotes(old, samples[0]), _quotes(new, samples[1])


def _line_end(table: Table, sample: bytes) -> str:
    """The name of the first row's line end; empty without any."""
    first = next(iter(table.records.split(sample)), b"")
    found = re.search(rb"(\r\n|\n|\r)\Z", first)
    return _LINE_ENDS[found[0]] if found else ""


def _quotes(table: Table, sample: bytes) -> str:
    """What the first rows have quotes around."""
    quote, delimiter = (
        re.escape(mark.encode(table.encoding)) for mark in (table.csv_format.quotechar, table.csv_format.delimiter)
    )
    if not quote:
        return "nowhere"
    field = rb"%b(?:(?!%b)[\s\S]|%b%b)*+%b" % ((quote,) * 5)
    pattern = re.compile(rb"%b(?:%b%b)*+[\r\n]*" % (field, delimiter, field))
    records = [record for record in table.records.split(sample)[:20] if record.strip(b"\r\n")]
    whole = records[:-1] or records
    is_quoted = bool(whole) and all(pattern.fullmatch(record) for record in whole)
    return "around every field" if is_quoted else "where needed"
