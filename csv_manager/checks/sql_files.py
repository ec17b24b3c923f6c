"""The rows of a version in a file, as DuckDB reads them right: their own bytes, or written anew."""

import codecs
import contextlib
import itertools
import threading
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from csv_manager.checks.rows import CheckRows, WholeRows
from csv_manager.core.errors import CsvManagerError, NoRoomError
from csv_manager.core.paths import os_reason
from csv_manager.core.raw import NotPlainError, is_plain, line_end, plain_blocks, with_line_ends
from csv_manager.core.reading import Table

#: What a cell without a value is written as; one that has it as its text is in quotes.
_NULL = rb"\N"
#: A line may be as long as this, in bytes.
_LONGEST = 1 << 26


class Readable(NamedTuple):
    """A file that DuckDB can read as rows: its path, and how; maybe it is still to be proven that it can."""

    path: str
    options: str
    proof: "Proof | None" = None


def places(rows: CheckRows) -> list[str]:
    """The paths of contents that may be read where they are."""
    return [table.plain.place for table in (rows.table, rows.previous) if table is not None and table.plain.place]


def made_readable(rows: CheckRows, path: Path) -> Readable:
    """Rows as DuckDB can read them: where their bytes are, or a copy of these, or written anew."""
    return _in_place(rows) or Readable(str(path), write(rows, path))


class Proof(threading.Thread):
    """Looks, while something else is done, whether DuckDB reads the bytes of a content as Python's csv module does."""

    def __init__(self, table: Table) -> None:
        super().__init__(name="csv_manager-proof", daemon=True)
        self._table = table
        self._is_proven = False
        self.start()

    def run(self) -> None:
        """Look at each row; what cannot be read is told by who reads it next."""
        with contextlib.suppress(NotPlainError, CsvManagerError):
            self._is_proven = not any(b"\r" in block for block in plain_blocks(self._table))

    def result(self) -> bool:
        """Whether it does."""
        self.join()
        return self._is_proven


def _in_place(rows: CheckRows) -> Readable | None:
    """Rows as they are read where their bytes are, behind at most one line; None if they would be read otherwise."""
    table, place = rows.table, rows.table.plain.place
    if place is None or not (isinstance(rows, WholeRows) and is_plain(table) and table.lines_before <= 1):
        return None
    before = table.plain.read(0, table.start)
    quote = table.csv_format.quotechar
    is_one_line = before.count(b"\n") == table.lines_before and not before.startswith(b"\n")
    if not is_one_line or b"\r" in before or quote.encode() in before:
        return None
    begin = table.plain.read(0, len(codecs.BOM_UTF8)), table.plain.read(table.start, len(codecs.BOM_UTF8))
    if codecs.BOM_UTF8 in begin:
        return None
    # A short row is complained of, so that no cell is without a value: no cell has this text.
    null = uuid.uuid4().hex
    return Readable(place, _options(table.csv_format.delimiter, quote, null, table.lines_before), Proof(table))


def write(rows: CheckRows, path: Path) -> str:
    """Write rows for DuckDB, and tell how it is to read them."""
    table = rows.table
    try:
        is_marked = table.plain.read(table.start, len(codecs.BOM_UTF8)) == codecs.BOM_UTF8  # as text of the first cell
        if isinstance(rows, WholeRows) and is_plain(table) and not is_marked:
            with contextlib.suppress(NotPlainError):
                end, quote = line_end(table), table.csv_format.quotechar
                blocks = with_line_ends(plain_blocks(table, _NULL), end)
                _put(path, blocks if end == b"\n" else _with_line_feeds(blocks, quote.encode()))
                return _options(table.csv_format.delimiter, quote)
        write_anew(rows, path)
        return WRITTEN
    except OSError as error:
        raise NoRoomError(
            f"{table.csv_file}: no copy for SQL rules can be made in {path.parent}: {os_reason(error)}."
        ) from error


def write_anew(rows: CheckRows, path: Path) -> None:
    """Write rows as `WRITTEN` tells how to read them."""
    _put(path, _written(rows))


def _with_line_feeds(blocks: Iterable[bytes], quote: bytes) -> Iterator[bytes]:
    """Lines that end with CR LF as DuckDB reads them rightly, if no field is in quotes, which may have some too."""
    last = b""
    for block in blocks:
        if quote in block:
            raise NotPlainError
        told = (last + block).replace(b"\r\n", b"\n")
        last = b"\r" if told.endswith(b"\r") else b""
        yield told[: len(told) - len(last)]
    yield last


def _options(delimiter: str, quote: str, null: str = "\\N", skip: int = 0) -> str:
    return (
        f"auto_detect = false, header = false, delim = {literal(delimiter)}, quote = {literal(quote)}, "
        f"escape = {literal(quote)}, new_line = '\\n', nullstr = {literal(null)}, allow_quoted_nulls = false, "
        f"skip = {skip}, comment = '', strict_mode = true, max_line_size = {_LONGEST}"
    )


def _put(path: Path, blocks: Iterable[bytes]) -> None:
    with path.open("wb") as file:
        for block in blocks:
            file.write(block)


def _written(rows: CheckRows) -> Iterator[bytes]:
    """Rows in quotes; surplus cells are left out, and those that a short row lacks have no value."""
    width = len(rows.columns)
    for chunk in rows.chunks():
        lines = []
        for cells in chunk:
            told = itertools.islice(itertools.chain(cells, itertools.repeat(None)), width)
            lines.append(",".join("\\N" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in told))
        yield ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


#: How rows are read that were written anew.
WRITTEN = _options(",", '"')
