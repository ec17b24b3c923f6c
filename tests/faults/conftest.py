"""What the fault tests share: contents to write, ways to write them, and a look into the store from outside."""

import contextlib
import csv
import io
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from killing import Killer
from sqlalchemy import create_engine, inspect, text
from verdicts import LEDGER_VARIABLE, Account

if TYPE_CHECKING:
    from conftest import Cli

    from csv_manager.pipeline.store import Store

CONNECTION = "CSV_MANAGER_WATCHER_DATABASE_CONNECTION"
#: Seconds after which something that was waited for is taken to never come.
DEADLINE = 120


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where verdicts are collected, run the tests that come to one, and no others."""
    if os.environ.get(LEDGER_VARIABLE):
        judged = [item for item in items if "judge" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in judged])
        items[:] = judged


class Ledger:
    """What a store holds, asked of its database alone, so that the look takes no part in what is tested."""

    def __init__(self, home: Path, server: str | None) -> None:
        self.home = home
        self._server = server

    def ask(self, query: str) -> list[Any]:
        """The rows of a query, as plain values where they have one column; none of a store that is not there yet."""
        rows = self._ask_file(query) if self._server is None else self._ask_server(self._server, query)
        return [row[0] if len(row) == 1 else row for row in rows]

    def _ask_file(self, query: str) -> list[tuple[Any, ...]]:
        if not (self.home / "watcher_db.db").exists():
            return []
        with contextlib.closing(sqlite3.connect(self.home / "watcher_db.db", timeout=DEADLINE)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'csv_versions'").fetchone():
                return []
            return connection.execute(query).fetchall()

    @staticmethod
    def _ask_server(url: str, query: str) -> list[tuple[Any, ...]]:
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                there = inspect(connection).has_table("csv_versions")
                return [tuple(row) for row in connection.execute(text(query))] if there else []
        finally:
            engine.dispose()

    def is_sound(self) -> bool:
        """Whether SQLite finds its file as it should be; a server's files are the server's."""
        return self._server is not None or self.ask("PRAGMA integrity_check") == ["ok"]

    def contents(self) -> list[str]:
        """The SHA-256 of every version, in the order in which they were committed."""
        return self.ask("SELECT sha256 FROM csv_versions ORDER BY position")

    def outbox(self) -> list[tuple[int, int]]:
        """Version, and number of row changes, of everything that is to be told, in order."""
        return self.ask("SELECT version, positions FROM csv_outbox ORDER BY position")

    def newest(self) -> set[tuple[str, str]]:
        """Each file that has a version, with the SHA-256 of its newest."""
        return set(self.ask("SELECT path, sha256 FROM csv_files JOIN csv_versions ON file_id = id AND number = latest"))

    def histories(self) -> dict[str, list[str]]:
        """The SHA-256 of the versions of each file, in the order in which they were committed."""
        return self._by_file("sha256")

    def numbers(self) -> dict[str, list[int]]:
        """The numbers of the versions of each file, in the order in which they were committed."""
        return self._by_file("number")

    def state(self, path: Path) -> str:
        """The state of a file, as it was told last."""
        states = dict(self.ask("SELECT path, state FROM csv_files"))
        return str(states.get(os.path.join(os.path.realpath(path.parent), path.name)))

    def _by_file(self, column: str) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        query = f"SELECT path, {column} FROM csv_files JOIN csv_versions ON file_id = id ORDER BY position"  # noqa: S608 - ours
        for path, value in self.ask(query):
            found.setdefault(path, []).append(value)
        return found

    def kept(self) -> list[str]:
        """The SHA-256 of every content in the archive, referred to or not."""
        objects = (self.home / "archive" / "objects").glob("*/*")
        return sorted(path.parent.name + path.stem for path in objects if path.suffix in (".zst", ".delta"))

    def incoming(self) -> frozenset[str]:
        """The snapshots that are being taken, and those that a killed process left."""
        folder = self.home / "archive" / "incoming"
        return frozenset(os.listdir(folder)) if folder.exists() else frozenset()


@pytest.fixture
def ledger(cli: "Cli") -> Ledger:
    """A look into the store of `cli`."""
    return Ledger(cli.home, cli.environment.get(CONNECTION))


@pytest.fixture
def open_store(cli: "Cli") -> Callable[..., "Store"]:
    """`open_store()`: the store of `cli`, or of another home, opened in this process; to be closed."""

    def opened(home: Path | None = None) -> "Store":
        from csv_manager.pipeline.store import Store

        url = cli.connection if home is None else f"sqlite:///{home / 'watcher_db.db'}"
        return Store(url=url, archive=(home or cli.home) / "archive", row_limit=1)

    return opened


@pytest.fixture
def store(open_store: Callable[..., "Store"]) -> Iterator["Store"]:
    """The store of `cli`, opened when it is first asked for something."""
    opened: list[Store] = []

    class Lazy:
        def __getattr__(self, name: str) -> Any:
            if not opened:
                opened.append(open_store())
            return getattr(opened[0], name)

    yield Lazy()  # type: ignore[misc]
    for one in opened:
        one.close()


@pytest.fixture
def killer(cli: "Cli", ledger: Ledger, chance: random.Random) -> Iterator[Killer]:
    """Kills commands of `cli`."""
    made = Killer(cli, ledger, chance)
    yield made
    made.end()


@pytest.fixture
def judge(cli: "Cli", ledger: Ledger, store: "Store") -> Iterator[Callable[[str], Account]]:
    """`judge(scenario)`: an account of what is written; its verdict is published, whatever it comes to."""
    accounts: list[Account] = []

    def made(scenario: str) -> Account:
        accounts.append(Account(scenario, cli, ledger, store))
        return accounts[-1]

    yield made
    path = os.environ.get(LEDGER_VARIABLE)
    for account in accounts if path else ():
        account.append_to(Path(str(path)))


@pytest.fixture
def chance() -> random.Random:
    """Randomness that can be had again: the seed is printed, and taken from CSV_MANAGER_TEST_SEED."""
    seed = int(os.environ.get("CSV_MANAGER_TEST_SEED") or random.SystemRandom().randrange(1 << 30))
    print(f"CSV_MANAGER_TEST_SEED={seed}")  # noqa: T201 - pytest shows it where a test fails
    return random.Random(seed)


@pytest.fixture
def contents(chance: random.Random) -> Callable[[int, int], list[bytes]]:
    """`contents(count, size)`: that many contents of about `size` rows, each unlike all others."""

    def made(count: int, size: int) -> list[bytes]:
        rows = [f"{number},{chance.choice('abc')},0" for number in range(size)]
        found = []
        for number in range(count):
            for _ in range(chance.randint(1, 4)):
                place = chance.randrange(len(rows))
                rows[place] = f"{place},{chance.choice('abc')},{number}"
            rows += chance.choices(rows, k=chance.randint(0, 2))
            del rows[chance.randrange(len(rows))]
            if number % 5 == 4:
                chance.shuffle(rows)
            found.append("\n".join(["id,letter,number", *rows, f'last,"x\n{number}",""', ""]).encode())
        return found

    return made


@pytest.fixture
def write(chance: random.Random) -> Callable[[Path, bytes], None]:
    """Write a file in one of the ways that people and programs do: in place, or beside it and renamed."""

    def written(path: Path, data: bytes) -> None:
        if chance.random() < 0.5:
            path.write_bytes(data)
            return
        beside = path.with_name(f".{path.name}.tmp")
        beside.write_bytes(data)
        beside.replace(path)

    return written


@pytest.fixture
def until() -> Callable[[Callable[[], object], str], None]:
    """`until(condition, what)`: wait until a condition holds."""

    def wait(condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.01)

    return wait


@pytest.fixture
def check_changes(store: "Store") -> Callable[[Path, list[bytes]], None]:
    """`check_changes(path, contents)`: these and no others are its versions, exact to the byte and to the row."""

    def check(path: Path, expected: list[bytes]) -> None:
        file = store.file(os.path.realpath(path))
        assert [version.number for version in file.versions()[::-1]] == list(range(1, len(expected) + 1))
        before: Counter[tuple[str, ...]] = Counter()
        for number, data in enumerate(expected, 1):
            with file.open(number) as stream:
                assert stream.read() == data, f"version {number}"
            after = _rows(data)
            changes = file.changes(number)
            told = [(change.op, tuple((change.after or change.before or {}).values())) for change in changes]
            assert Counter(row for op, row in told if op == "insert") == after - before, f"version {number}"
            assert Counter(row for op, row in told if op == "delete") == before - after, f"version {number}"
            assert tuple(changes.counts) == ((after - before).total(), 0, (before - after).total())
            before = after

    return check


def _rows(data: bytes) -> Counter[tuple[str, ...]]:
    reader = csv.reader(io.StringIO(data.decode(), newline=""))
    next(reader)
    return Counter(map(tuple, reader))
