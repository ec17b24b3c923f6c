"""csv_demo: a real file, a real service, and the edits that people make, in a temporary folder."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from csv_manager.core.errors import CsvManagerError
from csv_manager.patterns import CsvCommandsPattern
from csv_manager.patterns.output import styled

_DEADLINE_SECONDS = 20
_PAUSE_SECONDS = 1.2
_FRUIT = "id,fruit,price\n1,apple,0.50\n2,pear,0.70\n3,plum,0.20\n"


class CsvDemoPlugin(CsvCommandsPattern):
    """Shows csv_manager at work."""

    def activate(self) -> None:
        """Register the command."""
        self.commands.register(
            "csv_demo",
            "Watch a small CSV file being edited, for about ten seconds.\n\nEverything happens in a temporary folder "
            "that is deleted at the end; your own watchers are not touched.",
            self.csv_demo,
        )

    def csv_demo(self) -> None:
        """Run the demo."""
        folder = Path(tempfile.mkdtemp(prefix="csv_manager_demo_"))
        try:
            _Demo(folder).run()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        click.echo("\nThat is all; the temporary folder is gone. Now with a file of yours:\n")
        click.echo("  csv_manager csv_watcher_add FILE.csv --key COLUMN")
        click.echo("  csv_manager csv_watch --rows")


class _Demo:
    """One demo in one folder; every command shown is run, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "fruit.csv"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CSV_MANAGER_")}
        self._environment = inherited | {"CSV_MANAGER_HOME": str(folder / "home")}

    def run(self) -> None:
        """Make the file, watch it, edit it as people do, look at its history."""
        self._file.write_text(_FRUIT, "utf-8")
        self._show("cat", "fruit.csv", shell=_FRUIT)
        self._show("csv_watcher_add", "fruit.csv", "--key", "id")
        with self._watching() as told:
            self._edit("someone corrects a price", lambda: self._replace("0.70", "0.80"), told, rows=1)
            self._edit("a script appends two rows", lambda: self._append("4,fig,1.10\n5,kiwi,0.40\n"), told, rows=2)
            self._edit("someone deletes a row", lambda: self._replace("3,plum,0.20\n", ""), told, rows=1)
            self._edit("an editor saves to a new file and renames it", self._save_atomically, told, rows=1)
        self._show("csv_history_list", "fruit.csv")
        click.echo(styled("\n# the first version, byte for byte", dim=True))
        self._show("csv_history_export", "fruit.csv", "1")

    def _replace(self, old: str, new: str) -> None:
        self._file.write_text(self._file.read_text("utf-8").replace(old, new), "utf-8")

    def _append(self, rows: str) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(rows)

    def _save_atomically(self) -> None:
        beside = self._folder / ".fruit.csv.swp"
        beside.write_text(self._file.read_text("utf-8").replace("apple,0.50", "apple,0.55"), "utf-8")
        beside.replace(self._file)

    def _edit(self, what: str, edit: Callable[[], None], told: "_Told", *, rows: int) -> None:
        click.echo(styled(f"\n# {what}", dim=True))
        _pause()
        expected = told.rows + rows
        edit()
        if not told.wait_rows(expected, _DEADLINE_SECONDS):
            raise CsvManagerError("The demo's change was not seen; please report this with the output of -v csv_watch.")

    def _show(self, *command: str, shell: str = "") -> None:
        program = "" if shell else "csv_manager "
        click.echo(styled(f"\n$ {program}{' '.join(command)}", bold=True))
        if shell:
            click.echo(shell, nl=False)
            return
        done = subprocess.run(
            self._command(*command),
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CsvManagerError(f"The demo's {command[0]} failed: {done.stderr.strip()}")
        click.echo(done.stdout, nl=False)

    def _command(self, *command: str) -> list[str]:
        return [sys.executable, "-m", "csv_manager", *command]

    @contextlib.contextmanager
    def _watching(self) -> "Iterator[_Told]":
        click.echo(styled("\n$ csv_manager csv_watch --rows &", bold=True))
        service = subprocess.Popen(
            self._command("csv_watch", "--rows"),
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        told = _Told(service)
        try:
            told.wait_started(_DEADLINE_SECONDS)
            yield told
        finally:
            service.terminate()
            try:
                service.wait(5)
            except subprocess.TimeoutExpired:
                service.kill()
                service.wait()
            told.join()


def _pause() -> None:
    """Give a reader time; a program needs none."""
    if sys.stdout.isatty():
        time.sleep(_PAUSE_SECONDS)


class _Told:
    """Passes on what the service says, and counts the row changes in it."""

    def __init__(self, service: "subprocess.Popen[str]") -> None:
        self.rows = 0
        self._service = service
        self._started = False
        self._change = threading.Condition()
        self._threads = [
            threading.Thread(target=self._out, daemon=True),
            threading.Thread(target=self._err, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def wait_started(self, seconds: float) -> None:
        """Wait until the service watches. Raises `CsvManagerError` if it does not."""
        with self._change:
            if not self._change.wait_for(lambda: self._started, seconds):
                raise CsvManagerError("The demo's service did not start; run csv_manager -v csv_watch to see why.")

    def wait_rows(self, rows: int, seconds: float) -> bool:
        """Wait until this many row changes were told since the start."""
        with self._change:
            return self._change.wait_for(lambda: self.rows >= rows, seconds)

    def join(self) -> None:
        """Wait for the rest of the output."""
        for thread in self._threads:
            thread.join(2)

    def _out(self) -> None:
        for line in self._service.stdout or ():
            click.echo(line, nl=False)
            with self._change:
                if line.startswith("  "):
                    self.rows += 1
                self._change.notify_all()

    def _err(self) -> None:
        for line in self._service.stderr or ():
            with self._change:
                if line.startswith("Watching"):
                    self._started = True
                    click.echo(line, nl=False)
                self._change.notify_all()
