"""The benchmarks run, and every figure that is promised has a ratio; what it is, no test asserts."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = ROOT / "benchmarks" / "run.py"
RESULTS = RUN.with_name("results.json")

sys.path.insert(0, str(RUN.parent))
try:
    from harness import figure, percentile, table
finally:
    sys.path.remove(str(RUN.parent))

PROMISED = [
    "diff: 10,000 rows, unkeyed, CPU | csv-diff, keyed",
    "diff: 10,000 rows, unkeyed, CPU | csv.reader over both files (floor)",
    "diff: 10,000 rows, keyed, CPU | csv-diff, keyed",
    "diff: 10,000 rows, keyed, CPU | csv.reader over both files (floor)",
    "diff: 10,000 rows, unkeyed, peak memory | csv-diff, keyed",
    "diff: 10,000 rows, keyed, peak memory | csv-diff, keyed",
    "diff: 10,000 rows, keyed, csv format found out, CPU | csv-diff, keyed, csv dialect sniffed",
    "diff: 2,000 rows, unkeyed, CPU | the tutorial's algorithm",
    "diff: 2,000 rows, unkeyed, peak memory | the tutorial's algorithm",
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), *arguments], capture_output=True, text=True, check=False, timeout=100
    )


def cells(line: str) -> list[str]:
    """The cells of a line of the table: two spaces or more part them."""
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def saved() -> bytes | None:
    return RESULTS.read_bytes() if RESULTS.exists() else None


@pytest.mark.skipif(importlib.util.find_spec("csv_diff") is None, reason="csv-diff is in the extra bench")
def test_the_quick_diff_prints_every_promised_ratio_and_saves_nothing() -> None:
    before = saved()
    done = run("--quick", "diff")
    assert done.returncode == 0, done.stderr
    head, _, *rows = [cells(line) for line in done.stdout.splitlines()]
    assert head[:2] == ["figure", "csv_manager"]
    assert [f"{row[0]} | {row[2]}" for row in rows] == PROMISED
    for row in rows:
        ratio, low, high = map(float, row[4:7])
        assert 0 < low <= ratio <= high, row
    assert saved() == before


def test_an_unknown_benchmark_is_refused_by_naming_the_known_ones() -> None:
    done = run("speed")
    assert done.returncode == 2
    assert "no benchmark speed; known are startup, latency, diff" in done.stderr
    assert done.stdout == ""


def test_a_figure_is_the_median_of_the_ratios_of_rounds_not_the_ratio_of_medians() -> None:
    row = figure("diff", "what", "peer", "ms", [(1.0, 2.0), (9.0, 3.0), (4.0, 4.0)], target=0.5)
    assert (row.ours, row.theirs) == (4.0, 3.0)
    assert (row.ratio, row.low, row.high, row.rounds) == (1.0, 0.5, 3.0, 3)
    assert "<= 0.5 MISSED" in table([row])


def test_the_95th_percentile_of_twenty_values_is_the_nineteenth() -> None:
    assert percentile(range(20, 0, -1), 0.95) == 19
    assert percentile([7.0], 0.95) == 7.0


def test_the_saved_run_is_a_whole_one() -> None:
    assert not json.loads(RESULTS.read_text("utf-8"))["quick"]
