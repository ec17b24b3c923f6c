"""Rows out of bytes, by the truth of Python's csv module."""

import codecs
import csv
import functools
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from csv_manager.core import compression as compressions
from csv_manager.core.errors import NotCsvError
from csv_manager.core.model import EXTRA, Cells, CsvFormat

_BLOCK = 1 << 16
# A field may be as long as it likes; csv's own limit of 128 KB would refuse a version that people did write.
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


class Row(NamedTuple):
    """One record: the physical line that it starts on, counted from 1, and its fields as they stand."""

    line: int
    cells: list[str]


class Table:
    """A content seen as columns and rows; it can be read any number of times.

    `open_raw` opens the bytes as they came. `columns` are unique and not empty: a repeated or empty name has a suffix.
    """

    def __init__(self, open_raw: Callable[[], BinaryIO], csv_format: CsvFormat, csv_file: str) -> None:
        self._open_raw = open_raw
        self.csv_format = csv_format
        self.csv_file = csv_file
        #: Keys that are known to be unique in this content.
        self.unique: set[tuple[str, ...]] = set()
        self._count: int | None = None

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, empty for a content without any row."""
        with self._text() as text:
            reader = self._reader(text)
            try:
                first: list[str] = next((cells for cells in reader if cells), [])
            except UnicodeDecodeError as error:
                raise self._undecodable() from error
        if self.csv_format.names:
            return self.csv_format.names if first else ()
        if not self.csv_format.header:
            return tuple(f"column_{number}" for number in range(1, len(first) + 1))
        return unique_names(first)

    def rows(self) -> Iterator[Row]:
        """Every data row in the order of the file; blank lines are none."""
        with self._text() as text:
            reader = self._reader(text)
            skip = self.csv_format.skip_lines
            header = self.csv_format.header and not self.csv_format.names
            previous = count = 0
            try:
                for cells in reader:
                    line = previous + 1 + skip
                    previous = reader.line_num
                    if not cells:
                        continue
                    if header:
                        header = False
                        continue
                    count += 1
                    yield Row(line, cells)
            except UnicodeDecodeError as error:
                raise self._undecodable() from error
        self._count = count

    def count(self) -> int:
        """The number of data rows; counted by the first pass to the end, whatever it was for."""
        while self._count is None:
            for _ in self.rows():
                continue
        return self._count

    def mapping(self, cells: Sequence[str]) -> Cells:
        """A row as a mapping from column to text, as csv.DictReader gives it, surplus fields under `_extra`."""
        return row_mapping(self.columns, cells)

    def _text(self) -> io.TextIOWrapper:
        plain = compressions.open_decompressed(self._open_raw(), self.csv_format.compression)
        text = io.TextIOWrapper(plain, encoding=self.csv_format.encoding, errors=self.csv_format.errors, newline="")
        try:
            for _ in range(self.csv_format.skip_lines):
                text.readline()
        except UnicodeDecodeError as error:
            text.close()
            raise self._undecodable() from error
        return text

    def _reader(self, text: io.TextIOWrapper) -> Any:
        quotechar = self.csv_format.quotechar
        return csv.reader(
            text,
            delimiter=self.csv_format.delimiter,
            quotechar=quotechar or None,
            quoting=csv.QUOTE_MINIMAL if quotechar else csv.QUOTE_NONE,
        )

    def _undecodable(self) -> NotCsvError:
        """What to say where the encoding does not fit: the line and the byte, found by decoding once more."""
        encoding = self.csv_format.encoding
        decoder = codecs.getincrementaldecoder(encoding)()
        line, byte, last = 1, 0, ""
        with compressions.open_decompressed(self._open_raw(), self.csv_format.compression) as plain:
            block, final = plain.read(_BLOCK), False
            while not final:
                final = not block
                state = decoder.getstate()
                try:
                    text = decoder.decode(block, final)
                except UnicodeDecodeError:
                    # Byte by byte, the decoder says what it could read before the one that it could not.
                    decoder.setstate(state)
                    text = ""
                    try:
                        for single in block:
                            text += decoder.decode(bytes([single]))
                        decoder.decode(b"", final=True)
                    except UnicodeDecodeError as error:
                        byte = error.object[error.start]
                    final = True
                line += _line_ends(last, text)
                last = text[-1:] or last
                block = plain.read(_BLOCK)
        return NotCsvError(
            f"{self.csv_file}: line {line} is not {encoding} (byte 0x{byte:02x}); say what it is with --encoding."
        )


def _line_ends(before: str, text: str) -> int:
    """How many lines end in `text`, which follows the character `before`; CR LF is one end."""
    split = before == "\r" and text.startswith("\n")
    return text.count("\n") + text.count("\r") - text.count("\r\n") - split


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Column names without repetition or gap: `name`, `name_2`; an empty third one is `column_3`."""
    seen = {EXTRA}
    taken = set(names)
    result = []
    for position, name in enumerate(names, 1):
        base = name or f"column_{position}"
        unique, suffix = base, 1
        while unique in seen or (suffix > 1 and unique in taken):
            suffix += 1
            unique = f"{base}_{suffix}"
        seen.add(unique)
        result.append(unique)
    return tuple(result)


def row_mapping(columns: Sequence[str], cells: Sequence[str]) -> Cells:
    """A row as a mapping: None for a column that a short row lacks, surplus fields as a list under `_extra`."""
    if len(cells) == len(columns):
        return dict(zip(columns, cells, strict=True))
    mapping: dict[str, str | list[str] | None] = dict.fromkeys(columns)
    mapping.update(zip(columns, cells, strict=False))
    if len(cells) > len(columns):
        mapping[EXTRA] = list(cells[len(columns) :])
    return mapping
