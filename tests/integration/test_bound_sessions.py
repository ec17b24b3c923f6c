"""Mapped classes of plugins, each in the database that it names, and one session over all of them."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import String, select
from sqlalchemy.engine import URL
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from csv_manager import testing
from csv_manager.core.errors import ConfigurationError, PluginError
from csv_manager.framework import databases
from csv_manager.patterns import CsvDatabasesPattern, Model, Run, Task


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


def test_each_class_is_in_its_database_and_one_session_sees_all(warehouse: str) -> None:
    with testing.app(Keeper, DATABASES={"warehouse": warehouse}) as app:
        plugin = app.plugins["Keeper"]
        told = plugin.databases.state("warehouse")
        lacks = ("behind", "it lacks the tables of plugins: order")
        is_file = warehouse.startswith("sqlite")
        assert (told.state, told.reason) == (("empty", "there is no such file yet") if is_file else lacks)
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
        stages = ["snapshot", "compare", "check", "archive", "commit"]
        assert (run.version, [task.name for task in run.tasks]) == (1, stages)
        assert run.settings.content["arguments"]["key"] == []
        assert plugin.session.query(Task).filter(Task.run == run).count() == 5
        store = app.app.csv_watcher.store.catalog.name
        with closing(sqlite3.connect(store)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert ("user" in names, "order" in names) == (True, False)


def test_the_settings_are_read_once_for_each_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    binds_of = databases.binds_of
    monkeypatch.setattr(databases, "binds_of", lambda settings: read.append(settings) or binds_of(settings))
    for number in (1, 2):
        with testing.app(DATABASES={"other": f"sqlite:///{tmp_path / str(number)}.db"}) as app:
            known = app.app.databases
            assert known.known("other").url == f"sqlite:///{tmp_path / str(number)}.db"
            assert list(known.binds) == ["default", "other"]
            assert known.get("other").name == "other"
            for _ in range(2):
                with pytest.raises(ConfigurationError, match="did you mean other"):
                    known.known("othr")
        assert len(read) == number


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


def test_a_plugin_is_activated_again_after_it_was_deactivated(tmp_path: Path) -> None:
    class Again(CsvDatabasesPattern):
        def activate(self) -> None:
            self.databases.classes.register(Order)
            self.databases.classes.register(Order)
            self.side = self.databases.register("side", f"sqlite:///{tmp_path / 'side.db'}")
            self.side.classes.register(User)
            self.databases.migrations(tmp_path)
            self.databases.migrations(tmp_path)

    with testing.app(Again, DATABASES={"warehouse": f"sqlite:///{tmp_path / 'w.db'}"}) as app:
        plugins, plugin = app.app.plugins, app.plugins["Again"]
        for _ in range(3):
            assert [line.name for line in app.app.databases.lines("default")] == ["Again"]
            assert [table.name for table in app.app.databases.mapped("warehouse")] == ["order"]
            plugin.side.create_all()
            plugin.session.add(User(name="Ada"))
            plugin.session.commit()
            plugins.deactivate(["Again"])
            assert app.app.databases.lines("default") == app.app.databases.mapped("warehouse") == []
            assert app.app.databases.mapped("warehouse") == []
            assert app.app.databases.get("side") is None
            plugins.activate(["Again"])
            assert plugin.active
        assert len(plugin.session.query(User).all()) == 3


def test_the_session_finds_the_table_of_a_database_that_a_plugin_registered(tmp_path: Path) -> None:
    class Other(DeclarativeBase):
        pass

    class Twin(Other):
        __tablename__ = "user"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50))

    class Both(CsvDatabasesPattern):
        def activate(self) -> None:
            self.databases.classes.register(User)
            side = self.databases.register("side", f"sqlite:///{tmp_path / 'side.db'}")
            side.classes.register(Twin)

    with testing.app(Both) as app:
        plugin = app.plugins["Both"]
        plugin.databases.upgrade("default")
        plugin.databases.get("side").create_all()
        plugin.session.add_all([User(name="Ada"), Twin(name="Bob")])
        plugin.session.commit()
        assert [plugin.session.scalars(select(clazz.name)).all() for clazz in (User, Twin)] == [["Ada"], ["Bob"]]
        assert plugin.session.execute(select(Twin.__table__.c.name)).scalars().all() == ["Bob"]
        side = plugin.databases.get("side").engine
        told = plugin.session.execute(select(User.__table__.c.name), bind_arguments={"bind": side})
        assert told.scalars().all() == ["Bob"]


@pytest.mark.parametrize("name", ["csv_manager_schema", "CSV_Runs", "csv_schema_of_other", "ORDER"])
def test_a_name_is_taken_in_whatever_case_and_so_are_those_of_revisions(tmp_path: Path, name: str) -> None:
    class Other(DeclarativeBase):
        pass

    class Mine(Other):
        __tablename__ = name
        id: Mapped[int] = mapped_column(primary_key=True)

    class Late(CsvDatabasesPattern):
        def activate(self) -> None:
            self.databases.get().classes.register(Mine)

    with pytest.raises(PluginError, match=f"^Mine: .* has a table '{name}' already, of (plugin Keeper|csv_manager);"):
        testing.app(Keeper, Late, DATABASES={"warehouse": f"sqlite:///{tmp_path / 'w.db'}"})


def test_an_unknown_database_is_told_with_the_class_and_its_plugin() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^Order of Keeper: There is no database 'warehouse' in the settings;"
    ):
        testing.app(Keeper)


def test_a_table_that_two_classes_of_the_shared_base_have_is_told_with_both() -> None:
    class First(Model):
        __tablename__ = "shared_by_two"
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(PluginError) as caught:

        class Second(Model):
            __tablename__ = "shared_by_two"
            id: Mapped[int] = mapped_column(primary_key=True)

    assert re.fullmatch(
        r"\S+\.Second: \S+\.First has a table 'shared_by_two' already; name it otherwise\.", str(caught.value)
    )
    assert First.__table__.name == "shared_by_two"


def test_a_database_in_memory_is_one_for_all_that_plugins_do_with_it() -> None:
    with testing.app(Keeper, DATABASES={"warehouse": "sqlite://"}) as app:
        databases = app.plugins["Keeper"].databases
        assert databases.upgrade("warehouse") == ["made order"]
        assert databases.state("warehouse").state == "ok"
        assert [check.reason for check in databases.check("warehouse")] == [None, None, None]
        app.plugins["Keeper"].session.add(Order(what="apples"))
        app.plugins["Keeper"].session.commit()
        assert app.plugins["Keeper"].session.query(Order).one().what == "apples"


def test_a_store_in_memory_is_no_database_for_tables_of_plugins() -> None:
    with pytest.raises(ConfigurationError, match="The store is in memory, where nobody else finds it;"):
        testing.app(Keeper, DATABASES={"default": "sqlite://", "warehouse": "sqlite://"})
