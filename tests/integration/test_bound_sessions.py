"""Mapped classes of plugins, each in the database that it names, and one session over all of them."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import servers
from sqlalchemy import String, select
from sqlalchemy.engine import URL
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from csv_manager import testing
from csv_manager.core.errors import ConfigurationError, PluginError
from csv_manager.patterns import CsvDatabasesPattern, Run, Task


class Base(DeclarativeBase):
    """The base of a plugin that has its own."""


class Order(Base):
    """A table whose name is a word of SQL, in a database of its own."""

    __tablename__ = "order"
    __bind_key__ = "warehouse"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(String(50))


class User(Base):
    """Another one, in the store's database."""

    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


class Keeper(CsvDatabasesPattern):
    """Has tables in two databases."""

    def activate(self) -> None:
        self.databases.classes.register(Order)
        self.databases.classes.register(User)


Start = Callable[..., Any]


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database for the plugin's tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'warehouse.db'}"
        return
    with servers.database(request.param) as url:
        yield url.render_as_string(hide_password=False)


def test_each_class_is_in_its_database_and_one_session_sees_all(warehouse: str) -> None:
    with testing.app(Keeper, DATABASES={"warehouse": warehouse}) as app:
        plugin = app.plugins["Keeper"]
        assert plugin.databases.state("warehouse").state == "behind"
        assert plugin.databases.state("warehouse").reason == "it lacks the tables of plugins: order"
        assert plugin.databases.upgrade("warehouse") == ["made order"]
        assert "made user" in plugin.databases.upgrade("default")
        assert plugin.databases.upgrade("warehouse") == []
        plugin.session.add_all([Order(what="apples"), User(name="Ada"), User(name="Bob")])
        plugin.session.commit()
        plugin.session.remove()
        assert plugin.session.query(Order).one().what == "apples"
        assert plugin.session.scalars(select(User.name).order_by(User.name)).all() == ["Ada", "Bob"]
        assert list(plugin.session.execute(select(Order.__table__.c.what))) == [("apples",)]
        app.write("data.csv", "id\n1\n")
        app.settle()
        plugin.session.remove()
        [run] = plugin.session.query(Run).filter_by(state="success").all()
        assert (run.version, [task.name for task in run.tasks]) == (1, ["snapshot", "compare", "archive", "commit"])
        assert run.settings.content["arguments"]["key"] == []
        assert plugin.session.query(Task).filter(Task.run == run).count() == 4
        store = app.app.csv_watcher.store.catalog.name
        with closing(sqlite3.connect(store)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert ("user" in names, "order" in names) == (True, False)


def test_a_table_that_two_databases_would_have_is_refused_when_it_is_registered(tmp_path: Path) -> None:
    class Other(DeclarativeBase):
        pass

    class Twin(Other):
        __tablename__ = "order"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Copy(CsvDatabasesPattern):
        def activate(self) -> None:
            self.databases.classes.register(Twin)

    databases = {"warehouse": f"sqlite:///{tmp_path / 'w.db'}"}
    with pytest.raises(PluginError, match="the database warehouse has a table 'order' already, of plugin Keeper"):
        testing.app(Keeper, Copy, DATABASES=databases)


def test_a_table_of_the_stores_own_is_refused_too() -> None:
    class Other(DeclarativeBase):
        pass

    class Mine(Other):
        __tablename__ = "csv_files"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Thief(CsvDatabasesPattern):
        def activate(self) -> None:
            self.databases.classes.register(Mine)

    with pytest.raises(PluginError, match="has a table 'csv_files' already, of csv_manager"):
        testing.app(Thief)


def test_an_unknown_database_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no database 'warehouse' in the settings; did you mean warehouses\?"):
        testing.app(Keeper, DATABASES={"warehouses": f"sqlite:///{tmp_path / 'w.db'}"})


def test_a_password_is_in_nothing_that_is_shown() -> None:
    told = {"far": {"dialect": "postgresql", "database": "d", "address": "127.0.0.1:1", "user": "me:s3cr3t"}}
    with testing.app(Keeper, DATABASES=told | {"warehouse": "sqlite://"}) as app:
        databases = app.plugins["Keeper"].databases
        state = databases.state("far")
        assert (state.state, state.user, state.address) == ("unreachable", "me", "127.0.0.1:1")
        shown = [state, databases.binds, databases.get("far").database_url, list(databases.check("far"))]
        assert "s3cr3t" not in repr(shown)
        assert isinstance(databases.get("far").engine.url, URL)


MIGRATION = '''
"""Makes the table of the plugin."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do it."""
    op.{what}
'''


def test_a_plugin_has_migrations_of_its_own_beside_the_stores(tmp_path: Path, warehouse: str) -> None:
    folder = tmp_path / "versions"
    folder.mkdir()
    first = 'create_table("note", sa.Column("id", sa.Integer, primary_key=True))'
    (folder / "one.py").write_text(MIGRATION.format(revision="n1", down=None, what=first))

    class Notes(CsvDatabasesPattern):
        def activate(self) -> None:
            self.databases.migrations(folder)
            self.databases.migrations(folder, "warehouse")

    with testing.app(Notes, DATABASES={"warehouse": warehouse}) as app:
        databases = app.plugins["Notes"].databases
        assert databases.state("warehouse").state == "empty"
        assert databases.upgrade("default") == ["csv_manager to 0004", "Notes to n1"]
        assert databases.upgrade("warehouse") == ["Notes to n1"]
        assert (databases.state("default").schema, databases.state("warehouse").schema) == (
            "0004, Notes n1",
            "Notes n1",
        )
        second = 'add_column("note", sa.Column("text", sa.Text))'
        (folder / "two.py").write_text(MIGRATION.format(revision="n2", down='"n1"', what=second))
        told = databases.state("warehouse")
        assert (told.state, told.reason) == ("behind", "it has n1, and n2 is known here")
        assert "note" in databases.sql("warehouse")
        assert databases.upgrade("warehouse") == ["Notes to n2"]
        (folder / "two.py").unlink()
        assert databases.state("warehouse").state == "newer"
        with pytest.raises(Exception, match="was made by a newer plugin Notes"):
            databases.upgrade("warehouse")
