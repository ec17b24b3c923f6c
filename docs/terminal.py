"""A terminal as the documentation shows it: real commands in a temporary folder, and what they say.

Only what differs from run to run is replaced: the folder becomes /data, the home /home/you/CSV-Manager, the Python that
of an environment in /opt/csv_manager, each time one and the same time.
"""
# ruff: noqa: INP001, S603 - a module beside the pages; the commands that it runs are those of the pages

import contextlib
import hashlib
import json
import os
import queue
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
HOME = "/home/you/CSV-Manager"
_BIN = str(Path(sys.executable).parent)
_DEADLINE_SECONDS = 30
#: The Python of an environment has several names.
_PYTHON = re.compile(rf"{re.escape(_BIN)}/python[\d.]*")
_ASIDE = re.compile(r"quarantine/([^/\s]+)-[0-9a-f]{8}/")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d(?:\.\d+)?")


class Session:
    """One terminal in one temporary folder; what was typed and said becomes a code block at the end.

    A context manager. `settle` is the setting CSV_SETTLE, shorter than the shipped one so that nobody waits.
    """

    def __init__(self, *, settle: float | None = 0.1) -> None:
        self._root = Path(os.path.realpath(tempfile.mkdtemp(prefix="csv_manager_docs_")))
        self.folder = self._root / "data"
        self.home = self._root / "CSV-Manager"
        self.folder.mkdir()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CSV_MANAGER_")}
        self._environment = inherited | {
            "HOME": str(self._root),
            "CSV_MANAGER_HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self._root / ".config"),
            "PATH": os.pathsep.join([self._make_tools(), _BIN, inherited.get("PATH", os.defpath)]),
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8",
            "TZ": "UTC",
        }
        if settle is not None:
            self._environment["CSV_MANAGER_CSV_SETTLE"] = str(settle)
        self._lines: list[str] = []
        self._masks: list[tuple[re.Pattern[str], list[str], list[str]]] = []
        self._service: _Service | None = None

    def _make_tools(self) -> str:
        """A folder with a service manager that can be asked, and knows no unit, as on a reader's system."""
        tool = self._root / "bin" / "systemctl"
        tool.parent.mkdir()
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
        return str(tool.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._service is not None:
            self._service.end()
        shutil.rmtree(self._root, ignore_errors=True)
        if kind is None and self._lines:
            self.show()

    def show(self) -> None:
        """Write what was typed and said until now as a code block, and begin the next one."""
        # Answers of queries were typed nowhere.
        block("console" if any(line.startswith("$") for line in self._lines) else "text", "\n".join(self._lines))
        self._lines = []

    def mask(self, pattern: str, *shown: str) -> None:
        """Show what differs from run to run as other texts of the same length: the first one as the first of these.

        Without any, as hexadecimal digits.
        """
        self._masks.append((re.compile(pattern), list(shown), []))

    def _masked(self, text: str) -> str:
        for pattern, shown, found in self._masks:
            for text_found in pattern.findall(text):
                if text_found not in found:
                    found.append(text_found)
            for place, real in enumerate(found):
                digits = hashlib.sha256(str(place).encode()).hexdigest()[: len(real)]
                text = text.replace(real, shown[place] if shown else digits)
        return text

    def write(self, name: str, content: str) -> None:
        """Make a file; it is not shown."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content), "utf-8")

    def quiet(self, command: str) -> str:
        """Run a command line that is not shown, and return what it says."""
        return self._run(command, 0)

    def run(self, command: str, *, code: int = 0, tell_code: bool = False) -> None:
        """Run a command line and show it with what it says; it has to end with this exit code."""
        self._typed(command)
        self._said(self._run(command, code))
        if tell_code:
            self._typed("echo $?")
            self._said(str(code))

    def watch(self, command: str = "csv_manager csv_watch --rows") -> None:
        """Start the service in the background and show it."""
        self._typed(f"{command} &")
        self._service = _Service(shlex.split(command), self.folder, self._environment)
        self._said(self._service.line())

    def edit(self, command: str, *, lines: int) -> None:
        """Run a command line and show it, and then this many lines that the service says because of it."""
        if self._service is None:
            raise ValueError("Nothing watches.")
        self._typed(command)
        self._said(self._run(command, 0))
        # What a receiver prints may come before the line of its version; shown is the order of most times.
        told = [self._service.line() for _ in range(lines)]
        for line in sorted(told, key=lambda line: not _TIME.match(line)):
            self._said(line)

    def stop(self) -> None:
        """Stop the service and show it."""
        if self._service is None:
            raise ValueError("Nothing watches.")
        self._typed("kill %1")
        self._said(self._service.end())
        self._service = None

    def damage(self, name: str, version: int) -> None:
        """Spoil what the archive holds of a version; it is not shown."""
        versions = json.loads(self.quiet(f"csv_manager csv_history_list {name} --format json"))
        digest = next(told["sha256"] for told in versions if told["version"] == version)
        stored = self.home / "archive" / "objects" / digest[:2] / f"{digest[2:]}.zst"
        content = bytearray(stored.read_bytes())
        content[20] ^= 1
        stored.write_bytes(content)

    def query(self, page: str) -> None:
        """Run the SQL of a page of the documentation on the store, and show the answers."""
        for sql in blocks(page, "sql"):
            with contextlib.closing(sqlite3.connect(self.home / "watcher_db.db")) as store:
                found = store.execute(sql)
                rows = [tuple(column[0] for column in found.description or ()), *found]
            for row in rows:
                self._said(" | ".join("null" if value is None else str(value) for value in row))
            self._lines.append("")

    def _run(self, command: str, code: int) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=_DEADLINE_SECONDS,
            check=False,
        )
        if done.returncode != code:
            raise RuntimeError(f"{command} ended with {done.returncode}, not {code}: {done.stdout}")
        return done.stdout

    def _typed(self, command: str) -> None:
        self._lines.append(f"$ {self._masked(command)}")

    def _said(self, text: str) -> None:
        text = self._masked(text)
        for there, shown in ((self.folder, "/data"), (self._root, os.path.dirname(HOME))):
            text = text.replace(str(there), shown)
        text = _ASIDE.sub(_with_digits, text)
        text = _PYTHON.sub("/opt/csv_manager/.venv/bin/python", text)
        text = _TIME.sub(lambda match: f"2026-03-02{match[1]}09:15:07", text)
        self._lines += [line.rstrip() for line in text.splitlines()]


def _with_digits(found: re.Match[str]) -> str:
    """The folder of a file's quarantined rows as it is called for a file in /data."""
    digest = hashlib.sha256(f"/data/{found[1]}".encode()).hexdigest()
    return f"quarantine/{found[1]}-{digest[:8]}/"


class _Service:
    """A command that runs in the background; its lines are waited for one by one."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            [f"{_BIN}/{command[0]}", *command[1:]],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def line(self) -> str:
        """The next line. Raises `queue.Empty` if none comes."""
        return self._lines.get(timeout=_DEADLINE_SECONDS)

    def end(self) -> str:
        """Stop it as `kill` does, and return what it says besides."""
        self._process.terminate()
        self._process.wait(_DEADLINE_SECONDS)
        self._thread.join(_DEADLINE_SECONDS)
        rest = []
        with contextlib.suppress(queue.Empty):
            while True:
                rest.append(self._lines.get_nowait())
        return "".join(rest)

    def _read(self) -> None:
        with self._process.stdout or contextlib.nullcontext(()) as lines:
            for line in lines:
                self._lines.put(line)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    text = (ROOT / page).read_text("utf-8")
    found: list[str] = re.findall(rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    return [textwrap.dedent(code).strip() + "\n" for code in found]


def block(language: str, text: str) -> None:
    """Write a code block."""
    out(f"\n.. code-block:: {language}\n\n{textwrap.indent(text.rstrip(), '    ')}\n\n")


def out(text: str) -> None:
    """Write into the page that cog runs."""
    import cog

    cog.out(text)
