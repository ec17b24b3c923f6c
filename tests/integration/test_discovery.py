"""The tables that a database has, as values: types, keys and constraints, also of tables that others made."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from loading import connected
from sqlalchemy import Connection

from csv_manager.core.errors import ConfigurationError, OptionError
from csv_manager.sync import (
    Column,
    SqlType,
    Table,
    ddl,
    discover,
    discover_table,
    sql_dialect_named,
)

PARENT = "CREATE TABLE parent (a INT, b VARCHAR(10), PRIMARY KEY (a, b))"
STATEMENTS = {
    "sqlite": [
        PARENT,
        (
            "CREATE TABLE made (id INTEGER PRIMARY KEY, s SMALLINT NOT NULL DEFAULT 5, n NUMERIC(10, 2), m NUMERIC, "
            "r REAL, f BOOLEAN, dt DATE, ti TIME, ts DATETIME, v VARCHAR(10) UNIQUE, x TEXT, b BLOB, j JSON, odd, "
            "pa INT, pb VARCHAR(10), FOREIGN KEY (pa, pb) REFERENCES parent (a, b))"
        ),
        "CREATE VIEW seen AS SELECT id FROM made",
        "CREATE TEMPORARY TABLE passing (a)",
    ],
    "postgresql": [
        PARENT,
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "CREATE DOMAIN odd AS int4range",
        (
            "CREATE TABLE made (id SERIAL PRIMARY KEY, s SMALLINT NOT NULL DEFAULT 5, n NUMERIC(10, 2), m NUMERIC, "
            "r REAL, d DOUBLE PRECISION, f BOOLEAN, dt DATE, ti TIME, ts TIMESTAMP, tz TIMESTAMPTZ, u UUID, "
            "v VARCHAR(10) UNIQUE, c CHAR(3), x TEXT, b BYTEA, j JSONB, a INT[], md mood, o odd, pa INT, "
            "pb VARCHAR(10), g INT GENERATED ALWAYS AS (s * 2) STORED, FOREIGN KEY (pa, pb) REFERENCES parent (a, b))"
        ),
        "COMMENT ON TABLE made IS 'of others'",
        "COMMENT ON COLUMN made.s IS 'small'",
        "CREATE VIEW seen AS SELECT id FROM made",
        "CREATE TEMPORARY TABLE passing (a INT)",
    ],
    "mariadb": [
        PARENT,
        (
            "CREATE TABLE made (id INT AUTO_INCREMENT PRIMARY KEY, s SMALLINT NOT NULL DEFAULT 5 COMMENT 'small', "
            "big BIGINT UNSIGNED, n DECIMAL(10, 2), r FLOAT, d DOUBLE, f BOOLEAN, ty TINYINT, dt DATE, ti TIME, "
            "ts DATETIME(6), u UUID, v VARCHAR(10) UNIQUE, c CHAR(3), x LONGTEXT, b BLOB, e ENUM('sad', 'ok'), y YEAR, "
            "pa INT, pb VARCHAR(10), g INT AS (s * 2), FOREIGN KEY (pa, pb) REFERENCES parent (a, b)) "
            "COMMENT 'of others'"
        ),
        "CREATE VIEW seen AS SELECT id FROM made",
        "CREATE TEMPORARY TABLE passing (a INT)",
    ],
}
TYPES = {
    "sqlite": {
        "id": "integer", "s": "smallint", "n": "decimal(10, 2)", "m": "decimal", "r": "real", "f": "bool", "dt": "date",
        "ti": "time", "ts": "timestamp", "v": "text(10)", "x": "text", "b": "bytes", "j": "json", "odd": "unknown",
        "pa": "integer", "pb": "text(10)",
    },
    "postgresql": {
        "id": "integer", "s": "smallint", "n": "decimal(10, 2)", "m": "decimal", "r": "real", "d": "double",
        "f": "bool", "dt": "date", "ti": "time", "ts": "timestamp", "tz": "timestamp with time zone", "u": "uuid",
        "v": "text(10)", "c": "text(3)", "x": "text", "b": "bytes", "j": "json", "a": "INTEGER[]", "md": "mood",
        "o": "odd",
        "pa": "integer", "pb": "text(10)", "g": "integer",
    },
    "mariadb": {
        "id": "integer", "s": "smallint", "big": "BIGINT(20) UNSIGNED", "n": "decimal(10, 2)", "r": "real",
        "d": "double", "f": "bool", "ty": "smallint", "dt": "date", "ti": "time", "ts": "timestamp", "u": "uuid",
        "v": "text(10)", "c": "text(3)", "x": "text", "b": "bytes", "e": "ENUM('sad','ok')", "y": "YEAR(4)",
        "pa": "integer", "pb": "text(10)", "g": "integer",
    },
}  # fmt: skip
KINDS = list(STATEMENTS)


@pytest.fixture(params=KINDS)
def theirs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Connection]]:
    """A database with tables that others made."""
    with connected(request.param, tmp_path) as (name, connection):
        for statement in STATEMENTS[name]:
            connection.exec_driver_sql(statement)
        connection.commit()
        yield name, connection


def test_tables_and_views_of_others_are_told_with_all_that_they_have(theirs: tuple[str, Connection]) -> None:
    name, connection = theirs
    made, parent, seen = discover(connection)
    assert [(table.name, table.is_view) for table in (made, parent, seen)] == [
        ("made", False), ("parent", False), ("seen", True),
    ]  # fmt: skip
    assert {column.name: str(column.type) for column in made.columns} == TYPES[name]
    by_name = {column.name: column for column in made.columns}
    assert (by_name["s"].nullable, by_name["s"].default, by_name["x"].nullable) == (False, "5", True)
    assert (made.key, parent.key, seen.key) == (("id",), ("a", "b"), ())
    [foreign] = made.foreign_keys
    assert (foreign.columns, foreign.table, foreign.referred) == (("pa", "pb"), "parent", ("a", "b"))
    assert [unique.columns for unique in made.uniques] == [("v",)]
    if name != "sqlite":
        assert (made.comment, by_name["s"].comment) == ("of others", "small")
        assert [column.name for column in made.columns if column.is_generated] == ["id", "g"]


def test_one_table_is_found_by_its_name_or_is_not_there(theirs: tuple[str, Connection]) -> None:
    _, connection = theirs
    found = discover_table(connection, "seen")
    assert found is not None
    assert found.is_view
    assert discover_table(connection, "nothing") is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_that_was_formed_is_found_as_it_was(kind: str, tmp_path: Path) -> None:
    kinds = [
        "bool",
        "smallint",
        "integer",
        "bigint",
        "real",
        "double",
        "date",
        "time",
        "timestamp",
        "uuid",
        "text",
        "bytes",
        "json",
    ]
    columns = tuple(Column(name=f"a {told}", type=SqlType(kind=told)) for told in kinds)  # type: ignore[arg-type]
    columns += (
        Column(name="n", type=SqlType(kind="decimal", precision=12, scale=3)),
        Column(name="v", type=SqlType(kind="text", length=7), nullable=False),
        Column(name="k", type=SqlType(kind="text", length=20), nullable=False),
    )
    told = Table(name="order", columns=columns, key=("k", "v"))
    with connected(kind, tmp_path) as (name, connection):
        connection.exec_driver_sql(ddl(told, sql_dialect_named(name)))
        found = discover_table(connection, "order")
    assert found is not None
    assert found.key == ("k", "v")
    assert [column.name for column in found.columns] == [column.name for column in columns]
    if kind == "postgresql":
        assert found.columns == columns
    same = {"mariadb": {"json": "text", "uuid": "text(36)"}}.get(kind, {})
    if kind != "sqlite":
        expected = [same.get(str(column.type), str(column.type)) for column in columns]
        assert [str(column.type) for column in found.columns] == expected
    assert [column.nullable for column in found.columns] == [column.nullable for column in columns]


def test_schemas_of_postgresql_have_tables_of_their_own(tmp_path: Path) -> None:
    with connected("postgresql", tmp_path) as (_, connection):
        connection.exec_driver_sql('CREATE SCHEMA "Other one"')
        sql_dialect = sql_dialect_named("postgresql")
        told = Table(name="t", schema="Other one", columns=(Column(name="a", type=SqlType(kind="text")),))
        connection.exec_driver_sql(ddl(told, sql_dialect))
        assert discover(connection) == ()
        assert discover(connection, "Other one") == (told,)
        with pytest.raises(OptionError, match=r"There is no schema 'other'; there are .*Other one"):
            discover(connection, "other")


def test_a_type_of_one_database_is_formed_in_no_other() -> None:
    told = Table(name="t", columns=(Column(name="a", type=SqlType(kind="other", native="INTEGER[]")),))
    with pytest.raises(ConfigurationError, match=r"The column 'a' has a type that is of one database: INTEGER\[\]"):
        ddl(told, sql_dialect_named("postgresql"))
