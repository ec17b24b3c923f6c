"""Tables that dataclasses declare: made, changed, filled, and told again as code, on each database."""
# ruff: noqa: S608 - names of tables that stand here

import asyncio
import dataclasses
import datetime as dt
import enum
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
import servers
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

import csv_manager
from csv_manager.core.errors import ConfigurationError, CsvManagerError, OptionError
from csv_manager.pipeline.database import Database
from csv_manager.sync import (
    Comment,
    Default,
    Distinct,
    PrimaryKey,
    References,
    RenamedFrom,
    SqlType,
    Table,
    declare,
    tables_of,
)
from csv_manager.sync.loading import Counts, TargetError


class Colour(enum.Enum):
    """One value has a quote, one a backslash."""

    RED = "red"
    ODD = "it's \\ odd"


@dataclass(kw_only=True)
class Seller:
    """Who sells: 'quoted', 100%.

    And more, that the database is not told.
    """

    id: Annotated[int, PrimaryKey()]
    name: Annotated[str, Distinct(), SqlType(kind="text", length=80), Comment("as it's printed \\ 100%")]


@dataclass(kw_only=True)
class Item:
    """What is sold."""

    __uniques__ = (("seller", "label"),)

    code: Annotated[str, PrimaryKey]
    seller: Seller | int
    label: Annotated[str, SqlType(kind="text", length=20)]
    like: Annotated[str | None, References(Seller)] = None
    colour: Colour = Colour.ODD
    price: Decimal | None = None
    note: str | None = "a\\b"
    added: Annotated[dt.datetime | None, SqlType(kind="timestamp", timezone=True)] = None
    day: dt.date | None = None
    tags: list[str] | None = None
    ok: bool = True
    mark: uuid.UUID | None = None
    weight: float | None = None
    blob: bytes | None = None
    made: Annotated[dt.datetime | None, Default("CURRENT_TIMESTAMP")] = None


# A field may hold an object of another table, or its key; the annotation names the table.
Item.__annotations__ |= {"seller": Seller, "like": Annotated[int | None, References(Seller)]}

TABLES = (Seller, Item)


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


def query(url: URL, statement: str) -> list[tuple[Any, ...]]:
    """Ask a database by itself."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            found = connection.execute(text(statement))
            return [tuple(row) for row in found] if found.returns_rows else []
    finally:
        engine.dispose()


def quoted(url: URL, name: str) -> str:
    """A name as a statement has it."""
    return f"`{name}`" if url.get_backend_name() == "mysql" else f'"{name}"'


def without(table: Table, *names: str) -> Table:
    """A table that lacks some columns."""
    return dataclasses.replace(table, columns=tuple(each for each in table.columns if each.name not in names))


def altered(table: Table, which: str, /, **changes: Any) -> Table:
    """A table of which one column is otherwise."""
    columns = [dataclasses.replace(each, **changes) if each.name == which else each for each in table.columns]
    return dataclasses.replace(table, columns=tuple(columns))


def told(found: Any) -> list[str]:
    """What is to be done, for people."""
    return [step.told for step in found.steps]


def test_tables_are_made_once_as_they_are_declared(database: Database) -> None:
    assert told(database.compare(TABLES)) == ["the table Seller is made", "the table Item is made"]
    assert database.tables() == ()
    database.apply(TABLES)
    again = database.compare(TABLES)
    assert (again.steps, again.kept) == ((), ())
    found = {table.name: table for table in database.tables()}
    item = found["Item"]
    assert item.key == ("code",)
    assert {(key.columns, key.table, key.referred) for key in item.foreign_keys} == {
        (("seller",), "Seller", ("id",)),
        (("like",), "Seller", ("id",)),
    }
    assert ("seller", "label") in [unique.columns for unique in item.uniques]
    assert ("name",) in [unique.columns for unique in found["Seller"].uniques]
    assert next(column.values for column in item.columns if column.name == "colour") == ("red", "it's \\ odd")


def test_comments_are_told_where_a_database_has_any(database: Database, url: URL) -> None:
    database.apply(TABLES)
    seller = next(table for table in database.tables() if table.name == "Seller")
    expected = (None, None) if url.get_backend_name() == "sqlite" else (
        "Who sells: 'quoted', 100%.", "as it's printed \\ 100%",
    )  # fmt: skip
    assert (seller.comment, seller.columns[1].comment) == expected


def test_objects_become_rows(database: Database, url: URL) -> None:
    database.apply(TABLES)
    sellers = [Seller(id=1, name="One"), Seller(id=2, name="Two")]
    assert database.insert(sellers) == 2
    zone = dt.timezone(dt.timedelta(hours=2))
    full = Item(
        code="a", seller=sellers[0], label="x\ty\n\\z", colour=Colour.RED, price=Decimal("1.50"), note="",
        added=dt.datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=zone), day=dt.date(2026, 1, 2), tags=["é", "'"], ok=False,
        mark=uuid.UUID(int=7), weight=0.1, blob=b"\x00\\x\xff'", made=dt.datetime(2026, 1, 2),  # noqa: DTZ001 - it has no zone there
    )  # fmt: skip
    bare = Item(code="b", seller=2, label="", note=None)
    assert database.upsert([full, bare]) == Counts(inserted=2)
    assert database.upsert([full, bare]) == Counts()
    item = quoted(url, "Item")
    columns = "code, seller, label, colour, price, note, ok, day, weight"
    rows = query(url, f"SELECT {columns} FROM {item} ORDER BY code")
    first = [str(value) for value in rows[0]]
    assert first[:4] == ["a", "1", "x\ty\n\\z", "red"]
    assert (Decimal(first[4]), first[5], first[6] in ("0", "False"), first[7]) == (
        Decimal("1.5"),
        "",
        True,
        "2026-01-02",
    )
    assert rows[0][8] == 0.1
    assert rows[1][:6] == ("b", 2, "", "it's \\ odd", None, None)
    assert query(url, f"SELECT count(*) FROM {item} WHERE added IS NOT NULL AND mark IS NOT NULL") == [(1,)]
    assert [bytes(row[0]) for row in query(url, f"SELECT {quoted(url, 'blob')} FROM {item} WHERE code = 'a'")] == [
        full.blob
    ]
    changed = dataclasses.replace(bare, label="other", seller=sellers[0])
    assert database.upsert([changed], mirror=True) == Counts(updated=1, deleted=1)
    assert database.delete([changed, full]) == 1
    assert query(url, f"SELECT count(*) FROM {item}") == [(0,)]


def test_rows_of_values_are_told_with_their_columns(database: Database, url: URL) -> None:
    database.apply([Seller])
    assert database.insert_rows(Seller, ["name", "id"], [("One", 1), ("Two", 2)]) == 2
    assert database.upsert_rows(Seller, ["id", "name"], iter([(2, "Zwei"), (3, "Drei")])) == Counts(
        inserted=1, updated=1
    )
    assert database.delete_rows(Seller, ["id"], [(1,), (9,)]) == 1
    assert sorted(query(url, f"SELECT id, name FROM {quoted(url, 'Seller')}")) == [(2, "Zwei"), (3, "Drei")]


@pytest.mark.parametrize(
    ("columns", "row", "said"),
    [
        (["id", "nme"], (1, "One"), "no column 'nme'"),
        (["id", "name"], (1,), "is no row of 2 values"),
        (["id", "name"], ("x", "One"), "object 2: column 'id': 'x' is no bigint"),
        (["name"], ("One",), "key column 'id'"),
        (["id", "name"], (None, "One"), "there is no value"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_written(
    database: Database, url: URL, columns: list[str], row: tuple[Any, ...], said: str
) -> None:
    database.apply([Seller])
    good = tuple({"id": 7, "name": "Seven", "nme": "x"}[name] for name in columns)
    with pytest.raises(CsvManagerError, match=said):
        database.upsert_rows(Seller, columns, [good, row])
    assert query(url, f"SELECT count(*) FROM {quoted(url, 'Seller')}") == [(0,)]


def test_a_value_that_is_none_of_an_enumeration_is_refused(database: Database, url: URL) -> None:
    database.apply(TABLES)
    database.insert([Seller(id=1, name="One")])
    with pytest.raises(CsvManagerError, match="Item"):
        database.insert_rows(Item, ["code", "seller", "label", "colour", "ok"], [("a", 1, "l", "green", True)])
    assert query(url, f"SELECT count(*) FROM {quoted(url, 'Item')}") == [(0,)]


def test_objects_of_one_class_come_at_once(database: Database) -> None:
    database.apply(TABLES)
    with pytest.raises(OptionError, match="is no Seller"):
        database.insert([Seller(id=1, name="One"), Item(code="a", seller=1, label="l")])
    assert database.insert([]) == 0


def test_tables_are_changed_and_their_rows_stay(database: Database, url: URL) -> None:
    database.apply(TABLES)
    database.insert([Seller(id=1, name="One")])
    database.insert([Item(code="a", seller=1, label="l", note="n", colour=Colour.RED)])
    item = quoted(url, "Item")
    query(url, f"CREATE INDEX by_label ON {item} (label)")
    query(url, f"CREATE VIEW labels AS SELECT label FROM {item}")
    query(url, "CREATE TABLE by_hand (a INTEGER)")
    wanted = without(declare(Item), "tags", "mark")
    wanted = altered(wanted, "note", name="remark", renamed_from="note")
    wanted = altered(wanted, "colour", values=("red", "green"))
    wanted = altered(wanted, "ok", default="false")
    wanted = altered(wanted, "price", type=SqlType(kind="double"))
    wanted = altered(wanted, "weight", nullable=True, name="kilos", renamed_from="weight")
    new = dataclasses.replace(wanted.columns[-1], name="grams", type=SqlType(kind="bigint"), default=None)
    wanted = dataclasses.replace(wanted, columns=(*wanted.columns, new))
    done = database.apply([declare(Seller), wanted], drop=["Item.mark"])
    assert [step.drops for step in done.kept] == ["Item.tags"]
    left = database.compare([declare(Seller), wanted])
    assert (told(left), [step.drops for step in left.kept]) == ([], ["Item.tags"])
    assert query(url, f"SELECT code, remark, colour, grams FROM {item}") == [("a", "n", "red", None)]
    assert query(url, "SELECT label FROM labels") == [("l",)]
    names = {table.name for table in database.tables()}
    assert {"by_hand", "labels", "Item", "Seller"} == names
    columns = {column.name for table in database.tables() if table.name == "Item" for column in table.columns}
    assert columns >= {"tags", "remark", "kilos", "grams"}
    assert not columns & {"mark", "note", "weight"}


def test_a_table_that_others_refer_to_is_changed(database: Database, url: URL) -> None:
    database.apply(TABLES)
    database.insert([Seller(id=1, name="One")])
    database.insert([Item(code="a", seller=1, label="l")])
    wanted = altered(declare(Seller), "name", nullable=True, default="'new'")
    assert told(database.apply([wanted])) == ["the column Seller.name may be empty, has another default"]
    assert told(database.compare([wanted])) == []
    assert query(url, f"SELECT seller FROM {quoted(url, 'Item')}") == [(1,)]
    with pytest.raises(CsvManagerError):
        database.insert([Item(code="b", seller=2, label="l")])


def test_what_is_to_be_dropped_is_named(database: Database, url: URL) -> None:
    database.apply(TABLES)
    query(url, "CREATE TABLE by_hand (a INTEGER)")
    with pytest.raises(ConfigurationError, match=r"no 'Item\.nothing' that is to be dropped"):
        database.apply(TABLES, drop=["Item.nothing"])
    done = database.apply([Seller], drop=["by_hand", "Item"])
    assert set(told(done)) == {"the table Item is dropped", "the table by_hand is dropped"}
    assert [table.name for table in database.tables()] == ["Seller"]


def test_a_key_is_not_changed(database: Database) -> None:
    database.apply([Seller])
    other = dataclasses.replace(declare(Seller), key=("name",))
    with pytest.raises(ConfigurationError, match="The key of the table Seller is id, and name is wanted"):
        database.compare([other])


def test_what_a_database_refuses_is_told_and_undone(database: Database, url: URL) -> None:
    database.apply([Seller])
    database.insert([Seller(id=1, name="One")])
    wanted = altered(declare(Seller), "name", type=SqlType(kind="bigint"))
    if url.get_backend_name() == "sqlite":
        wanted = altered(wanted, "name", values=("Two",))
    with pytest.raises(CsvManagerError, match=r"The column Seller\.name cannot become bigint: 'One' is text"):
        database.apply([wanted])
    assert told(database.compare([Seller])) == []
    assert query(url, f"SELECT name FROM {quoted(url, 'Seller')}") == [("One",)]


def test_the_statements_are_those_that_are_executed(database: Database) -> None:
    statements = database.sql(TABLES)
    assert [each.split("(")[0].split()[:2] for each in statements if each.startswith("CREATE")] == [
        ["CREATE", "TABLE"]
    ] * 2
    assert database.tables() == ()


def test_the_code_of_tables_declares_them(database: Database, tmp_path: Path) -> None:
    database.apply(TABLES)
    path = tmp_path / "declared.py"
    path.write_text(database.code(), encoding="utf-8")
    tables = tables_of(str(path))
    assert [table.name for table in tables] == ["Seller", "Item"]
    found = database.compare(tables)
    assert (told(found), found.kept) == ([], ())


def test_csv_managers_own_tables_are_not_declared(database: Database) -> None:
    own = dataclasses.replace(declare(Seller), name="csv_files")
    with pytest.raises(ConfigurationError, match="csv_files is a table of csv_manager's own"):
        database.apply([own])


def test_the_event_loop_goes_on_meanwhile(url: URL) -> None:
    sellers = [Seller(id=number, name=f"Seller {number}") for number in range(3000)]

    async def load() -> tuple[Counts, int]:
        async with csv_manager.open_async_database(url.render_as_string(hide_password=False)) as database:
            await database.run(lambda it: it.apply([Seller]))
            loading = asyncio.create_task(database.run(lambda it: it.upsert(sellers)))
            turns = 0
            while not loading.done():
                turns += 1
                await asyncio.sleep(0)
            return await loading, turns

    counts, turns = asyncio.run(load())
    assert counts == Counts(inserted=3000)
    assert turns > 1


@dataclass
class Renamed:
    """A table whose column was called otherwise."""

    id: Annotated[int, PrimaryKey()]
    title: Annotated[str, RenamedFrom("name"), SqlType(kind="text", length=100)]


def test_a_field_says_what_it_was_called(database: Database, url: URL) -> None:
    old = dataclasses.replace(declare(Seller), name="Renamed", uniques=(), comment=declare(Renamed).comment)
    old = altered(old, "name", comment=None)
    database.apply([old])
    database.insert_rows(old, ["id", "name"], [(1, "One")])
    done = told(database.apply([Renamed]))
    assert done[0] == "the column Renamed.name is called title now"
    assert told(database.compare([Renamed])) == []
    assert query(url, f"SELECT title FROM {quoted(url, 'Renamed')}") == [("One",)]


class Size(enum.Enum):
    """Sizes of what is renamed."""

    SMALL = "s"
    LARGE = "l"


@dataclass
class RenamedAndMore:
    """A table whose columns were called otherwise, and had no constraints."""

    id: Annotated[int, PrimaryKey()]
    title: Annotated[str, RenamedFrom("name"), Comment("of a book"), Distinct(), SqlType(kind="text", length=100)] = "?"
    size: Annotated[Size, RenamedFrom("extent")] = Size.SMALL
    seller: Annotated[Seller | None, RenamedFrom("by")] = None


@dataclass
class _Before:
    """A table whose columns were called otherwise, and had no constraints."""

    id: Annotated[int, PrimaryKey()]
    name: Annotated[str, SqlType(kind="text", length=40)]
    extent: Annotated[str, SqlType(kind="text", length=1)]
    by: int | None = None


def test_a_renamed_field_is_what_else_it_is_at_once(database: Database, url: URL) -> None:
    old = dataclasses.replace(declare(_Before), name="RenamedAndMore")
    database.apply([Seller, old])
    database.insert_rows(declare(Seller), ["id", "name"], [(7, "Seven")])
    database.insert_rows(old, ["id", "name", "extent", "by"], [(1, "One", "l", 7)])
    database.apply([Seller, RenamedAndMore])
    assert told(database.compare([Seller, RenamedAndMore])) == []
    assert query(url, f"SELECT title, size, seller FROM {quoted(url, 'RenamedAndMore')}") == [("One", "l", 7)]
    for title, size in (("'One'", "'s'"), ("'Two'", "'x'")):
        with pytest.raises(DBAPIError):
            query(url, f"INSERT INTO {quoted(url, 'RenamedAndMore')} (id, title, size) VALUES (2, {title}, {size})")


def test_a_renamed_field_whose_values_do_not_fit_leaves_the_table(database: Database, url: URL) -> None:
    old = dataclasses.replace(declare(_Before), name="RenamedAndMore")
    database.apply([Seller, old])
    database.insert_rows(old, ["id", "name", "extent"], [(1, "One", "x")])
    with pytest.raises(TargetError, match="there is a row with another value"):
        database.apply([Seller, RenamedAndMore])
    assert query(url, f"SELECT name, extent FROM {quoted(url, 'RenamedAndMore')}") == [("One", "x")]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("class A:\n    id: int", "declares no table"),
        ("@dataclass\nclass A:\n    id: Annotated[int, PrimaryKey()]\n    x: object", r"A\.x: .* is no type of"),
        ("@dataclass\nclass A:\n    id: Annotated[int, PrimaryKey()]\n    x: 'Nowhere'", "Nowhere"),
        ("@dataclass\nclass A:\n    id: Annotated[int, PrimaryKey()] = 1j", "is no default of a column"),
        ("nonsense(", "cannot be read: SyntaxError"),
        ("raise SystemExit(3)", "cannot be read: SystemExit"),
    ],
)  # fmt: skip
def test_a_module_that_declares_wrongly_is_refused(tmp_path: Path, body: str, said: str) -> None:
    path = tmp_path / "wrong.py"
    head = "from dataclasses import dataclass\nfrom typing import Annotated\nfrom csv_manager.sync import PrimaryKey\n"
    path.write_text(f"{head}{body}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=said):
        tables_of(str(path))
