"""How long who writes to a store waits for who writes just now."""

import contextlib
import contextvars
import threading
import time
from collections.abc import Iterator

_DEADLINE: contextvars.ContextVar[float | None] = contextvars.ContextVar("csv_manager_deadline", default=None)


@contextlib.contextmanager
def hurrying(seconds: float) -> Iterator[None]:
    """Have everything that this thread writes within wait for others no longer than so, taken together."""
    token = _DEADLINE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def patience(most: float) -> float:
    """Seconds to wait now, where they are at most so many."""
    deadline = _DEADLINE.get()
    return most if deadline is None else max(0.0, min(most, deadline - time.monotonic()))


@contextlib.contextmanager
def turn(lock: threading.Lock) -> Iterator[bool]:
    """Hold a lock that threads have while they wait for the store; False if it could not be had in time."""
    is_mine = lock.acquire(timeout=patience(threading.TIMEOUT_MAX))
    try:
        yield is_mine
    finally:
        if is_mine:
            lock.release()
