"""Tables that others made, and odd declarations: what is changed keeps all that is not to change, or is refused."""
# ruff: noqa: S608 - names of tables that stand here

import dataclasses
import datetime as dt
import sys
import types
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import servers
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from csv_manager.core.errors import ConfigurationError, CsvManagerError, OptionError
from csv_manager.pipeline.database import Database
from csv_manager.sync import Column, ForeignKey, SqlType, Table, Unique, declare, tables_of
from csv_manager.sync.loading import Counts, MisfitError
from csv_manager.sync.sql_dialects.interface import literal

TEXT, NUMBER = SqlType(kind="text"), SqlType(kind="bigint")


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """A new database."""
    if request.param == "sqlite":
        yield make_url(f"sqlite:///{tmp_path / 'data.db'}")
        return
    with servers.database(request.param) as made:
        yield made


@pytest.fixture
def database(url: URL) -> Iterator[Database]:
    """A new database, as a program has it."""
    with Database(url) as opened:
        yield opened


def query(url: URL, *statements: str) -> list[tuple[Any, ...]]:
    """Ask a database by itself."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            for statement in statements:
                found = connection.execute(text(statement.replace(":", r"\:")))
            return [tuple(row) for row in found] if found.returns_rows else []
    finally:
        engine.dispose()


def table(*columns: Column, name: str = "t", **more: Any) -> Table:
    """A table with a key `id` and further columns."""
    return Table(name=name, columns=(Column(name="id", type=NUMBER, nullable=False), *columns), key=("id",), **more)


def column(told: Table, which: str, **changes: Any) -> Table:
    """A table of which one column is otherwise."""
    columns = [dataclasses.replace(each, **changes) if each.name == which else each for each in told.columns]
    return dataclasses.replace(told, columns=tuple(columns))


def told(found: Any) -> list[str]:
    return [step.told for step in found.steps]


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        (TEXT, "hello", NUMBER),
        (TEXT, "007", NUMBER),
        (SqlType(kind="double"), 1.5, NUMBER),
        (TEXT, "2020-01-02 03:04:05", SqlType(kind="date")),
        (TEXT, "abc", SqlType(kind="text", length=2)),
        (
            SqlType(kind="decimal", precision=9, scale=3),
            Decimal("1.255"),
            SqlType(kind="decimal", precision=9, scale=2),
        ),
    ],
)
def test_a_type_that_would_change_a_value_is_refused(
    database: Database, url: URL, before: SqlType, value: Any, after: SqlType
) -> None:
    made = table(Column(name="v", type=before))
    database.apply([made])
    database.insert_rows(made, ["id", "v"], [(1, value)])
    was = query(url, "SELECT v FROM t")
    if not told(database.compare([column(made, "v", type=after)])):
        assert url.get_backend_name() == "sqlite"  # to which both types are one
        return
    with pytest.raises(CsvManagerError, match=r"The column t\.v cannot become "):
        database.apply([column(made, "v", type=after)])
    assert query(url, "SELECT v FROM t") == was
    assert told(database.compare([made])) == []


def test_a_type_that_takes_all_values_is_changed(database: Database, url: URL) -> None:
    made = table(Column(name="v", type=TEXT), Column(name="w", type=NUMBER))
    database.apply([made])
    database.insert_rows(made, ["id", "v", "w"], [(1, "12", 3), (2, None, None)])
    wanted = column(column(made, "v", type=NUMBER), "w", type=TEXT)
    database.apply([wanted])
    assert sorted(query(url, "SELECT id, v, w FROM t")) == [(1, 12, "3"), (2, None, None)]
    assert told(database.compare([wanted])) == []


def test_defaults_are_what_they_were_after_another_change(database: Database, url: URL) -> None:
    values = ("at :noon", "a\\b", "x\ny", "50%", "it's", "0", "")
    columns = [
        Column(name=f"c{number}", type=SqlType(kind="text", length=20), default=literal(value))
        for number, value in enumerate(values)
    ]
    others = (
        Column(name="f", type=SqlType(kind="double"), default="1e10"),
        Column(name="d", type=SqlType(kind="decimal", precision=9, scale=2), default="1.50"),
        Column(name="at", type=SqlType(kind="timestamp"), default="'2020-01-02 03:04:05'"),
        Column(name="day", type=SqlType(kind="date"), default="'2020-01-02'"),
        Column(name="n", type=NUMBER),
    )
    made = table(*columns, *others)
    database.apply([made])
    assert told(database.compare([made])) == []
    wanted = column(made, "n", nullable=False, default="7")
    database.apply([wanted])
    assert told(database.compare([wanted])) == []
    query(url, "INSERT INTO t (id) VALUES (1)")
    names = ", ".join(each.name for each in columns)
    assert query(url, f"SELECT {names}, n FROM t") == [(*values, 7)]


def test_unique_and_foreign_keys_come_and_go(database: Database, url: URL) -> None:
    short = SqlType(kind="text", length=20)
    parent = table(name="p")
    made = table(Column(name="u", type=short), Column(name="pid", type=NUMBER))
    database.apply([parent, made])
    key = ForeignKey(name=None, columns=("pid",), table="p", referred=("id",))
    wanted = dataclasses.replace(made, uniques=(Unique(name=None, columns=("u",)),), foreign_keys=(key,))
    assert len(told(database.apply([parent, wanted]))) == 2
    assert told(database.compare([parent, wanted])) == []
    database.insert_rows(wanted, ["id", "u", "pid"], [(1, "a", None)])
    for row in ((2, "a", None), (3, "b", 9)):
        with pytest.raises(CsvManagerError):
            database.insert_rows(wanted, ["id", "u", "pid"], [row])
    found = database.compare([parent, made])
    names = [step.drops for step in found.kept]
    assert len(names) == 2
    database.apply([parent, made], drop=[str(name) for name in names])
    database.insert_rows(made, ["id", "u", "pid"], [(2, "a", 9)])
    assert query(url, "SELECT count(*) FROM t") == [(2,)]
    assert database.compare([parent, made]).kept == ()


def test_a_unique_column_under_another_name_stays_unique(database: Database, url: URL) -> None:
    short = SqlType(kind="text", length=20)
    made = table(Column(name="u", type=short), uniques=(Unique(name=None, columns=("u",)),))
    database.apply([made])
    database.insert_rows(made, ["id", "u"], [(1, "a")])
    new = Column(name="v", type=short, renamed_from="u", default="'x'")
    wanted = table(new, uniques=(Unique(name=None, columns=("v",)),))
    database.apply([wanted])
    assert told(database.compare([wanted])) == []
    assert query(url, "SELECT v FROM t") == [("a",)]
    with pytest.raises(CsvManagerError):
        database.insert_rows(wanted, ["id", "v"], [(2, "a")])


def test_an_enumeration_that_a_row_is_none_of_is_refused(database: Database, url: URL) -> None:
    made = table(Column(name="e", type=SqlType(kind="text", length=9), values=("a", "b")))
    database.apply([made])
    database.insert_rows(made, ["id", "e"], [(1, "a")])
    with pytest.raises(CsvManagerError, match="there is a row with another value"):
        database.apply([column(made, "e", values=("b",))])
    with pytest.raises(CsvManagerError):
        database.insert_rows(made, ["id", "e"], [(2, "zzz")])
    for values in (("a", "c"), ("a", "d"), ("a", "b")):
        database.apply([column(made, "e", values=values)])
    checks = {"sqlite": "SELECT sql FROM sqlite_master WHERE name = 't'"}.get(url.get_backend_name())
    assert checks is None or str(query(url, checks)).count("t_e_values") == 1


def test_what_sqlalchemy_does_not_know_is_not_lost(database: Database, url: URL) -> None:
    kind = url.get_backend_name()
    if kind == "postgresql":
        query(url, "CREATE TABLE t (id bigint PRIMARY KEY, a bigint CHECK (a > 0), s text COLLATE \"C\" DEFAULT 'x')")
    elif kind == "mysql":
        query(url, "CREATE TABLE t (id bigint PRIMARY KEY, a int DEFAULT 5 CHECK (a > 0), s varchar(20) DEFAULT 'x')")
    else:
        query(
            url, "CREATE TABLE t (id integer PRIMARY KEY, a integer CHECK (a > 0), s text COLLATE NOCASE DEFAULT 'x')"
        )
    wanted = table(Column(name="a", type=TEXT), Column(name="s", type=SqlType(kind="text", length=20), default="'x'"))
    if kind == "postgresql":
        with pytest.raises(CsvManagerError):
            database.apply([wanted])
    else:
        with pytest.raises(ConfigurationError, match=r"COLLATE|CHECK"):
            database.apply([wanted])
    with pytest.raises(Exception, match=r"(?i)check|constraint"):
        query(url, "INSERT INTO t (id, a) VALUES (1, -1)")


def test_a_computed_column_is_left_alone(database: Database, url: URL) -> None:
    query(url, "CREATE TABLE t (id bigint PRIMARY KEY, n bigint, c bigint GENERATED ALWAYS AS (id + 1) STORED)")
    made = table(Column(name="n", type=NUMBER), Column(name="c", type=NUMBER))
    assert told(database.compare([made])) == []
    assert database.compare([table(Column(name="n", type=NUMBER))]).kept == ()
    assert "c (bigint) is computed" in database.code() or "is computed" in database.code()


MODULE = """from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated
from csv_manager.sync import PrimaryKey, References

@dataclass
class Node:
    id: Annotated[int, PrimaryKey()]
    parent: Node | None = None
    other: Annotated[int | None, References("Leaf")] = None

@dataclass
class Leaf:
    id: Annotated[int, PrimaryKey()]
"""


def test_a_table_refers_to_itself_and_to_one_that_comes_later(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "nodes.py"
    path.write_text(MODULE, encoding="utf-8")
    tables = tables_of(str(path))
    assert [each.name for each in tables] == ["Leaf", "Node"]
    database.apply(tables)
    assert told(database.compare(tables)) == []
    node = vars(sys.modules["csv_manager_tables_nodes"])["Node"]
    assert database.insert([node(id=1), node(id=2, parent=node(id=1))]) == 2
    again = tmp_path / "again.py"
    again.write_text(database.code(), encoding="utf-8")
    assert told(database.compare(tables_of(str(again)))) == []


def test_odd_tables_are_told_as_code_that_can_be_read(database: Database, url: URL, tmp_path: Path) -> None:
    quote = "`" if url.get_backend_name() == "mysql" else '"'
    query(
        url,
        "CREATE TABLE my_table (id bigint PRIMARY KEY, str varchar(9), dt varchar(9), made timestamp NULL)",
        f"CREATE TABLE {quote}my table{quote} "
        f"(id bigint PRIMARY KEY, {quote}a b{quote} bigint, c bigint, UNIQUE ({quote}a b{quote}, c))",
        f"CREATE TABLE {quote}dataclass{quote} (id bigint PRIMARY KEY, __class__ bigint)",
        f"CREATE TABLE odd ({quote}my id{quote} bigint PRIMARY KEY)",
        "CREATE TABLE parent (id bigint PRIMARY KEY, code varchar(9) NOT NULL UNIQUE)",
        "CREATE TABLE child (id bigint PRIMARY KEY, p varchar(9), FOREIGN KEY (p) REFERENCES parent (code))",
    )
    path = tmp_path / "odd.py"
    path.write_text(database.code(), encoding="utf-8")
    tables = {each.name: each for each in tables_of(str(path))}
    assert set(tables) == {"my_table", "my table", "dataclass", "parent", "child"}
    assert tables["child"].foreign_keys == ()
    assert told(database.compare(list(tables.values()))) == []


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (SqlType(kind="double"), [0.1 + 0.2, 1 / 3, 1e308, -5e-300, 7]),
        (NUMBER, [-(2**63), 2**63 - 1]),
        (SqlType(kind="decimal", precision=12, scale=4), [Decimal("1.0000000000"), Decimal("1E+3"), 5]),
        (SqlType(kind="date"), [dt.date(1000, 1, 1), dt.date(9999, 12, 31)]),
    ],
)
def test_values_of_python_are_taken(database: Database, url: URL, kind: SqlType, values: list[Any]) -> None:
    made = table(Column(name="v", type=kind))
    database.apply([made])
    rows = list(enumerate(values))
    database.insert_rows(made, ["id", "v"], rows)
    found = [row[0] for row in query(url, "SELECT v FROM t ORDER BY id")]
    if kind.kind == "date":
        assert [str(value) for value in found] == [str(value) for value in values]
    else:
        assert [float(value) for value in found] == pytest.approx([float(value) for value in values], rel=1e-15)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("double", float("nan")), ("double", float("inf")), ("bigint", 2**63), ("smallint", 40000), ("bool", 2),
        ("text", "\ud800"), ("json", {(1, 2): 3}), ("json", {"a": float("nan")}), ("json", {1, 2}),
        ("timestamp", dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=3)))), ("bigint", 1.5),
        ("date", "x"),
    ],
)  # fmt: skip
def test_values_that_have_no_place_are_refused(database: Database, url: URL, kind: Any, value: Any) -> None:
    made = table(Column(name="v", type=SqlType(kind=kind)))
    database.apply([made])
    with pytest.raises(MisfitError, match="t: object 2: column 'v': "):
        database.insert_rows(made, ["id", "v"], [(1, None), (2, value)])
    assert query(url, "SELECT count(*) FROM t") == [(0,)]


def test_calls_that_are_wrong_are_told(database: Database) -> None:
    made = table(Column(name="v", type=TEXT))
    database.apply([made])
    with pytest.raises(ConfigurationError, match="'t' is no dataclass"):
        database.apply(["t"])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="declared twice"):
        database.apply([made, made])
    with pytest.raises(OptionError, match="told twice"):
        database.insert_rows(made, ["id", "v", "id"], [(1, "x", 2)])
    with pytest.raises(OptionError, match="is no row of 2 values"):
        database.insert_rows(made, ["id", "v"], [1])  # type: ignore[list-item]
    with pytest.raises(OptionError, match="No object tells"):
        database.upsert([], mirror=True)
    database.insert_rows(made, ["id", "v"], [(1, "x"), (2, None)])
    assert database.delete_rows(made, ["id"], [(1,), (1,)]) == 1
    assert database.upsert_rows(made, ["id", "v"], [], mirror=True) == Counts(deleted=1)


def test_a_new_column_that_needs_a_value_is_refused_where_rows_are(database: Database, url: URL) -> None:
    made = table()
    database.apply([made])
    database.insert_rows(made, ["id"], [(1,)])
    with pytest.raises(CsvManagerError, match=r"t\.n needs a value"):
        database.apply([table(Column(name="n", type=NUMBER, nullable=False))])
    wanted = table(Column(name="n", type=NUMBER, nullable=False, default="3"))
    database.apply([wanted])
    assert query(url, "SELECT n FROM t") == [(3,)]


def test_a_schema_may_be_told_that_is_the_usual_one(database: Database, url: URL) -> None:
    usual = {"sqlite": "main", "postgresql": "public"}.get(url.get_backend_name(), url.database)
    made = table(Column(name="v", type=TEXT), schema=usual)
    database.apply([made])
    assert told(database.compare([made])) == []


def test_a_broken_row_of_others_is_in_nobodys_way(database: Database, url: URL) -> None:
    if url.get_backend_name() == "sqlite":
        query(url, "CREATE TABLE c (p INTEGER REFERENCES gone (id))", "INSERT INTO c VALUES (9)")
    database.apply([table()])
    assert told(database.compare([table()])) == []


def test_a_class_of_no_module_is_declared() -> None:
    module = types.ModuleType("shop")
    exec("class A: pass", vars(module))  # noqa: S102 - a class that is no dataclass
    with pytest.raises(ConfigurationError, match="is no dataclass"):
        declare(vars(module)["A"])
