"""database_ddl and database_tables: the table that a file would be in, and why; the tables that there are."""

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import servers
from sqlalchemy import create_engine, inspect

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = pytest.mark.no_store

CONTENT = "id,fruit,price,code\n1,apple,1.50,007\n2,pear,,8\n"


@pytest.fixture
def prices(cli: "Cli") -> "Cli":
    cli.write("prices.csv", CONTENT)
    return cli


def test_the_statement_makes_a_table_in_sqlite(prices: "Cli") -> None:
    told = prices("database_ddl", "prices.csv", "--dialect", "sqlite", "--key", "id")
    assert told == (
        "CREATE TABLE prices (\n    id INTEGER NOT NULL,\n    fruit TEXT,\n    price REAL,\n    code TEXT,\n"
        "    PRIMARY KEY (id)\n) STRICT;\n"
    )
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(told)
        assert [row[1] for row in connection.execute("PRAGMA table_info(prices)")] == ["id", "fruit", "price", "code"]
    assert not (prices.home / "watcher_db.db").exists()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_the_statement_makes_a_table_on_a_server(kind: str, prices: "Cli") -> None:
    prices.write("data.csv", 'id,order,"we""ird %s",ok,d,at,z,u,much,r\n1,x,,true,2024-01-01,2024-01-01 10:00,'
                 "2024-01-01T10:00:00Z,c2c0ac3e-0b6b-4a4c-9f0e-3c1f4b5a6d7e,123456789012345678.5,1e5\n")  # fmt: skip
    told = prices("database_ddl", "data.csv", "--dialect", kind, "-k", "id", "-k", "order", "--table", "we'ird `t\" %s")
    with servers.database(kind) as url:
        servers.execute(url, told.rstrip().rstrip(";"))
        engine = create_engine(url)
        [table] = inspect(engine).get_table_names()
        columns = inspect(engine).get_columns(table)
        key = inspect(engine).get_pk_constraint(table)["constrained_columns"]
        engine.dispose()
    assert table == "we'ird `t\" %s"
    assert [column["name"] for column in columns] == [
        "id", "order", 'we"ird %s', "ok", "d", "at", "z", "u", "much", "r",
    ]  # fmt: skip
    assert key == ["id", "order"]


def test_the_cells_that_decided_are_listed(prices: "Cli") -> None:
    rows = prices.json("database_ddl", "prices.csv", "--dialect", "postgresql", "--types", "--key", "id")
    assert rows[0] == {
        "column": "id", "type": "bigint", "nullable": False, "line": 2, "cell": "1", "reason": "line 2: '1' is bigint",
    }  # fmt: skip
    assert [(row["column"], row["type"]) for row in rows[1:]] == [
        ("fruit", "text"), ("price", "decimal"), ("code", "text"),
    ]  # fmt: skip
    assert rows[3]["reason"] == "line 2: '007' begins with a zero"
    table = prices("database_ddl", "prices.csv", "--dialect", "postgresql", "--types")
    assert "begins with a zero" in table


def test_columns_are_left_out_and_the_format_may_be_told(prices: "Cli") -> None:
    prices.write("p.txt", "1;x\n2;y\n")
    told = prices("database_ddl", "p.txt", "--dialect", "mysql", "--header", "a,b", "--ignore", "b", "--delimiter", ";")
    assert told.startswith("CREATE TABLE p (\n    a BIGINT\n) ENGINE=InnoDB")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope.csv", "--dialect", "sqlite"], "nope.csv: no such file."),
        (["prices.csv", "--dialect", "sqlite", "--key", "x"], "key column 'x' is not in the header"),
        (["prices.csv", "--dialect", "sqlite", "--key", "id", "--ignore", "id"], "A key column cannot be ignored: id."),
        (["prices.csv"], "Missing option '--dialect'"),
        (["prices.csv", "--dialect", "oracle"], "'oracle' is not one of"),
        (["wide.csv", "--dialect", "sqlite"], "wide.csv: line 3 has 3 fields, and there are 2 columns"),
        (["prices.csv", "--dialect", "postgresql", "--table", "x" * 64], "has 64 bytes, and postgresql takes 63"),
    ],
)
def test_what_cannot_be_formed_is_one_line(prices: "Cli", arguments: list[str], said: str) -> None:
    prices.write("wide.csv", "a,b\n1,2\n1,2,3\n")
    assert said in prices.refused("database_ddl", *arguments)


def test_an_empty_file_has_no_columns_for_a_table(prices: "Cli") -> None:
    prices.write("empty.csv", "")
    assert "has no columns" in prices.refused("database_ddl", "empty.csv", "--dialect", "sqlite")
    prices.write("names.csv", "a,b\n")
    told = json.loads(prices("database_ddl", "names.csv", "--dialect", "sqlite", "--types", "--format", "json"))
    assert [row["type"] for row in told] == ["text", "text"]


def test_tables_and_the_columns_of_one_are_listed(prices: "Cli") -> None:
    config = prices.write("c.yaml", "databases:\n  reports: {dialect: sqlite, path: reports.db}\n")
    prices.environment["CSV_MANAGER_CONFIG"] = str(config)
    assert prices.notes("database_tables", "reports") == "There is no table in reports.\n"
    assert not (prices.home / "reports.db").exists()
    prices.home.mkdir(exist_ok=True)
    with closing(sqlite3.connect(prices.home / "reports.db")) as connection:
        connection.executescript(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY);"
            "CREATE TABLE orders (id INTEGER, line INTEGER, v VARCHAR(9) DEFAULT 'x' NOT NULL, "
            "parent INTEGER REFERENCES parent (id), PRIMARY KEY (id, line));"
            "CREATE VIEW seen AS SELECT id FROM orders;"
        )
    assert prices.json("database_tables", "reports") == [
        {"table": "orders", "kind": "table", "columns": 4, "key": ["id", "line"], "comment": None},
        {"table": "parent", "kind": "table", "columns": 1, "key": ["id"], "comment": None},
        {"table": "seen", "kind": "view", "columns": 1, "key": [], "comment": None},
    ]
    columns = prices.json("database_tables", "reports", "orders")
    assert columns[2] == {
        "column": "v", "type": "text(9)", "nullable": False, "key": False, "default": "'x'", "references": None,
        "comment": None,
    }  # fmt: skip
    assert (columns[3]["references"], columns[0]["key"]) == ("parent.id", True)
    assert "id, line" in prices("database_tables", "reports")
    assert "did you mean orders?" in prices.refused("database_tables", "reports", "order")
    assert "database_tables reports lists those there are" in prices.refused("database_tables", "reports", "zzz")
    assert "did you mean reports?" in prices.refused("database_tables", "report")


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_tables_of_a_server_are_listed_with_their_comments(kind: str, prices: "Cli") -> None:
    with servers.database(kind) as url:
        config = prices.write("c.yaml", f"databases:\n  reports: {url}\n")
        comment = " COMMENT 'of others'" if kind == "mariadb" else ""
        servers.execute(url, f"CREATE TABLE made (id INT PRIMARY KEY){comment}")
        if kind == "postgresql":
            servers.execute(url, "COMMENT ON TABLE made IS 'of others'")
        told = json.loads(prices("--config", config, "database_tables", "reports", "--format", "json"))
        said = prices.refused("--config", config, "database_tables", "reports", "--schema", "nothing")
        assert "There is no schema 'nothing'; there are " in said
    assert told == [{"table": "made", "kind": "table", "columns": 1, "key": ["id"], "comment": "of others"}]
