"""Two users of one database whose plugins have tables, on real servers: made by migrations, by classes, or none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from servers import Users
from sqlalchemy import ForeignKey, String, text
from sqlalchemy.engine import URL
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from csv_manager import testing
from csv_manager.core.errors import StoreError
from csv_manager.patterns import CsvDatabasesPattern
from csv_manager.store.engine import make_engine, reading, using, writing
from csv_manager.store.roles import tables_there
from csv_manager.store.schema import VERSION_TABLE
from csv_manager.store.sql_dialects import run, sql_dialect_of

_HEAD = '''
"""Makes tables."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do it."""
'''
_FIRST = """
    op.create_table("note 50%", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(50)))
    op.create_table("old", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(50)))
"""
_SECOND = """
    op.execute("CREATE TABLE raw (id INTEGER PRIMARY KEY, text VARCHAR(50) DEFAULT '5%')")
    op.rename_table("old", "renamed")
"""
_LOOKING = """
    if not sa.inspect(op.get_bind()).has_table("looked"):
        op.create_table("looked", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(50)))
"""


class Base(DeclarativeBase):
    """The base of a plugin's classes."""


class Order(Base):
    """A table whose rows are numbered, and whose name a driver could trip over."""

    __tablename__ = "order 5%"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(String(50), server_default="20%", index=True)


class Line(Base):
    """A table that refers to the other one."""

    __tablename__ = "order_line"
    id: Mapped[int] = mapped_column(primary_key=True)
    order: Mapped[int] = mapped_column(ForeignKey("order 5%.id"))


@pytest.fixture(params=["postgresql", "mariadb"])
def users(request: pytest.FixtureRequest) -> Iterator[Users]:
    """A new database with an administrator and a user."""
    with servers.users(request.param, "a%d min") as told:
        yield told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The migrations of the plugin, of which there is one so far."""
    (tmp_path / "one.py").write_text(_HEAD.format(revision="n1", down=None) + _FIRST)
    return tmp_path


def bind_of(users: Users) -> dict[str, Any]:
    """The entry of DATABASES for both users."""
    url = users.root
    logins = {role: f"{told.username}:{told.password}" for role, told in (("user", users.user), ("admin", users.admin))}
    place = {"dialect": url.get_backend_name(), "address": url.host, "database": url.database}
    return {**place, **logins, **({"port": url.port} if url.port else {})}


def keeper(folder: Path | None = None, *classes: type[Any]) -> type[CsvDatabasesPattern]:
    """A plugin with migrations and classes."""

    class Keeper(CsvDatabasesPattern):
        def activate(self) -> None:
            if folder is not None:
                self.databases.migrations(folder)
            for clazz in classes:
                self.databases.classes.register(clazz)

    return Keeper


def wrong(databases: Any, name: str = "default") -> list[tuple[str, str, str]]:
    """What a check finds."""
    return [(told.role, told.check, told.reason) for told in databases.check(name) if told.reason is not None]


def insert(url: URL, *tables: str) -> None:
    """Insert a row into each table, as one that is numbered by the server where it can be."""
    with using(url) as engine, writing(engine) as connection:
        quote = connection.dialect.identifier_preparer.quote
        for table in tables:
            columns = ("id, text", "1, 'a'") if table == "raw" else ("text", "'a'")
            connection.exec_driver_sql(f"INSERT INTO {quote(table)} ({columns[0]}) VALUES ({columns[1]})")  # noqa: S608


def test_the_user_may_use_the_tables_of_migrations_of_earlier_ones_too(users: Users, folder: Path) -> None:
    with testing.app(keeper(folder), DATABASES={"default": bind_of(users)}) as app:
        databases = app.plugins["Keeper"].databases
        databases.upgrade("default")
        insert(users.user, "note 50%", "old")
        (folder / "two.py").write_text(_HEAD.format(revision="n2", down='"n1"') + _SECOND)
        (folder / "three.py").write_text(_HEAD.format(revision="n3", down='"n2"') + _LOOKING)
        assert databases.upgrade("default") == ["Keeper to n3"]
        insert(users.user, "note 50%", "renamed", "raw", "looked")
        assert wrong(databases) == []
        with pytest.raises(StoreError, match="may not do this"), using(users.user) as engine, writing(engine) as told:
            told.execute(text("DELETE FROM csv_schema_of_keeper"))
        servers.execute(users.admin, f"REVOKE ALL PRIVILEGES ON raw FROM {users.quoted}")
        lacked = ", ".join(f"{right} raw" for right in ("SELECT", "UPDATE", "DELETE", "INSERT"))
        told = f"{users.user.username} may not {lacked}; csv_manager database_upgrade grants it."
        assert wrong(databases) == [("user", "rights", told)]
        assert databases.upgrade("default") == [f"granted {users.user.username} its rights"]
        assert wrong(databases) == []
        insert(users.user, "note 50%")
        assert databases.upgrade("default") == []


def test_the_statements_do_all_that_upgrading_does(users: Users, folder: Path) -> None:
    (folder / "two.py").write_text(_HEAD.format(revision="n2", down='"n1"') + _SECOND)
    with testing.app(keeper(folder, Order, Line), DATABASES={"default": bind_of(users)}) as app:
        plugin = app.plugins["Keeper"]
        script = plugin.databases.sql("default")
        assert "DEFAULT '20%'" in script
        with using(users.admin) as engine:
            assert tables_there(engine) == set()
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                for statement in servers.statements_of(script):
                    run(connection, statement)
        insert(users.user, "note 50%", "renamed", "raw")
        plugin.session.add(Order(what="apples"))
        plugin.session.flush()
        plugin.session.add(Line(order=plugin.session.query(Order.id).scalar()))
        plugin.session.commit()
        assert plugin.session.query(Order.what).all() == [("apples",)]
        plugin.session.remove()
        assert wrong(plugin.databases) == []
        assert plugin.databases.state("default").state == "ok"
        assert plugin.databases.sql("default") == ""
        assert plugin.databases.upgrade("default") == []
        app.write("data.csv", "id\n1\n")
        app.settle()
        assert [told["op"] for told in app.changes("data.csv")] == ["insert"]


def test_statements_of_a_migration_that_looks_at_the_database_are_not_shown(users: Users, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(_HEAD.format(revision="n1", down=None) + _LOOKING)
    with testing.app(keeper(tmp_path), DATABASES={"default": bind_of(users)}) as app:
        databases = app.plugins["Keeper"].databases
        with pytest.raises(StoreError, match="The statements of Keeper cannot be shown, since a migration looks at"):
            databases.sql("default")
        assert databases.upgrade("default") == ["csv_manager to 0008", "Keeper to n1"]
        insert(users.user, "looked")


def test_what_the_administrator_does_not_own_it_cannot_grant() -> None:
    with (
        servers.users("postgresql", "a%d min") as users,
        testing.app(keeper(), DATABASES={"default": bind_of(users)}) as app,
    ):
        databases = app.plugins["Keeper"].databases
        databases.upgrade("default")
        servers.execute(
            users.root,
            f"REVOKE DELETE ON csv_services FROM {users.quoted}",
            "ALTER TABLE csv_services OWNER TO CURRENT_USER",
            f'GRANT ALL ON csv_services TO "{users.admin.username}"',
        )
        with pytest.raises(StoreError, match=r"may not DELETE csv_services; .* could not grant it; its owner can"):
            databases.upgrade("default")


def test_the_statements_make_classes_that_are_missing_and_grant_what_is_missing(users: Users) -> None:
    with testing.app(keeper(None, Order, Line), DATABASES={"default": bind_of(users)}) as app:
        databases = app.plugins["Keeper"].databases
        databases.upgrade("default")
        assert wrong(databases) == []
        servers.execute(users.admin, "DROP TABLE order_line", f"REVOKE DELETE ON csv_files FROM {users.quoted}")
        script = databases.sql("default")
        assert script.count("CREATE TABLE") == 1
        assert "CREATE TABLE order_line" in script
        assert databases.upgrade("default") == ["made order_line"]
        servers.execute(users.admin, f"REVOKE DELETE ON csv_files FROM {users.quoted}")
        script = databases.sql("default")
        assert "CREATE" not in script
        assert "GRANT SELECT, INSERT, UPDATE, DELETE ON" in script
        assert databases.upgrade("default") == [f"granted {users.user.username} its rights"]
        assert databases.sql("default") == ""


def test_the_user_is_let_into_a_database_without_tables(users: Users) -> None:
    with testing.app(keeper(), DATABASES={"reports": bind_of(users)}) as app:
        databases = app.plugins["Keeper"].databases
        if users.kind == "mariadb":
            [(role, check, reason)] = wrong(databases, "reports")
            assert (role, check) == ("user", "reachable")
            assert "has no rights in it" in reason
            assert "database_check" not in reason
            assert "GRANT REFERENCES" in databases.sql("reports")
            assert databases.upgrade("reports") == [f"granted {users.user.username} its rights"]
        assert databases.upgrade("reports") == []
        assert databases.sql("reports") == ""
        assert (databases.state("reports").state, wrong(databases, "reports")) == ("ok", [])
        with (
            pytest.raises(StoreError, match="may not do this"),
            using(users.user) as engine,
            writing(engine) as connection,
        ):
            connection.execute(text("CREATE TABLE mine (id INTEGER)"))


def test_a_store_of_others_that_the_user_may_not_read_is_no_trouble(users: Users) -> None:
    theirs = f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) PRIMARY KEY)"
    with testing.app(keeper(), DATABASES={"reports": bind_of(users)}) as app:
        databases = app.plugins["Keeper"].databases
        databases.upgrade("reports")
        servers.execute(users.admin, theirs)
        state = databases.state("reports")
    assert (state.state, state.schema) == ("ok", None)


def test_an_administrator_that_may_not_grant_makes_nothing() -> None:
    with (
        servers.users("mariadb", "a%d min", may_grant=False) as users,
        testing.app(keeper(None, Order), DATABASES={"default": bind_of(users)}) as app,
    ):
        databases = app.plugins["Keeper"].databases
        with pytest.raises(StoreError, match=f"{users.admin.username} may not grant .*WITH GRANT OPTION"):
            databases.upgrade("default")
        with using(users.admin) as engine:
            assert tables_there(engine) == set()
        told = {(role, check): reason for role, check, reason in wrong(databases)}
        assert "may not grant" in told["admin", "rights"]


def test_a_role_of_the_administrator_may_let_it_grant() -> None:
    with servers.users("mariadb", "a%d min", may_grant=False) as users:
        account, role = f"'{users.admin.username}'@'%'", str(users.root.database)
        database = role.replace("_", r"\_")
        servers.execute(
            users.root,
            f"REVOKE ALL ON {role}.* FROM {account}",
            f"CREATE ROLE {role}",
            f"GRANT ALL ON `{database}`.* TO {role} WITH GRANT OPTION",
            f"GRANT {role} TO {account}",
            f"SET DEFAULT ROLE {role} FOR {account}",
        )
        try:
            with testing.app(keeper(), DATABASES={"default": bind_of(users)}) as app:
                databases = app.plugins["Keeper"].databases
                assert databases.upgrade("default") == ["csv_manager to 0008"]
                assert wrong(databases) == []
        finally:
            servers.execute(users.root, f"DROP ROLE {role}")


def test_tables_that_the_user_would_not_find_are_not_made() -> None:
    with servers.users("postgresql", "a%d min") as users:
        admin, user = users.admin.username, users.user.username
        servers.execute(users.root, f'CREATE SCHEMA AUTHORIZATION "{admin}"')
        with testing.app(keeper(), DATABASES={"default": bind_of(users)}) as app:
            databases = app.plugins["Keeper"].databases
            said = f"{admin} makes tables in the schema {admin}, and {user} looks for them in {user}, public; set the "
            with pytest.raises(StoreError, match=said):
                databases.upgrade("default")
            with using(users.admin) as engine:
                assert tables_there(engine) == set()
            told = {(role, check): reason for role, check, reason in wrong(databases)}
            assert told["user", "schema"].startswith(said)
        servers.execute(users.root, f'ALTER ROLE "{user}" SET search_path = "{admin}"')
        with testing.app(keeper(None, Order), DATABASES={"default": bind_of(users)}) as app:
            databases = app.plugins["Keeper"].databases
            assert databases.upgrade("default") == ["csv_manager to 0008", "made order 5%"]
            assert wrong(databases) == []


def test_a_user_alone_that_may_not_make_tables_is_told_so() -> None:
    with servers.users("postgresql", "a%d min") as users:
        bind = {name: told for name, told in bind_of(users).items() if name != "admin"}
        with testing.app(keeper(), DATABASES={"default": bind}) as app:
            told = {(role, check): reason for role, check, reason in wrong(app.plugins["Keeper"].databases)}
            assert (
                told["user", "rights"] == f"{users.user.username} may not make tables there; set an `admin` that may."
            )


def test_numbers_go_on_beyond_those_of_a_table_of_any_name(users: Users) -> None:
    engine = make_engine(users.admin)
    Base.metadata.create_all(engine)
    with writing(engine) as connection:
        connection.execute(Order.__table__.insert().values(id=41, what="copied"))  # type: ignore[attr-defined]
        for statement in sql_dialect_of(engine).renumber(connection, ["order 5%", "order_line"]):
            run(connection, statement)
    with writing(engine) as connection:
        connection.execute(Order.__table__.insert().values(what="new"))  # type: ignore[attr-defined]
    with reading(engine) as connection:
        numbers = text(f"SELECT id FROM {engine.dialect.identifier_preparer.quote('order 5%')} ORDER BY id")  # noqa: S608
        assert connection.execute(text(str(numbers).replace("%%", "%"))).scalars().all() == [41, 42]
    engine.dispose()
