"""Two users of one database, on real servers: the administrator owns the tables, the user reads and writes rows."""

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
import servers
from sqlalchemy import text
from sqlalchemy.engine import URL

from csv_manager.core.errors import StoreError
from csv_manager.store.catalog import Catalog
from csv_manager.store.engine import reading, using, writing
from csv_manager.store.roles import missing_rights
from csv_manager.store.schema import REVISION, metadata
from csv_manager.store.upgrade import CORE, sql_of, state_of, upgrade_as

#: Everything that a URL, a format string or a shell could trip over.
PASSWORD = "p@ss/w:rd%"  # noqa: S105 - of users that live as long as a test


@dataclass(frozen=True, kw_only=True)
class Users:
    """The URLs of both; `root` is the server's own administrator."""

    kind: str
    root: URL
    admin: URL
    user: URL


@pytest.fixture(params=["postgresql", "mariadb"])
def users(request: pytest.FixtureRequest) -> Iterator[Users]:
    """A new database with an administrator and a user, whose names and password are odd."""
    kind, mark = request.param, secrets.token_hex(4)
    names = [f"a%d:min_{mark}", f"user {mark}"]
    try:
        with servers.database(kind) as url:
            servers.execute(url, *_made(kind, url.database or "", *names))
            admin, user = (url.set(username=name, password=PASSWORD) for name in names)
            yield Users(kind=kind, root=url, admin=admin, user=user)
    finally:
        servers.execute(servers.url_of(kind), *_dropped(kind, *names))


def _made(kind: str, database: str, admin: str, user: str) -> list[str]:
    if kind == "postgresql":
        logins = [f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{PASSWORD}'" for name in (admin, user)]
        return [*logins, f'ALTER DATABASE {database} OWNER TO "{admin}"']
    logins = [f"CREATE USER '{name}'@'%' IDENTIFIED BY '{PASSWORD}'" for name in (admin, user)]
    return [*logins, f"GRANT ALL ON {database}.* TO '{admin}'@'%' WITH GRANT OPTION"]


def _dropped(kind: str, *names: str) -> list[str]:
    if kind == "postgresql":
        return [f'DROP ROLE IF EXISTS "{name}"' for name in names]
    return [f"DROP USER IF EXISTS '{name}'@'%'" for name in names]


@pytest.fixture
def made(users: Users) -> Users:
    """The users of a database whose tables the administrator has made."""
    with using(users.user) as engine:
        assert upgrade_as(engine, users.admin, CORE)
    return users


def test_the_user_reads_and_writes_rows(made: Users) -> None:
    with closing(Catalog(made.user, made.admin)) as catalog:
        catalog.services.beat("one", files=3)
        assert [service.files for service in catalog.services.all()] == [3]
        catalog.folders.checked({})
    with using(made.user) as engine:
        assert missing_rights(engine, metadata.tables) is None


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE csv_files",
        "TRUNCATE TABLE csv_changes",
        "ALTER TABLE csv_files ADD COLUMN mine INTEGER",
        "CREATE TABLE mine (a INTEGER)",
        "CREATE INDEX mine ON csv_files (state)",
    ],
)
def test_the_user_may_do_nothing_to_the_tables_themselves(made: Users, statement: str) -> None:
    with (
        using(made.user) as engine,
        pytest.raises(StoreError, match=f"the user {made.user.username} may not do this"),
        writing(engine) as connection,
    ):
        connection.execute(text(statement))
    with using(made.admin) as engine, reading(engine) as connection:
        assert state_of(engine, CORE).state == "ok"
        assert connection.execute(text("SELECT count(*) FROM csv_files")).scalar() == 0


def test_the_tables_are_the_administrators_and_upgrading_again_changes_nothing(made: Users) -> None:
    with using(made.user) as engine:
        assert not upgrade_as(engine, made.admin, CORE)
        assert state_of(engine, CORE).found == REVISION
        assert sql_of(engine, CORE) == ""
    if made.kind == "postgresql":
        owners = text("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = current_schema()")
        with using(made.root) as engine, reading(engine) as connection:
            assert connection.execute(owners).scalars().all() == [made.admin.username]


def test_rights_that_were_taken_are_named_and_granted_again(made: Users) -> None:
    quoted = f'"{made.user.username}"' if made.kind == "postgresql" else f"'{made.user.username}'@'%'"
    servers.execute(made.admin, f"REVOKE DELETE ON csv_outbox FROM {quoted}")
    with using(made.user) as engine:
        told = missing_rights(engine, metadata.tables)
        assert told == f"{made.user.username} may not DELETE csv_outbox; csv_manager database_upgrade grants it."
        upgrade_as(engine, made.admin, CORE)
        assert missing_rights(engine, metadata.tables) is None


def test_a_user_without_rights_is_told_what_to_do(users: Users) -> None:
    if users.kind == "postgresql":
        # Whoever connects may make the store of a new database only as the administrator.
        with pytest.raises(StoreError, match="may not do this"):
            Catalog(users.user)
    else:
        with pytest.raises(StoreError, match=r"may not do this.*database_check tells what is missing"):
            Catalog(users.user, users.admin)


def test_a_wrong_password_is_one_line_without_it(users: Users) -> None:
    wrong = users.user.set(password="secret%wrong")  # noqa: S106 - it is meant to be wrong
    with pytest.raises(StoreError) as refused:
        Catalog(wrong)
    said = str(refused.value)
    assert "secret" not in said
    assert "\n" not in said
    assert str(users.user.username) in said


def test_the_statements_make_what_upgrading_makes(users: Users) -> None:
    with using(users.admin) as engine:
        script = sql_of(engine, CORE)
        assert state_of(engine, CORE).state == "empty"
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    statements = [part.strip() for part in "\n".join(lines).split(";") if part.strip()]
    kept = [statement for statement in statements if statement not in ("BEGIN", "COMMIT")]
    servers.execute(users.admin, *kept)
    with using(users.admin) as engine:
        assert state_of(engine, CORE).state == "ok"
    with using(users.user) as engine:
        assert not upgrade_as(engine, users.admin, CORE)  # but for the rights
    with closing(Catalog(users.user, users.admin)) as catalog:
        assert catalog.outbox.end() == 0
