"""What comparing two files costs, against cmp, csv-diff, daff, datacompy, DuckDB, GNU diff and the tutorial."""

import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from csv_files import HEADER, Edit, write_edits, write_unquoted
from harness import (
    BenchmarkError,
    Child,
    Figure,
    Side,
    clean_environment,
    console_script,
    figure,
    run_child,
    run_side,
    say,
    take_turns,
)

SUMMARY = "time and peak memory of a comparison of two files, against cmp and six other ways"
_ROUNDS, _PEER_ROUNDS, _QUICK_ROUNDS = 7, 3, 1
_UNKEYED, _KEYED = "csv_manager_unkeyed", "csv_manager_keyed"
_PEERS = {
    "csv_diff": "csv-diff, keyed",
    "daff": "daff, keyed",
    "datacompy": "datacompy on Polars, keyed",
    "duckdb": "DuckDB, EXCEPT ALL",
    "tutorial": "the tutorial's algorithm",
    "csv_reader": "csv.reader over both files (floor)",
}
_CMP, _MEMORY = "cmp of equal copies", 25.0
_GNU_DIFF = "GNU diff --speed-large-files (lines)"
#: The ways that find whole rows come and gone, and therefore no updates.
_OF_ROWS = (_UNKEYED, "duckdb", "tutorial")
#: Rows, and who takes part at this size: the tutorial is quadratic, daff and csv-diff do not get far in memory or time.
_SIZES = {
    2_000: ("tutorial",),
    100_000: ("csv_diff", "daff", "datacompy", "duckdb", "csv_reader"),
    1_000_000: ("csv_diff", "datacompy", "duckdb", "csv_reader"),
    5_000_000: ("duckdb",),
}
_QUICK_SIZES = {500: ("tutorial",), 10_000: ("csv_diff", "daff", "datacompy", "duckdb", "csv_reader")}
#: Whole-file changes of the csv format are compared at this many rows.
_FORMATS, _QUICK_FORMATS = 1_000_000, 10_000
#: Sizes at which the whole command is measured, with its targets: beyond --help against cmp, and against csv-diff.
_BEYOND_HELP, _OF_CSV_DIFF, _FORMAT_TARGET = 0.6, 1 / 40, 3.0
_WHOLE_COMMAND = {1_000_000: None, 5_000_000: 1.2}
_QUICK_WHOLE_COMMAND = {10_000: None}


def measure(*, quick: bool) -> Iterator[Figure]:
    """The figures, from the smallest files to the largest."""
    missing = [name for name in ("csv_diff", "daff", "datacompy", "duckdb") if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchmarkError(f"Not installed: {', '.join(missing)}; pip install 'csv_manager[bench]'.")
    formats = _QUICK_FORMATS if quick else _FORMATS
    commands = _QUICK_WHOLE_COMMAND if quick else _WHOLE_COMMAND
    for rows, peers in (_QUICK_SIZES if quick else _SIZES).items():
        edits = ["updated"]
        if rows in commands:
            edits += ["identical", "one"]
        if rows == formats:
            edits += ["crlf", "quoted"]
        with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as name:
            folder = Path(name)
            say(f"  {rows:,} rows x {len(HEADER)} columns")
            base, files = write_edits(folder, rows, edits)
            bench = _Bench(base, files, rows, clean_environment(folder), quick=quick)
            yield from bench.updated(peers)
            if rows in commands:
                yield from bench.whole_command(commands[rows], csv_diff="csv_diff" in peers)
            if rows == formats:
                yield from bench.formats()
                yield from bench.unquoted(folder, rows)


class _Bench:
    """The comparisons at one size."""

    def __init__(
        self, base: Path, files: Mapping[str, Edit], rows: int, environment: Mapping[str, str], *, quick: bool
    ) -> None:
        self._base, self._files, self._environment = base, files, environment
        self._rounds, self._peer_rounds = (_QUICK_ROUNDS,) * 2 if quick else (_ROUNDS, _PEER_ROUNDS)
        self._quick, self._rows = quick, f"{rows:,} rows"

    def updated(self, peers: tuple[str, ...]) -> Iterator[Figure]:
        """One row in a hundred differs in one cell."""
        sides = {way: self._side(way, "updated") for way in (_UNKEYED, _KEYED, *peers)}
        costs = take_turns(sides, self._peer_rounds)
        for ours, told in ((_UNKEYED, "unkeyed"), (_KEYED, "keyed")):
            for peer in peers:
                times = [(cost[ours].time, cost[peer].time) for cost in costs]
                yield figure("diff", f"{self._rows}, 1 % updated, {told}", _PEERS[peer], "ms", times)
        for ours, told in ((_UNKEYED, "unkeyed"), (_KEYED, "keyed")):
            for peer in peers:
                if peer != "csv_reader":
                    peaks = [(cost[ours].peak, cost[peer].peak) for cost in costs]
                    yield figure("diff", f"{self._rows}, 1 % updated, {told}, peak memory", _PEERS[peer], "MB", peaks)
        if "duckdb" in peers:
            yield from self._gnu_diff()

    def _gnu_diff(self) -> Iterator[Figure]:
        """Lines, which are not rows: a floor of sorts."""
        paths = str(self._base), str(self._files["updated"].path)
        sides: dict[str, Callable[[], Side | Child]] = {
            "ours": self._side(_UNKEYED, "updated"),
            "diff": lambda: run_child(["diff", "--speed-large-files", *paths], self._environment, most=1),
        }
        costs = take_turns(sides, self._peer_rounds)
        pairs = [(cost["ours"].time, cost["diff"].time) for cost in costs]
        yield figure("diff", f"{self._rows}, 1 % updated, unkeyed", _GNU_DIFF, "ms", pairs)

    def formats(self) -> Iterator[Figure]:
        """Every row is written in another way, and none differs."""
        for edit, told in (("crlf", "CRLF for LF"), ("quoted", "every cell quoted")):
            sides = {way: self._side(way, edit) for way in (_UNKEYED, "duckdb")}
            costs = take_turns(sides, self._peer_rounds)
            pairs = [(cost[_UNKEYED].time, cost["duckdb"].time) for cost in costs]
            yield figure("diff", f"{self._rows}, {told}", _PEERS["duckdb"], "ms", pairs, self._target(_FORMAT_TARGET))

    def unquoted(self, folder: Path, rows: int) -> Iterator[Figure]:
        """The last row differs, and no quote ahead of it tells where records end."""
        base, edit = write_unquoted(folder, rows)
        sides: dict[str, Callable[[], Side | Child]] = {
            "ours": self._side(_UNKEYED, edit, base),
            "cmp": lambda: run_child(["cmp", str(base), str(edit.path)], most=1),
        }
        costs = take_turns(sides, self._rounds)
        what = f"{self._rows}, no quotes, last row updated"
        yield figure("diff", what, "cmp of both", "ms", [(cost["ours"].time, cost["cmp"].time) for cost in costs])
        peaks = [(cost["ours"].peak, _MEMORY) for cost in costs]
        yield figure("diff", f"{what}, peak memory", f"{_MEMORY:g} MB", "MB", peaks, self._target(1.0))

    def whole_command(self, target: float | None, *, csv_diff: bool) -> Iterator[Figure]:
        """`csv_manager csv_diff` of a one-row edit as a process, from its start to its end."""
        base, one, identical = (
            str(path) for path in (self._base, *(self._files[e].path for e in ("one", "identical")))
        )
        csv_manager = console_script("csv_manager")
        sides: dict[str, Callable[[], Child]] = {
            "ours": lambda: self._told(run_child([csv_manager, "csv_diff", base, one], self._environment, most=1)),
            "help": lambda: run_child([csv_manager, "--help"], self._environment),
            "cmp": lambda: run_child(["cmp", base, identical]),
        }
        what = f"{self._rows}, csv_diff of a one-row edit"
        costs = take_turns(sides, self._rounds)
        times = [(cost["ours"].time, cost["cmp"].time) for cost in costs]
        beyond = [(cost["ours"].time - cost["help"].time, cost["cmp"].time) for cost in costs]
        yield figure("diff", f"{what}, whole command", _CMP, "ms", times, target)
        beyond_help = None if target else self._target(_BEYOND_HELP)
        yield figure("diff", f"{what}, beyond --help", _CMP, "ms", beyond, beyond_help)
        if csv_diff:
            peer = [console_script("csv-diff"), base, one, "--key=id", "--format=csv"]
            sides["csv_diff"] = lambda: run_child(peer, self._environment)
            costs = take_turns({name: sides[name] for name in ("ours", "csv_diff")}, self._peer_rounds)
            times = [(cost["ours"].time, cost["csv_diff"].time) for cost in costs]
            yield figure(
                "diff", f"{what}, whole command", "csv-diff, whole command", "ms", times, self._target(_OF_CSV_DIFF)
            )

    def _target(self, ratio: float | None) -> float | None:
        """A target, which small files have none of."""
        return None if self._quick else ratio

    def _told(self, child: Child) -> Child:
        if not child.stdout.endswith("+1 ~0 -1\n"):
            raise BenchmarkError(f"csv_diff told this of a one-row edit: {child.stdout}")
        return child

    def _side(self, way: str, edit: str | Edit, base: Path | None = None) -> Callable[[], Side]:
        """One comparison in a process of its own; what it finds is checked."""
        file = self._files[edit] if isinstance(edit, str) else edit
        right = [0, 0, 0] if way == "csv_reader" else file.unkeyed if way in _OF_ROWS else file.keyed
        arguments = way, str(base or self._base), str(file.path)
        return lambda: run_side("compare", *arguments, environment=self._environment, right=right)
