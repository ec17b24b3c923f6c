"""database_diff, and what database_ddl and database_tables say of declared tables."""

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = pytest.mark.no_store

CODE = '''"""Tables of a shop."""

from dataclasses import dataclass
from typing import Annotated

from csv_manager.sync import Comment, PrimaryKey


@dataclass
class fruit:
    """What is sold."""

    id: Annotated[int, PrimaryKey()]
    name: Annotated[str, Comment("in English")]
    {more}
'''
URL = "sqlite:///shop.db"


@pytest.fixture
def shop(cli: "Cli") -> "Cli":
    """A module that declares a table."""
    cli.write("tables.py", CODE.replace("{more}", "price: float | None = None"))
    return cli


def test_a_database_becomes_as_a_module_declares_it(shop: "Cli") -> None:
    planned = shop.json("database_diff", URL, "tables.py")
    assert planned == [{"table": "fruit", "state": "to do", "change": "the table fruit is made", "drop": None}]
    assert not (shop.folder / "shop.db").exists()
    assert shop("database_diff", URL, "tables.py", "--sql").startswith("CREATE TABLE fruit (\n")
    assert not (shop.folder / "shop.db").exists()
    assert [row["state"] for row in shop.json("database_diff", URL, "tables.py", "--apply")] == ["done"]
    with closing(sqlite3.connect(shop.folder / "shop.db")) as connection, connection:
        connection.execute("INSERT INTO fruit VALUES (1, 'fig', 1.5)")
    assert shop.notes("database_diff", URL, "tables.py") == f"The tables in {URL} are as tables.py declares them.\n"
    shop.write("tables.py", CODE.replace("{more}", "colour: str | None = None"))
    assert [(row["state"], row["drop"]) for row in shop.json("database_diff", URL, "tables.py", "--apply")] == [
        ("done", None), ("kept", "fruit.price"),
    ]  # fmt: skip
    assert "What is kept goes if --drop names it." in shop.notes("database_diff", URL, "tables.py")
    shop("database_diff", URL, "tables.py", "--apply", "--drop", "fruit.price")
    with closing(sqlite3.connect(shop.folder / "shop.db")) as connection:
        assert connection.execute("SELECT id, name, colour FROM fruit").fetchall() == [(1, "fig", None)]
    assert [row["column"] for row in shop.json("database_tables", URL, "fruit")] == ["id", "name", "colour"]


def test_tables_are_told_as_code_that_declares_them(shop: "Cli") -> None:
    shop("database_diff", URL, "tables.py", "--apply")
    shop.write("again.py", shop("database_tables", URL, "--code"))
    assert "are as again.py declares them" in shop.notes("database_diff", URL, "again.py")
    assert "class Fruit:" in shop("database_tables", URL, "fruit", "--code")
    assert "did you mean fruit?" in shop.refused("database_tables", URL, "fruits", "--code")


@pytest.mark.parametrize(
    ("dialect", "comment"), [("postgresql", "COMMENT ON"), ("mariadb", "COMMENT "), ("sqlite", "")]
)
def test_the_statements_of_a_module_are_printed(shop: "Cli", dialect: str, comment: str) -> None:
    told = shop("database_ddl", "tables.py", "--dialect", dialect)
    assert told.startswith("CREATE TABLE fruit (\n")
    assert comment in told
    assert told.endswith(";\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["database_diff", URL, "nothing.py"], "There is no file nothing.py."),
        (["database_diff", URL, "data.csv"], "'data.csv' is no module"),
        (["database_diff", URL, "wrong.py"], "wrong.py cannot be read: NameError"),
        (["database_diff", URL, "tables.py", "--sql", "--apply"], "give one of them"),
        (["database_diff", URL, "tables.py", "--drop", "fruit.size"], "no 'fruit.size' that is to be dropped"),
        (["database_diff", "shop", "tables.py"], "There is no database 'shop' in the settings"),
        (["database_diff", "sqlite://", "tables.py"], "in memory"),
        (["database_diff", "postgresql://me:secret@host/db", "tables.py"], "has a password"),
        (["database_ddl", "tables.py", "--dialect", "sqlite", "--key", "id"], "a module declares its tables"),
    ],
)
def test_what_cannot_be_declared_is_one_line(shop: "Cli", arguments: list[str], said: str) -> None:
    shop.write("wrong.py", "nonsense\n")
    shop.write("data.csv", "a\n1\n")
    told = shop.refused(*arguments)
    assert said in told
    assert "secret" not in told
    assert not (shop.folder / "shop.db").exists()
