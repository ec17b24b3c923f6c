"""groundwork on our objects: databases, commands, threads, signals, plugins, errors, shutdown, start-up."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from csv_manager.applications import CSV_MANAGER_APP
from csv_manager.applications.csv_manager_app import main
from csv_manager.core.errors import CsvManagerError, PluginError
from csv_manager.framework import app as framework
from csv_manager.framework import settings as layered
from csv_manager.framework import signals
from csv_manager.framework.commands import run
from csv_manager.patterns import CsvCommandsPattern, CsvWatcherPattern


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CSV_MANAGER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def app(home: Path) -> Iterator[Any]:
    assert home
    made = framework.create_app(layered.load())
    yield made
    framework.shutdown(made)


class Plain(CsvWatcherPattern):
    """Does nothing."""

    def activate(self) -> None:
        """Nothing."""


class Failing(CsvWatcherPattern):
    """Cannot be activated."""

    def activate(self) -> None:
        raise ValueError("no luck today")


def plugin_of(app: Any, clazz: type[Any]) -> Any:
    app.plugins.classes.register([clazz])
    framework.activate(app, [clazz.__name__])
    return app.plugins.get(clazz.__name__)


def test_a_registered_class_comes_back_as_itself_and_can_be_queried(app: Any, tmp_path: Path) -> None:
    from sqlalchemy import Column, Integer

    database = app.databases.register("mine", f"sqlite:///{tmp_path}/mine.db", "a database")

    class Thing(database.Base):  # type: ignore[misc,name-defined]
        __tablename__ = "things"
        id = Column(Integer, primary_key=True)

    assert database.classes.register(Thing) is Thing
    database.create_all()
    database.add(Thing(id=1))
    database.commit()
    database.add(Thing(id=2))
    database.rollback()
    assert [thing.id for thing in Thing.query.all()] == [1]
    assert database.query(Thing).count() == 1
    assert app.databases.get("mine") is database
    with pytest.raises(PluginError, match="registered in this database already"):
        database.classes.register(Thing)
    with pytest.raises(PluginError, match="was registered by"):
        app.databases.register("mine", "sqlite://", "again")


def test_a_database_in_memory_is_one_for_all_threads(app: Any) -> None:
    from sqlalchemy import text

    database = app.databases.register("memory", "sqlite://", "in memory")
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER)"))
    seen: list[Any] = []

    def look() -> None:
        with database.engine.connect() as connection:
            seen.append(connection.execute(text("SELECT count(*) FROM t")).scalar())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [0]


def test_foreign_keys_are_on_and_no_password_is_in_an_attribute(app: Any, tmp_path: Path) -> None:
    from sqlalchemy import text

    database = app.databases.register("mine", f"sqlite:///{tmp_path}/mine.db", "a database")
    with database.engine.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    from sqlalchemy.engine import make_url

    from csv_manager.store.engine import name_of

    assert "hunter2" not in name_of(make_url("postgresql://me:hunter2@host/db"))


def test_a_thread_gets_its_arguments_and_stops_with_its_plugin(app: Any) -> None:
    plugin = plugin_of(app, Plain)
    got: list[Any] = []

    def work(owner: Any, **arguments: Any) -> str:
        got.append((owner, arguments))
        assert thread.stopping.wait(30)
        return "done"

    thread = plugin.threads.register("worker", work, "works")
    thread.run(size=3)
    assert thread.running
    assert thread.thread.daemon
    app.plugins.deactivate(["Plain"])
    thread.join(30)
    assert (thread.running, thread.response, got) == (False, "done", [(plugin, {"size": 3})])
    assert app.threads.get() == {}


def test_a_thread_that_fails_is_not_running_any_more(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    plugin = plugin_of(app, Plain)

    def work(_owner: Any) -> None:
        raise ValueError("broken")

    thread = plugin.threads.register("worker", work)
    thread.run()
    thread.join(30)
    assert not thread.running
    assert isinstance(thread.error, ValueError)
    assert "Thread worker of Plain failed" in caplog.text
    with pytest.raises(ValueError, match="registered by Plain already"):
        plugin.threads.register("worker", work)


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (None, 0, ""),
        (1, 1, ""),
        (CsvManagerError("data.csv: no."), 2, "Error: data.csv: no."),
        (click.UsageError("wrong\nindeed"), 2, "Error: wrong indeed. `prog do --help` tells more.\n"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (KeyboardInterrupt("data.csv is done"), 130, "\nInterrupted: data.csv is done.\n"),
        (RuntimeError("a bug"), 2, "Error: RuntimeError: a bug ("),
        (type("Odd", (BaseException,), {})("odd"), 2, "Error: Odd: odd ("),
    ],
)
def test_how_a_command_ends_is_its_exit_code_and_one_line(
    outcome: Any, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> Any:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    group = click.Group(commands={"do": click.Command("do", callback=command)})
    assert run(group, ["do"], "prog") == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_commands_have_h_and_a_name_that_is_taken_is_refused(app: Any, capsys: pytest.CaptureFixture[str]) -> None:
    class Greeter(CsvCommandsPattern):
        """Greets."""

        def activate(self) -> None:
            self.commands.register("greet", "Say hello.", lambda: click.echo("hello"))

    plugin = plugin_of(app, Greeter)
    assert run(app.commands.group(), ["greet", "-h"], "prog") == 0
    assert "Say hello." in capsys.readouterr().out
    with pytest.raises(PluginError, match="command greet was registered by Greeter already"):
        plugin.commands.register("greet", "Again", print)
    app.plugins.deactivate(["Greeter"])
    assert "greet" not in app.commands.get()


def test_an_unknown_plugin_is_an_error_that_lists_the_known_ones(app: Any) -> None:
    with pytest.raises(
        PluginError, match=r"no plugin CsvWatcherPlugn; did you mean CsvWatcherPlugin\? Known are: .*Csv"
    ):
        framework.activate(app, ["CsvWatcherPlugn"])


def test_a_plugin_that_fails_tears_the_others_down(app: Any) -> None:
    app.plugins.classes.register([Plain, Failing])
    with pytest.raises(PluginError, match="Plugin Failing could not be activated: no luck today"):
        framework.activate(app, ["Plain", "Failing"])
    assert not app.plugins.get("Plain").active


def test_one_receiver_that_raises_does_not_harm_the_others(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    signals.own(app, {"something": "happened"})
    got: list[Any] = []

    class Odd(BaseException):
        """As most of groundwork's own."""

    def raising(_sender: Any, **_: Any) -> None:
        raise ValueError("broken receiver")

    def odd(_sender: Any, **_: Any) -> None:
        raise Odd

    def fine(sender: Any, **told: Any) -> None:
        got.append((sender, told))

    for name, function in (("one", raising), ("two", odd), ("three", fine)):
        app.signals.connect(name, "something", function, app)
    signals.send(app, "something", value=1)
    assert got == [(app, {"value": 1})]
    assert "Receiver one of csv_manager_app failed on the signal something" in caplog.text
    assert "Receiver two of csv_manager_app failed" in caplog.text


def test_csv_manager_app_has_app_and_start_and_runs_a_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert home
    application = CSV_MANAGER_APP()
    assert application.app.config.get("APP_NAME") == "csv_manager_app"
    with pytest.raises(SystemExit) as ended:
        application.start(["csv_config_list", "--format", "jsonl"])
    assert ended.value.code == 0
    assert '"name": "APP_NAME"' in capsys.readouterr().out


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('MODULES', *sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split("MODULES")[1].split())


HEAVY = {
    "sqlalchemy",
    "alembic",
    "jinja2",
    "docutils",
    "cookiecutter",
    "pkg_resources",
    "rich",
    "watchdog",
    "zstandard",
}


def test_importing_groundwork_leaves_no_stand_in_and_loads_nothing_heavy() -> None:
    assert not loaded_by("import csv_manager.framework") & (HEAVY | {"future"})


def test_of_a_program_that_logs_already_nothing_is_changed(caplog: pytest.LogCaptureFixture) -> None:
    assert main(["--version"]) == 0
    logging.getLogger("mine").error("It failed.", exc_info=OSError(28, "No space left on device"))
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_help_loads_nothing_heavy(home: Path) -> None:
    assert home
    code = "from csv_manager.applications.csv_manager_app import main\nassert main(['--help']) == 0"
    assert not loaded_by(code) & HEAVY
    assert not home.exists()


def test_a_stand_in_gives_the_real_thing_when_it_is_called() -> None:
    code = (
        "import csv_manager.framework\n"
        "from groundwork.plugins.gw_documents_info import Environment\n"
        "assert Environment().from_string('{{ 1 + 1 }}').render() == '2'\n"
        "import jinja2\n"
        "assert jinja2.Environment is not Environment"
    )
    assert "jinja2" in loaded_by(code)


class Odd(BaseException):
    """As most of groundwork's own errors are."""


def test_a_thread_that_fails_with_one_of_groundworks_errors_is_told_like_any_other(
    app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = plugin_of(app, Plain)

    def work(_owner: Any) -> None:
        raise Odd("odd")

    thread = plugin.threads.register("worker", work)
    thread.run()
    thread.join(30)
    assert not thread.running
    assert isinstance(thread.error, Odd)
    assert "Thread worker of Plain failed" in caplog.text


def test_a_session_flushes_by_itself_and_sees_what_another_thread_committed(app: Any, tmp_path: Path) -> None:
    from sqlalchemy import Column, Integer

    database = app.databases.register("mine", f"sqlite:///{tmp_path}/mine.db", "a database")

    class Thing(database.Base):  # type: ignore[misc,name-defined]
        __tablename__ = "things"
        id = Column(Integer, primary_key=True)

    database.classes.register(Thing)
    database.create_all()
    database.add(Thing(id=1))
    assert Thing.query.count() == 1  # without a flush of ours
    database.commit()

    def write() -> None:
        database.add(Thing(id=2))
        database.commit()
        database.close()

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert [thing.id for thing in Thing.query.order_by(Thing.id)] == [1, 2]
    assert database.classes.get("Thing") is Thing
    app.databases.unregister("mine")
    assert app.databases.get("mine") is None


def test_a_bare_app_gets_our_objects_from_the_first_pattern_that_needs_them(home: Path, tmp_path: Path) -> None:
    from groundwork import App

    from csv_manager.framework.databases import Databases
    from csv_manager.framework.threads import Threads

    config = tmp_path / "configuration.py"
    config.write_text(f"APP_PATH = {str(home)!r}\n")
    home.mkdir()
    bare = App([str(config)], plugins=[Plain])
    bare.plugins.activate(["Plain"])
    assert isinstance(bare.databases, Databases)
    assert isinstance(bare.threads, Threads)
    with pytest.raises(SystemExit) as ended:
        bare.commands.start_cli(["-h"])
    assert ended.value.code == 0
    framework.shutdown(bare)
    assert not bare.plugins.get("Plain").active


def test_shutdown_tells_what_cannot_be_deactivated_and_goes_on(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(CsvWatcherPattern):
        """Does not want to go."""

        def activate(self) -> None:
            """Nothing."""

        def deactivate(self) -> None:
            raise Odd("stays")

    app.plugins.classes.register([Plain, Stubborn])
    framework.activate(app, ["Plain", "Stubborn"])
    framework.shutdown(app)
    assert "Plugin Stubborn could not be deactivated" in caplog.text
    assert not app.plugins.get("Plain").active
    framework.shutdown(app)  # twice is as once


def test_help_of_the_console_script_loads_no_sqlalchemy(home: Path) -> None:
    script = Path(sys.executable).parent / "csv_manager"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(script), "--help"], capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & HEAVY
    assert not home.exists()


@pytest.mark.parametrize("first", ["groundwork", "csv_manager.patterns", "csv_manager.applications"])
def test_after_any_first_import_every_module_is_the_real_one(first: str) -> None:
    code = (
        f"import {first}, csv_manager.framework, sys\n"
        "names = ('pkg_resources', 'future', 'cookiecutter', 'jinja2', 'docutils')\n"
        "found = [sys.modules[name] for name in names if name in sys.modules]\n"
        "assert all(module.__spec__ is not None for module in found), found"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True)
