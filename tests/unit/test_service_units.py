"""The units of csv_service_install: what each service manager reads in them is what was meant."""

import ast
import configparser
import plistlib
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from csv_manager.core.errors import ConfigurationError, OptionError
from csv_manager.core.masking import masked
from csv_manager.framework import settings as layered
from csv_manager.plugins.csv_service_plugin import systemd as systemd_module
from csv_manager.plugins.csv_service_plugin.invocation import Invocation, make_invocation
from csv_manager.plugins.csv_service_plugin.launchd import Launchd
from csv_manager.plugins.csv_service_plugin.system import Ran
from csv_manager.plugins.csv_service_plugin.systemd import Systemd
from csv_manager.plugins.csv_service_plugin.systems import find_system
from csv_manager.plugins.csv_service_plugin.windows import Windows

NASTY = '/data/100% of $HOME/it\'s "mine" \\ größer'
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def make(environment: Mapping[str, str], **options: Any) -> Invocation:
    """The invocation under these variables."""
    settings = layered.load(options.get("config", ()), environment)
    shown = [
        {"name": told.name, "value": masked(told.name, told.value), "origin": told.origin} for told in settings.all()
    ]
    return make_invocation(settings, shown, options, environment)


def invocation(interpreter: str = "/opt/py/bin/python") -> Invocation:
    """An invocation with what is hard to quote."""
    return Invocation(
        interpreter=interpreter,
        arguments=("--config", f"{NASTY}.yaml", "csv_watch"),
        environment={"CSV_MANAGER_HOME": NASTY, "CSV_MANAGER_X": "a\n\tb", "CSV_MANAGER_Y": ""},
        home=NASTY,
        folder="/home/you",
    )


class Unit:
    """A unit file as systemd reads it: its sections, and the words of what is quoted."""

    def __init__(self, content: bytes) -> None:
        text = content.decode()
        self.sections = configparser.ConfigParser(interpolation=None, strict=False)
        self.sections.optionxform = str  # type: ignore[assignment,method-assign]
        self.sections.read_string(text)
        self.environment = dict(word.split("=", 1) for word in self._words(text, "Environment"))
        self.command = list(self._words(text, "ExecStart"))

    @staticmethod
    def _words(text: str, name: str) -> Iterator[str]:
        for value in re.findall(rf"^{name}=:?(.*)$", text, re.MULTILINE):
            for word in shlex.split(value.replace("\\n", "\\\\n").replace("\\t", "\\\\t")):
                assert "%" not in word.replace("%%", "")
                yield word.replace("%%", "%").replace("\\n", "\n").replace("\\t", "\t")


def test_a_unit_of_systemd_says_what_to_run_and_to_run_it_again() -> None:
    unit = Unit(Systemd("/home").content(invocation()))
    assert unit.command == list(invocation().words)
    assert unit.environment == invocation().environment
    told = unit.sections["Service"]
    assert (told["Type"], told["Restart"], told["KillSignal"]) == ("exec", "on-failure", "SIGTERM")
    assert unit.sections["Install"]["WantedBy"] == "default.target"


def test_a_dollar_is_left_alone_by_systemd() -> None:
    content = Systemd("/home").content(invocation()).decode()
    assert '\nExecStart=:/opt/py/bin/python -P -m csv_manager --config "' in content
    plain = Invocation(interpreter="/usr/bin/python3", arguments=("csv_watch",), environment={}, home="/h", folder="/")
    lines = Systemd("/h").content(plain).decode().splitlines()
    assert "ExecStart=/usr/bin/python3 -P -m csv_manager csv_watch" in lines
    spaced = Systemd("/h").content(invocation("/opt/my py/100%/python")).decode()
    assert '\nExecStart=:"/opt/my py/100%%/python" -P -m ' in spaced


def test_an_agent_of_launchd_says_what_to_run_and_to_run_it_again() -> None:
    system = Launchd(NASTY)
    told = plistlib.loads(system.content(invocation()))
    assert told["ProgramArguments"] == list(invocation().words)
    assert told["EnvironmentVariables"] == invocation().environment
    assert told["KeepAlive"] == {"SuccessfulExit": False}
    assert told["RunAtLoad"] is True
    assert told["WorkingDirectory"] == "/home/you"
    assert told["StandardOutPath"] == told["StandardErrorPath"] == f"{NASTY}/csv_watch.log"
    assert system.path == Path.home() / "Library" / "LaunchAgents" / f"{told['Label']}.plist"


def test_a_task_of_windows_says_what_to_run_and_to_run_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERDOMAIN", "OFFICE")
    monkeypatch.setenv("LOGNAME", "you")
    system = Windows("/home/you")
    content = system.content(invocation())
    assert content.startswith((b"\xff\xfe", b"\xfe\xff"))
    task = ET.fromstring(content)  # noqa: S314 - our own
    told = {element.tag.removeprefix(TASK): element.text for element in task.iter()}
    assert told["UserId"] == "OFFICE\\you"
    assert (told["ExecutionTimeLimit"], told["Interval"], told["Count"]) == ("PT0S", "PT1M", "255")
    assert (told["MultipleInstancesPolicy"], told["DisallowStartIfOnBatteries"]) == ("IgnoreNew", "false")
    assert (told["Command"], told["WorkingDirectory"]) == ("/opt/py/bin/python", "/home/you")
    assert "LogonTrigger" in told
    assert not re.search(r"[%$]", told["Arguments"] or "")
    assert ET.fromstring(system.shown(content).partition("?>")[2]).tag == f"{TASK}Task"  # noqa: S314 - as above


def test_the_code_of_a_task_sets_the_variables_and_the_arguments() -> None:
    task = ET.fromstring(Windows("/home/you").content(invocation()))  # noqa: S314 - our own
    arguments = task.findtext(f".//{TASK}Arguments") or ""
    assert arguments.startswith('-P -c "')
    # What the rules of Windows make of it: an even number of backslashes before a quote is half of them.
    code = re.sub(r'(\\+)(?=")', lambda found: "\\" * (len(found[1]) // 2), arguments[len('-P -c "') : -1])
    calls = [node.value for node in ast.parse(code).body if isinstance(node, ast.Expr)]
    update = calls[0]
    assert isinstance(update, ast.Call)
    assert ast.literal_eval(update.args[0]) == invocation().environment
    [assigned] = [node.value for node in ast.parse(code).body if isinstance(node, ast.Assign)]
    assert ast.literal_eval(assigned) == list(invocation().arguments)


def test_a_task_takes_the_python_without_a_window_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "pythonw.exe").touch()
    task = ET.fromstring(Windows("/h").content(invocation(str(tmp_path / "python.exe"))))  # noqa: S314 - our own
    assert task.findtext(f".//{TASK}Command") == str(tmp_path / "pythonw.exe")


@pytest.mark.parametrize(
    ("platform", "name"), [("linux", "systemd"), ("darwin", "launchd"), ("win32", "windows")], ids=str
)
def test_each_platform_has_its_service_manager(platform: str, name: str) -> None:
    assert find_system("/h", None, platform).name == name
    assert find_system("/h", name, "plan9").name == name


def test_a_platform_without_a_known_service_manager_is_told() -> None:
    with pytest.raises(OptionError, match=r"plan9.*csv_watch"):
        find_system("/h", None, "plan9")


def test_what_was_there_is_ended_before_another_takes_its_place() -> None:
    new = [call.words[2] for call in Systemd("/h").installing(replacing=False)]
    assert new == ["daemon-reload", "enable"]
    assert [call.words[2] for call in Systemd("/h").installing(replacing=True)] == [*new, "restart"]
    assert [call.words[1] for call in Launchd("/h").installing(replacing=False)] == ["enable", "bootstrap"]
    bootout, enable, bootstrap = Launchd("/h").installing(replacing=True)
    assert (bootout.words[1], enable.words[1], bootstrap.words[1]) == ("bootout", "enable", "bootstrap")
    assert re.search(bootout.excused or "-", "Boot-out failed: 3: No such process")
    assert not re.search(bootout.excused or "-", "Boot-out failed: 1: Operation not permitted")
    assert bootstrap.attempts > 1
    assert [call.words[1] for call in Windows("/h").installing(replacing=False)] == ["/Create", "/Run"]
    assert [call.words[1] for call in Windows("/h").installing(replacing=True)] == ["/End", "/Create", "/Run"]
    assert [call.words[1] for call in Windows("/h").stopping()] == ["/End", "/Delete"]


@pytest.mark.parametrize(
    ("system", "code", "out", "state", "pid"),
    [
        (Systemd, 0, "MainPID=17\nActiveState=active\n", "active", 17),
        (Systemd, 0, "MainPID=0\nActiveState=failed\n", "failed", None),
        (Systemd, 0, "MainPID=0\nActiveState=inactive\n", "inactive", None),
        (Systemd, 0, "something else\n", "unknown", None),
        (Systemd, 1, "", "unknown", None),
        (Launchd, 0, "gui/501/csv_manager = {\n\tstate = running\n\n\tpid = 17\n\t\tstate = x\n", "active", 17),
        (Launchd, 0, "x = {\n\tstate = not running\n\tlast exit code = 2\n", "failed", None),
        (Launchd, 0, "x = {\n\tstate = not running\n\tlast exit code = (never exited)\n", "inactive", None),
        (Launchd, 113, "", "inactive", None),
        (Windows, 0, '"\\csv_manager","N/A","Running"\n', "active", None),
        (Windows, 0, '"\\csv_manager","N/A","Ready"\n', "inactive", None),
        (Windows, 0, '"\\csv_manager","Nicht zutreffend","Bereit"\n', "unknown", None),
        (Windows, 1, "", "inactive", None),
    ],
)
def test_what_a_service_manager_says_is_understood(
    system: type[Systemd], code: int, out: str, state: str, pid: int | None
) -> None:
    told = system("/h").condition(Ran(code=code, out=out))
    assert (told.state, told.pid) == (state, pid)


def test_linger_is_advised_where_it_is_not_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd_module, "_LINGERING", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "you")
    assert "loginctl enable-linger" in Systemd("/h").notes()[0]
    (tmp_path / "you").touch()
    assert "boot" in Systemd("/h").notes()[0]
    assert "loginctl" not in Systemd("/h").notes()[0]


def test_the_unit_lies_where_systemd_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert Systemd("/h").path == tmp_path / "systemd" / "user" / "csv_manager.service"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert Systemd("/h").path == Path.home() / ".config" / "systemd" / "user" / "csv_manager.service"


def test_the_service_gets_what_this_call_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text("CSV_INTERVAL: 3\n")
    environment = {
        "CSV_MANAGER_HOME": "kept",
        "CSV_MANAGER_CONFIG": "one.yaml",
        "CSV_MANAGER_CSV_FILES": "a.csv, /data/b.csv",
        "CSV_MANAGER_CSV_SETTLE": "2",
        "CSV_MANAGER_ARCHIVE_PATH": "archive",
        "CSV_MANAGER_WATCHER_DATABASE_CONNECTION": "sqlite:///here.db",
        "OTHER": "x",
    }
    made = make(environment, config=("one.yaml",), plugin=("mine.py",))
    assert made.environment == {
        "CSV_MANAGER_HOME": f"{tmp_path}/kept",
        "CSV_MANAGER_CONFIG": f"{tmp_path}/one.yaml",
        "CSV_MANAGER_CSV_FILES": f'["{tmp_path}/a.csv", "/data/b.csv"]',
        "CSV_MANAGER_CSV_SETTLE": "2",
        "CSV_MANAGER_ARCHIVE_PATH": f"{tmp_path}/archive",
        "CSV_MANAGER_WATCHER_DATABASE_CONNECTION": f"sqlite:///{tmp_path}/here.db",
    }
    assert made.words == (
        *(sys.executable, "-P", "-m", "csv_manager"),
        *("--config", f"{tmp_path}/one.yaml", "--plugin", f"{tmp_path}/mine.py", "csv_watch"),
    )
    again = layered.load(made.arguments[1:2], made.environment)
    assert again["CSV_FILES"] == [f"{tmp_path}/a.csv", "/data/b.csv"]
    assert (made.home, made.folder) == (f"{tmp_path}/kept", str(Path.home()))


def test_the_home_is_told_unless_a_file_says_where_everything_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CSV_MANAGER_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert make({}).environment == {"CSV_MANAGER_HOME": str(tmp_path / "CSV-Manager")}
    (tmp_path / "mine.yaml").write_text("APP_PATH: /data/kept\n")
    made = make({}, config=(str(tmp_path / "mine.yaml"),))
    assert (made.environment, made.home) == ({}, "/data/kept")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CSV_MANAGER_WATCHER_DATABASE_CONNECTION", "postgresql://you:hush@host/db"),
        ("CSV_MANAGER_WATCHER_DATABASE_CONNECTION", "postgresql://host/db?user=you&password=hush"),
        ("CSV_MANAGER_MY_TOKEN", "hush"),
        ("CSV_MANAGER_MINE", '{"password": "hush"}'),
    ],
)
def test_a_secret_is_refused_and_not_shown(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match="holds a secret") as caught:
        make({"CSV_MANAGER_HOME": "/data/kept", variable: value})
    assert variable in str(caught.value)
    assert "/data/kept/configuration.yaml" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_connection_without_a_password_is_told() -> None:
    url = "postgresql://you@host/db"
    made = make({"CSV_MANAGER_WATCHER_DATABASE_CONNECTION": url})
    assert made.environment["CSV_MANAGER_WATCHER_DATABASE_CONNECTION"] == url


def test_the_service_gets_what_a_variable_stands_for(tmp_path: Path) -> None:
    variable = "CSV_MANAGER_WATCHER_DATABASE_CONNECTION"
    url = f"sqlite:///{tmp_path}/here.db"
    for told in ("DB_URL", "env:DB_URL", "sqlite:///${FOLDER}/here.db"):
        made = make({variable: told, "DB_URL": url, "FOLDER": str(tmp_path)})
        assert made.environment[variable] == url
    with pytest.raises(ConfigurationError, match=f"{variable} holds a secret") as caught:
        make({variable: "DB_URL", "DB_URL": "mysql://me:hush@host/db"})
    assert "hush" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="CSV_MANAGER_DATABASES holds a secret"):
        make({"CSV_MANAGER_DATABASES": "{main: {dialect: mysql, database: d, user: 'me:hush'}}"})


@pytest.mark.parametrize("path", ["a\nb.yaml", "a\x07.yaml", "a\udcff.yaml"], ids=ascii)
def test_a_path_that_no_unit_can_hold_is_refused(path: str, tmp_path: Path) -> None:
    (tmp_path / path).write_text("")
    with pytest.raises(OptionError, match="no unit can hold") as caught:
        make({}, config=(str(tmp_path / path),))
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
