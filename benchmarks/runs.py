"""What the ledger of runs costs a small version, and how many runs a second each database takes."""

import contextlib
import itertools
import random
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from csv_files import HEADER, line, row
from databases import KINDS, Bare, Kind, new_database
from harness import BenchmarkError, Figure, figure, say, take_turns
from sqlalchemy.engine import URL

from csv_manager.core.model import ColumnChange, CsvFormat, WatcherOptions
from csv_manager.core.runs import STAGES
from csv_manager.framework.target_databases import TargetDatabases
from csv_manager.pipeline.listening import Listening
from csv_manager.pipeline.runtime import Runtime
from csv_manager.pipeline.store import Store
from csv_manager.pipeline.syncing import Syncing
from csv_manager.pipeline.watched import Defaults
from csv_manager.store.ledger import Ledger, RunNote
from csv_manager.store.records import NewVersion
from csv_manager.store.schema import runs as runs_table
from csv_manager.store.schema import tasks as tasks_table

SUMMARY = "recording a small version with and without the ledger, and runs recorded per second, on each database"
_ROWS = 100
_PEER = "a ledger that notes nothing"
_OPTIONS = WatcherOptions(key=("id",), settle=0)
_TABLES = runs_table.name, tasks_table.name
_DEADLINE = 60.0


@dataclass(frozen=True, kw_only=True)
class _Size:
    """How much is done in a round: versions one after another, files at once, runs; and the rounds of each figure."""

    versions: int = 10
    files: int = 40
    runs: int = 50
    rounds: int = 11


_WHOLE, _QUICK = _Size(), _Size(versions=2, files=5, runs=5, rounds=2)


class _Silent(Ledger):
    """A ledger that notes nothing, and therefore finds nothing."""

    def note(self, notes: Collection[RunNote], forgotten: Collection[RunNote] = ()) -> None:
        """Nothing is noted."""

    def repeat(self, note: RunNote) -> bool:
        """No failure is known."""
        del note
        return False

    def finish_dead(self) -> list[int]:
        """No run is known."""
        return []


def measure(*, quick: bool) -> Iterator[Figure]:
    """The figures of each database that there is."""
    size = _QUICK if quick else _WHOLE
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as name:
            folder = Path(name).resolve()
            with new_database(kind, folder) as url:
                if url is not None:
                    yield from _measured(kind, url, folder, size)


def _measured(kind: Kind, url: URL, folder: Path, size: _Size) -> Iterator[Figure]:
    with (
        Store(url=url, archive=folder / "archive", row_limit=1000) as store,
        contextlib.closing(Bare(kind, url)) as bare,
    ):
        say(f"  {kind.name}: {bare.durability()}")
        bench = _Bench(kind, store, bare, folder, size)
        yield from bench.versions()
        yield from bench.events()
        yield from bench.bursts()
        yield from bench.rates()


class _Bench:
    """The figures of one database."""

    def __init__(self, kind: Kind, store: Store, bare: Bare, folder: Path, size: _Size) -> None:
        self._kind, self._store, self._bare, self._folder, self._size = kind, store, bare, folder, size
        self._contents = _contents()
        self._ledgers = {"noted": store.runs.ledger, "silent": _Silent(store.catalog.engine, store.catalog.events)}

    def versions(self) -> Iterator[Figure]:
        """Versions of a file, one after another; in a service, the end of a run is noted later, by its keeper."""
        for told, ring in (("by a command", None), ("by a service, until it is recorded", _ring)):
            sides = {name: self._side(name, self._recorded(name, ring), self._size.versions) for name in self._ledgers}
            yield self._figure(f"one row of {_ROWS} updated, {told}", sides)

    def events(self) -> Iterator[Figure]:
        """Versions of a file, one after another, with the event record as it is, and without one."""
        record = self._store.catalog.events

        def side(name: str, *, is_here: bool) -> Callable[[], float]:
            timed = self._side("noted", self._recorded(name, _ring), self._size.versions)

            def switched() -> float:
                record.is_here = is_here
                try:
                    return timed()
                finally:
                    record.is_here = True

            return switched

        sides = {"with": side("recorded", is_here=True), "without": side("unrecorded", is_here=False)}
        pairs = [(cost["with"], cost["without"]) for cost in take_turns(sides, self._size.rounds)]
        what = f"{self._kind.name}, one row of {_ROWS} updated, by a service, with the event record"
        yield figure("runs", what, "without it", "ms", pairs)

    def bursts(self) -> Iterator[Figure]:
        """Files that all changed, from the start of a service until all are recorded and noted."""
        sides = {name: self._side(name, self._burst(name), self._size.files) for name in self._ledgers}
        yield self._figure(f"one row of {_ROWS} updated in each of {self._size.files} files, by a service", sides)

    def rates(self) -> Iterator[Figure]:
        """Runs without the work that they tell of; of their rates, the ratio is that of what one run costs."""
        self._bare.load(*_TABLES)
        peer = f"bare {self._kind.driver}, a commit a run"
        for told, ring in (("noted as it begins and ends", None), ("its end noted with the next", _ring)):
            ways = {"ours": self._runs(ring), "bare": self._inserts}
            costs = take_turns(
                {name: self._side("noted", way, self._size.runs) for name, way in ways.items()}, self._size.rounds
            )
            pairs = [(cost["ours"], cost["bare"]) for cost in costs]
            cost = figure("runs", f"{self._kind.name}, a run of {len(STAGES)} tasks, {told}", peer, "runs/s", pairs)
            yield replace(cost, ours=1000 / cost.ours, theirs=1000 / cost.theirs)

    def _figure(self, what: str, sides: dict[str, Callable[[], float]]) -> Figure:
        costs = take_turns(sides, self._size.rounds)
        pairs = [(cost["noted"], cost["silent"]) for cost in costs]
        return figure("runs", f"{self._kind.name}, {what}", _PEER, "ms", pairs)

    def _side(self, name: str, timed: Callable[[], float], count: int) -> Callable[[], float]:
        """One side, in ms for each of `count`: it is timed under its ledger, and what it noted is counted."""

        def side() -> float:
            self._store.runs.ledger = self._ledgers[name]
            before = self._bare.count(*_TABLES)
            passed = timed()
            self._store.runs.flush()
            self._store.runs.ring = None
            added = [now - then for now, then in zip(self._bare.count(*_TABLES), before, strict=True)]
            right = [count, count * len(STAGES)] if name == "noted" else [0, 0]
            if added != right:
                raise BenchmarkError(f"{self._kind.name}: {added} runs and tasks were noted where {right} is right.")
            return 1000 * passed / count

        return side

    def _recorded(self, name: str, ring: Callable[[], None] | None) -> Callable[[], float]:
        """Versions of a file of the side's own, each timed by itself."""
        path = self._folder / f"{name}.csv"

        def timed() -> float:
            self._store.runs.ring = ring
            passed = 0.0
            for _ in range(self._size.versions):
                path.write_text(next(self._contents), encoding="utf-8")
                start = time.perf_counter()
                outcome = self._store.recorder.record(str(path), _OPTIONS)
                passed += time.perf_counter() - start
                if outcome.number is None:
                    raise BenchmarkError(f"{path.name}: no version was recorded.")
                self._store.runs.flush()
            return passed

        return timed

    def _burst(self, name: str) -> Callable[[], float]:
        """Files of a folder of the side's own, recorded by the threads of a service."""
        folder = self._folder / f"{name} files"
        folder.mkdir()

        def timed() -> float:
            for number in range(self._size.files):
                (folder / f"{number}.csv").write_text(next(self._contents), encoding="utf-8")
            versions: list[int] = []
            runtime = Runtime(
                lambda: self._store,
                Defaults(settle=0),
                Syncing(lambda: self._store, TargetDatabases(dict), lambda _: None),
                Listening(frozenset),
                check=lambda: None,
                on_version=lambda version: versions.append(version.version),
                on_state=lambda *_: None,
            )
            runtime.watch(str(folder), replace(_OPTIONS, feed="files"))
            start = time.perf_counter()
            runtime.start(once=True)
            try:
                rested = runtime.wait_at_rest(_DEADLINE)
                passed = time.perf_counter() - start
            finally:
                runtime.stop()
            if not rested or len(versions) != self._size.files:
                raise BenchmarkError(f"{len(versions)} of {self._size.files} versions were recorded.")
            return passed

        return timed

    def _runs(self, ring: Callable[[], None] | None) -> Callable[[], float]:
        """Runs as recording has them, with stages in which nothing is done."""

        def timed() -> float:
            runs = self._store.runs
            runs.ring = ring
            start = time.perf_counter()
            for _ in range(self._size.runs):
                with runs.run("/data/small.csv", _OPTIONS, cause="change") as run:
                    for stage in STAGES:
                        with run.task(stage):
                            pass
                        run.expect()  # which does something once
                    run.recorded(2, _NEW)
            runs.flush()
            return time.perf_counter() - start

        return timed

    def _inserts(self) -> float:
        """The floor: the rows of as many runs."""
        start = time.perf_counter()
        for _ in range(self._size.runs):
            self._bare.insert()
        return time.perf_counter() - start


def _ring() -> None:
    """What a service's keeper is called by; here nobody comes before the next run, or the end of the round."""


def _contents() -> Iterator[str]:
    """Contents of a small file, each of which differs from every other one in one row."""
    rng = random.Random(_ROWS)  # noqa: S311 - data, no secrets
    rows = [row(rng, number) for number in range(_ROWS)]
    middle = _ROWS // 2
    before, after = ("".join(map(line, some)) for some in ((HEADER, *rows[:middle]), rows[middle + 1 :]))
    for number in itertools.count():
        yield before + line([*rows[middle][:-1], f"edit {number:09}"]) + after


_NEW = NewVersion(
    base=1,
    cause="change",
    status="ok",
    sha256="0" * 64,
    size=10_000,
    rows=_ROWS,
    inserted=0,
    updated=1,
    deleted=0,
    columns=HEADER,
    column_change=ColumnChange(),
    csv_format=CsvFormat(),
    key=("id",),
    ignore=(),
    findings=(),
    changes=None,
)
