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
    ends = _line_end(old), _line_end(new)
    if all(ends):
        yield "line ends", *ends
    yield "quotes", _quotes(old), _quotes(new)


def _line_end(table: Table) -> str:
    """The name of the first record's line end; empty without any."""
    first = next(iter(table.records.split(table.plain.read(0, _SAMPLE))), b"")
    found = re.search(rb"(\r\n|\n|\r)\Z", first)
    return _LINE_ENDS[found[0]] if found else ""


def _quotes(table: Table) -> str:
    """What the first rows have quotes around."""
    quote, delimiter = (
        re.escape(mark.encode(table.encoding)) for mark in (table.csv_format.quotechar, table.csv_format.delimiter)
    )
    if not quote:
        return "nowhere"
    field = rb"%b(?:(?!%b)[\s\S]|%b%b)*+%b" % ((quote,) * 5)
    pattern = re.compile(rb"%b(?:%b%b)*+[\r\n]*" % (field, delimiter, field))
    sample = table.plain.read(table.start, _SAMPLE)
    records = table.records.split(sample)
    if table.start + len(sample) < table.plain.size:
        records = records[:-1] or records
    rows = [record for record in records[:20] if record.strip(b"\r\n")]
    is_quoted = bool(rows) and all(pattern.fullmatch(record) for record in rows)
    return "around every field" if is_quoted else "where needed"
