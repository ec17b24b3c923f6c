"""Runs the commands that the documentation shows, so that what it shows is what they say.

`python docs/transcripts.py` writes every transcript anew, `python docs/transcripts.py --check` says which are stale.
The blocks themselves are cog's: they make a `Session`, which runs real commands in a temporary folder. Only what
differs from run to run is replaced: the folder becomes /data, the home /home/you/CSV-Manager, the Python that of an
environment in /opt/csv_manager, each time one and the same time.
"""
# ruff: noqa: INP001, S603 - a script beside the pages; the commands that it runs are those of the pages

import ast
import contextlib
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
from collections.abc import Iterator
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
_BIN = str(Path(sys.executable).parent)
_DEADLINE_SECONDS = 30
#: A load average above which other programs disturb a benchmark.
_IDLE_LOAD = 1.0
_HOME = "/home/you/CSV-Manager"
#: The Python of an environment has several names.
_PYTHON = re.compile(rf"{re.escape(_BIN)}/python[\d.]*")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d(?:\.\d+)?")
_SOURCES = ("README.rst", "docs/*.rst", "docs/*/*.rst")


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
        if kind is None:
            # Answers of queries were typed nowhere.
            block("console" if any(line.startswith("$") for line in self._lines) else "text", "\n".join(self._lines))

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
        self._lines.append(f"$ {command}")

    def _said(self, text: str) -> None:
        for there, shown in ((self.folder, "/data"), (self._root, os.path.dirname(_HOME))):
            text = text.replace(str(there), shown)
        text = _PYTHON.sub("/opt/csv_manager/.venv/bin/python", text)
        text = _TIME.sub(lambda match: f"2026-03-02{match[1]}09:15:07", text)
        self._lines += [line.rstrip() for line in text.splitlines()]


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


def block(language: str, text: str) -> None:
    """Write a code block."""
    _out(f"\n.. code-block:: {language}\n\n{textwrap.indent(text.rstrip(), '    ')}\n\n")


def fruit(session: Session, name: str = "prices.csv") -> None:
    """Make the file that most transcripts begin with."""
    session.write(name, "id,fruit,price\n1,apple,0.50\n2,pear,0.70\n3,plum,0.20\n")


@contextlib.contextmanager
def history() -> Iterator[Session]:
    """A session with a file that has four versions."""
    with Session() as session:
        fruit(session)
        session.quiet("csv_manager csv_watcher_add prices.csv --key id")
        edits = ("sed -i s/0.70/0.80/ prices.csv", "sed -i '$ a 4,fig,1.10' prices.csv", "sed -i /plum/d prices.csv")
        for edit in edits:
            session.quiet(edit)
            session.quiet("csv_manager csv_watch --once")
        yield session


def tutorial_database(session: Session, *files: str) -> None:
    """Make a watcher_db.db as the tutorial's plugin makes it, with a watcher for each of these paths."""
    session.home.mkdir()
    with contextlib.closing(sqlite3.connect(session.home / "watcher_db.db")) as database, database:
        database.execute(
            "CREATE TABLE csv_watchers ("
            "id INTEGER NOT NULL, csv_file VARCHAR(2048) NOT NULL, interval INTEGER, PRIMARY KEY (id))"
        )
        database.executemany("INSERT INTO csv_watchers (csv_file, interval) VALUES (?, 10)", [(f,) for f in files])


def readme() -> None:
    """The session on the README's first screen."""
    with Session() as session:
        fruit(session)
        session.run("cat prices.csv")
        session.run("csv_manager csv_watcher_add prices.csv --key id")
        session.watch()
        session.edit("sed -i 's/pear,0.70/pear,0.65/' prices.csv", lines=2)
        session.edit("printf '4,fig,1.10\\n' >> prices.csv", lines=2)
        session.run("csv_manager csv_history_export prices.csv 1")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    text = (ROOT / page).read_text("utf-8")
    found: list[str] = re.findall(rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    return [textwrap.dedent(code).strip() + "\n" for code in found]


def plugin(page: str, containing: str = "class PriceAlert") -> str:
    """A plugin as a page of the documentation has it: the Python block that contains a text."""
    return next(code for code in blocks(page, "python") if containing in code)


def price_alert() -> None:
    """The README's plugin at work."""
    with Session() as session:
        fruit(session)
        session.write("price_alert.py", plugin("README.rst"))
        session.quiet("csv_manager csv_watcher_add prices.csv --key id")
        session.watch("csv_manager --plugin price_alert.py csv_watch")
        session.edit("sed -i 's/pear,0.70/pear,0.65/' prices.csv", lines=2)


def commands(*names: str) -> None:
    """A section for each command, with what its --help says."""
    with _quiet_session() as session:
        for name in names:
            told = session.quiet(f"csv_manager {name} --help")
            _out(f"\n.. _{name}:\n\n{name}\n{'~' * len(name)}\n")
            block("text", told)


def program_help() -> None:
    """What csv_manager --help says."""
    with _quiet_session() as session:
        block("text", session.quiet("csv_manager --help"))


def figures(benchmark: str) -> None:
    """The saved run of a benchmark: when and where, then its table."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from harness import Figure, table

    run = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))[benchmark]
    load = run["load_before"]
    idle = "idle" if load < _IDLE_LOAD else "not idle: read the spread between `min` and `max` with that in mind"
    about = (
        f"Produced by `{run['command']}` on {run['date'][:10]}, with Python {run['python']} on {run['system']}. "
        f"The load before the run was {load}; the machine was {idle}."
    )
    _out(f"\n{textwrap.fill(about, 120)}\n")
    block("text", table(Figure(**row) for row in run["figures"]))


def verdicts() -> None:
    """The saved run of the fault suite: when and where, how much of each fault, and the counts."""
    sys.path.insert(0, str(ROOT / "tests" / "faults"))
    from running import RESULTS, table
    from verdicts import Verdict

    run = json.loads(RESULTS.read_text("utf-8"))
    scale = run["scale"]
    about = (
        f"Produced by `{run['command']}` on {run['date'][:10]}, with Python {run['python']} on {run['system']}: "
        f"{scale['edits']:,} edits and kills, {scale['files']:,} files at once, pauses of {scale['slow_pause']:g} "
        f"seconds, the store locked for {scale['locked']:g} seconds, {scale['rounds']} rounds of what is repeated. "
        f"The real programs were {', '.join(run['programs'])}."
    )
    _out(f"\n{textwrap.fill(about, 120)}\n")
    block("text", table(Verdict(**told) for told in run["verdicts"]))


def settings() -> None:
    """Every setting with its default, as csv_config_list tells it, under the comment of configuration.py."""
    with _quiet_session() as session:
        listed = session.quiet("csv_manager csv_config_list --format jsonl").replace(str(session.home), _HOME)
    values = {told["name"]: told["value"] for told in map(json.loads, listed.splitlines())}
    for comment, names in _described_settings():
        signatures = f"\n{' ' * 14}".join(f"{name} = {json.dumps(values[name])}" for name in names)
        _out(f"\n.. describe:: {signatures}\n\n{textwrap.indent(textwrap.fill(comment, 112), '    ')}\n")
    _out("\n")


def _described_settings() -> Iterator[tuple[str, list[str]]]:
    """The groups of settings in configuration.py: the comment above each, and the names that it is about."""
    source = (ROOT / "csv_manager/applications/configuration.py").read_text("utf-8")
    lines = source.splitlines()
    comment: list[str] = []
    group: list[str] = []
    for statement in ast.parse(source).body:
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
        if not isinstance(target, ast.Name):
            continue
        above = []
        for line in reversed(lines[: statement.lineno - 1]):
            if not line.startswith("#:"):
                break
            above.insert(0, line.removeprefix("#:").strip())
        if above and group:
            yield " ".join(comment), group
            group = []
        comment = above or comment
        group.append(target.id)
    yield " ".join(comment), group


@contextlib.contextmanager
def _quiet_session() -> Iterator[Session]:
    """A session whose block is not written."""
    session = Session(settle=None)
    try:
        yield session
    finally:
        shutil.rmtree(session.home.parent, ignore_errors=True)


def _out(text: str) -> None:
    import cog  # there while cog runs a page

    cog.out(text)


def pages() -> list[str]:
    """The pages with a transcript, from the root of the project."""
    found = (path for pattern in _SOURCES for path in sorted(ROOT.glob(pattern)))
    return [str(path.relative_to(ROOT)) for path in found if "[[[cog" in path.read_text("utf-8")]


def main(arguments: list[str]) -> int:
    """Write the transcripts of every page, or of these; with --check say which are stale."""
    check = ["--check", "--diff"] if "--check" in arguments else ["-r"]
    named = [argument for argument in arguments if argument != "--check"]
    command = [sys.executable, "-m", "cogapp", "-c", "-I", "docs", *check, *(named or pages())]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
