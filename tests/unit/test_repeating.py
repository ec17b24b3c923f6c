"""What is done again and again: whatever fails is told once, and holds up nothing."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from csv_manager.core.errors import StoreError
from csv_manager.pipeline.repeating import Repeating

DEADLINE = 120


@contextlib.contextmanager
def running(*functions: Callable[[], object]) -> Iterator[Repeating]:
    repeating = Repeating("test", lambda: functions)
    repeating.start()
    try:
        yield repeating
    finally:
        repeating.stop()


def test_functions_are_called_again_and_again() -> None:
    third = threading.Semaphore(0)
    with running(third.release):
        for _ in range(3):
            assert third.acquire(timeout=DEADLINE)


def test_what_is_rung_for_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csv_manager.pipeline.repeating._SECONDS", DEADLINE)
    called = threading.Event()
    with running(called.set) as repeating:
        repeating.ring()
        assert called.wait(DEADLINE / 2)


def test_what_fails_is_told_once_and_the_rest_is_done(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Semaphore(0)

    def fail() -> None:
        raise StoreError("The store is locked.")

    with running(fail, done.release):
        for _ in range(3):
            assert done.acquire(timeout=DEADLINE)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warnings] == ["The store is locked. It is tried again."]
    assert warnings[0].exc_info in (None, False)


def test_an_error_of_another_kind_is_told_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Semaphore(0)

    def fail() -> None:
        raise OSError(28, "No space left on device")

    with running(fail, done.release):
        assert done.acquire(timeout=DEADLINE)
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.exc_info


def test_after_the_end_there_is_no_thread() -> None:
    with running(lambda: None):
        assert [thread.name for thread in threading.enumerate()].count("test") == 1
    assert "test" not in [thread.name for thread in threading.enumerate()]
