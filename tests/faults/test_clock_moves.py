"""The wall clock set back and forward under a running service, and file times that no clock ever showed."""

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from verdicts import SCALE, SETTLE, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = takes_its_time

#: Stands in for the clock of the machine, which is not ours to set: the one place where csv_manager asks for the time.
_CLOCK = """
import datetime as dt
import os
from pathlib import Path
from csv_manager.core import clock
from csv_manager.patterns import CsvCommandsPattern

real = clock.now

def moved():
    return real() + dt.timedelta(seconds=float(Path(os.environ["CLOCK_OFFSET"]).read_text()))

clock.now = moved

class MovedClock(CsvCommandsPattern):
    def activate(self):
        pass
"""
HOUR, DAY = 3600, 86400
#: Seconds by which the clock is wrong, one after the other: back and forward by little and by much.
OFFSETS = (-1, -HOUR, 0, 400 * DAY, -30 * DAY, 2, HOUR, -2000 * DAY, 0)


class Clock:
    """The clock of the commands that are run with `plugin`."""

    def __init__(self, cli: "Cli") -> None:
        self.plugin = cli.home.parent / "moved_clock.py"
        self.plugin.write_text(_CLOCK, "utf-8")
        self._offset = cli.home.parent / "offset"
        self._seconds = 0
        self.move(0)
        cli.environment["CLOCK_OFFSET"] = str(self._offset)

    def move(self, seconds: int) -> None:
        """Set the clock wrong by so many seconds."""
        beside = self._offset.with_name("offset.new")
        beside.write_text(str(seconds))
        beside.replace(self._offset)
        self._seconds = seconds

    def is_near(self, told: str) -> bool:
        """Whether a time of the store is one that this clock has shown not long ago."""
        now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self._seconds)
        return abs((now - dt.datetime.fromisoformat(told).replace(tzinfo=dt.UTC)).total_seconds()) < HOUR / 4


def test_a_clock_that_moves_changes_no_version_and_no_order(
    cli: "Cli", judge: Any, service: Any, ledger: Any, contents: Any, write: Any, until: Any
) -> None:
    account, clock = judge("the clock set back and forward"), Clock(cli)
    made = contents(1 + 3 * len(OFFSETS), 100)
    path = cli.write("data.csv", made[0])
    account.note(path, made[0])
    cli("csv_watcher_add", path, "--settle", SETTLE, "-i", "1")
    left = iter(made[1:])

    def beats() -> bool:
        return any(clock.is_near(told) for told in ledger.ask("SELECT heartbeat FROM csv_services"))

    running = service(before=("--plugin", clock.plugin))
    for number, seconds in enumerate(OFFSETS):
        account.put(path, next(left), write)
        clock.move(seconds)  # while the file comes to rest
        account.wait()
        until(beats, "a heartbeat")
        account.write(path, next(left), write)
        if number % 3 == 2:
            assert running.stop() == 0
            account.put(path, next(left), write)
            running = service(before=("--plugin", clock.plugin))
            account.wait()
        else:
            account.write(path, next(left), write)
    assert running.stop() == 0
    account.check(settled=len(made))
    created = ledger.ask("SELECT created FROM csv_versions ORDER BY position")
    assert created == sorted(created)  # no version is older than the one before it


def set_times(path: Path, nanoseconds: int) -> None:
    """Set when a file was read and written last."""
    os.utime(path, ns=(nanoseconds, nanoseconds))


def keep_times(path: Path, content: bytes) -> None:
    """Write a file and set its times to those of before, as `touch --reference` does."""
    before = path.stat().st_mtime_ns
    path.write_bytes(content)
    set_times(path, before)


def keep_times_beside(path: Path, content: bytes) -> None:
    """Put a file with the times of the one before in its place."""
    beside = path.with_name(".new")
    beside.write_bytes(content)
    set_times(beside, path.stat().st_mtime_ns)
    beside.replace(path)


def at(year: int) -> Callable[[Path, bytes], None]:
    """Write a file and give it a time of a year."""

    def written(path: Path, content: bytes) -> None:
        path.write_bytes(content)
        set_times(path, int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) * 10**9)

    return written


@pytest.mark.parametrize("interval", [1, 3600])
def test_the_times_of_a_file_may_be_anything(cli: "Cli", judge: Any, service: Any, interval: int) -> None:
    account = judge("file times in the past and the future")
    ways = (keep_times, at(1999), keep_times_beside, at(2037), keep_times, at(1969), keep_times_beside) * SCALE.rounds
    # All of one size, so that only the time of the last change, which nobody can set, tells them apart.
    made = [f"id,count\n1,{number:05}\n".encode() for number in range(len(ways) + 1)]
    path = cli.write("data.csv", made[0])
    account.note(path, made[0])
    cli("csv_watcher_add", path, "--settle", SETTLE, "-i", interval)
    running = service()
    for content, way in zip(made[1:], ways, strict=True):
        account.write(path, content, way)
    assert running.stop() == 0
    # Nobody watches: the next start finds it.
    account.put(path, made[0], keep_times)
    with service() as running:
        account.wait()
    account.check(settled=len(made) + 1)
