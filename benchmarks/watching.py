"""What it costs to watch very many files, and what a burst of events loses."""

import contextlib
import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

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
    run_side,
    running,
    say,
    take_turns,
    wait_for,
)

SUMMARY = "100,000 watched files: a scan, memory, idle CPU, one edit; and the events that a burst of 20,000 files loses"
SETTLE = 0.1
_FILES, _QUICK_FILES = 100_000, 2_000
_BURST, _QUICK_BURST = 20_000, 1_000
_IDLE_SECONDS, _QUICK_IDLE_SECONDS = 300, 5
_EDITS, _QUICK_EDITS = 20, 3
_WRITERS = 4
_MOST_MB = 500.0
_MOST_IDLE = 2.0
_CONTENT = b"id,v\n1,x\n"


def measure(*, quick: bool) -> Iterator[Figure]:
    """The figures; the files are small, for what is in them is not read."""
    count = _QUICK_FILES if quick else _FILES
    with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as name:
        root = Path(name).resolve()
        environment = clean_environment(root)
        folder = root / "files"
        say(f"  writing {count:,} files")
        _write(folder, count, environment)
        yield from _scans(folder, count, environment, rounds=1 if quick else 5)
        yield from _service(folder, count, environment, quick=quick)
    for stopped in (False, True):
        yield from _bursts(_QUICK_BURST if quick else _BURST, rounds=1 if quick else 3, stopped=stopped)


def _write(folder: Path, count: int, environment: Mapping[str, str]) -> None:
    """Files of one content, each with a history: the first by csv_watcher_add, the others as that one stands there."""
    folder.mkdir()
    paths = [folder / f"{number:06}.csv" for number in range(count)]
    paths[0].write_bytes(_CONTENT)
    settle = ["--settle", str(SETTLE)]
    run_child([console_script("csv_manager"), "csv_watcher_add", str(folder), "--key", "id", *settle], environment)
    for path in paths[1:]:
        path.write_bytes(_CONTENT)
    with contextlib.closing(sqlite3.connect(Path(environment["CSV_MANAGER_HOME"]) / "watcher_db.db")) as store:
        for table, changed in (("csv_files", ("id", "path", "path_sha", "signature")), ("csv_versions", ("file_id",))):
            names = [column[1] for column in store.execute(f"PRAGMA table_info({table})")]
            kept = [name for name in names if name not in changed]
            quoted = ", ".join(f'"{name}"' for name in (*changed, *kept))
            values = ", ".join(["?"] * len(changed) + [f'"{name}"' for name in kept])
            rows = (_row(number, path)[: len(changed)] for number, path in enumerate(paths[1:], 2))
            store.executemany(f"INSERT INTO {table} ({quoted}) SELECT {values} FROM {table} LIMIT 1", rows)  # noqa: S608
        store.commit()


def _row(number: int, path: Path) -> tuple[object, ...]:
    stat = path.stat()
    signature = f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}"
    return number, str(path), hashlib.sha256(str(path).encode()).hexdigest(), signature


def _scans(folder: Path, count: int, environment: Mapping[str, str], *, rounds: int) -> Iterator[Figure]:
    """One look at all files, in a process that did so before."""
    sides = {
        side: lambda side=side: run_side("scan_many", side, str(folder), environment=environment, right=count)
        for side in ("ours", "bare", "watchdog")
    }
    told = take_turns(sides, rounds)
    what = f"{count:,} files, one scan"
    peers = {"bare": "scandir and stat of all", "watchdog": "watchdog's polling snapshot"}
    for side, peer in peers.items():
        yield figure("watching", what, peer, "ms", [(found["ours"].time, found[side].time) for found in told])
    yield figure("watching", what, "2 s", "ms", [(found["ours"].time, 2000.0) for found in told], target=1)


def _service(folder: Path, count: int, environment: Mapping[str, str], *, quick: bool) -> Iterator[Figure]:
    """A running csv_watch: until everything was looked at, at rest, and when one file changes."""
    csv_manager = console_script("csv_manager")
    bare = [sys.executable, str(SIDES / "scan_many.py"), "bare", str(folder)]
    once = {
        "ours": lambda: run_child([csv_manager, "csv_watch", "--once"], environment).time,
        "bare": lambda: run_child(bare, environment).time,
    }
    told = take_turns(once, 1 if quick else 3)
    what = f"{count:,} files, csv_watch --once, whole command"
    yield figure("watching", what, "a process that stats all", "ms", [(found["ours"], found["bare"]) for found in told])
    edits = _QUICK_EDITS if quick else _EDITS
    for how, options in (("event", []), ("scan", ["--poll"])):
        command = [csv_manager, "csv_watch", "--format", "jsonl", *options]
        if how == "scan":
            run_child([csv_manager, "csv_watcher_set", str(folder), "-i", "1"], environment)
        with running(command, environment) as service:
            wait_for(service.stderr, "Watching")
            _edit(folder / "000001.csv", service)  # everything was looked at before it is told
            if how == "event":
                yield from _at_rest(service.pid, count, _QUICK_IDLE_SECONDS if quick else _IDLE_SECONDS)
            passed = [_edit(folder / f"{number:06}.csv", service) for number in range(2, edits + 2)]
        for share in (0.5, 0.95):
            what = f"{count:,} files, close to stdout by {how}, p{share * 100:.0f} (settle {SETTLE:g} s)"
            limit, peer = (
                (SETTLE + 0.2, "settle + 200 ms") if how == "event" else (SETTLE + 1, "settle + interval (1 s)")
            )
            middle = percentile(passed, share)
            yield figure("watching", what, peer, "ms", [(middle, 1000 * limit)], target=1 if how == "event" else None)


def _at_rest(pid: int, count: int, seconds: float) -> Iterator[Figure]:
    """What a process costs while nothing happens."""
    before = _cpu(pid)
    time.sleep(seconds)
    share = 100 * (_cpu(pid) - before) / seconds
    peak = next(int(line.split()[1]) / 1024 for line in _status(pid) if line.startswith("VmHWM"))
    what = f"{count:,} files, idle CPU of one core"
    yield figure("watching", what, "2 %", "%", [(share, _MOST_IDLE)], target=1)
    what = f"{count:,} files, peak memory"
    yield figure("watching", what, "500 MB", "MB", [(peak, _MOST_MB)], target=1)


def _status(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/status").read_text("ascii").splitlines()


def _cpu(pid: int) -> float:
    """The seconds of CPU that a process took."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _edit(path: Path, service: subprocess.Popen[bytes]) -> float:
    """Append a row, and the milliseconds from the close to the line that tells of it."""
    with path.open("ab") as file:
        file.write(b"%d,y\n" % time.monotonic_ns())
    closed = time.perf_counter()
    told = read_line(service.stdout)
    passed = time.perf_counter() - closed
    if path.name not in told:
        raise BenchmarkError(f"csv_watch told another change than that of {path.name}: {told}")
    return 1000 * passed


def _bursts(count: int, *, rounds: int, stopped: bool) -> Iterator[Figure]:
    """Files that are not noticed of those that a few processes write at once, each closed.

    The watcher runs meanwhile, or is `stopped`, as on a machine that is busy with something else.
    """
    sides = {
        side: lambda side=side: _burst(side, count, stopped=stopped) for side in ("ours", "watchdog", "watchfiles")
    }
    told = take_turns(sides, rounds, warm_up=False)
    how = "in a burst, the watcher stopped" if stopped else "in a burst"
    for side in ("watchdog", "watchfiles"):
        # One is added to both, for a ratio to nothing.
        pairs = [(1 + found["ours"], 1 + found[side]) for found in told]
        yield figure("watching", f"{count:,} files {how}, 1 + those not noticed", f"bare {side}", "files", pairs)


def _burst(side: str, count: int, *, stopped: bool) -> float:
    with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as name:
        folder = Path(name).resolve()
        command = [sys.executable, str(SIDES / "burst.py"), side, str(folder), str(count)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
            if "ready" not in read_line(process.stdout) or process.stdin is None:
                raise BenchmarkError(f"{side} did not begin to watch.")
            if stopped:
                process.send_signal(signal.SIGSTOP)
            writing = [sys.executable, str(SIDES / "burst.py"), "write", str(folder)]
            writers = [subprocess.Popen([*writing, str(first), str(_WRITERS), str(count)]) for first in range(_WRITERS)]
            if any(writer.wait() for writer in writers):
                raise BenchmarkError("Not all files of the burst could be written.")
            if stopped:
                process.send_signal(signal.SIGCONT)
            process.stdin.write(b"\n")
            return float(read_line(process.stdout))
