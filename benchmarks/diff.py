"""What a comparison costs: csv_manager's linear diff against csv-diff, the tutorial's algorithm and bare parsing."""

import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from csv_files import HEADER, write_pair
from harness import SIDES, BenchmarkError, Figure, clean_environment, figure, run_child, say, take_turns

SUMMARY = "CPU time and peak memory of the linear diff against csv-diff and the tutorial's algorithm"
_ROWS, _QUICK_ROWS = 100_000, 10_000
#: The tutorial's algorithm is quadratic in the rows, so both sides of it get this few.
_TUTORIAL_ROWS = 2_000
_UPDATED = 0.01
_ROUNDS, _QUICK_ROUNDS = 7, 2
_KEYED, _UNKEYED = "csv_manager_keyed", "csv_manager_unkeyed"
_DETECTING = "csv_manager_keyed_detecting"
_CSV_DIFF, _CSV_DIFF_DETECTING = "csv_diff_keyed", "csv_diff_keyed_detecting"
_Pair = tuple[str, str]
_NAMES = {
    _KEYED: "keyed",
    _UNKEYED: "unkeyed",
    _DETECTING: "keyed, csv format found out",
    _CSV_DIFF: "csv-diff, keyed",
    _CSV_DIFF_DETECTING: "csv-diff, keyed, csv dialect sniffed",
    "tutorial": "the tutorial's algorithm",
    "csv_reader": "csv.reader over both files (floor)",
}


@dataclass(frozen=True, kw_only=True)
class _Cost:
    """CPU time in ms, peak memory in MB."""

    cpu: float
    peak: float


def measure(*, quick: bool) -> Iterator[Figure]:
    """The figures: first at full size, then at the size that the tutorial's algorithm can bear."""
    if importlib.util.find_spec("csv_diff") is None:
        raise BenchmarkError("csv-diff is not installed: pip install 'csv_manager[bench]'.")
    rounds = _QUICK_ROUNDS if quick else _ROUNDS
    rows = _QUICK_ROWS if quick else _ROWS
    floor = "csv_reader"
    yield from _compared(
        rows,
        rounds,
        cpu=[(_UNKEYED, _CSV_DIFF), (_UNKEYED, floor), (_KEYED, _CSV_DIFF), (_KEYED, floor)],
        memory=[(_UNKEYED, _CSV_DIFF), (_KEYED, _CSV_DIFF)],
    )
    yield from _compared(rows, rounds, cpu=[(_DETECTING, _CSV_DIFF_DETECTING)])
    yield from _compared(_TUTORIAL_ROWS, rounds, cpu=[(_UNKEYED, "tutorial")], memory=[(_UNKEYED, "tutorial")])


def _compared(rows: int, rounds: int, *, cpu: Sequence[_Pair], memory: Sequence[_Pair] = ()) -> Iterator[Figure]:
    """Ways of csv_manager against other ways, in CPU time and in peak memory; all ways take turns."""
    with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as name:
        folder = Path(name)
        say(f"  {rows:,} rows x {len(HEADER)} columns, {_UPDATED:.0%} updated")
        old, new, updated = write_pair(folder, rows, updated=_UPDATED)
        ways = dict.fromkeys(way for pair in cpu for way in pair)
        costs = take_turns({way: _side(way, (old, new), updated, clean_environment(folder)) for way in ways}, rounds)
    for ours, peer in cpu:
        pairs = [(cost[ours].cpu, cost[peer].cpu) for cost in costs]
        yield figure("diff", f"{rows:,} rows, {_NAMES[ours]}, CPU", _NAMES[peer], "ms CPU", pairs)
    for ours, peer in memory:
        pairs = [(cost[ours].peak, cost[peer].peak) for cost in costs]
        yield figure("diff", f"{rows:,} rows, {_NAMES[ours]}, peak memory", _NAMES[peer], "MB", pairs)


def _side(way: str, files: tuple[Path, Path], updated: int, environment: Mapping[str, str]) -> Callable[[], _Cost]:
    """One comparison in a process of its own; what it finds is checked."""
    right = {
        _UNKEYED: [updated, 0, updated],
        "tutorial": [updated, 0, updated],
        "csv_reader": [0, 0, 0],
    }.get(way, [0, updated, 0])

    def run() -> _Cost:
        child = run_child([sys.executable, str(SIDES / "compare.py"), way, *map(str, files)], environment)
        answer = json.loads(child.stdout)
        if answer["found"] != right:
            raise BenchmarkError(f"{_NAMES[way]} found {answer['found']} changes where {right} are right.")
        return _Cost(cpu=answer["cpu"], peak=answer["peak"])

    return run
