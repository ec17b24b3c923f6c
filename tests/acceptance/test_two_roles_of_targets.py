"""Targets in a database of two users: the administrator makes and changes the tables, the user writes the rows."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import servers
from servers import Users
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Cli


@pytest.fixture(params=["postgresql", "mariadb"])
def users(request: pytest.FixtureRequest) -> Iterator[Users]:
    """A new database with an administrator and a user."""
    with servers.users(request.param, "admin") as told:
        yield told


@pytest.fixture
def followed(users: Users, cli: "Cli") -> "Path":
    """A watched file, and a database `shop` of two users, in which a table follows it."""
    root = users.root
    told = {"dialect": users.kind, "address": root.host, "port": root.port, "database": root.database}
    told |= {name: f"{url.username}:{url.password}" for name, url in (("user", users.user), ("admin", users.admin))}
    config = cli.write("c.yaml", json.dumps({"databases": {"shop": told}}))
    cli.environment["CSV_MANAGER_CONFIG"] = str(config)
    file = cli.write("data.csv", "id,name\n1,a\n2,b\n3,c\n")
    cli("database_upgrade")  # which lets the user in, where a server has to be told
    cli("csv_watcher_add", file, "--key", "id")
    cli("csv_sync_add", file, "--database", "shop", "--table", "data")
    cli("csv_check_add", file, "--max-deleted", "100%")
    return file


def _rows(users: Users, columns: str) -> list[tuple[object, ...]]:
    engine = create_engine(users.user)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM data ORDER BY id"))]  # noqa: S608
    finally:
        engine.dispose()


def test_what_the_user_changes_is_in_the_log_of_the_administrator(users: Users, cli: "Cli", followed: "Path") -> None:
    cli("csv_audit_add", "shop", "data")
    followed.write_text("id,name\n1,a\n2,B\n4,d\n")
    cli("csv_watch", "--once")
    run = cli.json("csv_run_list", followed)[0]["run"]
    found = cli.json("csv_audit_list", "shop")
    assert {(row["type"], row["key"]["id"]) for row in found} == {("update", 2), ("delete", 3), ("insert", 4)}
    assert {row["run"] for row in found} == {str(run)}
    assert "3 entries as sealed, by 1 seal." in cli("csv_audit_verify", "shop")
    engine = create_engine(users.user)
    try:
        with engine.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(text("DELETE FROM csv_audit_entries_1"))
    finally:
        engine.dispose()
    cli("csv_audit_undo", "shop", "--run", run, "--yes")
    assert _rows(users, "id, name") == [(1, "a"), (2, "b"), (3, "c")]


def test_a_target_goes_through_its_life(users: Users, cli: "Cli", followed: "Path") -> None:
    assert _rows(users, "id, name") == [(1, "a"), (2, "b"), (3, "c")]
    followed.write_text("id,name,more\n1,a,x\n3,C,\n4,d,y\n")
    cli("csv_watch", "--once")
    assert _rows(users, "id, name, more") == [(1, "a", "x"), (3, "C", ""), (4, "d", "y")]
    followed.write_text("id,name,more\n1,a,x\nthree,C,\n")
    cli("csv_watch", "--once")
    assert _rows(users, "id, name") == [("1", "a"), ("three", "C")]
    cli("csv_sync_rollback", followed, "--to", "2", "--yes")
    assert _rows(users, "id, name, more") == [("1", "a", "x"), ("3", "C", ""), ("4", "d", "y")]
    assert cli.json("csv_sync_run", followed, "--verify") == []
    cli("csv_sync_delete", followed, "--drop", "--yes")


@pytest.mark.usefixtures("followed")
@pytest.mark.parametrize(
    "statement", ["DROP TABLE data", "ALTER TABLE data ADD COLUMN mine INTEGER", "CREATE TABLE mine (a INTEGER)"]
)
def test_the_user_may_change_no_table(users: Users, statement: str) -> None:
    engine = create_engine(users.user)
    try:
        with engine.connect() as connection, pytest.raises(DBAPIError, match=r"denied|must be owner"):
            connection.execute(text(statement))
    finally:
        engine.dispose()


def test_a_host_without_the_administrator_brings_what_the_table_has_place_for(
    users: Users, cli: "Cli", followed: "Path"
) -> None:
    config = cli.folder / "c.yaml"
    whole = json.loads(config.read_text())
    config.write_text(json.dumps({"databases": {"shop": {**whole["databases"]["shop"], "admin": None}}}))
    followed.write_text("id,name\n1,A\n")
    cli("csv_watch", "--once")
    assert _rows(users, "id, name") == [(1, "A")]
    followed.write_text("id,name,more\n1,B,x\n")
    said = cli.run("csv_watch", "--once")
    assert said.returncode == 1
    assert f"{users.user.username} may not do that (" in said.stderr.decode()
    assert "csv_sync_run where the settings name an admin does" in said.stderr.decode()
    assert _rows(users, "id, name") == [(1, "A")]
    config.write_text(json.dumps(whole))
    cli("csv_sync_run", followed)
    assert _rows(users, "id, name, more") == [(1, "B", "x")]


def test_a_file_is_loaded_without_a_watcher(users: Users, cli: "Cli", followed: "Path") -> None:
    cli("csv_load", followed, "--database", "shop", "--table", "loaded", "--key", "id")
    assert len(_rows(users, "*")) == 3


def test_a_user_without_the_administrator_changes_rows_that_are_audited(
    users: Users, cli: "Cli", followed: "Path"
) -> None:
    """Its host knows nothing of the administrator; its changes are in the log as those of another program."""
    cli("csv_audit_add", "shop", "data")
    whole = (config := cli.folder / "c.yaml").read_text()
    told = json.loads(whole)
    del told["databases"]["shop"]["admin"]
    config.write_text(json.dumps(told))
    followed.write_text("id,name\n1,a\n2,B\n4,d\n")
    cli("csv_watch", "--once")
    assert _rows(users, "id, name") == [(1, "a"), (2, "B"), (4, "d")]
    config.write_text(whole)
    found = cli.json("csv_audit_list", "shop")
    assert {(row["type"], row["key"]["id"]) for row in found} == {("update", 2), ("delete", 3), ("insert", 4)}
    assert {row["run"] for row in found} == {None}
    assert "3 entries are not sealed yet" in cli("csv_audit_verify", "shop")
