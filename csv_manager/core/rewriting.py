"""In which other way the same rows are written: what a program changed that wrote the file anew."""

import re
from collections.abc import Iterable, Sequence

from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table

_SAMPLE = 1 << 16
#: Contents of up to so many bytes are compared byte by byte.
_COMPARED = 1 << 24
#: The csv format of a content, and its columns.
_Form = tuple[CsvFormat, Sequence[str]]
_LINE_ENDS = {b"\r\n": "CRLF", b"\n": "LF", b"\r": "CR"}


def rewriting(old: Table, new: Table) -> tuple[str, ...]:
    """What differs in how two contents are written, in words, each `what: before → after`."""
    ends = _line_end(old), _line_end(new)
    return (
        *format_changes((old.csv_format, old.columns), (new.csv_format, new.columns)),
        *_told([("line ends", *ends)] if all(ends) else []),
        *_told([("quotes", _quotes(old), _quotes(new))]),
    )


def format_changes(old: _Form, new: _Form) -> tuple[str, ...]:
    """As `rewriting`, what the csv formats and the columns of two contents tell."""
    (before, columns), (after, others) = old, new
    return _told(
        [
            ("compression", before.compression or "none", after.compression or "none"),
            ("encoding", before.encoding, after.encoding),
            ("delimiter", repr(before.delimiter), repr(after.delimiter)),
            ("quotechar", repr(before.quotechar), repr(after.quotechar)),
            ("lines skipped", str(before.skip_lines), str(after.skip_lines)),
            ("header", "yes" if before.header else "no", "yes" if after.header else "no"),
            *([("columns", ", ".join(columns), ", ".join(others))] if set(columns) == set(others) else []),
        ]
    )


def differs(old: Table, new: Table) -> bool:
    """Whether the bytes of two contents differ; large ones of the same size are taken to be equal, and not read."""
    size = old.plain.size
    if size != new.plain.size:
        return True
    if size > _COMPARED:
        return False
    return any(old.plain.read(at, _SAMPLE) != new.plain.read(at, _SAMPLE) for at in range(0, size, _SAMPLE))


def _told(differences: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    return tuple(f"{what}: {before} → {after}" for what, before, after in differences if before != after)


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
