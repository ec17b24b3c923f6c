"""Two users of one database, on real servers: the administrator owns the tables, the user reads and writes rows."""

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import servers
from servers import Users
from sqlalchemy import text

from csv_manager.core.errors import StoreError
from csv_manager.store.catalog import Catalog
from csv_manager.store.engine import reading, using, writing
from csv_manager.store.roles import excess, missing_rights
from csv_manager.store.schema import REVISION, VERSION_TABLE, metadata
from csv_manager.store.upgrade import CORE, sql_of, state_of, upgrade, upgrade_as

if TYPE_CHECKING:
    from conftest import Cli


@pytest.fixture(params=["postgresql", "mariadb"])
def users(request: pytest.FixtureRequest) -> Iterator[Users]:
    """A new database with an administrator and a user."""
    with servers.users(request.param) as told:
        yield told


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
    servers.execute(made.admin, f"REVOKE DELETE ON csv_outbox FROM {made.quoted}")
    with using(made.user) as engine:
        told = missing_rights(engine, metadata.tables)
        assert told == f"{made.user.username} may not DELETE csv_outbox"
        upgrade_as(engine, made.admin, CORE)
        assert missing_rights(engine, metadata.tables) is None


def test_what_the_user_may_do_to_tables_is_named(made: Users) -> None:
    user, admin = made.quoted, f'"{made.admin.username}"'  # the latter for PostgreSQL alone
    role = f"role_{str(made.user.username)[-8:]}"
    told: list[str | None] = []
    grants = {
        "postgresql": ["GRANT CREATE ON SCHEMA public TO {0}", "GRANT {1} TO {0}", "ALTER ROLE {0} SUPERUSER"],
        "mariadb": [
            "GRANT SELECT ON mysql.* TO {0}",  # and so it sees what others may do
            "GRANT DROP ON csv_files TO {0}",
            "SET DEFAULT ROLE {2} FOR {0}",
            "GRANT ALL ON *.* TO {0}",
        ],
    }[made.kind]
    if made.kind == "mariadb":
        servers.execute(made.root, f"CREATE ROLE {role}", f"GRANT CREATE ON {made.root.database}.* TO {role}")
        servers.execute(made.root, f"GRANT {role} TO {user}")
    try:
        for grant in grants:
            with using(made.user) as engine:
                told.append(excess(engine, metadata.tables))
            servers.execute(made.root, grant.format(user, admin, role))
        with using(made.user) as engine:
            told.append(excess(engine, metadata.tables))
            assert missing_rights(engine, metadata.tables) is None
    finally:
        if made.kind == "mariadb":
            servers.execute(made.root, f"DROP ROLE {role}")
    every = "CREATE, ALTER, DROP"
    rights = (
        [None, "CREATE", every, every] if made.kind == "postgresql" else [None, None, "DROP", "CREATE, DROP", every]
    )
    assert told == [
        right and f"{made.user.username} may {right} tables, which only the admin has to; take that right from it."
        for right in rights
    ]


def test_a_user_that_may_do_to_tables_what_the_admin_does_is_a_warning(users: Users, cli: "Cli") -> None:
    root = users.root
    told = {"dialect": users.kind, "address": root.host, "port": root.port, "database": root.database}
    told |= {"user": f"{users.user.username}:{users.user.password}", "admin": f"{root.username}:{root.password or ''}"}
    config = cli.write("c.yaml", json.dumps({"databases": {"default": told}}))
    cli.environment["CSV_MANAGER_CONFIG"] = str(config)
    cli("database_upgrade")
    assert cli.notes("database_check") == ""
    user = users.quoted
    every = f"ALTER ROLE {user} SUPERUSER" if users.kind == "postgresql" else f"GRANT ALL ON *.* TO {user}"
    servers.execute(root, every)
    assert cli.notes("database_check") == (
        f"Warning: default: {users.user.username} may CREATE, ALTER, DROP tables, which only the admin has to; "
        "take that right from it.\n"
    )
    rows = cli.json("database_check")
    assert [list(row) for row in rows] == [["name", "role", "check", "result", "reason"]] * 5
    assert [(row["role"], row["check"], row["result"]) for row in rows] == [
        *((role, check, "ok") for role in ("user", "admin") for check in ("reachable", "rights")),
        ("user", "schema", "ok"),
    ]


def test_a_user_without_rights_is_told_what_to_do(users: Users) -> None:
    told = "may not do this" if users.kind == "postgresql" else "has no rights in it.*database_upgrade.*grants them"
    with pytest.raises(StoreError, match=told):
        Catalog(users.user)


def test_the_first_command_of_the_user_has_the_administrator_make_the_tables(users: Users) -> None:
    with closing(Catalog(users.user, users.admin)) as catalog:
        assert catalog.outbox.end() == 0
    with closing(Catalog(users.user)) as catalog:
        catalog.services.beat("one")
        assert catalog.services.alive() == 1


def test_who_was_shut_out_of_a_store_that_is_there_is_not_let_in_by_a_command() -> None:
    with servers.users("mariadb") as users:
        with using(users.admin) as engine:
            upgrade(engine, CORE)
        with pytest.raises(StoreError, match="has no rights in it"):
            Catalog(users.user, users.admin)


def test_the_revision_is_only_read_by_the_user(made: Users) -> None:
    with using(made.user) as engine:
        assert missing_rights(engine, metadata.tables, read=[VERSION_TABLE]) is None
        for statement in ("UPDATE csv_manager_schema SET version_num = '9'", "DELETE FROM csv_manager_schema"):
            with pytest.raises(StoreError, match="may not do this"), writing(engine) as connection:
                connection.execute(text(statement))
        assert state_of(engine, CORE).state == "ok"
        told = missing_rights(engine, [VERSION_TABLE])
        assert told is not None
        assert f"may not UPDATE {VERSION_TABLE}, DELETE {VERSION_TABLE}, INSERT {VERSION_TABLE}" in told


def test_a_right_on_a_sequence_that_was_taken_is_named() -> None:
    with servers.users("postgresql") as users, using(users.user) as engine:
        upgrade_as(engine, users.admin, CORE)
        servers.execute(users.admin, f"REVOKE USAGE ON SEQUENCE csv_files_id_seq FROM {users.quoted}")
        told = missing_rights(engine, metadata.tables)
        assert told == f"{users.user.username} may not USAGE csv_files_id_seq"
        upgrade_as(engine, users.admin, CORE)
        assert missing_rights(engine, metadata.tables) is None


def test_a_missing_table_is_named_whosever_it_is(made: Users) -> None:
    said = (
        r"a table is missing \(.*others.*\); csv_manager database_upgrade makes those of csv_manager and of its plugins"
    )
    with using(made.admin) as engine, pytest.raises(StoreError, match=said), reading(engine) as connection:
        connection.execute(text("SELECT * FROM others"))


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
    servers.execute(users.admin, *servers.statements_of(script))
    with using(users.admin) as engine:
        assert state_of(engine, CORE).state == "ok"
    with using(users.user) as engine:
        assert not upgrade_as(engine, users.admin, CORE)  # but for the rights
    with closing(Catalog(users.user, users.admin)) as catalog:
        assert catalog.outbox.end() == 0


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
@pytest.mark.parametrize(("login", "password"), [("pät", "pässwörd"), ("日本", "pässwörd€"), ("a", "😀:%")])
def test_a_login_and_a_password_may_have_any_letter(kind: str, login: str, password: str) -> None:
    name = f"{login}{secrets.token_hex(4)}"
    account = f'ROLE "{name}" LOGIN PASSWORD' if kind == "postgresql" else f"USER '{name}'@'%' IDENTIFIED BY"
    with servers.database(kind) as url:
        servers.execute(url, f"CREATE {account} '{password}'", *_granted(kind, url.database or "", name))
        try:
            with using(url.set(username=name, password=password)) as engine, reading(engine) as connection:
                assert str(connection.execute(text("SELECT current_user")).scalar()).removesuffix("@%") == name
        finally:
            servers.execute(url, *servers.dropped(kind, name))


def _granted(kind: str, database: str, name: str) -> list[str]:
    return [] if kind == "postgresql" else [f"GRANT SELECT ON {database}.* TO '{name}'@'%'"]
