"""A process is killed before each change that it makes to a database to make or upgrade the store; the next goes on."""

import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import servers
from sqlalchemy import URL, column, create_engine, inspect, make_url, select, table

from csv_manager.store import upgrade
from csv_manager.store.catalog import Catalog
from csv_manager.store.engine import using, writing
from csv_manager.store.roles import missing_rights
from csv_manager.store.schema import metadata
from csv_manager.store.upgrade import CORE, state_of

_DYING = Path(__file__).with_name("dying_upgrades.py")
pytestmark = pytest.mark.slow
#: Upgrades a store until the n-th change; what that would have been, or nothing if there were fewer.
Kill = Callable[..., str]
_OLD_ROWS = """
INSERT INTO csv_files (id, path, path_sha, latest, head) VALUES (1, '/a.csv', 'x', 1, 1);
INSERT INTO csv_watchers (id, csv_file, `interval`, file_id, name, revision) VALUES (1, '/a.csv', 10, 1, 'a', 7);
INSERT INTO csv_versions (file_id, number, created, cause, status, sha256, size, inserted, updated, deleted, columns,
    csv_format, row_key, ignored, position, stored)
    VALUES (1, 1, '2026-03-02 09:15:07', 'add', 'ok', 's', 3, 1, 0, 0, '[]', '{}', '[]', '[]', 1, FALSE);
INSERT INTO csv_changes (position, file_id, version, seq, op, line) VALUES (1, 1, 1, 0, 'insert', 2);
INSERT INTO csv_outbox VALUES (1, 1, 1, 'ok', 1);
INSERT INTO csv_receivers (name, position) VALUES ('receiver', 1);
INSERT INTO csv_services VALUES ('one', 'host', 1, '2026-03-02 09:15:07', '2026-03-02 09:15:07');
UPDATE csv_counters SET value = 1
"""
_TUTORIALS = """
CREATE TABLE csv_watchers (id INTEGER NOT NULL, csv_file VARCHAR(2048) NOT NULL, `interval` INTEGER, PRIMARY KEY (id));
INSERT INTO csv_watchers VALUES (1, 'a.csv', 2), (2, 'b.csv', 3)
"""


@pytest.fixture(scope="module")
def kill() -> Iterator[Kill]:
    """Upgrades in processes that are killed."""
    process = subprocess.Popen([sys.executable, str(_DYING)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None

    def killed(number: int, url: URL, admin: URL | None = None) -> str:
        told = {
            name: place and place.render_as_string(hide_password=False)
            for name, place in (("url", url), ("admin", admin))
        }
        process.stdin.write(json.dumps({"number": number, **told}) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        assert answer.endswith("\n"), "the upgrade failed"
        return answer.strip()

    yield killed
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> str:
    told: str = request.param
    if told != "sqlite":
        servers.need(told)
    return told


@contextmanager
def database(kind: str, folder: Path) -> Iterator[URL]:
    """A new, empty database."""
    if kind == "sqlite":
        yield make_url(f"sqlite:///{folder / secrets.token_hex(6)}.db")
        return
    with servers.database(kind) as url:
        yield url


def execute(url: URL, statements: str) -> None:
    with using(url) as engine, writing(engine) as connection:
        quoted = "`" if engine.dialect.name == "mysql" else '"'
        for statement in statements.split(";"):
            connection.exec_driver_sql(statement.replace("`", quoted))


def make_old(url: URL) -> None:
    """Make a store of the first schema, with a row in each table."""
    from alembic import command

    with using(url) as engine, writing(engine) as connection:
        config = upgrade._config(CORE)
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    execute(url, _OLD_ROWS)


def make_tutorials(url: URL) -> None:
    """Make the table of the tutorial, with rows."""
    execute(url, _TUTORIALS)


def content(url: URL) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Everything about the tables of a database, and their rows."""
    engine = create_engine(url)
    schema: dict[str, Any] = {}
    rows: dict[str, list[str]] = {}
    try:
        with engine.connect() as connection:
            there = inspect(connection)
            for name in there.get_table_names():
                columns = [{**told, "type": repr(told["type"])} for told in there.get_columns(name)]
                options = {
                    option: told for option, told in there.get_table_options(name).items() if "auto" not in option
                }
                schema[name] = {
                    "columns": columns,
                    "options": options,
                    "key": there.get_pk_constraint(name),
                    "indexes": sorted(map(repr, there.get_indexes(name))),
                    "unique": sorted(map(repr, there.get_unique_constraints(name))),
                    "references": sorted(map(repr, there.get_foreign_keys(name))),
                }
                query = select(table(name, *(column(told["name"]) for told in columns)))
                rows[name] = sorted(map(repr, connection.execute(query)))
    finally:
        engine.dispose()
    return schema, rows


def kill_again_and_again(kill: Kill, step: int, url: URL, user: URL, admin: URL | None = None) -> list[str]:
    """Upgrade in processes that are killed, each of them before another change, until one is not; those changes.

    What a process did is either undone by the database, and the next one may do `step` changes more, or stays, and the
    next one goes on there. `url` is who looks at it, `user` and `admin` are those of the store.
    """
    untold: list[str] = []
    number, before = 1, content(url)
    while statement := kill(number, user, admin):
        untold.append(statement)
        now = content(url)
        assert all(len(now[1][name]) >= len(rows) for name, rows in before[1].items()), statement
        number = number + step if now == before else 1 + step
        before = now
    return untold


@pytest.mark.parametrize("make", [make_tutorials, make_old], ids=["new", "old"])
def test_whatever_was_done_the_next_process_does_the_rest(
    kind: str, make: Callable[[URL], None], kill: Kill, tmp_path: Path
) -> None:
    with database(kind, tmp_path) as url, database(kind, tmp_path) as other:
        make(url)
        make(other)
        assert kill(10_000, other) == ""
        # Where the database undoes everything, one moment is as good as another.
        step = 1 if kind == "mariadb" else 5
        untold = kill_again_and_again(kill, step, url, url)
        assert sum(told.startswith(("CREATE", "ALTER", "INSERT", "UPDATE")) for told in untold) > 20 // step
        assert content(url) == content(other)
        with closing(Catalog(url)) as catalog:
            watched = [watcher.csv_file for watcher in catalog.watchers.all()]
            assert watched == (["/a.csv"] if make is make_old else ["a.csv", "b.csv"])
            assert catalog.outbox.end() == (1 if make is make_old else 0)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_who_was_killed_while_rights_were_granted_is_followed_by_who_grants_them(kind: str, kill: Kill) -> None:
    with servers.users(kind) as users:
        untold = kill_again_and_again(kill, 3, users.root, users.user, users.admin)
        assert sum(told.startswith("GRANT") for told in untold) >= 3
        with using(users.user) as engine:
            assert state_of(engine, CORE).state == "ok"
            assert missing_rights(engine, metadata.tables) is None
        with closing(Catalog(users.user, users.admin)) as catalog:
            assert catalog.outbox.end() == 0
