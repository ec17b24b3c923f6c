"""What every benchmark shares: child processes that are measured, sides that take turns, figures, the table."""

import contextlib
import json
import math
import os
import selectors
import signal
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

_Result = TypeVar("_Result")

#: Seconds within which a process that is waited for tells something.
DEADLINE = 60.0
SIDES = Path(__file__).parent / "sides"


class BenchmarkError(Exception):
    """A benchmark could not be run, or a side gave a wrong answer."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """What a child process cost, from its start to its end, and said: time, and CPU, user and system, in ms."""

    time: float
    cpu: float
    stdout: str


@dataclass(frozen=True, kw_only=True)
class Side:
    """What a side cost within its process, and found: time in ms, peak memory in MB."""

    time: float
    peak: float
    found: object


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row of the table: csv_manager's value and a peer's, each a median, and the ratio of the two.

    `low` and `high` are the smallest and largest ratio of a round; None where a ratio is not one of rounds. `target`
    is the largest ratio that is aimed at.
    """

    benchmark: str
    what: str
    peer: str
    unit: str
    ours: float
    theirs: float
    ratio: float
    low: float | None
    high: float | None
    rounds: int
    target: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The figure as a JSON object."""
        return asdict(self)


def figure(
    benchmark: str, what: str, peer: str, unit: str, pairs: Iterable[tuple[float, float]], target: float | None = None
) -> Figure:
    """The figure of rounds: each pair is csv_manager's value and the peer's, measured one after the other."""
    rounds = list(pairs)
    ratios = [ours / theirs for ours, theirs in rounds]
    return Figure(
        benchmark=benchmark,
        what=what,
        peer=peer,
        unit=unit,
        ours=statistics.median(ours for ours, _ in rounds),
        theirs=statistics.median(theirs for _, theirs in rounds),
        ratio=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        rounds=len(rounds),
        target=target,
    )


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def take_turns(
    sides: Mapping[str, Callable[[], _Result]], rounds: int, *, warm_up: bool = True
) -> list[dict[str, _Result]]:
    """Run the sides A B C A B C …; the first round fills the caches and does not count."""
    measured = []
    for number in range(rounds + warm_up):
        results = {name: side() for name, side in sides.items()}
        say(f"  round {number} of {rounds}" if number or not warm_up else "  warming up")
        if number or not warm_up:
            measured.append(results)
    return measured


def run_child(command: Sequence[str], environment: Mapping[str, str] | None = None, *, most: int = 0) -> Child:
    """Run a process to its end and say what it cost. Raises `BenchmarkError` if its exit code is more than `most`."""
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True
        )
        with process:
            stdout = process.stdout.read() if process.stdout else ""
            _, status, usage = os.wait4(process.pid, 0)
            passed = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        if not 0 <= process.returncode <= most:
            errors.seek(0)
            raise BenchmarkError(f"{' '.join(command)} ended with {process.returncode}: {errors.read().strip()}")
    return Child(time=1000 * passed, cpu=1000 * (usage.ru_utime + usage.ru_stime), stdout=stdout)


def run_side(name: str, *arguments: str, environment: Mapping[str, str], right: object) -> Side:
    """Run a module of sides/, which measures itself. Raises `BenchmarkError` if it did not find what is `right`."""
    child = run_child([sys.executable, str(SIDES / f"{name}.py"), *arguments], environment)
    answer = json.loads(child.stdout)
    if right is not None and answer["found"] != right:
        raise BenchmarkError(f"{name} {' '.join(arguments)} found {answer['found']} where {right} is right.")
    return Side(time=answer["time"], peak=answer["peak"], found=answer["found"])


@contextlib.contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process with unbuffered pipes, stopped at the end."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        bufsize=0,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(stream: IO[bytes] | None, text: str) -> None:
    """Read the lines of an unbuffered pipe up to one with this text."""
    while text not in read_line(stream):
        pass


def read_line(stream: IO[bytes] | None) -> str:
    """The next line of an unbuffered pipe. Raises `BenchmarkError` at its end or if none comes in time."""
    if stream is None:
        raise BenchmarkError("A process without a pipe cannot be read.")
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        line = b""
        while not line.endswith(b"\n"):
            if not selector.select(DEADLINE):
                raise BenchmarkError(f"Nothing was told within {DEADLINE:g} seconds.")
            byte = stream.read(1)
            if not byte:
                raise BenchmarkError(f"A process ended before it told a change: {line.decode()!r}.")
            line += byte
    return line.decode()


def console_script(name: str) -> str:
    """The path of an installed command beside the running interpreter. Raises `BenchmarkError`."""
    path = Path(sysconfig.get_path("scripts"), name)
    if not path.exists():
        raise BenchmarkError(f"The command {name} is not installed beside {sys.executable}.")
    return str(path)


def clean_environment(folder: Path) -> dict[str, str]:
    """This environment with a home for csv_manager and a place for bytecode in `folder`, and no other settings.

    All sides start from bytecode that the warm-up wrote, whether or not they were installed with it.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CSV_MANAGER_", "PYTHON")) or name in ("PYTHONPATH", "PYTHONHOME")
    }
    return {**kept, "CSV_MANAGER_HOME": str(folder / "home"), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def say(text: str) -> None:
    """Progress, on stderr: the table alone is the answer."""
    print(text, file=sys.stderr, flush=True)


def table(figures: Iterable[Figure]) -> str:
    """The figures as aligned text."""
    rows = [("figure", "csv_manager", "peer or floor", "its value", "ratio", "min", "max", "rounds", "target")]
    for row in figures:
        target = "-" if row.target is None else f"<= {row.target:g} {'met' if row.ratio <= row.target else 'MISSED'}"
        values = (f"{_short(row.ours)} {row.unit}", row.peer, f"{_short(row.theirs)} {row.unit}")
        ratios = tuple("-" if ratio is None else _short(ratio) for ratio in (row.ratio, row.low, row.high))
        rows.append((f"{row.benchmark}: {row.what}", *values, *ratios, str(row.rounds), target))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def _short(value: float) -> str:
    """Three digits, and no powers of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
