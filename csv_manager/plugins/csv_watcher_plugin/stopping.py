"""How csv_watch is told to stop: by a signal, or because nobody reads what it prints."""

import contextlib
import errno
import math
import queue
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from csv_manager.core.files import give_up_stdout

#: What writing fails with once nobody reads: of a pipe, and of a terminal that is gone.
_NOBODY_READS = (errno.EPIPE, errno.EIO)
_AT_ONCE_SECONDS = 0.5


class Stopping:
    """Whether to stop. Within `with`, in the main thread, some signals say so instead of ending the process.

    SIGTERM does, and so does SIGHUP, the end of the terminal, unless that is ignored, as under nohup; Ctrl-C does
    `with_ctrl_c`.
    """

    def __init__(self, *, with_ctrl_c: bool) -> None:
        self._signals = [signal.SIGTERM, *([signal.SIGINT] if with_ctrl_c else [])]
        hangup = getattr(signal, "SIGHUP", None)  # which Windows has not
        if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
            self._signals.append(hangup)
        self._before: dict[int, Any] = {}
        #: Unlike an event, it may be told by a signal while this very thread waits for it.
        self._told: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.is_set = False
        #: The signal that said so.
        self.number: int = signal.SIGTERM

    def set(self) -> None:
        """Stop."""
        self.is_set = True
        self._told.put(None)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is to stop, or for so long; whether it is. Called by one thread.

        A signal that comes just before a thread begins to wait is seen only when it wakes, so it never waits for long.
        """
        until = math.inf if seconds is None else time.monotonic() + seconds
        while not self.is_set and (left := until - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                self._told.get(timeout=min(left, _AT_ONCE_SECONDS))
        return self.is_set

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in self._signals:
                self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, _frame: object) -> None:
        self.number = number
        self.set()


def until_unread(function: Callable[[], None], *told: Callable[[], None]) -> Callable[[], None]:
    """The function, and these called once nobody reads what it prints, which is the end of the service."""

    def call() -> None:
        try:
            function()
        except OSError as error:
            if error.errno not in _NOBODY_READS:
                raise
            for tell in told:
                tell()
            give_up_stdout()

    return call
