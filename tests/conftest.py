"""What every test may use: the installed console script as a process, and its service, in a home of their own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Self

import forking
import pytest
import servers
from sqlalchemy import Connection, MetaData, create_engine, text
from sqlalchemy.engine import make_url

import csv_manager.framework  # noqa: F401 - groundwork is imported through it, whatever a test imports first
from csv_manager.store.engine import make_engine, name_of, writing

SCRIPT = str(Path(sys.executable).parent / "csv_manager")
#: Whether commands are forked from a process that has imported csv_manager; else each is a new interpreter.
FORKS = hasattr(os, "fork") and os.environ.get("CSV_MANAGER_TEST_FORK", "1") == "1"
#: The database that the stores of the acceptance tests are in: sqlite, postgresql or mariadb.
STORE = os.environ.get("CSV_MANAGER_TEST_STORE", "sqlite")
#: Seconds after which something that was waited for is taken to never come; no test depends on how long it took.
DEADLINE = 120

# A shell starts what runs in the background without Ctrl-C, and nohup what outlives its terminal without SIGHUP, which
# every process that is started by it inherits.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

_NOTES = ("Nothing is watching now",)
#: Runs a command under the rights of its files' owner: root without the capabilities that make it read and write all.
_WITHIN_RIGHTS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.argv[1], sys.argv[1:])
"""
#: Runs a command that cannot write a file of more bytes than this, as on a disk that takes no more.
_WITHIN_SIZE = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Cli:
    """Runs `csv_manager` in `folder` with its home in `home`; `environment` may be changed by a test.

    `connection` is the URL of the store's database, where that is not a file in the home.
    """

    def __init__(self, root: Path, connection: str | None = None) -> None:
        self.home = root / "home"
        self.folder = root / "files"
        self.folder.mkdir(parents=True)
        # As a user's, processes start from bytecode, which one of them writes.
        left_out = "CSV_MANAGER_", "PYTHONDONTWRITEBYTECODE"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        self.environment = inherited | {"CSV_MANAGER_HOME": str(self.home), "CSV_MANAGER_CSV_SETTLE": "0.1"}
        if connection is not None:
            self.environment["CSV_MANAGER_WATCHER_DATABASE_CONNECTION"] = connection
        self.prefix: list[str] = []

    def command(self, *arguments: object) -> list[str]:
        """The command line."""
        return [*self.prefix, SCRIPT, *map(str, arguments)]

    def run(self, *arguments: object, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
        """Run a command, however it ends."""
        command = self.command(*arguments)
        if FORKS and command[0] == SCRIPT and forking.can_run(self.environment):
            return forking.run(command, self.folder, self.environment, stdin.encode(), DEADLINE)
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            input=stdin.encode(),
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )

    def __call__(self, *arguments: object, code: int = 0, stdin: str = "") -> str:
        """What a command writes to stdout, once it has ended with this exit code."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == code, f"exit {done.returncode}: {done.stderr.decode()}{done.stdout.decode()}"
        assert b"Traceback" not in done.stderr
        return done.stdout.decode()

    def json(self, *arguments: object) -> Any:
        """The answer of a command as JSON."""
        return json.loads(self(*arguments, "--format", "json"))

    def notes(self, *arguments: object, code: int = 0) -> str:
        """What a command writes to stderr, once it has ended with this exit code."""
        done = self.run(*arguments)
        assert done.returncode == code, f"exit {done.returncode}: {done.stderr.decode()}{done.stdout.decode()}"
        return done.stderr.decode()

    def refused(self, *arguments: object) -> str:
        """The one line that says why a command could not do it: exit code 2, no traceback, nothing on stdout."""
        done = self.run(*arguments)
        stderr = done.stderr.decode()
        assert done.returncode == 2, f"exit {done.returncode}: {stderr}{done.stdout.decode()}"
        assert "Traceback" not in stderr
        assert "not foreseen" not in stderr
        assert done.stdout == b""
        lines = [line for line in stderr.splitlines() if line and not line.startswith(_NOTES)]
        assert [line[:7] for line in lines] == ["Error: "], stderr
        return lines[0]

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file in the folder, in place."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def versions(self, path: object) -> list[dict[str, Any]]:
        """The versions of a file, oldest first."""
        versions: list[dict[str, Any]] = self.json("csv_history_list", path)
        return versions[::-1]

    def counts(self, path: object) -> list[tuple[int, int, int]]:
        """How many rows each version of a file inserted, updated and deleted, oldest first."""
        return [(told["inserted"], told["updated"], told["deleted"]) for told in self.versions(path)]

    def listed(self) -> dict[str, tuple[str, int | None]]:
        """State and version of every watched file, by its path in the folder."""
        folder = os.path.realpath(self.folder)
        rows = self.json("csv_watcher_list")
        return {os.path.relpath(row["csv_file"], folder): (row["state"], row["version"]) for row in rows}

    def changes(self, path: object, version: object) -> list[dict[str, Any]]:
        """The row changes of a version."""
        changes: list[dict[str, Any]] = self.json("csv_history_show", path, version)
        return changes

    def export(self, path: object, version: object) -> bytes:
        """The bytes of a version."""
        done = self.run("csv_history_export", path, version)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def state(self) -> tuple[Any, Any, list[str]]:
        """Everything that the store holds: watchers, versions, and the names of the archive's files."""
        watchers = self.json("csv_watcher_list")
        histories = [self.json("csv_history_list", told["csv_file"]) for told in watchers if told["version"]]
        return watchers, histories, archived(self.home)

    def content(self) -> tuple[dict[str, list[str]], list[str]]:
        """As `state`, to the last column of the store, and without running a command."""
        found = MetaData()
        with self._connected() as connection:
            found.reflect(connection)
            rows = {table.name: connection.execute(table.select()).all() for table in found.sorted_tables}
        return {name: sorted(map(repr, told)) for name, told in rows.items()}, archived(self.home)

    @property
    def store(self) -> str:
        """The store's name in messages."""
        return name_of(make_url(self.connection))

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the store."""
        with self._connected() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def change(self, statement: str, **values: Any) -> None:
        """Change the store."""
        with self._connected() as connection, connection.begin():
            connection.execute(text(statement), values)

    @contextlib.contextmanager
    def alone(self) -> Iterator[Connection]:
        """Write to the store, as another process that does not end, so that nobody else can."""
        engine = make_engine(self.connection)
        try:
            with writing(engine) as connection:
                yield connection
        finally:
            engine.dispose()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        engine = create_engine(self.connection)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    @property
    def connection(self) -> str:
        """The URL of the store's database."""
        told = self.environment.get("CSV_MANAGER_WATCHER_DATABASE_CONNECTION")
        return told or f"sqlite:///{self.home / 'watcher_db.db'}"

    @contextlib.contextmanager
    def within_rights(self) -> Iterator[None]:
        """Run commands so that a file's mode binds them, also where the tests are run by root."""
        with self._prefixed(sys.executable, "-c", _WITHIN_RIGHTS):
            yield

    @contextlib.contextmanager
    def within_size(self, size: int) -> Iterator[None]:
        """Run commands that can write no file of more than `size` bytes."""
        with self._prefixed(sys.executable, "-c", _WITHIN_SIZE, str(size)):
            yield

    @contextlib.contextmanager
    def _prefixed(self, *prefix: str) -> Iterator[None]:
        self.prefix = list(prefix)
        try:
            yield
        finally:
            self.prefix = []


class Service:
    """A running `csv_watch`; `told` and `said` are its lines on stdout and stderr so far.

    With another `stdout`, a file's descriptor, nothing is read from there.
    """

    def __init__(self, cli: Cli, *arguments: object, stdout: int = subprocess.PIPE) -> None:
        self.told: list[str] = []
        self.said: list[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            cli.command(*arguments),
            cwd=cli.folder,
            env=cli.environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._threads = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.told), (self.process.stderr, self.said))
            if stream is not None
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        try:
            self.wait(
                lambda: any("Watching" in line or "No file is watched" in line for line in self.said), "the start"
            )
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition on the lines or on files holds."""
        deadline = time.monotonic() + DEADLINE
        with self._changed:
            while not (come := condition()) and time.monotonic() < deadline:
                self._changed.wait(0.1)  # a condition on files is told by no line
        assert come, f"waited in vain for {what}; stdout: {self.told}; stderr: {self.said}"

    def wait_told(self, *parts: str) -> str:
        """Wait for a line on stdout that has all these parts, and return it."""

        def found() -> list[str]:
            return [line for line in self.told if all(part in line for part in parts)]

        self.wait(lambda: bool(found()), f"a line with {parts}")
        return found()[0]

    def wait_said(self, part: str) -> str:
        """Wait for a line on stderr that has this part, and return it."""
        self.wait(lambda: any(part in line for line in self.said), f"a line with {part!r} on stderr")
        return next(line for line in self.said if part in line)

    def wait_changes(self, count: int) -> list[dict[str, Any]]:
        """Wait for this many lines of JSON on stdout, and return all of them."""
        self.wait(lambda: len(self.told) >= count, f"{count} lines")
        return self.changes()

    def changes(self) -> list[dict[str, Any]]:
        """The lines of JSON on stdout so far."""
        return [json.loads(line) for line in list(self.told)]

    def version_lines(self) -> list[str]:
        """The lines on stdout so far that tell of versions, not of rows."""
        return [line for line in list(self.told) if not line.startswith("  ")]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code; every line was read then."""
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE)
        self._join()
        return code

    def kill(self) -> None:
        """End the service as a crash does, unless it has ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE)
        self._join()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(DEADLINE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        for line in stream:
            with self._changed:
                lines.append(line.rstrip("\n"))
                self._changed.notify_all()


def archived(home: Path) -> list[str]:
    """The names of the archive's files, whatever is left of unfinished ones included, but for the locks."""
    archive = home / "archive"
    names = (str(path.relative_to(archive)) for path in archive.rglob("*") if path.is_file())
    return sorted(name for name in names if not name.startswith("locks/"))


@contextlib.contextmanager
def new_connection() -> Iterator[str | None]:
    """The URL of a new database for a store; None for a file in the home."""
    if STORE == "sqlite":
        yield None
        return
    with servers.database(STORE) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """The console script, with a home and a folder of its own."""
    with new_connection() as connection:
        yield Cli(tmp_path, connection)


@pytest.fixture(scope="module")
def shared_cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The console script, with a home and a folder that the tests of a module share."""
    with new_connection() as connection:
        yield Cli(tmp_path_factory.mktemp("shared"), connection)


@pytest.fixture
def service(cli: Cli) -> Iterator[Callable[..., Service]]:
    """`service(*arguments)` starts csv_watch, and waits until it watches; it is gone after the test, `with` or not."""
    with contextlib.ExitStack() as stack:

        def start(
            *arguments: object, before: Sequence[object] = (), stdout: int = subprocess.PIPE, wait: bool = True
        ) -> Service:
            made = Service(cli, *before, "csv_watch", *arguments, stdout=stdout)
            if not wait:
                stack.callback(made.kill)
                return made
            return stack.enter_context(made)

        yield start


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers that are not there, once for all the processes that run tests."""
    if not hasattr(config, "workerinput"):
        stack = contextlib.ExitStack()
        stack.enter_context(servers.started())
        config.add_cleanup(stack.close)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about SQLite's files, or about no store, where the stores are in another database."""
    if STORE == "sqlite":
        return
    left_out = [item for item in items if item.get_closest_marker("sqlite") or item.get_closest_marker("no_store")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
