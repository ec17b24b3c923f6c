"""One recorder at a time for each file on this host, so that a content read earlier is recorded earlier."""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

from csv_manager.core.errors import ArchiveError, BusyError
from csv_manager.core.files import make_private

#: Lock files; two files that share one wait for each other.
_STRIPES = 64
_POLL_SECONDS = 0.02


class FileLocks:
    """Locks of the operating system, which a killed process lets go of.

    Who waits for one of another process asks for it again and again, and sleeps in between: threads of this process
    wait for each other before they ask.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turns = [threading.Lock() for _ in range(_STRIPES)]

    @contextlib.contextmanager
    def hold(self, path: str, patience: float | None = None) -> Iterator[None]:
        """Hold the lock of one file, from before it is read until it is recorded.

        Raises `BusyError` where somebody else has it for more than `patience` seconds; None waits for as long as it
        takes.
        """
        stripe = hashlib.sha256(path.encode()).digest()[0] % _STRIPES
        with self._locked(stripe, path, patience):
            yield

    @contextlib.contextmanager
    def hold_all(self) -> Iterator[None]:
        """Hold every lock, so that no content of the archive is about to be referred to."""
        with contextlib.ExitStack() as stack:
            for stripe in range(_STRIPES):
                stack.enter_context(self._locked(stripe))
            yield

    @contextlib.contextmanager
    def _locked(self, stripe: int, path: str = "", patience: float | None = None) -> Iterator[None]:
        import filelock

        busy = f"{path}: another file that is being recorded shares its lock; it is tried again."
        timeout = -1 if patience is None else patience
        if not self._turns[stripe].acquire(timeout=timeout):
            raise BusyError(busy)
        with contextlib.ExitStack() as stack:
            stack.callback(self._turns[stripe].release)
            try:
                make_private(self._folder)
                lock = filelock.FileLock(self._folder / f"{stripe:02}.lock", thread_local=False)
                stack.enter_context(lock.acquire(timeout, poll_interval=_POLL_SECONDS))
            except filelock.Timeout as error:
                raise BusyError(busy) from error
            except OSError as error:
                raise ArchiveError(
                    f"The folder {self._folder} cannot be written: {error.strerror}; check its rights."
                ) from error
            yield
