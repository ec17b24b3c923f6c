"""csv_service_*: the unit is written and handed over, what it starts watches, and the status tells who does."""

import json
import os
import re
import shlex
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli, Service

Start = Callable[..., "Service"]

OLD = "id,v\n1,x\n2,y\n"
#: Notes its arguments; fails with the text of the file that is named as its verb, answers with that of another.
SYSTEMCTL = """#!/bin/sh
folder=$(dirname "$0")
echo "$@" >> "$folder/calls"
if [ -e "$folder/fail_$2" ]; then cat "$folder/fail_$2" >&2; exit 1; fi
if [ -e "$folder/say_$2" ]; then cat "$folder/say_$2"; fi
"""
#: What systemd gives a service of the user, whatever the user's shell has.
OF_SYSTEMD = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER")


class Manager:
    """A systemctl that only notes what it is told, and the unit that is handed to it."""

    def __init__(self, cli: "Cli", root: Path) -> None:
        self._folder = root / "bin"
        self._folder.mkdir()
        self.unit = root / "config" / "systemd" / "user" / "csv_manager.service"
        self._tool = self._folder / "systemctl"
        self._tool.write_text(SYSTEMCTL)
        self._tool.chmod(0o755)
        cli.environment |= {
            "PATH": f"{self._folder}{os.pathsep}{cli.environment['PATH']}",
            "XDG_CONFIG_HOME": str(root / "config"),
        }

    def calls(self) -> list[str]:
        """What it was told since this was last asked."""
        noted = self._folder / "calls"
        lines = noted.read_text().splitlines() if noted.exists() else []
        noted.unlink(missing_ok=True)
        return lines

    def fail(self, verb: str, text: str) -> None:
        """Fail from now on."""
        (self._folder / f"fail_{verb}").write_text(text)

    def mend(self) -> None:
        """Fail no more."""
        for told in self._folder.glob("fail_*"):
            told.unlink()

    def say(self, verb: str, text: str) -> None:
        """Answer with this from now on."""
        (self._folder / f"say_{verb}").write_text(text)

    def values(self, name: str) -> list[str]:
        """The words of the unit's lines with this name, as systemd reads them."""
        lines = re.findall(rf"^{name}=(.*)$", self.unit.read_text(), re.MULTILINE)
        return [word.replace("%%", "%") for line in lines for word in shlex.split(line)]


@pytest.fixture
def manager(cli: "Cli", tmp_path: Path) -> Manager:
    """A systemctl in front of the system's, if that has one."""
    return Manager(cli, tmp_path)


def rows_of(cli: "Cli", code: int = 0) -> list[dict[str, object]]:
    """What csv_service_status tells in JSON."""
    told: list[dict[str, object]] = json.loads(cli("csv_service_status", "--format", "json", code=code))
    return told


def test_install_writes_the_unit_and_starts_it(cli: "Cli", manager: Manager) -> None:
    told = cli("csv_service_install")
    assert told == f"Installed {manager.unit}: csv_watch runs now, and starts at login.\n"
    assert manager.calls() == ["--user daemon-reload", "--user enable --now csv_manager.service"]
    assert stat.S_IMODE(manager.unit.stat().st_mode) == 0o600
    assert [path.name for path in manager.unit.parent.iterdir()] == [manager.unit.name]
    assert f"CSV_MANAGER_HOME={cli.home}" in manager.values("Environment")
    assert "CSV_MANAGER_CSV_SETTLE=0.1" in manager.values("Environment")


def test_what_is_to_be_known_is_said_besides(cli: "Cli", manager: Manager) -> None:
    assert manager.unit.name
    said = cli.notes("csv_service_install")
    assert "journalctl --user" in said
    assert "boot" in said


def test_installing_again_replaces_the_unit_and_restarts_it(cli: "Cli", manager: Manager) -> None:
    cli("csv_service_install")
    manager.calls()
    cli.environment["CSV_MANAGER_CSV_SETTLE"] = "0.3"
    assert cli("csv_service_install").startswith(f"Replaced {manager.unit}: ")
    assert manager.calls()[-1] == "--user restart csv_manager.service"
    assert "CSV_MANAGER_CSV_SETTLE=0.3" in manager.values("Environment")


def test_a_dry_run_shows_everything_and_changes_nothing(cli: "Cli", manager: Manager) -> None:
    shown = cli("csv_service_install", "--dry-run")
    assert not manager.unit.exists()
    assert not cli.home.exists()
    assert manager.calls() == []
    assert shown.startswith(f"Would write {manager.unit}:\n\n[Unit]\n")
    assert "Would run: systemctl --user enable --now csv_manager.service\n" in shown
    cli("csv_service_install")
    assert manager.unit.read_text() in shown
    manager.calls()
    assert cli("csv_service_install", "--dry-run").startswith("Would replace ")
    assert f"Would delete {manager.unit}\n" in cli("csv_service_remove", "--dry-run")
    assert manager.calls() == []
    assert manager.unit.exists()


@pytest.mark.parametrize(("system", "part"), [("launchd", "bootstrap"), ("windows", "schtasks /Create")])
def test_the_units_of_other_systems_can_be_looked_at(cli: "Cli", manager: Manager, system: str, part: str) -> None:
    shown = cli("csv_service_install", "--system", system, "--dry-run")
    assert str(cli.home) in shown
    assert part in shown.splitlines()[-1] + shown.splitlines()[-2]
    assert manager.calls() == []
    assert not cli.home.exists()


def test_the_command_line_of_the_unit_watches_and_ends_with_sigterm(
    cli: "Cli", manager: Manager, service: Start
) -> None:
    cli.home = cli.home.with_name('my $HOME, 100% "mine" \\ größer')
    cli.environment["CSV_MANAGER_HOME"] = str(cli.home)
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    config = cli.write("my config.yaml", "CSV_FILES: []\n")
    cli.write("said.py", TELLER)
    cli("--config", config.name, "--plugin", "said.py", "csv_service_install")
    words = manager.values("ExecStart")
    assert words[1:4] == ["-P", "-m", "csv_manager"]
    assert words[4:] == ["--config", str(config), "--plugin", str(cli.folder / "said.py"), "csv_watch"]
    shell = cli.environment
    given = dict(value.split("=", 1) for value in manager.values("Environment"))
    cli.environment = {name: shell[name] for name in OF_SYSTEMD if name in shell} | given
    own, cli.command = cli.command, lambda *_: words
    running = service()
    cli.command, cli.environment = own, shell
    cli.write("data.csv", OLD.replace("x", "X"))
    running.wait_told("version 2", "+0 ~1 -0")
    running.wait_told("said.py was told")
    assert [row["state"] for row in rows_of(cli)] == ["alive"]
    assert running.stop(signal.SIGTERM) == 0


TELLER = """
from csv_manager.patterns import CsvWatcherPattern

class Teller(CsvWatcherPattern):
    def activate(self):
        self.csv_watcher.on_change(lambda change: print("said.py was told", change.version), name="teller")
"""


def test_a_password_is_refused_and_nothing_is_written(cli: "Cli", manager: Manager) -> None:
    cli.environment["CSV_MANAGER_WATCHER_DATABASE_CONNECTION"] = "postgresql://you:hush@localhost/db"
    for options in ([], ["--dry-run"]):
        line = cli.refused("csv_service_install", *options)
        assert "CSV_MANAGER_WATCHER_DATABASE_CONNECTION" in line
        assert "configuration.yaml" in line
        assert "hush" not in line
    assert not manager.unit.exists()
    assert manager.calls() == []


def test_what_systemctl_says_is_told_with_the_next_step(cli: "Cli", manager: Manager) -> None:
    manager.fail("daemon-reload", "Failed to connect to bus:\n  No medium found\n")
    line = cli.refused("csv_service_install")
    assert "`systemctl --user daemon-reload` failed: Failed to connect to bus: No medium found." in line
    assert "log in as the user itself" in line
    assert "install again" in line
    assert len(manager.calls()) == 1
    manager.mend()
    assert cli("csv_service_install").startswith("Replaced")
    manager.fail("disable", "Access denied\n")
    line = cli.refused("csv_service_remove")
    assert "Access denied" in line
    assert "remove it again" in line
    assert manager.unit.exists()


def test_what_was_written_though_systemd_serves_nobody_is_removed(cli: "Cli", manager: Manager) -> None:
    for verb in ("daemon-reload", "disable", "show"):
        manager.fail(verb, "Failed to connect to bus: No medium found\n")
    assert "csv_service_remove deletes it" in cli.refused("csv_service_install")
    assert manager.unit.exists()
    said = cli.notes("csv_service_status", code=1)
    assert "unknown (Failed to connect to bus" in said
    assert said.endswith("Nothing is watching now: `csv_manager csv_watch` watches.\n")
    told = cli("csv_service_remove")
    assert told.startswith(f"Removed {manager.unit}: csv_watch starts no more by itself. systemd could not be asked")
    assert not manager.unit.exists()
    said = cli.notes("csv_service_status", code=1)
    assert f"there is no {manager.unit}" in said
    assert "csv_service_install" not in said.splitlines()[-1]


def test_without_systemctl_a_unit_is_removed_all_the_same(cli: "Cli", manager: Manager) -> None:
    cli("csv_service_install")
    cli.environment["PATH"] = str(cli.folder)
    assert "systemd could not be asked" in cli("csv_service_remove")
    assert not manager.unit.exists()


def test_what_was_installed_for_another_system_is_removed_and_told_with_it(cli: "Cli", manager: Manager) -> None:
    cli.environment["HOME"] = str(manager.unit.parents[3])
    agent = manager.unit.parents[3] / "Library" / "LaunchAgents" / "csv_manager.plist"
    agent.parent.mkdir(parents=True)
    agent.write_text("")
    assert f"{agent}: unknown (There is no launchctl" in cli.notes("csv_service_status", "--system", "launchd", code=1)
    assert f"Would delete {agent}\n" in cli("csv_service_remove", "--system", "launchd", "--dry-run")
    assert f"Removed {agent}" in cli("csv_service_remove", "--system", "launchd")
    assert not agent.exists()
    assert manager.calls() == []


def test_a_system_without_systemctl_is_told_before_anything_is_written(cli: "Cli", manager: Manager) -> None:
    cli.environment["PATH"] = str(cli.folder)
    assert "no systemctl on the PATH" in cli.refused("csv_service_install")
    assert "no launchctl on the PATH" in cli.refused("csv_service_install", "--system", "launchd")
    assert not manager.unit.exists()


def test_a_unit_that_cannot_be_written_is_told(cli: "Cli", manager: Manager) -> None:
    manager.unit.parent.mkdir(parents=True)
    manager.unit.parent.chmod(0o500)
    with cli.within_rights():
        assert str(manager.unit) in cli.refused("csv_service_install")
    manager.unit.parent.chmod(0o700)
    assert list(manager.unit.parent.iterdir()) == []
    assert manager.calls() == []


def test_remove_stops_and_deletes(cli: "Cli", manager: Manager) -> None:
    cli("csv_service_install")
    manager.calls()
    assert cli("csv_service_remove").startswith(f"Removed {manager.unit}: ")
    assert not manager.unit.exists()
    assert manager.calls() == [
        "--user disable --now csv_manager.service",
        "--user daemon-reload",
        "--user reset-failed csv_manager.service",
    ]


def test_what_did_not_fail_need_not_be_forgotten(cli: "Cli", manager: Manager) -> None:
    cli("csv_service_install")
    manager.fail("reset-failed", "Failed to reset failed state: Unit csv_manager.service not loaded.\n")
    cli("csv_service_remove", "--yes")
    assert not manager.unit.exists()


def test_remove_without_a_unit_is_told(cli: "Cli", manager: Manager) -> None:
    line = cli.refused("csv_service_remove")
    assert f"there is no {manager.unit}" in line
    assert "csv_service_install" in line
    assert manager.calls() == []


def test_where_nothing_watches_the_status_says_how_to_start(cli: "Cli", manager: Manager) -> None:
    assert rows_of(cli, code=1) == []
    said = cli.notes("csv_service_status", code=1)
    assert f"there is no {manager.unit}" in said
    assert "Nothing is watching now: `csv_manager csv_service_install` starts" in said
    cli("csv_service_install")
    manager.say("show", "MainPID=0\nActiveState=failed\n")
    said = cli.notes("csv_service_status", code=1)
    assert f"{manager.unit}: failed.\n" in said
    assert "`systemctl --user restart csv_manager.service` starts" in said


def test_a_service_manager_that_cannot_be_asked_is_unknown(cli: "Cli", manager: Manager) -> None:
    cli("csv_service_install")
    manager.fail("show", "Failed to connect to bus: No medium found\n")
    said = cli.notes("csv_service_status", code=1)
    assert f"{manager.unit}: unknown (Failed to connect to bus: No medium found).\n" in said
    cli.environment["PATH"] = str(cli.folder)
    assert "unknown (There is no systemctl on the PATH" in cli.notes("csv_service_status", code=1)


def test_a_service_is_told_as_alive_and_after_a_crash_as_dead(cli: "Cli", manager: Manager, service: Start) -> None:
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv")
    cli("csv_service_install")
    by_hand = service()
    of_unit = service()
    manager.say("show", f"MainPID={of_unit.process.pid}\nActiveState=active\n")
    told = {row["pid"]: row for row in rows_of(cli)}
    assert {pid: (row["unit"], row["state"]) for pid, row in told.items()} == {
        by_hand.process.pid: (None, "alive"),
        of_unit.process.pid: ("csv_manager.service", "alive"),
    }
    row = told[by_hand.process.pid]
    assert list(row) == ["host", "pid", "unit", "started", "heartbeat", "files", "overflows", "state"]
    assert str(row["started"]).endswith("Z")
    assert str(row["heartbeat"]) >= str(row["started"])
    by_hand.kill()
    assert of_unit.stop() == 0
    [left] = rows_of(cli, code=1)
    assert (left["pid"], left["state"]) == (by_hand.process.pid, "dead")
    table = cli("csv_service_status", code=1).splitlines()
    assert table[0].split() == ["host", "pid", "unit", "started", "heartbeat", "files", "overflows", "state"]
    assert table[-1].split()[-1] == "dead"


def test_a_service_whose_heartbeat_is_old_is_dead_wherever_it_ran(cli: "Cli", manager: Manager) -> None:
    assert rows_of(cli, code=1) == []
    assert not manager.unit.exists()
    cli.change(
        "INSERT INTO csv_services (id, host, pid, started, heartbeat, files, overflows) "
        "VALUES ('a', 'elsewhere', 1, '2026-01-01 00:00:00.000000', '2026-01-01 00:01:00.000000', 3, 1)"
    )
    assert rows_of(cli, code=1) == [
        {
            "host": "elsewhere", "pid": 1, "unit": None, "started": "2026-01-01T00:00:00Z",
            "heartbeat": "2026-01-01T00:01:00Z", "files": 3, "overflows": 1, "state": "dead",
        }
    ]  # fmt: skip
    lines = cli("csv_service_status", "--format", "csv", code=1).splitlines()
    assert lines[1] == "elsewhere,1,,2026-01-01T00:00:00Z,2026-01-01T00:01:00Z,3,1,dead"


def test_systemd_itself_takes_the_unit(cli: "Cli", manager: Manager, tmp_path: Path) -> None:
    cli("csv_service_install")
    try:
        done = subprocess.run(
            ["systemd-analyze", "verify", "--user", manager.unit],
            env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no systemd-analyze")
    assert [line for line in done.stderr.splitlines() if manager.unit.name in line] == []
