"""SQL rules, executed by DuckDB on a version: reads of its rows, and of nothing else on this machine.

DuckDB reads the bytes of a file by itself only where it reads them as Python's csv module does; otherwise it gets the
rows written anew. It may read no other file, no network and no variable of this process, and no setting of it can be
changed.
"""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import duckdb

from csv_manager.checks.rows import CheckRows, WholeRows
from csv_manager.checks.sql_files import WRITTEN, Readable, literal, made_readable, places, write_anew
from csv_manager.checks.sql_parsing import CURRENT, PREVIOUS, ROW, connect, parse_expression, parse_query, reporting
from csv_manager.core.errors import NoRoomError, RuleError, TornReadError
from csv_manager.core.findings import Finding
from csv_manager.core.paths import os_reason

#: The types that columns have for rules, as DuckDB calls them.
TYPES: Mapping[str, str] = {
    "text": "VARCHAR", "number": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE", "time": "TIME",
    "timestamp": "TIMESTAMP", "timestamp with time zone": "TIMESTAMPTZ",
}  # fmt: skip
#: A query that returns rows is asked for so many at once.
_PAGE = 1000
#: What DuckDB says of a file that it does not read.
_UNREAD = "CSV Error"
#: What the views are called that have the texts of cells too, and these, and the table of what a query found.
_TEXTS, _FOUND = " as text", "found by a query"
_LOOK = 0.1
_SHOWN = 40


class _Offered(NamedTuple):
    """Rows that DuckDB has as a table, and the file that it reads them from."""

    rows: CheckRows
    file: Readable


class Session:
    """DuckDB with a version as the table `current`, and the one before it as `previous`.

    `types` are those of columns for a rule, by their names; the others are text. A query ends once the rows are not
    wanted any more.
    """

    def __init__(self, rows: CheckRows) -> None:
        self.rows = rows
        self._types: Mapping[str, str] | None = None
        self._offered: dict[str, _Offered] = {}
        self._stack = contextlib.ExitStack()
        try:
            self._folder = Path(self._stack.enter_context(_temporary()))
            self._connection = self._stack.enter_context(contextlib.closing(connect()))
            files = [*(str(self._path(name)) for name in (CURRENT, PREVIOUS)), *places(rows)]
            paths = ", ".join(map(literal, files))
            spilled = literal(str(self._folder / "spilled"))
            for told in (
                f"temp_directory = {spilled}",
                f"allowed_paths = [{paths}]",
                "enable_external_access = false",
                "lock_configuration = true",
            ):
                self._connection.execute(f"SET {told}")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything."""
        self._stack.close()

    def misfits(self, sql: str, types: Mapping[str, str]) -> Iterator[Finding]:
        """The cells that are no values of their columns' types, and the rows that do not meet a condition."""
        self._offer(types, with_previous=parse_expression(sql).has_previous)
        yield from self._misfits(parse_expression(sql).columns, sql, sql)

    def bad_rows(self, sql: str, types: Mapping[str, str]) -> Iterator[Finding]:
        """A finding for each row that a query returns; with `_row` among its columns, that is the row that it is of."""
        names, rows = self.select(sql, types)
        yield from self._misfits(parse_query(sql).columns, sql)
        at = names.index(ROW) if ROW in names else None
        others = [name for place, name in enumerate(names) if place != at]
        for row in rows:
            cells = [cell for place, cell in enumerate(row) if place != at]
            yield self._finding("the query returns", None if at is None else row[at], others, cells)

    def select(self, sql: str, types: Mapping[str, str] | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The names of the columns that a query returns, and its rows. Raises `RuleError`."""
        self._offer(types or {}, with_previous=parse_query(sql).has_previous)
        with reporting(sql):
            self._run(f"CREATE OR REPLACE TEMP TABLE {_quoted(_FOUND)} AS\n{sql}")
            found = self._run(f"SELECT * FROM {_quoted(_FOUND)}")
            return [told[0] for told in found.description or ()], list(self._fetched(found))

    def bind(self, sql: str, types: Mapping[str, str]) -> None:
        """Raise `RuleError` for a condition that is none with these columns and types."""
        self._offer(types, with_previous=parse_expression(sql).has_previous)
        with reporting(sql):
            told = f"DESCRIBE SELECT (\n{sql}\n) AS met FROM {CURRENT}"
            kinds = [row[1] for row in self._run(told).fetchall()]
            self._run(f"DESCRIBE SELECT 1 FROM {CURRENT} WHERE (\n{sql}\n)").fetchall()
        if len(kinds) != 1:
            raise RuleError(f"The rule {sql!r} is not one condition.")
        if kinds != ["BOOLEAN"]:
            raise RuleError(f"The rule {sql!r} is of type {kinds[0]}, and no condition.")

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.csv"

    def _offer(self, types: Mapping[str, str], *, with_previous: bool) -> None:
        """Have the tables that a rule reads, with the types that it has for columns."""
        if self._types != types:
            self._types = dict(types)
            for name in self._offered:
                self._view(name)
        wanted: dict[str, CheckRows] = {CURRENT: self.rows}
        if with_previous:
            before = self.rows.previous
            wanted[PREVIOUS] = self.rows.nothing() if before is None else WholeRows(before)
        for name, rows in wanted.items():
            if name not in self._offered:
                self._offered[name] = _Offered(rows, made_readable(rows, self._path(name)))
                self._view(name)

    def _view(self, name: str) -> None:
        rows, file = self._offered[name]
        names = self._names(rows.columns)
        raw = "{" + ", ".join(f"{literal(each)}: 'VARCHAR'" for each in names) + "}"
        source = f"read_csv({literal(file.path)}, columns = {raw}, {file.options})"
        number = f"row_number() OVER () AS {_quoted(ROW)}"
        texts = [f"{_quoted(each)} AS {_quoted(text)}" for each, text in self._texts(names).items()]
        told = [*(f"{self._typed(each)} AS {_quoted(each)}" for each in names), number]
        for view, columns in ((name + _TEXTS, [*told, *texts]), (name, told)):
            listed = ", ".join(columns)
            self._interruptible(f"CREATE OR REPLACE VIEW {_quoted(view)} AS SELECT {listed} FROM {source}")

    def _texts(self, names: Sequence[str]) -> dict[str, str]:
        """What the texts of columns are called that have a type, by the columns' names."""
        taken = {name.lower() for name in names}
        texts = {}
        for name in names:
            if self._type(name) != "VARCHAR":
                texts[name] = f"{name}{_TEXTS}"
                while texts[name].lower() in taken:
                    texts[name] += " "
                taken.add(texts[name].lower())
        return texts

    def _misfits(self, columns: Iterable[str], sql: str, condition: str | None = None) -> Iterator[Finding]:
        """The cells of columns that a rule names, and that are no values of the columns' types.

        Also the rows that do not meet a condition, by the same pass.
        """
        used = {column.lower() for column in columns}
        names = [name for name in self._names(self.rows.columns) if name.lower() in used]
        texts = {name: text for name, text in self._texts(self._names(self.rows.columns)).items() if name in names}
        if condition is None and not texts:
            return
        wrong = [f"({_quoted(text)} <> '' AND {_quoted(name)} IS NULL)" for name, text in texts.items()]
        unmet = "false" if condition is None else f"((\n{condition}\n) IS FALSE)"
        cells = [*map(_quoted, names), *map(_quoted, texts.values())]
        told = ", ".join([_quoted(ROW), unmet, *wrong, *cells])
        where = " OR ".join([unmet, *wrong])
        with reporting(sql):
            source = f"{_quoted(CURRENT + _TEXTS)} AS {CURRENT}"
            found = self._run(f"SELECT {told} FROM {source} WHERE {where} ORDER BY {_quoted(ROW)}")
            for row, is_unmet, *rest in self._fetched(found):
                are_wrong, values, given = rest[: len(texts)], rest[len(texts) :][: len(names)], rest[len(cells) :]
                for name, is_wrong, cell in zip(texts, are_wrong, given, strict=True):
                    if is_wrong:
                        message = f"{_told(cell)} is no {(self._types or {})[name]}"
                        yield Finding(code="type-error", message=message, column=name, value=cell, row=row)
                if is_unmet:
                    yield self._finding(sql, row, names, values)

    @staticmethod
    def _finding(what: str, row: int | None, names: Sequence[str], cells: Sequence[Any]) -> Finding:
        told = ", ".join(f"{name}={_told(cell)}" for name, cell in zip(names, cells, strict=True))
        return Finding(
            code="row-constraint",
            message=f"{what}: {told}" if told else f"{what} it",
            row=row,
            column=names[0] if len(names) == 1 else None,
            value=_told(cells[0]) if len(cells) == 1 else None,
        )

    def _run(self, statement: str) -> duckdb.DuckDBPyConnection:
        """Execute a statement; if DuckDB does not read a file as it is, once more on rows that are written anew."""
        raw = {name: offered for name, offered in self._offered.items() if offered.file.options is not WRITTEN}
        try:
            found = self._interruptible(statement)
        except duckdb.Error as error:
            is_unread = isinstance(error, duckdb.InvalidInputException) and _UNREAD in str(error)
            # What a path led to may have gone from the folder, and is still open.
            is_gone = any(file.path in str(error) for _, file in raw.values() if file.proof is not None)
            if not raw or not (is_unread or is_gone):
                raise
        else:
            raw = {name: each for name, each in raw.items() if each.file.proof and not each.file.proof.result()}
            if not raw:
                return found
        for name, (rows, _) in raw.items():
            write_anew(rows, self._path(name))
            self._offered[name] = _Offered(rows, Readable(str(self._path(name)), WRITTEN))
            self._view(name)
        return self._interruptible(statement)

    def _interruptible(self, statement: str) -> duckdb.DuckDBPyConnection:
        """Execute a statement, which ends when it is to stop. Raises `TornReadError` then."""
        ended = threading.Event()
        was_stopped = False

        def watch() -> None:
            nonlocal was_stopped
            while not ended.wait(_LOOK):
                if self.rows.stopping():
                    was_stopped = True
                    self._connection.interrupt()
                    return

        thread = threading.Thread(target=watch, name="csv_manager-rule", daemon=True)
        thread.start()
        try:
            return self._connection.execute(statement)
        except duckdb.InterruptException as error:
            if was_stopped:
                raise TornReadError(f"{self.rows.csv_file} was not checked to the end.") from error
            raise
        finally:
            ended.set()
            thread.join()

    @staticmethod
    def _fetched(found: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
        while rows := found.fetchmany(_PAGE):
            yield from rows

    def _names(self, columns: Sequence[str]) -> list[str]:
        """Columns as rules call them: DuckDB knows no case, so that of two that differ by it one gets a suffix."""
        taken = {ROW}
        names = []
        for column in columns:
            name, suffix = column, 1
            while name.lower() in taken:
                suffix += 1
                name = f"{column}_{suffix}"
            taken.add(name.lower())
            names.append(name)
        return names

    def _type(self, name: str) -> str:
        return TYPES[(self._types or {}).get(name, "text")]

    def _typed(self, name: str) -> str:
        kind = self._type(name)
        return _quoted(name) if kind == "VARCHAR" else f"TRY_CAST(nullif({_quoted(name)}, '') AS {kind})"


@contextlib.contextmanager
def _temporary() -> Iterator[str]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="csv_manager_")
    except OSError as error:
        raise NoRoomError(f"No temporary folder can be made: {os_reason(error)}.") from error
    with folder as name:
        yield os.path.realpath(name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _told(cell: Any) -> str:
    """A value as a message has it: a whole number without a point, and not too much of a text."""
    told = "NULL" if cell is None else str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
    return told if len(told) <= _SHOWN else f"{told[: _SHOWN - 1]}…"
