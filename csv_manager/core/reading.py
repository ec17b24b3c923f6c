"""Rows out of bytes, by the truth of Python's csv module."""

import codecs
import copy
import csv
import functools
import io
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from csv_manager.core import compression as compressions
from csv_manager.core.digests import count_line_ends
from csv_manager.core.errors import NotCsvError, OptionError
from csv_manager.core.model import EXTRA, Cells, CsvFormat
from csv_manager.core.plain import Plain, open_plain, stream
from csv_manager.core.ranges import Part, Ranges, grouped
from csv_manager.core.records import Records

if TYPE_CHECKING:
    from csv_manager.core.key_hashes import KeyHashes

_BLOCK = 1 << 16
#: Rows that are parsed together.
_CHUNK = 512
# A field may be as long as it likes; csv's own limit of 128 KB would refuse a version that people did write.
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


class Row(NamedTuple):
    """One record: the physical line that it starts on, counted from 1 (None: not counted), and its fields.

    `window` is the number of the window that it was read from, if only windows were.
    """

    line: int | None
    cells: list[str]
    window: int = 0


class _Start(NamedTuple):
    """Where the data begin: the first row's place in bytes, the lines before it, and the record with the names."""

    place: int
    lines: int
    first: list[str]


class Table:
    """A content seen as columns and rows; it can be read any number of times.

    `open_raw` opens the bytes as they came. `columns` are unique and not empty: a repeated or empty name has a suffix.
    """

    def __init__(self, open_raw: Callable[[], BinaryIO], csv_format: CsvFormat, csv_file: str) -> None:
        self._open_raw = open_raw
        self.csv_format = csv_format
        self.csv_file = csv_file
        #: Keys that are known to be unique in this content, with the hashes of the rows' keys if they are known.
        self.unique: dict[tuple[str, ...], KeyHashes | None] = {}
        self._count: int | None = None

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, empty for a content without any row."""
        first = self._start.first
        if self.csv_format.names:
            return self.csv_format.names if first else ()
        if not self.csv_format.header:
            return tuple(f"column_{number}" for number in range(1, len(first) + 1))
        return unique_names(first)

    @property
    def plain(self) -> Plain:
        """The bytes that the rows are read from: decompressed, in `encoding`."""
        return self._opened[0]

    @property
    def encoding(self) -> str:
        """The encoding of `plain`."""
        return self._opened[1]

    @functools.cached_property
    def records(self) -> Records:
        """Where records end in `plain`."""
        return Records(self.csv_format.delimiter, self.csv_format.quotechar, self.encoding)

    @property
    def start(self) -> int:
        """Where in `plain` the first row may begin: behind the header."""
        return self._start.place

    @property
    def lines_before(self) -> int:
        """How many physical lines end before `start`."""
        return self._start.lines

    def parse(self, record: bytes) -> list[str]:
        """The cells of one record of `plain`. Raises `NotCsvError` for one that is not in the encoding."""
        try:
            text = record.decode(self.encoding, self.csv_format.errors)
        except UnicodeError as error:
            raise self._undecodable() from error
        cells: list[str] = next(self._reader(io.StringIO(text, newline="")))
        return cells

    def observed(self, wrap: Callable[[Plain], Plain]) -> "Table":
        """The same content, read through what `wrap` makes of its bytes."""
        other = copy.copy(self)
        other.__dict__["_opened"] = wrap(self.plain), self.encoding
        return other

    def whole(self) -> Ranges:
        """The part of `plain` that holds all rows."""
        return Ranges((self.start, self.plain.size))

    def is_written_as(self, other: "Table") -> bool:
        """Whether the same bytes would be the same rows in both."""
        mine, others = (
            (table.encoding, table.csv_format.delimiter, table.csv_format.quotechar) for table in (self, other)
        )
        return mine == others

    def rows(self, ranges: Ranges | None = None, *, numbered: bool = True) -> Iterator[Row]:
        """Every data row in the order of the file, or those in some ranges of it; blank lines are none.

        Not `numbered`, their lines are None, and what stands between the ranges is not read.
        """
        count = 0
        sections = _Sections(self.plain, self.whole() if ranges is None else ranges, self._start, numbered=numbered)
        try:
            for group, pieces in sections.groups():
                reader = self._reader(self._text(group))
                previous = until = before = window = 0
                following = iter(pieces)
                for cells in reader:
                    while previous >= until:
                        until, before, window = next(following)
                    if cells:
                        count += 1
                        yield Row(previous + before + 1 if numbered else None, cells, window)
                    previous = reader.line_num
                sections.held += previous
        except UnicodeError as error:
            raise self._undecodable() from error
        self.plain.check()
        if ranges is None:
            self._count = count

    def chunks(self, ranges: Ranges | None = None) -> Iterator[list[list[str]]]:
        """The cells of every data row, or of those in some ranges, some hundred rows at a time: quicker than `rows`."""
        count = 0
        try:
            for group in grouped(self.plain, self.whole() if ranges is None else ranges):
                rows = filter(None, self._reader(self._text(group)))
                while chunk := list(itertools.islice(rows, _CHUNK)):
                    count += len(chunk)
                    yield chunk
        except UnicodeError as error:
            raise self._undecodable() from error
        self.plain.check()
        if ranges is None:
            self._count = count

    def count(self) -> int:
        """The number of data rows; counted by the first pass to the end, whatever it was for."""
        while self._count is None:
            for _ in self.chunks():
                continue
        return self._count

    def refuse_unclosed(self) -> None:
        """Raise `NotCsvError` if a quote is never closed, which makes one cell of all that follows it."""
        place = self.records.unclosed(self.plain, self.start)
        if place is not None:
            line = self._start.lines + self.plain.count_lines(self.start, place) + 1
            raise NotCsvError(
                f"{self.csv_file}: line {line}: a quote is opened and never closed, so that the rest of the file is "
                "one cell; close it, or say with --quotechar which quotes the file has, '' if none."
            )

    def mapping(self, cells: Sequence[str]) -> Cells:
        """A row as a mapping from column to text, as csv.DictReader gives it, surplus fields under `_extra`."""
        return row_mapping(self.columns, cells)

    @functools.cached_property
    def _opened(self) -> tuple[Plain, str]:
        try:
            return open_plain(self._open_raw(), self.csv_format, self.csv_file)
        except UnicodeError as error:
            raise self._undecodable() from error
        except NotCsvError as error:
            raise error.of(self.csv_file) from error

    @functools.cached_property
    def _start(self) -> _Start:
        """Behind a byte order mark, the lines to skip, blank ones and the header."""
        plain = self.plain
        place = len(codecs.BOM_UTF8) if self._is_marked() else 0
        lines = self.csv_format.skip_lines
        for line in itertools.islice(io.TextIOWrapper(stream(plain, place, plain.size), "latin-1", newline=""), lines):
            place += len(line)
        begin = place
        for batch in self.records.batches(plain, place, plain.size, few=True):
            for record in batch:
                place += len(record)
                if record.strip(b"\r\n"):
                    first = self.parse(record)
                    if not self.csv_format.header or self.csv_format.names:
                        return _Start(begin, lines, first)
                    return _Start(place, lines + plain.count_lines(begin, place), first)
        return _Start(plain.size, lines, [])

    def _is_marked(self) -> bool:
        """Whether the content begins with a byte order mark that is none of its text."""
        marked = codecs.lookup(self.csv_format.encoding).name == "utf-8-sig"
        return marked and self.plain.read(0, 3) == codecs.BOM_UTF8

    def _text(self, group: Sequence[Part]) -> Iterable[str]:
        """The lines of parts that are decoded together."""
        encoding, errors = self.encoding, self.csv_format.errors
        low, high, _, data, _ = group[0]
        if data is None:
            return io.TextIOWrapper(stream(self.plain, low, high), encoding, errors, newline="")
        return io.StringIO(b"".join(part.data or b"" for part in group).decode(encoding, errors), newline="")

    def _reader(self, lines: Iterable[str]) -> Any:
        quotechar = self.csv_format.quotechar
        return csv.reader(
            lines,
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
                except UnicodeError:
                    # Byte by byte, the decoder says what it could read before the one that it could not.
                    decoder.setstate(state)
                    text = ""
                    try:
                        for byte in block:
                            text += decoder.decode(bytes([byte]))
                        decoder.decode(b"", final=True)
                    except UnicodeDecodeError as error:
                        byte = error.object[error.start]
                    except UnicodeError:  # as of UTF-16 without its mark
                        pass
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


class _Piece(NamedTuple):
    """A range within a group: where it ends, in lines of the group; the content's lines before the group's; its window.

    The lines before are those that no range has, and those of the groups before.
    """

    until: int
    before: int
    window: int


class _Sections:
    """Some ranges of a content as lines of text; `held` is how many lines the groups had that have been read."""

    def __init__(self, plain: Plain, ranges: Ranges, start: _Start, *, numbered: bool) -> None:
        self._plain, self._ranges, self._start, self._numbered = plain, ranges, start, numbered
        self.held = 0

    def groups(self) -> Iterator[tuple[list[Part], list[_Piece]]]:
        """The parts that are decoded together, and which lines of theirs are whose."""
        place, skipped = self._start.place, self._start.lines
        for group in grouped(self._plain, self._ranges):
            pieces: list[_Piece] = []
            lines = 0
            for low, high, window, data, between in group:
                if self._numbered:
                    skipped += self._plain.count_lines(place, low) if between is None else between
                place = high
                if data is None:
                    lines = sys.maxsize
                else:
                    lines += count_line_ends(data) + (not data.endswith((b"\n", b"\r")))
                pieces.append(_Piece(lines, skipped + self.held, window))
            yield group, pieces


def check_names(table: Table) -> None:
    """Raise if the columns that a user named are not as many as the first row has."""
    names = table.csv_format.names
    first = next(table.rows(), None) if names else None
    if names and first and len(first.cells) != len(names):
        raise OptionError(
            f"{table.csv_file}: --header names {len(names)} column{'' if len(names) == 1 else 's'}, but line "
            f"{first.line} has {len(first.cells)} fields."
        )


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
