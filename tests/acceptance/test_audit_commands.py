"""csv_audit_*: who changed what in a table, and the way back, by the command line."""

import contextlib
import datetime as dt
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import servers
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from conftest import Cli

ORDERS = "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer VARCHAR(20), price INTEGER)"
ROWS = "INSERT INTO orders VALUES (1, 'Ada', 10), (2, 'Bob', 20), (3, 'Eve', 30)"
ALL = [(1, "Ada", 10), (2, "Bob", 20), (3, "Eve", 30)]


class Shop:
    """A database with a table of orders that is audited: `name` for commands, and another program's connection."""

    def __init__(self, cli: "Cli", kind: str, url: str, name: str) -> None:
        self.cli, self.kind, self.name = cli, kind, name
        self.engine: Engine = create_engine(url)
        self.write(ORDERS, ROWS)
        cli("csv_audit_add", name, "orders")

    def write(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        time.sleep(0.002)  # SQLite tells other programs' statements apart by their milliseconds

    def rows(self, query: str = "SELECT * FROM orders ORDER BY 1") -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def list(self, *options: object) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = self.cli.json("csv_audit_list", self.name, *options)
        return told


@contextlib.contextmanager
def a_shop(cli: "Cli", kind: str) -> Iterator[Shop]:
    with contextlib.ExitStack() as stack:
        if kind == "sqlite":
            shop = Shop(cli, kind, f"sqlite:///{cli.folder / 'shop.db'}", "shop.db")
        else:
            url = make_url(stack.enter_context(servers.database(kind)))
            config = cli.folder / "c.yaml"
            config.write_text(f"databases:\n  shop: {url.render_as_string(hide_password=False)!r}\n")
            cli.environment["CSV_MANAGER_CONFIG"] = str(config)
            shop = Shop(cli, kind, url.render_as_string(hide_password=False), "shop")
        stack.callback(shop.engine.dispose)
        yield shop


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def shop(request: pytest.FixtureRequest, cli: "Cli") -> Iterator[Shop]:
    with a_shop(cli, request.param) as made:
        yield made


@pytest.fixture
def local(cli: "Cli") -> Iterator[Shop]:
    with a_shop(cli, "sqlite") as made:
        yield made


def test_a_bad_update_by_hand_is_found_explained_and_taken_back(shop: Shop) -> None:
    cli = shop.cli
    shop.write("INSERT INTO orders VALUES (4, 'Zoe', 40)")
    shop.write("UPDATE orders SET price = 0")
    newest, *_ = found = shop.list("--since", "today")
    assert [(row["type"], row["key"]["id"]) for row in found] == [
        ("update", 4), ("update", 3), ("update", 2), ("update", 1), ("insert", 4),
    ]  # fmt: skip
    assert newest["changes"] == {"price": {"old": 40, "new": 0}}
    assert len({row["transaction"] for row in found}) == 2
    assert (newest["actor"] is None) == (shop.kind == "sqlite")
    if shop.kind == "postgresql":
        assert newest["extra"]["statement"] == "UPDATE orders SET price = 0"
    shown = cli("csv_audit_show", shop.name, newest["transaction"])
    assert ("UPDATE orders SET price = 0" in shown) == (shop.kind == "postgresql")
    assert shown.count("update") == 4
    planned = json.loads(cli("csv_audit_undo", shop.name, newest["transaction"], "--plan", "--format", "json"))
    assert [(row["row"], row["undo"]) for row in planned] == [(f"id={n}", "update") for n in (1, 2, 3, 4)]
    assert planned[0]["changes"] == {"price": {"old": 0, "new": 10}}
    assert shop.rows()[0][2] == 0
    said = cli.notes("csv_audit_undo", shop.name, newest["transaction"], "--yes")
    assert said == "Taken back: the changes of 4 rows of orders.\n"
    assert shop.rows() == [*ALL, (4, "Zoe", 40)]
    undone = shop.list("--limit", 1)[0]
    assert undone["extra"] == {"program": "csv_manager", "undone": newest["transaction"]}
    assert undone["actor"]
    cli("csv_audit_undo", shop.name, undone["transaction"], "--yes")
    assert {row[2] for row in shop.rows()} == {0}
    assert cli("csv_audit_verify", shop.name).splitlines()[0] == "13 entries as sealed, by 2 seals."


def test_what_was_changed_since_is_a_conflict_and_nothing_is_done(shop: Shop) -> None:
    shop.write("UPDATE orders SET price = 0")
    shop.write("UPDATE orders SET customer = 'Ann' WHERE id = 1")
    shop.write("DELETE FROM orders WHERE id = 2")
    last, second = shop.list("--limit", 2)
    first = shop.list("--limit", 0)[-1]["transaction"]
    done = shop.cli.run("csv_audit_undo", shop.name, first, "--yes", "--format", "json")
    assert (done.returncode, done.stderr) == (1, b"Nothing was done.\n")
    assert [(row["row"], row["conflict"]) for row in json.loads(done.stdout)] == [
        ("id=1", f"It was changed since, by entry {second['entry']}: customer."),
        ("id=2", f"The row went since, by entry {last['entry']}."),
    ]
    assert shop.rows() == [(1, "Ann", 0), (3, "Eve", 0)]
    shop.cli("csv_audit_undo", shop.name, last["entry"], second["entry"], first, "--yes")
    assert shop.rows() == ALL
    shop.write("INSERT INTO orders VALUES (9, 'x', 9)", "DELETE FROM orders WHERE id = 9")
    both = [row["entry"] for row in shop.list("--limit", 2)]
    assert "nothing to take back" in shop.cli.notes("csv_audit_undo", shop.name, *both)


def test_a_row_is_brought_back(shop: Shop) -> None:
    for price in (1, 2, 3):
        shop.write(f"UPDATE orders SET price = {price:d} WHERE id = 2")  # noqa: S608 - a number
        shop.write("UPDATE orders SET price = price + 1 WHERE id = 3")
    of_row = shop.list("--table", "orders", "--key", "2")
    assert [row["changes"]["price"]["new"] for row in of_row] == [3, 2, 1]
    assert shop.list("--key", "id=2") == of_row
    shop.cli("csv_audit_undo", shop.name, "--table", "orders", "--key", "2", "--yes")
    assert shop.rows()[1] == (2, "Bob", 2)
    shop.cli("csv_audit_undo", shop.name, "--table", "orders", "--key", "2", "--since", "today", "--yes")
    assert shop.rows() == [ALL[0], ALL[1], (3, "Eve", 33)]
    assert "No change of the row 9 of orders" in shop.cli.refused(
        "csv_audit_undo", shop.name, "--table", "orders", "--key", "9", "--yes"
    )


def test_a_database_is_brought_back_to_a_time(shop: Shop) -> None:
    cli = shop.cli
    shop.write("UPDATE orders SET price = 11 WHERE id = 1")
    then, entry = shop.rows(), shop.list()[0]["entry"]
    time.sleep(0.01)
    moment = dt.datetime.now(dt.UTC)
    time.sleep(0.01)
    shop.write(
        "UPDATE orders SET price = 0", "DELETE FROM orders WHERE id = 3", "INSERT INTO orders VALUES (5, 'x', 5)"
    )
    now = shop.rows()
    with contextlib.ExitStack() as stack:
        news: list[str] = []
        for place, to in enumerate((moment.isoformat(), entry)):
            new = f"new{place}.db"
            if shop.kind != "sqlite":
                new = f"new{place}"
                made = make_url(stack.enter_context(servers.database(shop.kind)))
                config = cli.folder / "c.yaml"
                config.write_text(config.read_text() + f"  {new}: {made.render_as_string(hide_password=False)!r}\n")
            told = json.loads(cli("csv_audit_recover", shop.name, "--to", to, "--into", new, "--format", "json"))
            assert told == [{"table": "orders", "rows": 3, "changed": 4}]
            news.append(new)
            url = f"sqlite:///{cli.folder / new}" if shop.kind == "sqlite" else made
            engine = create_engine(url)
            stack.callback(engine.dispose)
            with engine.connect() as connection:
                rows = [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM orders ORDER BY 1")]
            assert rows == then
        assert shop.rows() == now
        refused = cli.refused("csv_audit_recover", shop.name, "--to", entry, "--into", news[0])
        assert "There is a table orders already; recover into an empty database." in refused
    cli("csv_audit_recover", shop.name, "--to", moment.isoformat(), "--in-place", "--yes")
    assert shop.rows() == then


def test_a_tampered_log_is_caught(shop: Shop) -> None:
    cli, anchors = shop.cli, shop.cli.folder / "anchors"
    shop.write("UPDATE orders SET price = 0")
    assert "3 entries are not sealed yet" in cli("csv_audit_verify", shop.name, "--anchor", anchors)
    assert not anchors.exists()
    assert "3 entries as sealed, by 1 seal." in cli("csv_audit_verify", shop.name, "--anchor", anchors, "--seal")
    assert len(anchors.read_text().splitlines()) == 1
    shop.write("DELETE FROM orders WHERE id = 1")
    assert "1 entry is not sealed yet" in cli("csv_audit_verify", shop.name, "--anchor", anchors)
    first = shop.list("--limit", 0)[-1]["entry"]
    shop.write(f"UPDATE csv_audit_entries_1 SET n2 = 7 WHERE number = {first:d}")  # noqa: S608
    broken = cli("csv_audit_verify", shop.name, code=1)
    assert broken.startswith("Broken: seal 1 of ")
    assert "its entries are not those that were sealed." in broken
    [told] = json.loads(cli("csv_audit_verify", shop.name, "--format", "json", code=1))
    assert (told["result"], told["seals"]) == ("broken", 0)
    refused = cli.refused("csv_audit_recover", shop.name, "--to", 1, "--into", "new.db")
    assert "is not as it was sealed: seal 1 of" in refused
    assert not (cli.folder / "new.db").exists()


def test_a_chain_that_was_made_anew_is_told_by_its_anchors(local: Shop) -> None:
    cli, anchors = local.cli, local.cli.folder / "anchors"
    local.write("UPDATE orders SET price = 0 WHERE id = 1")
    cli("csv_audit_verify", "shop.db", "--anchor", anchors, "--seal")
    names = [name for (name,) in local.rows("SELECT name FROM sqlite_schema WHERE name LIKE 'csv!_audit%' ESCAPE '!'")]
    tables = [name for name in names if not name.endswith(("insert", "update", "delete"))]
    local.write(*(f"DROP TRIGGER {name}" for name in names if name not in tables))
    local.write(*(f"DROP TABLE {name}" for name in tables))
    cli("csv_audit_add", "shop.db", "orders")
    assert "Nothing is sealed yet." in cli("csv_audit_verify", "shop.db")
    assert "Broken: seal 1 was the last one" in cli("csv_audit_verify", "shop.db", "--anchor", anchors, code=1)


def test_what_no_trigger_saw_is_told(shop: Shop) -> None:
    cli = shop.cli
    shop.write("UPDATE orders SET price = 9 WHERE id < 3")
    assert "The rows are as the log tells." in cli("csv_audit_verify", shop.name, "--rows", "--seal")
    triggers = {
        "sqlite": "SELECT name, '' FROM sqlite_schema WHERE type = 'trigger'",
        "postgresql": "SELECT tgname, ' ON orders' FROM pg_trigger WHERE NOT tgisinternal",
        "mariadb": "SELECT trigger_name, '' FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
    }[shop.kind]
    shop.write(*(f"DROP TRIGGER {name}{on}" for name, on in shop.rows(triggers)))
    shop.write(
        "UPDATE orders SET price = 8 WHERE id = 1", "DELETE FROM orders WHERE id = 2", "DELETE FROM orders WHERE id = 3"
    )
    said = cli("csv_audit_verify", shop.name, "--rows", code=1)
    assert "2 rows changed unseen." in said
    assert f"csv_manager csv_audit_add {shop.name} orders mends that." in said
    [told] = json.loads(cli("csv_audit_verify", shop.name, "--rows", "--format", "json", code=1))
    assert (told["result"], told["lapsed"]) == ("ok", ["orders"])
    assert [(row["row"], row["present"] and row["present"]["price"]) for row in told["rows"]] == [
        ("id=1", 8),
        ("id=2", None),
    ]
    cli("csv_audit_add", shop.name, "orders")
    shop.write("UPDATE orders SET price = 9 WHERE id = 1", "INSERT INTO orders VALUES (2, 'Bob', 9)")
    assert [row["type"] for row in shop.list("--limit", 2)] == ["insert", "update"]
    cli("csv_audit_verify", shop.name, "--rows")


def test_columns_are_redacted_and_tables_are_audited_no_longer(shop: Shop) -> None:
    cli = shop.cli
    shop.write("CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(20), salary INTEGER)")
    cli("csv_audit_add", shop.name, "people", "--redact", "people.salary")
    assert [(row["table"], row["redacted"]) for row in shop.list("--tables")] == [
        ("orders", []),
        ("people", ["salary"]),
    ]
    shop.write("INSERT INTO people VALUES (1, 'Ada', 4711)", "UPDATE people SET salary = 4712")
    assert "471" not in json.dumps([{**row, "time": 0, "transaction": 0} for row in shop.list()])
    assert "redacted in the log" in cli("csv_audit_undo", shop.name, shop.list("--limit", 1)[0]["entry"], code=1)
    assert "cannot be redacted" in cli.refused("csv_audit_add", shop.name, "people", "--redact", "people.id")
    assert "no column pay" in cli.refused("csv_audit_add", shop.name, "people", "--redact", "people.pay")
    assert "it is TABLE.COLUMN" in cli.refused("csv_audit_add", shop.name, "people", "--redact", "salary")
    cli("csv_audit_delete", shop.name, "people", "--yes")
    shop.write("DELETE FROM people")
    assert [row["type"] for row in shop.list("--table", "people")] == ["update", "insert"]
    assert [row["table"] for row in shop.list("--tables")] == ["orders"]


def test_a_run_tells_of_itself_and_is_taken_back(shop: Shop) -> None:
    cli = shop.cli
    cli.write("data.csv", "id,v\n1,a\n2,b\n")
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli("csv_sync_add", "data.csv", "--database", shop.name)
    cli("csv_audit_add", shop.name, "data")
    cli.write("data.csv", "id,v,w\n1,a,\n2,c,long\n3,d,\n")
    cli("csv_watch", "--once")
    run = cli.json("csv_run_list", "data.csv")[0]["run"]
    found = shop.list("--run", run)
    assert {(row["type"], row["key"]["id"]) for row in found} >= {("insert", 3), ("update", 2)}
    assert found[0]["extra"] == {
        "program": "csv_manager", "run": run, "csv_file": str(cli.folder.resolve() / "data.csv"), "version": 2,
    }  # fmt: skip
    assert shop.list("--actor", found[0]["actor"], "--limit", 0)[: len(found)] == found
    assert shop.list("--actor", "nobody") == []
    assert "as sealed" in cli("csv_audit_verify", shop.name, "--rows")
    cli("csv_audit_undo", shop.name, "--run", run, "--yes")
    assert shop.rows("SELECT id, v, w FROM data ORDER BY 1") == [(1, "a", None), (2, "b", None)]
    assert "No entry is of a run 999" in cli.refused("csv_audit_undo", shop.name, "--run", 999)


def test_what_is_sealed_is_compressed_and_as_it_was(shop: Shop) -> None:
    cli = shop.cli
    # So many that MariaDB, which takes numbers a thousand at once, knows of the first ones that they are all there.
    values = ", ".join(f"({n:d}, 'x', 1)" for n in range(10, 2110))
    shop.write(f"INSERT INTO orders VALUES {values}", "UPDATE orders SET customer = 'Ä'")  # noqa: S608 - numbers
    before = shop.list("--limit", 0)
    assert "Nothing sealed" in cli("csv_audit_compact", shop.name)
    cli("csv_audit_verify", shop.name, "--seal")
    done = cli("csv_audit_compact", shop.name)
    for _ in range(50):  # servers know a moment later that nobody is to come with a lower number
        if "Compacted" in done:
            break
        time.sleep(0.2)
        shop.write("UPDATE orders SET price = price + 1 WHERE id = 1")
        cli("csv_audit_verify", shop.name, "--seal")
        done = cli("csv_audit_compact", shop.name)
    assert int(done.split()[1].replace(",", "")) >= 1000
    assert shop.rows("SELECT min(number) FROM csv_audit_entries_1") != [(1,)]
    assert shop.list("--limit", 0)[-len(before) :] == before
    assert "The rows are as the log tells." in cli("csv_audit_verify", shop.name, "--rows")
    cli("csv_audit_recover", shop.name, "--to", before[-1]["entry"] - 1, "--in-place", "--yes")
    assert shop.rows() == ALL


def test_a_table_that_was_dropped_is_recovered_from_a_snapshot(shop: Shop) -> None:
    cli = shop.cli
    [taken] = cli.json("csv_audit_snapshot", shop.name, "orders")
    assert (taken["table"], taken["rows"]) == ("orders", 3)
    assert cli.json("csv_audit_snapshot", shop.name, "--list") == [taken]
    shop.write("UPDATE orders SET price = 0 WHERE id = 2")
    then, entry = shop.rows(), shop.list("--limit", 1)[0]["entry"]
    shop.write("DELETE FROM orders WHERE id = 3", "DROP TABLE orders")
    assert "There is no table" not in cli("csv_audit_verify", shop.name, "--seal", code=1)
    with contextlib.ExitStack() as stack:
        new, url = "new.db", f"sqlite:///{cli.folder / 'new.db'}"
        if shop.kind != "sqlite":
            new, url = "new", stack.enter_context(servers.database(shop.kind))
            config = cli.folder / "c.yaml"
            config.write_text(config.read_text() + f"  new: {url!r}\n")
        told = cli.json("csv_audit_recover", shop.name, "--to", entry, "--into", new, "--from-snapshots")
        assert told == [{"table": "orders", "rows": 3, "changed": 1}]
        engine = create_engine(url)
        stack.callback(engine.dispose)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM orders ORDER BY 1")]
        assert rows == then
    assert "is not audited" in cli.refused("csv_audit_snapshot", shop.name, "people")
    assert "--list lists" in cli.refused("csv_audit_snapshot", shop.name, "orders", "--list")


def test_what_csv_manager_writes_much_of_is_compressed_by_itself(local: Shop) -> None:
    cli = local.cli
    cli.write("data.csv", "id,v\n" + "".join(f"{n},a{n}\n" for n in range(11_000)))
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli("csv_sync_add", "data.csv", "--database", "shop.db", "--mode", "mirror")
    cli("csv_audit_add", "shop.db", "data")
    cli.write("data.csv", "id,v\n" + "".join(f"{n},b{n}\n" for n in range(11_000)))
    cli("csv_watch", "--once")
    assert local.rows("SELECT count(*) FROM csv_audit_entries_2") == [(0,)]
    [(size,)] = local.rows("SELECT sum(length(content)) FROM csv_audit_batches")
    assert size < 60 * 11_000
    assert cli("csv_audit_verify", "shop.db", "--rows").startswith("11,000 entries as sealed, by 1 seal.")
    newest = local.list("--limit", 1)[0]
    assert (newest["key"], newest["changes"]) == ({"id": 10999}, {"v": {"old": "a10999", "new": "b10999"}})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["csv_audit_list", "gone.db"], "gone.db is not there"),
        (["csv_audit_list", "shpo"], "There is no database 'shpo' in the settings"),
        (["csv_audit_add", "shop.db", "Order"], "There is no table Order; did you mean orders?"),
        (["csv_audit_add", "shop.db", "csv_audit_head"], "There is no table csv_audit_head"),
        (["csv_audit_list", "shop.db", "--table", "oders"], "The table oders is not audited; did you mean orders?"),
        (
            ["csv_audit_list", "shop.db", "--key", "a=1", "--key", "b=2"],
            "--key a=1 --key b=2: the key of orders is id.",
        ),
        (["csv_audit_list", "shop.db", "--since", "soon"], "--since 'soon' is no time"),
        (["csv_audit_show", "shop.db", "77"], "There is no entry 77."),
        (["csv_audit_show", "shop.db", "abcdef"], "There is no transaction abcdef."),
        (["csv_audit_undo", "shop.db"], "Tell what is to be taken back"),
        (["csv_audit_undo", "shop.db", "--table", "orders"], "Tell what is to be taken back"),
        (["csv_audit_undo", "shop.db", "1", "--since", "today"], "--since is told of a row"),
        (["csv_audit_undo", "shop.db", "1"], "nobody answered; --yes answers."),
        (["csv_audit_recover", "shop.db", "--to", "1"], "Tell where: --into NEW"),
        (["csv_audit_recover", "shop.db", "--to", "2999-01-01", "--into", "n.db"], "is still to come."),
        (["csv_audit_recover", "shop.db", "--to", "never", "--into", "n.db"], "--to 'never' is no time"),
        (["csv_audit_recover", "shop.db", "--to", "1", "--into", "shop.db"], "There is a table orders already"),
        (["csv_audit_delete", "shop.db", "people", "--yes"], "The table people is not audited"),
        (["csv_audit_verify", "shop.db", "--anchor", "shop.db"], "The anchors shop.db cannot be read"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(local: Shop, arguments: list[str], told: str) -> None:
    local.write("UPDATE orders SET price = 0 WHERE id = 1")
    before = local.rows()
    done = local.cli.run(*arguments)
    assert done.returncode == 2
    assert told in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert local.rows() == before
    assert not (local.cli.folder / "n.db").exists()


def test_a_database_without_a_log_has_none_after_it_was_asked(cli: "Cli") -> None:
    database = cli.folder / "shop.db"
    engine = create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.exec_driver_sql(ORDERS)
    engine.dispose()
    before = database.read_bytes()
    for command in (["csv_audit_list"], ["csv_audit_verify"], ["csv_audit_undo", "1"]):
        assert "No table of shop.db is audited" in cli.refused(command[0], "shop.db", *command[1:])
    assert database.read_bytes() == before
