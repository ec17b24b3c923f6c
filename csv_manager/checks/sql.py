"""SQL rules, executed by DuckDB on a version: reads of its rows, and of nothing else on this machine.

DuckDB reads the bytes of a file by itself only where it reads them as Python's csv module does; otherwise it gets the
rows written anew. It may read no other file, no network and no variable of this process, and no setting of it can be
changed.
"""

import codecs
import contextlib
import functools
import itertools
import json
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import duckdb

from csv_manager.checks.rows import CheckRows, WholeRows
from csv_manager.core.errors import NoRoomError, RuleError, TornReadError
from csv_manager.core.findings import Finding
from csv_manager.core.paths import os_reason
from csv_manager.core.raw import NotPlainError, is_plain, line_end, plain_blocks, with_line_ends

#: The number of a data row, counted from 1, as rules see it.
ROW = "_row"
#: What rules call the version, and the one before it.
CURRENT, PREVIOUS = "current", "previous"
#: The types that columns have for rules, as DuckDB calls them.
TYPES: Mapping[str, str] = {
    "text": "VARCHAR", "number": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE", "time": "TIME",
    "timestamp": "TIMESTAMP", "timestamp with time zone": "TIMESTAMPTZ",
}  # fmt: skip
_SETTINGS: Mapping[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "enable_external_file_cache": False,
}
#: What a cell without a value is written as; one that has it as its text is in quotes.
_NULL = rb"\N"
#: What tells the time without brackets, so that it looks like a column.
_CLOCKS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
#: A line may be as long as this, in bytes.
_LONGEST = 1 << 26
#: A query that returns rows is asked for so many at once.
_PAGE = 1000
#: What DuckDB says of a file that it does not read.
_UNREAD = "CSV Error"
#: What the views are called that have the texts of cells, and the table of what a query found.
_TEXTS, _FOUND = " as text", "found by a query"
_LOOK = 0.1
_SHOWN = 40


class Parsed(NamedTuple):
    """What a rule says: the columns that it names, and whether it is about each row by itself, and always the same."""

    columns: frozenset[str]
    by_row: bool
    has_previous: bool


def parse_expression(sql: str) -> Parsed:
    """A condition that each row is to meet. Raises `RuleError`."""
    if not sql.strip():
        raise RuleError("The rule is empty; name a condition, such as 'price > 0'.")
    tree = _tree(f"SELECT (\n{sql}\n)", sql)
    node = tree["node"]
    is_one = (
        node["type"] == "SELECT_NODE"
        and len(node["select_list"]) == 1
        and node["from_table"]["type"] == "EMPTY"
        and not any(node[part] for part in ("where_clause", "having", "qualify", "group_expressions"))
    )
    if not is_one:
        raise RuleError(f"The rule {sql!r} is not one condition.")
    return _parsed(tree)


def parse_query(sql: str) -> Parsed:
    """A query that returns bad rows. Raises `RuleError`."""
    return _parsed(_tree(sql, sql))._replace(by_row=False)


def _tree(statement: str, sql: str) -> Any:
    """The syntax tree of a SELECT."""
    with _reporting(sql), contextlib.closing(_connect()) as connection:
        statements = connection.extract_statements(statement)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise RuleError(f"The rule {sql!r} is not one SELECT; a rule reads, and does nothing else.")
        told = connection.execute("SELECT json_serialize_sql(?)", [statement]).fetchone()
        tree: Any = json.loads(told[0]) if told else {"error": True, "error_message": "it says nothing"}
    if tree["error"]:
        raise RuleError(f"The rule {sql!r}: {tree['error_message']}.")
    return tree["statements"][0]


def _parsed(tree: Any) -> Parsed:
    columns, classes, functions, tables = set(), set(), set(), set()
    for node in _nodes(tree):
        kind = node.get("class") or node.get("type")
        classes.add(kind)
        if kind == "COLUMN_REF":
            columns.update(node["column_names"])
        elif kind == "FUNCTION":
            functions.add(node["function_name"])
        elif kind == "BASE_TABLE":
            tables.add(node["table_name"].lower())
    named = {*functions, *(column.lower() for column in columns)}
    by_row = not classes & {"SUBQUERY", "WINDOW"} and ROW not in columns and not named & _unsteady()
    return Parsed(columns=frozenset(columns), by_row=by_row, has_previous=PREVIOUS in tables)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in a syntax tree."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


@functools.cache
def _unsteady() -> frozenset[str]:
    """The functions that tell something else each time, as of a clock."""
    told = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
    with contextlib.closing(_connect()) as connection:
        return frozenset(name for (name,) in connection.execute(told).fetchall()) | _CLOCKS


class _Offered(NamedTuple):
    """Rows that DuckDB has as a table, and how it reads them."""

    rows: CheckRows
    options: str


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
            self._connection = self._stack.enter_context(contextlib.closing(_connect()))
            paths = ", ".join(_literal(str(self._path(name))) for name in (CURRENT, PREVIOUS))
            spilled = _literal(str(self._folder / "spilled"))
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
        yield from self._misfits(parse_expression(sql).columns, sql)
        with _reporting(sql):
            where = f"FROM {CURRENT} WHERE (\n{sql}\n) IS FALSE"
            if not self._count(f"SELECT count(*) {where}")[0]:
                return
            names = self._named(sql)
            told = ", ".join(map(_quoted, [ROW, *names]))
            for row in self._fetched(self._run(f"SELECT {told} {where} ORDER BY {_quoted(ROW)}")):
                yield self._finding(sql, row[0], names, row[1:])

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
        with _reporting(sql):
            self._run(f"CREATE OR REPLACE TEMP TABLE {_quoted(_FOUND)} AS\n{sql}")
            found = self._run(f"SELECT * FROM {_quoted(_FOUND)}")
            return [told[0] for told in found.description or ()], list(self._fetched(found))

    def bind(self, sql: str, types: Mapping[str, str]) -> None:
        """Raise `RuleError` for a condition that is none with these columns and types."""
        self._offer(types, with_previous=parse_expression(sql).has_previous)
        with _reporting(sql):
            told = f"DESCRIBE SELECT (\n{sql}\n) AS met FROM {CURRENT}"
            kind = self._run(told).fetchall()[0][1]
            self._run(f"DESCRIBE SELECT 1 FROM {CURRENT} WHERE (\n{sql}\n)").fetchall()
        if kind != "BOOLEAN":
            raise RuleError(f"The rule {sql!r} is of type {kind}, and no condition.")

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
                options = _write(rows, self._path(name))
                self._offered[name] = _Offered(rows, options)
                self._view(name)

    def _view(self, name: str) -> None:
        rows, options = self._offered[name]
        names = self._names(rows.columns)
        raw = "{" + ", ".join(f"{_literal(each)}: 'VARCHAR'" for each in names) + "}"
        source = f"read_csv({_literal(str(self._path(name)))}, columns = {raw}, {options})"
        number = f"row_number() OVER () AS {_quoted(ROW)}"
        texts = ", ".join([*map(_quoted, names), number])
        told = ", ".join([*(f"{self._typed(each)} AS {_quoted(each)}" for each in names), number])
        for view, columns in ((name + _TEXTS, texts), (name, told)):
            self._interruptible(f"CREATE OR REPLACE VIEW {_quoted(view)} AS SELECT {columns} FROM {source}")

    def _misfits(self, columns: Iterable[str], sql: str) -> Iterator[Finding]:
        """The cells of columns that a rule names, and that are no values of the columns' types."""
        used = {column.lower() for column in columns}
        typed = [
            name for name in self._names(self.rows.columns) if name.lower() in used and self._type(name) != "VARCHAR"
        ]
        if not typed:
            return
        with _reporting(sql):
            source = f"FROM {_quoted(CURRENT + _TEXTS)}"
            wrong = [f"({_quoted(name)} <> '' AND {self._typed(name)} IS NULL)" for name in typed]
            counts = self._count(f"SELECT {', '.join(f'count(*) FILTER (WHERE {each})' for each in wrong)} {source}")
            for name, is_wrong, count in zip(typed, wrong, counts, strict=True):
                if count:
                    found = self._run(f"SELECT {_quoted(ROW)}, {_quoted(name)} {source} WHERE {is_wrong} ORDER BY 1")
                    for row, cell in self._fetched(found):
                        message = f"{_told(cell)} is no {(self._types or {})[name]}"
                        yield Finding(code="type-error", message=message, column=name, value=cell, row=row)

    def _named(self, sql: str) -> list[str]:
        """The columns that a rule names, in the file's order."""
        used = {column.lower() for column in parse_expression(sql).columns}
        return [name for name in self._names(self.rows.columns) if name.lower() in used]

    @staticmethod
    def _finding(what: str, row: int | None, names: Sequence[str], cells: Sequence[Any]) -> Finding:
        told = ", ".join(f"{name}={_told(cell)}" for name, cell in zip(names, cells, strict=True))
        return Finding(
            code="row-constraint",
            message=f"{what}: {told}" if told else what,
            row=row,
            column=names[0] if len(names) == 1 else None,
            value=_told(cells[0]) if len(cells) == 1 else None,
        )

    def _count(self, statement: str) -> tuple[int, ...]:
        """The one row of counts that a statement returns."""
        counted: tuple[int, ...] | None = self._run(statement).fetchone()
        if counted is None:
            raise RuleError(f"{statement!r} returned nothing.")
        return counted

    def _run(self, statement: str) -> duckdb.DuckDBPyConnection:
        """Execute a statement; if DuckDB does not read a file as it is, once more on rows that are written anew."""
        try:
            return self._interruptible(statement)
        except duckdb.InvalidInputException as error:
            raw = [name for name, (_, options) in self._offered.items() if options is not _WRITTEN]
            if not raw or _UNREAD not in str(error):
                raise
            for name in raw:
                rows = self._offered[name].rows
                _put(self._path(name), _written(rows))
                self._offered[name] = _Offered(rows, _WRITTEN)
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


def _connect() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config=dict(_SETTINGS))


def _write(rows: CheckRows, path: Path) -> str:
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
        _put(path, _written(rows))
        return _WRITTEN
    except OSError as error:
        raise NoRoomError(
            f"{table.csv_file}: no copy for SQL rules can be made in {path.parent}: {os_reason(error)}."
        ) from error


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


def _options(delimiter: str, quote: str) -> str:
    return (
        f"auto_detect = false, header = false, delim = {_literal(delimiter)}, quote = {_literal(quote)}, "
        f"escape = {_literal(quote)}, new_line = '\\n', nullstr = '\\N', allow_quoted_nulls = false, "
        f"comment = '', strict_mode = true, max_line_size = {_LONGEST}"
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


@contextlib.contextmanager
def _temporary() -> Iterator[str]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="csv_manager_")
    except OSError as error:
        raise NoRoomError(f"No temporary folder can be made: {os_reason(error)}.") from error
    with folder as name:
        yield os.path.realpath(name)


@contextlib.contextmanager
def _reporting(sql: str) -> Iterator[None]:
    """Have what DuckDB says of a rule be a `RuleError` of one line."""
    try:
        yield
    except duckdb.Error as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise RuleError(f"The rule {sql!r}: {said[0].rstrip('.!')}.") from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _told(cell: Any) -> str:
    """A value as a message has it: a whole number without a point, and not too much of a text."""
    told = "NULL" if cell is None else str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
    return told if len(told) <= _SHOWN else f"{told[: _SHOWN - 1]}…"


#: How rows are read that were written anew.
_WRITTEN = _options(",", '"')
