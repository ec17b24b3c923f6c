"""Tables formed from files: names, types, and the statements that make them."""

import io
from typing import Any

import pytest

from csv_manager.core.errors import ConfigurationError, OptionError, UnknownColumnError
from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table as CsvTable
from csv_manager.sync.formation import ddl, form, name_of
from csv_manager.sync.schema import Column, Table
from csv_manager.sync.sql_dialects import sql_dialect_named
from csv_manager.sync.types import SqlType

NAMES = ["sqlite", "postgresql", "mysql", "mariadb"]
CONTENT = (
    'id,order,price,much,ok,d,at,z,u,"we""ird %s",r\n'
    "1,x,1.50,1234567890.1234567,true,2024-01-01,2024-01-01 10:00,2024-01-01T10:00:00Z,"
    "c2c0ac3e-0b6b-4a4c-9f0e-3c1f4b5a6d7e,,1e5\n"
)


def table(text: str, name: str = "prices.csv") -> CsvTable:
    return CsvTable(lambda: io.BytesIO(text.encode()), CsvFormat(), name)


def formed(dialect: str, text: str = CONTENT, **told: Any) -> str:
    known = sql_dialect_named(dialect)
    return ddl(form(table(text), known, **told), known)


def lines(*columns: str) -> str:
    return "".join(f"    {column},\n" for column in columns)


@pytest.mark.parametrize(
    ("dialect", "head", "columns", "tail"),
    [
        (
            "sqlite",
            "CREATE TABLE prices (\n",
            [
                "id INTEGER NOT NULL", '"order" TEXT NOT NULL', "price REAL", "much TEXT", "ok INTEGER", "d TEXT",
                "at TEXT", "z TEXT", "u TEXT", '"we""ird %s" TEXT', "r REAL",
            ],
            '    PRIMARY KEY (id, "order")\n) STRICT',
        ),
        (
            "postgresql",
            "CREATE TABLE prices (\n",
            [
                "id BIGINT NOT NULL", '"order" TEXT NOT NULL', "price NUMERIC", "much NUMERIC", "ok BOOLEAN", "d DATE",
                "at TIMESTAMP WITHOUT TIME ZONE", "z TIMESTAMP WITH TIME ZONE", "u UUID", '"we""ird %s" TEXT',
                "r DOUBLE PRECISION",
            ],
            '    PRIMARY KEY (id, "order")\n)',
        ),
        (
            "mariadb",
            "CREATE TABLE prices (\n",
            [
                "id BIGINT NOT NULL", "`order` VARCHAR(255) NOT NULL", "price DECIMAL(38, 2)", "much DECIMAL(38, 7)",
                "ok BOOL", "d DATE", "at DATETIME(6)", "z DATETIME(6)", "u CHAR(36)", '`we"ird %s` LONGTEXT',
                "r DOUBLE",
            ],
            "    PRIMARY KEY (id, `order`)\n) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_nopad_bin",
        ),
    ],
)  # fmt: skip
def test_each_database_has_types_of_its_own(dialect: str, head: str, columns: list[str], tail: str) -> None:
    assert formed(dialect, key=["id", "order"]) == head + lines(*columns) + tail


def test_mysql_is_as_mariadb_but_for_the_name_of_its_comparison() -> None:
    mysql, mariadb = (formed(name, key=["id"]) for name in ("mysql", "mariadb"))
    assert mysql.replace("utf8mb4_0900_bin", "utf8mb4_nopad_bin") == mariadb


@pytest.mark.parametrize("dialect", NAMES)
def test_columns_to_ignore_are_left_out_and_without_a_key_there_is_none(dialect: str) -> None:
    told = formed(dialect, "a,b\n1,2\n", ignore=["b"])
    assert "PRIMARY" not in told
    assert "b " not in told.split("(")[1].split(")")[0]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/prices.csv", "prices"),
        ("Prices of 2024.csv.gz", "Prices_of_2024"),
        ("größen.tsv", "größen"),
        ("a.b.csv", "a_b"),
        (".csv", "csv"),
        ("---.csv", "table"),
        ("export", "export"),
        ('"; DROP TABLE x; --.csv', "DROP_TABLE_x"),
    ],
)
def test_a_table_is_named_after_the_file(path: str, name: str) -> None:
    assert name_of(path) == name


@pytest.mark.parametrize(
    ("dialect", "name", "said"),
    [
        ("postgresql", "ä" * 32, "has 64 bytes, and postgresql takes 63"),
        ("mysql", "x" * 65, "has 65 characters, and mysql takes 64"),
        ("mariadb", "x" * 65, "has 65 characters, and mariadb takes 64"),
        ("sqlite", "x" * 1001, "has 1001 characters, and sqlite takes 1000"),
        ("mariadb", "a\N{GRINNING FACE}", "has '\N{GRINNING FACE}', which mariadb does not take; give it another one"),
        ("mysql", "price ", "has a space at its end, which mysql does not take"),
    ],
)
def test_a_name_that_no_database_takes_is_refused(dialect: str, name: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        formed(dialect, f"{name}\n1\n")
    with pytest.raises(ConfigurationError, match=said):
        formed(dialect, "a\n1\n", name=name)


@pytest.mark.parametrize("dialect", ["sqlite", "mysql", "mariadb"])
def test_names_that_differ_in_their_case_alone_are_one_to_some(dialect: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'Name' and 'NAME' are one to {dialect}"):
        formed(dialect, "Name,NAME\n1,2\n")
    assert '"NAME" BIGINT' in formed("postgresql", "Name,NAME\n1,2\n")


def test_what_is_no_column_or_dialect_is_refused() -> None:
    for told in ({"key": ["x"]}, {"ignore": ["x"]}):
        with pytest.raises(UnknownColumnError, match="column 'x' is not in the header"):
            formed("sqlite", "a\n1\n", **told)
    with pytest.raises(OptionError, match="oracle is no dialect of SQL that is known here; there are sqlite"):
        formed("oracle")
    text = Column(name="a", type=SqlType(kind="text"))
    with pytest.raises(ConfigurationError, match="has two columns 'a'"):
        Table(name="t", columns=(text, text))
    with pytest.raises(ConfigurationError, match="has no column 'b' for its key; it has a"):
        Table(name="t", columns=(text,), key=("b",))


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
def test_texts_of_a_key_share_the_room_that_it_has(dialect: str) -> None:
    names = [f"c{number}" for number in range(8)]
    told = formed(dialect, ",".join(names) + "\n" + ",".join("x" * 8) + "\n", key=names)
    assert told.count("VARCHAR(96)") == 8
