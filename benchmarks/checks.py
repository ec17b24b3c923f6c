"""What checking a version costs, against frictionless, pandera, and DuckDB by hand."""

import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from csv_files import write_edits
from harness import BenchmarkError, Figure, Side, clean_environment, figure, run_side, say, take_turns

SUMMARY = "time and memory of schemas and SQL rules on a version, against frictionless, pandera and DuckDB by hand"
_ROUNDS, _PEER_ROUNDS, _QUICK_ROUNDS = 5, 2, 1
_ROWS, _QUICK_ROWS = 1_000_000, 20_000
#: The edit that has one row in a hundred changed, and the bad rows that are put into it.
_EDIT, _BAD = "updated", 10
#: Each figure: what, csv_manager's way, the peer, its way, and the target as a ratio of times.
_CASES = (
    ("a schema", "schema", "frictionless", "frictionless", 1 / 10),
    ("a schema", "schema", "pandera on Polars", "pandera", None),
    ("an SQL rule", "condition", "DuckDB by hand", "by_hand", 1.3),
    ("a schema, 1 % changed", "schema_of_changes", "all rows", "schema", 1 / 20),
)


def measure(*, quick: bool) -> Iterator[Figure]:
    """The figures, those of the quickest first."""
    missing = [name for name in ("frictionless", "pandera", "polars") if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchmarkError(f"Not installed: {', '.join(missing)}; pip install 'csv_manager[dev,bench]'.")
    count = _QUICK_ROWS if quick else _ROWS
    say(f"  {count:,} rows x 10 columns")
    with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as name:
        folder = Path(name)
        old, edits = write_edits(folder, count, (_EDIT,))
        new = edits[_EDIT].path
        _spoil(old, new)
        environment = clean_environment(folder)

        def side(way: str) -> Callable[[], Side]:
            return lambda: run_side("checking", way, str(old), str(new), environment=environment, right=_BAD)

        for what, ours, peer, theirs, target in reversed(_CASES):
            say(f" {what}, {peer}")
            rounds = _QUICK_ROUNDS if quick else _PEER_ROUNDS if theirs == "frictionless" else _ROUNDS
            turns = take_turns({"ours": side(ours), "theirs": side(theirs)}, rounds, warm_up=not quick)
            about = f"{count:,} rows, {what}"
            yield figure("checks", about, peer, "ms", [(t["ours"].time, t["theirs"].time) for t in turns], target)
            peaks = [(t["ours"].peak, t["theirs"].peak) for t in turns]
            yield figure("checks", f"{about}, peak memory", peer, "MB", peaks)


def _spoil(old: Path, new: Path) -> None:
    """Make some of the rows bad that differ between the two files; an edit may add lines."""
    left = _BAD
    with old.open("rb") as before, new.open("rb") as after:
        was, lines = before.readlines(), after.readlines()
    for number, (one, other) in enumerate(zip(was, lines, strict=False)):
        fields = other.split(b",")
        if left and one != other and b'"' not in other and len(fields) == 10:
            fields[6] = b"-" + (fields[6].lstrip(b"-") if fields[6].strip(b"-0") else b"1")
            lines[number] = b",".join(fields)
            left -= 1
    new.write_bytes(b"".join(lines))
