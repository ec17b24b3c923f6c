"""Ctrl-C before a command runs, while Python still imports what it needs."""

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli

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
