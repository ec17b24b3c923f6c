"""When an arrival is settled, by a clock that the test turns by hand."""

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from csv_manager.archive import signature_of
from csv_manager.core import clock as wall_clock
from csv_manager.core.model import Signature
from csv_manager.watch import settling as module
from csv_manager.watch.settling import Settling, Verdict, stat_of, wait_settled

if TYPE_CHECKING:
    from collections.abc import Callable


def state(number: int) -> Signature:
    """What a file looks like after this many changes."""
    return Signature(device=1, inode=2, size=number, mtime_ns=number, ctime_ns=number)


RECORDED = state(0)


def settling(
    settle: float = 0.5, max_wait: float = 60, every: float = 0, known: Signature | None = RECORDED
) -> Settling:
    return Settling(settle=settle, max_wait=max_wait, every=every, known=known)


def looks(file: Settling, *stats: tuple[float, int]) -> list[Verdict]:
    """The verdicts on these states at these times."""
    return [file.look(state(number), now) for now, number in stats]


def test_a_file_that_is_as_it_was_recorded_rests() -> None:
    file = settling()
    assert looks(file, (100, 0), (200, 0)) == ["rest", "rest"]
    assert file.restless_at is None


def test_a_changed_file_is_read_once_it_has_rested() -> None:
    file = settling(settle=0.5)
    assert file.look(state(1), 100) == "wait"
    assert (file.due, file.restless_at) == (100.5, 100)
    assert looks(file, (100.25, 1), (100.5, 1)) == ["wait", "read"]


def test_a_file_that_was_never_recorded_is_read_once_it_has_rested() -> None:
    assert looks(settling(known=None), (0, 0), (0.5, 0)) == ["wait", "read"]


def test_every_move_starts_the_rest_anew() -> None:
    file = settling(settle=0.5)
    assert looks(file, (100, 1), (100.25, 2), (100.5, 2)) == ["wait", "wait", "wait"]
    assert file.due == 100.75
    assert looks(file, (100.75, 2)) == ["read"]


def test_any_part_of_a_signature_is_a_move() -> None:
    for part in Signature._fields:
        file = settling(settle=0.5)
        assert looks(file, (100, 1)) == ["wait"]
        assert file.look(state(1)._replace(**{part: 9}), 100.5) == "wait", part
        assert file.due == 101


def test_a_late_look_at_a_file_that_did_not_move_reads_it() -> None:
    assert looks(settling(), (100, 1), (500, 1)) == ["wait", "read"]


def test_after_it_was_recorded_a_file_rests_until_it_changes() -> None:
    file = settling(settle=0.5)
    assert looks(file, (100, 1), (100.5, 1)) == ["wait", "read"]
    file.recorded(state(1), 100.5)
    assert file.restless_at is None
    assert looks(file, (101, 1), (102, 2), (102.5, 2)) == ["rest", "wait", "read"]


def test_a_file_that_comes_back_to_what_was_recorded_rests() -> None:
    file = settling(settle=0.5)
    assert looks(file, (100, 1), (100.25, 0)) == ["wait", "rest"]
    assert file.restless_at is None
    assert looks(file, (101, 1), (101.25, 1), (101.5, 1)) == ["wait", "wait", "read"]


def test_the_state_before_the_last_one_is_no_rest() -> None:
    file = settling(settle=0.5)
    assert looks(file, (100, 1), (100.5, 1)) == ["wait", "read"]
    file.recorded(state(1), 100.5)
    assert looks(file, (101, 0), (101.5, 0)) == ["wait", "read"]


def test_a_restless_file_is_read_after_max_wait_between_two_equal_stats() -> None:
    file = settling(settle=1, max_wait=4)
    assert looks(file, *((100 + number * 0.5, number + 1) for number in range(8))) == ["wait"] * 8
    assert file.due == 104
    assert file.look(state(9), 104) == "wait"
    assert 104 < file.due < 104.1
    assert file.look(state(9), file.due) == "read"


def test_a_restless_file_that_moved_between_the_two_stats_is_looked_at_twice_more() -> None:
    file = settling(settle=1, max_wait=4)
    assert looks(file, (100, 1), (104, 2), (104.5, 3)) == ["wait", "wait", "wait"]
    assert 104.5 < file.due < 104.6
    assert file.look(state(3), file.due) == "read"


def test_max_wait_counts_anew_after_each_reading() -> None:
    file = settling(settle=1, max_wait=4)
    assert looks(file, (100, 1), (103.5, 2), (104, 2)) == ["wait", "wait", "read"]
    file.recorded(state(2), 104)
    assert looks(file, (104.5, 3), (105.25, 4), (106, 5), (108, 6)) == ["wait"] * 4
    assert looks(file, (108.25, 7), (108.5, 7)) == ["wait", "read"]


def test_a_torn_read_is_tried_again_after_a_rest_within_the_same_max_wait() -> None:
    file = settling(settle=1, max_wait=4)
    assert looks(file, (100, 1), (101, 1)) == ["wait", "read"]
    file.torn()
    assert file.restless_at is not None
    assert looks(file, (101, 1), (102, 1)) == ["wait", "read"]
    file.torn()
    assert looks(file, (103.5, 2)) == ["wait"]
    assert file.due == 104
    assert looks(file, (104, 2)) == ["read"]


def test_a_file_that_was_dropped_starts_afresh() -> None:
    file = settling(settle=1, max_wait=4)
    assert looks(file, (100, 1), (100.5, 2)) == ["wait", "wait"]
    file.dropped()
    assert file.restless_at is None
    assert looks(file, (103.5, 2)) == ["wait"]
    assert file.due == 104.5
    assert looks(file, (104, 3), (105, 3)) == ["wait", "read"]


def test_a_dropped_file_that_comes_back_as_it_was_recorded_rests() -> None:
    file = settling()
    assert looks(file, (100, 1)) == ["wait"]
    file.dropped()
    assert looks(file, (101, 0)) == ["rest"]


def test_every_keeps_readings_apart_and_ends_with_the_last_content() -> None:
    file = settling(settle=0.5, every=10)
    assert looks(file, (100, 1), (100.5, 1)) == ["wait", "read"]
    file.recorded(state(1), 100.5)
    assert looks(file, (101, 2), (101.5, 2), (105, 3), (110.25, 3)) == ["later"] * 4
    assert file.due == 110.5
    assert looks(file, (110.5, 3)) == ["read"]


def test_every_does_not_delay_the_first_reading_nor_one_after_a_long_rest() -> None:
    file = settling(settle=0.5, every=10)
    assert looks(file, (100, 1), (100.5, 1)) == ["wait", "read"]
    file.recorded(state(1), 100.5)
    assert looks(file, (200, 2), (200.5, 2)) == ["wait", "read"]


def test_every_still_asks_for_rest_when_its_time_has_come() -> None:
    file = settling(settle=0.5, every=10)
    file.recorded(state(1), 100)
    assert looks(file, (101, 2), (109.75, 3), (110, 3), (110.25, 3)) == ["later", "later", "wait", "read"]


def test_every_outweighs_max_wait() -> None:
    file = settling(settle=1, max_wait=2, every=10)
    file.recorded(state(1), 100)
    assert looks(file, (101, 2), (103, 3), (105, 4)) == ["later"] * 3
    assert file.due == 110
    assert looks(file, (110, 4)) == ["read"]


@pytest.mark.parametrize("rested", [0.5, 0.75, 1e9])
def test_a_first_look_at_a_file_that_rested_long_enough_reads_it(rested: float) -> None:
    assert settling(settle=0.5).look(state(1), 100, rested) == "read"


@pytest.mark.parametrize(("rested", "due"), [(0.25, 100.25), (0, 100.5), (-1e9, 100.5)])
def test_a_first_look_counts_the_rest_that_a_file_had(rested: float, due: float) -> None:
    file = settling(settle=0.5)
    assert file.look(state(1), 100, rested) == "wait"
    assert file.due == due
    assert file.look(state(1), due) == "read"


def test_without_settle_a_file_is_read_at_once() -> None:
    assert looks(settling(settle=0), (100, 1)) == ["read"]


def test_without_max_wait_a_file_is_read_at_the_second_of_two_equal_stats() -> None:
    file = settling(settle=0.5, max_wait=0)
    assert looks(file, (100, 1), (101, 2)) == ["wait", "wait"]
    assert file.look(state(2), file.due) == "read"


def test_the_signature_of_a_file_moves_with_its_content_and_its_place(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a\n1\n")
    signature, rested = stat_of(str(path))
    assert signature == signature_of(str(path))
    assert signature.size == 4
    assert abs(rested) < 3600
    other = tmp_path / "other"
    other.write_bytes(b"a\n1\n")
    os.replace(other, path)
    assert stat_of(str(path))[0] != signature


class Clock:
    """Stands for the module `time`: sleeping turns the clock, and something may happen to a file meanwhile."""

    def __init__(self, path: Path) -> None:
        self.now = 1000.0
        self.start = path.stat().st_mtime
        self.happen: Callable[[], object] | None = None

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.start + self.now - 1000, dt.UTC)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        if self.happen:
            self.happen()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a\n")
    return path


@pytest.fixture
def clock(path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(path)
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(wall_clock, "now", clock.wall)
    return clock


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"1\n")


def test_waiting_ends_once_the_file_has_rested(path: Path, clock: Clock) -> None:
    wait_settled(str(path), settle=0.5, max_wait=60)
    assert 1000.4 < clock.now < 1000.7


def test_waiting_for_a_file_that_rested_before_is_none(path: Path, clock: Clock) -> None:
    clock.start += 100
    wait_settled(str(path), settle=0.5, max_wait=60)
    assert clock.now == 1000


def test_waiting_goes_on_while_the_file_moves(path: Path, clock: Clock) -> None:
    def happen() -> None:
        if clock.now < 1005:
            append(path)

    clock.happen = happen
    wait_settled(str(path), settle=0.5, max_wait=60)
    assert 1005.4 < clock.now < 1006


def test_waiting_for_a_restless_file_ends_after_max_wait(path: Path, clock: Clock) -> None:
    def happen() -> None:
        if clock.now < 1009.9:
            append(path)

    clock.happen = happen
    wait_settled(str(path), settle=5, max_wait=10)
    assert 1009.9 < clock.now < 1010.5


def test_waiting_for_a_file_that_is_gone_raises(path: Path, clock: Clock) -> None:
    clock.happen = path.unlink
    with pytest.raises(FileNotFoundError):
        wait_settled(str(path), settle=0.5, max_wait=60)
