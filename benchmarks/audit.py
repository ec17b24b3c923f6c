"""What the audit log costs who writes, how many bytes it keeps of a change, and how fast a database is recovered."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import Figure, Side, clean_environment, figure, run_side, say, take_turns

SUMMARY = "CPU of writes that are audited, beside plain ones, SQLAlchemy-Continuum and SQLAlchemy-History; recovery"
_ROUNDS, _PEER_ROUNDS, _QUICK_ROUNDS = 5, 2, 1
_ROWS, _QUICK_ROWS = 20_000, 400
_CHANGES, _QUICK_CHANGES = 200_000, 2_000
#: A change of a row is to take so many bytes at most, and so many microseconds in a recovery.
_BYTES, _MICROSECONDS = 60.0, 10.0
_PLAIN, _CONTINUUM, _HISTORY = "plain", "SQLAlchemy-Continuum", "SQLAlchemy-History"
#: Each figure: what, csv_manager's way, the work, the peer, its way, and the target as a ratio of CPU.
_CASES = (
    ("inserted by the ORM, log_changes", "log_changes", "orm_insert", _PLAIN, "plain", 2.0),
    ("updated by the ORM, log_changes", "log_changes", "orm_update", _PLAIN, "plain", 2.0),
    ("inserted by the ORM, log_changes", "log_changes", "orm_insert", _CONTINUUM, "continuum", None),
    ("updated by the ORM, log_changes", "log_changes", "orm_update", _CONTINUUM, "continuum", None),
    ("inserted by the ORM, log_changes", "log_changes", "orm_insert", _HISTORY, "history", None),
    ("updated by the ORM, log_changes", "log_changes", "orm_update", _HISTORY, "history", None),
    ("inserted by the ORM, csv_audit_add", "triggers", "orm_insert", _PLAIN, "plain", None),
    ("updated by the ORM, csv_audit_add", "triggers", "orm_update", _PLAIN, "plain", None),
    ("in bulk by Core, csv_audit_add", "triggers", "bulk", _PLAIN, "plain", 1.7),
    ("in bulk by Core, log_changes", "log_changes", "bulk", _PLAIN, "plain", None),
    ("in bulk by csv_manager, sealed and compressed", "triggers", "own", _PLAIN, "plain", 1.7),
)  # fmt: skip


def measure(*, quick: bool) -> Iterator[Figure]:
    """The figures of each case, each pair measured one after the other."""
    count = _QUICK_ROWS if quick else _ROWS
    with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as name:
        environment = clean_environment(Path(name).resolve())

        def side(way: str, work: str, count: int, right: object) -> Callable[[], Side]:
            return lambda: run_side("auditing", way, work, str(count), environment=environment, right=right)

        for what, ours, work, peer, theirs, target in _CASES:
            say(f" {what}, {peer}")
            rounds = _QUICK_ROUNDS if quick else _ROUNDS if peer == _PLAIN else _PEER_ROUNDS
            sides = {
                name: side(way, work, count, _right(way, work, count)) for name, way in (("o", ours), ("t", theirs))
            }
            turns = take_turns(sides, rounds, warm_up=not quick)
            about = f"{count:,} rows, {what}"
            yield figure("audit", about, peer, "ms", [(turn["o"].time, turn["t"].time) for turn in turns], target)
        changed = 2 * count + count // 4
        sized = side("triggers", "size", count, None)()
        about = f"{changed:,} rows changed in bulk by csv_manager, kept of each"
        yield figure("audit", about, "60 bytes", "bytes", [(_size(sized) / changed, _BYTES)], 1.0)
        changes = _QUICK_CHANGES if quick else _CHANGES
        turns = take_turns(
            {"o": side("triggers", "recover", changes, [changes // 4, changes])},
            _QUICK_ROUNDS if quick else _ROUNDS,
            warm_up=not quick,
        )
        about = f"{changes:,} changes, each of them in a recovery"
        pairs = [(1000 * turn["o"].time / changes, _MICROSECONDS) for turn in turns]
        yield figure("audit", about, "10 µs (100,000/s)", "µs", pairs, 1.0)


def _right(way: str, work: str, count: int) -> list[int | None]:
    """How many rows are there, and how many changes are told; None where nothing is audited."""
    changes = count if work.startswith("orm") else 2 * count + count // 4
    return [count if work.startswith("orm") else count - count // 4, None if way == "plain" else changes]


def _size(side: Side) -> float:
    found = side.found
    return float(found[0]) if isinstance(found, list) else 0.0
