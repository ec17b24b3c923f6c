"""Rows on their way into a table, and the text in which the servers' bulk loaders take them."""

import abc
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TypeVar

from csv_manager.core.errors import NotCsvError
from csv_manager.core.raw import is_plain
from csv_manager.core.reading import Table as CsvTable

#: Rows that are written together.
_CHUNK = 512
#: How the text has what would end a field or a line in it.
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NULL = "\\N"
_SPECIAL = ("\\", "\r")

#: A row: the cells of the columns in their order, None for one that is missing.
Cells = Sequence[str | None]
Row = TypeVar("Row")


class Rows(abc.ABC):
    """Rows for some columns of a table, that can be read any number of times; `name` is where they come from."""

    name: str
    columns: tuple[str, ...]

    @abc.abstractmethod
    def chunks(self) -> Iterator[Sequence[Cells]]:
        """The rows, some hundred at a time."""

    def __iter__(self) -> Iterator[Cells]:
        return itertools.chain.from_iterable(self.chunks())

    def plain(self) -> CsvTable | None:
        """The content that these rows are all of, if its bytes may be read as they are."""
        return None

    def beside(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The bytes of the content that they are all of, with what is done while the database works on them."""
        return iter(blocks)

    def place(self, number: int) -> str:
        """Where the row with a number is, counted from 0, for people."""
        return f"{self.name}: row {number + 1}"


class ListedRows(Rows):
    """Rows that are at hand."""

    def __init__(self, name: str, columns: Sequence[str], rows: Iterable[Cells]) -> None:
        self.name, self.columns = name, tuple(columns)
        self._rows = list(rows)

    def chunks(self) -> Iterator[Sequence[Cells]]:
        """All of them."""
        return batched(self._rows)


class CsvRows(Rows):
    """The rows of a content, of some of its columns."""

    def __init__(self, table: CsvTable, columns: Sequence[str] | None = None) -> None:
        self.table = table
        self.name = table.csv_file
        self.columns = tuple(table.columns if columns is None else columns)

    def chunks(self) -> Iterator[Sequence[Cells]]:
        """Those of the content. Raises `NotCsvError` for one of more fields than there are columns."""
        width, pick = len(self.table.columns), self._picker()
        for chunk in self.table.chunks():
            rows: Sequence[Cells] = chunk
            lengths = set(map(len, chunk))
            if max(lengths) > width:
                raise surplus(self.table)
            if lengths != {width}:
                rows = [[*cells, *itertools.repeat(None, width - len(cells))] for cells in chunk]
            yield list(map(pick, rows)) if pick else rows

    def plain(self) -> CsvTable | None:
        """The content, unless a column is left out or it is written in another way than databases read."""
        return self.table if self.columns == self.table.columns and is_plain(self.table) else None

    def place(self, number: int) -> str:
        """The physical line of a row."""
        row = next(itertools.islice(self.table.rows(), number, None), None)
        return f"{self.name}: line {row.line}" if row else super().place(number)

    def _picker(self) -> Callable[[Cells], Cells] | None:
        if self.columns == self.table.columns:
            return None
        indexes = [self.table.columns.index(name) for name in self.columns]
        if len(indexes) == 1:
            return lambda cells: (cells[indexes[0]],)
        return itemgetter(*indexes)


def surplus(table: CsvTable) -> NotCsvError:
    """What to say of a content in which a row has more fields than there are columns."""
    width = len(table.columns)
    row = next(row for row in table.rows() if len(row.cells) > width)
    return NotCsvError(
        f"{table.csv_file}: line {row.line} has {len(row.cells)} fields, and there are {width} columns; a table has no "
        "room for the others. Quote the cells that contain the delimiter."
    )


def batched(rows: Iterable[Row], size: int = _CHUNK) -> Iterator[list[Row]]:
    """The rows, some at a time."""
    iterator = iter(rows)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def tab_separated(rows: Rows, keeps_empty: Sequence[bool]) -> Iterator[bytes]:
    r"""Rows as COPY and LOAD DATA read text: tabs between the fields, backslashes before what is special, \N for NULL.

    `keeps_empty` is for each column whether an empty cell is an empty text; of the others it has no value.
    """
    for chunk in rows.chunks():
        try:
            text = _joined(chunk)
            is_plain = _is_plain(text, len(chunk), len(keeps_empty))
        except TypeError:  # a cell is missing
            is_plain = False
        if not is_plain:
            text = "".join(_line(cells, keeps_empty) for cells in chunk)
        elif _has_empty(text):
            told = zip(zip(*chunk, strict=True), keeps_empty, strict=True)
            columns = (
                cells if keeps or "" not in cells else [cell or _NULL for cell in cells] for cells, keeps in told
            )
            text = _joined(zip(*columns, strict=True))
        yield text.encode("utf-8", "surrogatepass")


def _joined(chunk: Iterable[Cells]) -> str:
    """Rows with nothing special in them. Raises `TypeError` where a cell is missing."""
    return "\n".join(map("\t".join, chunk)) + "\n"  # type: ignore[arg-type] # see above


def _is_plain(text: str, rows: int, width: int) -> bool:
    """Whether no field has in it what would have to be escaped."""
    if any(special in text for special in _SPECIAL):
        return False
    return text.count("\n") == rows and text.count("\t") == rows * (width - 1)


def _has_empty(text: str) -> bool:
    """Whether a field is empty."""
    return text.startswith(("\t", "\n")) or any(gap in text for gap in ("\t\t", "\n\t", "\t\n", "\n\n"))


def _line(cells: Cells, keeps_empty: Sequence[bool]) -> str:
    fields = (
        _NULL if cell is None or not (cell or keeps) else cell.translate(_ESCAPES)
        for cell, keeps in zip(cells, keeps_empty, strict=True)
    )
    return "\t".join(fields) + "\n"
