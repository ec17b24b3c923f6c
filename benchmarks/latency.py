"""How soon a change is told: from a file's close to its row change on the stdout of a running csv_watch."""

import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from csv_files import line, row, write_edits
from harness import (
    SIDES,
    BenchmarkError,
    Figure,
    clean_environment,
    console_script,
    figure,
    percentile,
    read_line,
    run_child,
    running,
    say,
    take_turns,
    wait_for,
)

SUMMARY = "time from a file's close to its change on the stdout of csv_watch, against a bare watchdog script"
#: Seconds that both sides let a file rest.
SETTLE = 0.1
_EDITS, _QUICK_EDITS = 20, 5
_ROWS = 1_000
_PEER = f"bare watchdog, closed event + {SETTLE:g} s"


def measure(*, quick: bool) -> Iterator[Figure]:
    """The figures; each edit appends one row to a file of a thousand rows."""
    edits = _QUICK_EDITS if quick else _EDITS
    with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as name, contextlib.ExitStack() as stack:
        folder = Path(name).resolve()
        environment = clean_environment(folder)
        ours, floor = _write(folder / "ours"), _write(folder / "floor")
        csv_manager = console_script("csv_manager")
        settle = ["--settle", str(SETTLE)]
        run_child([csv_manager, "csv_watcher_add", str(ours), "--key", "id", *settle], environment)
        service = stack.enter_context(running([csv_manager, "csv_watch", "--format", "jsonl"], environment))
        script = [sys.executable, str(SIDES / "bare_watchdog.py"), str(floor), str(SETTLE)]
        bare = stack.enter_context(running(script, environment))
        wait_for(service.stderr, "Watching 1 file")
        wait_for(bare.stdout, "ready")
        say(f"  {edits} edits on each side")
        sides = {"ours": _Side(service, ours, told=True), "floor": _Side(bare, floor, told=False)}
        rounds = take_turns({name: side.edit for name, side in sides.items()}, edits)
    pairs = [(results["ours"], results["floor"]) for results in rounds]
    yield figure("latency", f"close to stdout, p50 (settle {SETTLE:g} s)", _PEER, "ms", pairs)
    yield _tail(f"close to stdout, p95 (settle {SETTLE:g} s)", pairs)
    beyond = [(ours - 1000 * SETTLE, floor - 1000 * SETTLE) for ours, floor in pairs]
    yield figure("latency", "the same beyond the settle time, p50", _PEER, "ms", beyond)
    yield _tail("the same beyond the settle time, p95", beyond)


def _tail(what: str, pairs: Sequence[tuple[float, float]]) -> Figure:
    """The 95th percentile of each side and their ratio, which is no ratio of rounds and has no spread."""
    ours, floor = (percentile(values, 0.95) for values in zip(*pairs, strict=True))
    middle = figure("latency", what, _PEER, "ms", pairs)
    return replace(middle, ours=ours, theirs=floor, ratio=ours / floor, low=None, high=None)


class _Side:
    """One watched file and the process that tells of it; `told` means that it prints row changes as JSON."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path, *, told: bool) -> None:
        self._process = process
        self._path = path
        self._told = told
        self._next = _ROWS
        self._rng = random.Random(_ROWS)  # noqa: S311 - data, no secrets

    def edit(self) -> float:
        """Append a row, and the milliseconds from the close to the line that tells of it."""
        # A pause of any length: an edit must not meet a timer of the other side in step.
        time.sleep(self._rng.uniform(0, 0.5))
        self._next += 1
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line(row(self._rng, self._next)))
        closed = time.perf_counter()
        told = read_line(self._process.stdout)
        passed = time.perf_counter() - closed
        if self._told and json.loads(told)["key"] != {"id": str(self._next)}:
            raise BenchmarkError(f"csv_watch told another change than the row {self._next}: {told}")
        return 1000 * passed


def _write(folder: Path) -> Path:
    folder.mkdir()
    return write_edits(folder, _ROWS, ())[0]
