"""SQL rules as DuckDB parses them: what they name, and whether they are about each row by itself."""

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import duckdb

from csv_manager.core.errors import RuleError

#: The number of a data row, counted from 1, as rules see it.
ROW = "_row"
#: What rules call the version, and the one before it.
CURRENT, PREVIOUS = "current", "previous"
_SETTINGS: Mapping[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "enable_external_file_cache": False,
}
#: What tells the time without brackets, so that it looks like a column.
_CLOCKS = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})


class Parsed(NamedTuple):
    """What a rule says: the columns that it names, all names in it, and whether these are all that it looks at."""

    columns: frozenset[str]
    named: frozenset[str]
    is_plain: bool
    has_previous: bool

    @property
    def by_row(self) -> bool:
        """Whether it is about each row by itself, and always says the same."""
        return self.is_plain and not self.named & _unsteady()


@functools.cache
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


@functools.cache
def parse_query(sql: str) -> Parsed:
    """A query that returns bad rows. Raises `RuleError`."""
    return _parsed(_tree(sql, sql))._replace(is_plain=False)


def _tree(statement: str, sql: str) -> Any:
    """The syntax tree of a SELECT."""
    with reporting(sql), contextlib.closing(connect()) as connection:
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
    return Parsed(
        columns=frozenset(columns),
        named=frozenset({*functions, *(column.lower() for column in columns)}),
        is_plain=not classes & {"SUBQUERY", "WINDOW"} and ROW not in columns,
        has_previous=PREVIOUS in tables,
    )


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
    with contextlib.closing(connect()) as connection:
        return frozenset(name for (name,) in connection.execute(told).fetchall()) | _CLOCKS


def connect() -> duckdb.DuckDBPyConnection:
    """DuckDB without anything that it could load or see of this process."""
    return duckdb.connect(":memory:", config=dict(_SETTINGS))


@contextlib.contextmanager
def reporting(sql: str) -> Iterator[None]:
    """Have what DuckDB says of a rule be a `RuleError` of one line."""
    try:
        yield
    except duckdb.Error as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise RuleError(f"The rule {sql!r}: {said[0].rstrip('.!')}.") from error
