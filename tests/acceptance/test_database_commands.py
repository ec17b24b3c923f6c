"""database_list, database_check and database_upgrade, on the databases that the settings tell of."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import servers

from csv_manager.store.schema import REVISION

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = pytest.mark.sqlite


@pytest.fixture
def several(cli: "Cli") -> "Cli":
    """The store in an SQLite file, one more, and a server that is not there."""
    config = cli.folder / "c.yaml"
    config.write_text(
        "databases:\n"
        "  other: {dialect: sqlite, path: other.db}\n"
        "  far: {dialect: postgresql, address: '127.0.0.1:1', database: d, user: 'me:s3cr3t', admin: 'boss:t0p'}\n"
    )
    cli.environment["CSV_MANAGER_CONFIG"] = str(config)
    return cli


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


def test_the_list_tells_of_each_where_it_is_and_how(several: "Cli") -> None:
    before = by_name(several.json("database_list"))
    assert list(before) == ["default", "other", "far"]
    assert (before["default"]["state"], before["default"]["schema"]) == ("empty", None)
    several("csv_watcher_list")  # which makes the store
    rows = by_name(several.json("database_list"))
    assert rows["default"] == {
        "name": "default", "dialect": "sqlite", "address": None, "database": str(several.home / "watcher_db.db"),
        "user": None, "admin": None, "state": "ok", "schema": REVISION, "reason": None,
    }  # fmt: skip
    assert rows["other"]["database"] == str(several.home / "other.db")
    assert (rows["other"]["state"], rows["other"]["reason"]) == ("missing", "there is no such file")
    far = rows["far"]
    assert (far["state"], far["address"], far["user"], far["admin"]) == ("unreachable", "127.0.0.1:1", "me", "boss")
    assert "refused" in far["reason"]
    for form in ("table", "json", "jsonl", "csv"):
        shown = several("database_list", "--format", form)
        assert ("s3cr3t" in shown, "t0p" in shown) == (False, False)


def test_checking_says_what_is_wrong_and_what_mends_it(several: "Cli") -> None:
    rows = json.loads(several("database_check", "default", "--format", "json", code=1))
    assert [(row["check"], row["result"]) for row in rows] == [("schema", "wrong")]
    assert not (several.home / "watcher_db.db").exists()  # looking makes none
    assert rows[0]["reason"].endswith("csv_manager database_upgrade default mends it.")
    assert several("database_upgrade", "default") == f"default: csv_manager to {REVISION}.\n"
    assert several("database_upgrade", "default") == "default: up to date.\n"
    rows = several.json("database_check", "default")
    assert [row["result"] for row in rows] == ["ok"] * 3
    assert "Connection refused" in several("database_check", "far", code=1)


def test_the_statements_are_shown_and_nothing_is_done(several: "Cli") -> None:
    shown = several("database_upgrade", "default", "--sql")
    assert "CREATE TABLE csv_runs" in shown
    assert several.json("database_list")[0]["state"] == "empty"
    assert not (several.home / "watcher_db.db").exists()
    several("database_upgrade", "default")
    assert several("database_upgrade", "default", "--sql") == "-- default is up to date.\n"


def test_a_file_in_which_nothing_is_to_be_is_not_made(several: "Cli") -> None:
    assert several("database_upgrade", "other") == "other: up to date.\n"
    assert several("database_upgrade", "other", "--sql") == "-- other is up to date.\n"
    [row] = json.loads(several("database_check", "other", "--format", "json", code=1))
    assert row["reason"] == "there is no such file; check its path."
    assert not (several.home / "other.db").exists()
    several("csv_watcher_list")  # which makes the home
    (several.home / "other.db").touch()
    row = by_name(several.json("database_list"))["other"]
    assert (row["state"], row["schema"], row["reason"]) == ("ok", None, "nothing of csv_manager is in it")


def test_a_store_that_is_not_this_one_is_shown_with_its_schema(several: "Cli") -> None:
    several("csv_watcher_list")
    (several.home / "watcher_db.db").rename(several.home / "other.db")
    row = by_name(several.json("database_list"))["other"]
    assert (row["state"], row["schema"], row["reason"]) == ("ok", REVISION, None)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_the_statements_for_one_user_say_where_the_rights_of_another_are(kind: str, cli: "Cli") -> None:
    with servers.database(kind) as url:
        config = cli.write("c.yaml", f"databases:\n  default: {url}\n")
        shown = cli("--config", config, "database_upgrade", "default", "--sql")
    assert "GRANT" not in shown
    assert "set `admin` there, too" in shown.split("CREATE TABLE")[-1]


def test_an_unknown_name_is_refused(several: "Cli") -> None:
    for command in ("database_check", "database_upgrade"):
        line = several.refused(command, "othr")
        assert line == "Error: There is no database 'othr' in the settings; did you mean other?"


def test_a_store_of_the_future_is_refused_and_left_alone(several: "Cli") -> None:
    several("csv_watcher_list")
    several.change("UPDATE csv_manager_schema SET version_num = '9999'")
    assert "was made by a newer csv_manager (schema 9999" in several.refused("csv_watcher_list")
    assert "was made by a newer csv_manager" in several.refused("database_upgrade", "default")
    assert several.json("database_list")[0]["state"] == "newer"
    assert several.query("SELECT version_num FROM csv_manager_schema") == [("9999",)]


def test_the_store_is_the_database_default(cli: "Cli") -> None:
    config = cli.write("c.yaml", 'databases:\n  default: {dialect: sqlite, path: "${PLACE}/mine.db"}\n')
    cli.environment["PLACE"] = str(cli.folder)
    cli.write("data.csv", "id\n1\n")
    cli("--config", config, "csv_watcher_add", "data.csv")
    assert (cli.folder / "mine.db").is_file()
    assert not Path(cli.home / "watcher_db.db").exists()
    assert len(json.loads(cli("--config", config, "csv_watcher_list", "--format", "json"))) == 1
    del cli.environment["PLACE"]
    assert "PLACE" in cli.refused("--config", config, "csv_watcher_list")


KEEPER = '''
from csv_manager.patterns import CsvDatabasesPattern, Model
from sqlalchemy.orm import Mapped, mapped_column


class Note(Model):
    __tablename__ = "note"
    __bind_key__ = "{bind}"
    id: Mapped[int] = mapped_column(primary_key=True)


class Keeper(CsvDatabasesPattern):
    """Has a table."""

    def activate(self):
        self.databases.classes.register(Note)
'''


def test_watching_does_not_begin_before_the_databases_of_plugins_can_be_used(several: "Cli") -> None:
    several.write("data.csv", "id\n1\n")
    several("csv_watcher_add", "data.csv")
    asked: list[tuple[object, ...]] = [("csv_watch", "--once"), ("csv_watch",)]
    for bind, parts in {
        "far": ("The database far: ", "127.0.0.1:1", "refused", "check its dialect, address"),
        "other": ("The database other: there is no such file yet; csv_manager database_upgrade other mends it.",),
        "default": (
            "The database default: it lacks the tables of plugins: note; csv_manager database_upgrade default",
        ),
    }.items():
        plugin = several.write("keeper.py", KEEPER.format(bind=bind))
        for command in asked:
            line = several.refused("--plugin", plugin, *command)
            assert [part for part in parts if part not in line] == []
        several("--plugin", plugin, "csv_watcher_list")  # which does not ask it for anything
    plugin = several.write("keeper.py", KEEPER.format(bind="other"))
    several("--plugin", plugin, "database_upgrade", "other")
    several("--plugin", plugin, "csv_watch", "--once")


def test_a_database_with_wrong_options_is_told_and_the_others_too(several: "Cli") -> None:
    config = several.write(
        "more.yaml", "databases: {odd: {dialect: mysql, database: d, address: '127.0.0.1:1', options: {foo: x}}}\n"
    )
    rows = by_name(several.json("--config", config, "database_list"))
    assert (rows["default"]["state"], rows["odd"]["state"]) == ("empty", "unreachable")
    assert "(foo): " in rows["odd"]["reason"]
    checks = json.loads(several("--config", config, "database_check", "--format", "json", code=1))
    assert [row["reason"] for row in checks if row["name"] == "odd"] == [rows["odd"]["reason"]]
    assert "(foo): " in several.refused("--config", config, "database_upgrade", "odd")


def test_looking_changes_nothing_of_another_programs_file(several: "Cli") -> None:
    several.home.mkdir(exist_ok=True)
    other = several.home / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.executescript("PRAGMA journal_mode = DELETE; CREATE TABLE note (id INTEGER PRIMARY KEY);")
    nested = several.write(
        "n.yaml", f"databases: {{deep: {{dialect: sqlite, path: '{several.folder}/a/b/deep.db'}}}}\n"
    )
    plugin = several.write("keeper.py", KEEPER.format(bind="other"))
    deep = several.write(
        "deep.py", KEEPER.format(bind="deep").replace("note", "deep").replace("Note", "Deep").replace("Keeper", "Diver")
    )
    before = hashlib.sha256(other.read_bytes()).hexdigest()
    for command in ("database_list", "database_check"):
        for plugins in ((), ("--plugin", plugin, "--plugin", str(deep))):
            done = several.run("--config", nested, *plugins, command)
            assert b"Traceback" not in done.stderr
            assert (done.returncode, done.stderr) == (0 if command == "database_list" else 1, b"")
    assert hashlib.sha256(other.read_bytes()).hexdigest() == before
    assert [path.name for path in several.home.iterdir()] == ["other.db"]
    assert not (several.folder / "a").exists()
