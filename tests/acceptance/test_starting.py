"""What a command begins with: Ctrl-C while Python still imports what it needs, and a home that is made."""

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Service

    Start = Callable[..., "Service"]

#: In place of a module that is imported: it says that it is, and takes its time.
SLOW = "import os, signal\nopen(os.environ['IMPORTING'], 'w').close()\nsignal.pause()\n"


def importing(cli: "Cli", command: list[str]) -> subprocess.Popen[bytes]:
    """A process of a command that imports, and goes on importing until it gets a signal."""
    cli.write("modules/groundwork/__init__.py", SLOW)
    begun = cli.folder / "begun"
    os.mkfifo(begun)
    environment = cli.environment | {"PYTHONPATH": str(cli.folder / "modules"), "IMPORTING": str(begun)}
    process = subprocess.Popen(
        command,
        cwd=cli.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    begun.read_bytes()  # until it was opened and closed
    return process


@pytest.mark.parametrize("how", ["script", "module"])
def test_an_interrupt_while_it_imports_is_one_line(cli: "Cli", how: str) -> None:
    command = cli.command() if how == "script" else [sys.executable, "-m", "csv_manager"]
    with importing(cli, [*command, "csv_watcher_list"]) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (130, b"", b"Interrupted.\n")
    assert not cli.home.exists()


def test_an_interrupt_that_the_caller_ignores_ends_nothing(cli: "Cli") -> None:
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    with importing(cli, [*ignoring, *cli.command("csv_watcher_list")]) as process:
        process.send_signal(signal.SIGINT)
        process.terminate()
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (-signal.SIGTERM, b"")


@pytest.mark.sqlite
def test_what_is_kept_is_its_users_alone(cli: "Cli", service: "Start") -> None:
    cli.prefix = ["sh", "-c", 'umask 022; exec "$@"', "sh"]
    cli.write("data.csv", "id\n1\n").chmod(0o600)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    with service() as running:
        cli.write("data.csv", "id\n2\n")
        running.wait_told("data.csv", "version 2 ")
        assert {"watcher_db.db", "watcher_db.db-wal", "watcher_db.db-shm", "archive"} <= set(os.listdir(cli.home))
        places = [cli.home, cli.home / "archive", *(path for path in cli.home.rglob("*") if path.suffix != ".lock")]
        assert {path for path in places if path.stat().st_mode & 0o077} == set()
        assert running.stop() == 0


@pytest.mark.sqlite
def test_what_is_shared_already_stays_shared(cli: "Cli") -> None:
    cli.home.mkdir()
    cli.home.chmod(0o755)
    database = cli.home / "watcher_db.db"
    database.touch()
    database.chmod(0o640)
    cli.write("data.csv", "id\n1\n")
    cli("csv_watcher_add", "data.csv")
    assert (cli.home.stat().st_mode & 0o777, database.stat().st_mode & 0o777) == (0o755, 0o640)


NOISE = '''
import logging

import psycopg
import sqlalchemy.pool
from csv_manager.patterns import CsvCommandsPattern


class Noise(CsvCommandsPattern):
    """Says what drivers say of a connection that is lost."""

    def activate(self):
        self.commands.register("noise", "Say it.", self.noise)

    def noise(self):
        logging.getLogger("psycopg").warning("error ignored terminating")
        logging.getLogger("sqlalchemy.pool.impl.QueuePool").error("Exception during reset or similar")
        logging.getLogger("mine").warning("mine")
'''


def test_what_drivers_say_besides_of_a_lost_connection_is_for_vv(cli: "Cli") -> None:
    plugin = cli.write("noise.py", NOISE)
    assert cli.notes("--plugin", plugin, "noise") == "WARNING: mine\n"
    assert "error ignored" not in cli.notes("-v", "--plugin", plugin, "noise")
    said = cli.notes("-vv", "--plugin", plugin, "noise")
    assert ("error ignored terminating" in said, "Exception during reset" in said) == (True, True)
