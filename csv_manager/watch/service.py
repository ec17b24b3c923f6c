"""One scheduler, one observer and a bounded pool for any number of files.

Each file has at most one job, and is looked at again after it. A job gets a settled file; what it does with it is not
known here.
"""

import heapq
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from csv_manager.core.model import Signature
from csv_manager.watch.hints import Hints
from csv_manager.watch.settling import Settling, stat_of

log = logging.getLogger("csv_manager.watch")

_WORKERS = 4
_STOP_SECONDS = 0.8
_RETRY_SECONDS = 1.0
_MOST_BACKOFF = 60.0


@dataclass(frozen=True, kw_only=True)
class Watch:
    """How one file is watched; times are in seconds."""

    path: str
    interval: float
    settle: float
    max_wait: float
    every: float = 0


@dataclass(frozen=True, kw_only=True)
class Processed:
    """What a job came to: the signature that it dealt with, or None to try again."""

    signature: Signature | None
    torn: bool = False


@dataclass
class _Tracked:
    watch: Watch
    settling: Settling
    state: str = ""
    due: float = 0
    running: bool = False
    looked: bool = False
    hinted: bool = False
    failures: int = 0
    failed: Signature | None = None
    retry_at: float = 0


class WatchService:
    """Looks at files when they are due or hinted at, and hands settled ones to `process`.

    `process(path)` runs in the pool; `observe(path, state, reason)` is told when a file's state changes for a reason
    that is found without reading it, `checked(path)` each time a file was looked at and is
    there. None of them may raise.
    """

    def __init__(
        self,
        process: Callable[[str], Processed],
        observe: Callable[[str, str, str | None], None],
        checked: Callable[[str], None],
        *,
        events: bool = True,
    ) -> None:
        self._process = process
        self._observe = observe
        self._checked = checked
        self._events = events
        self._files: dict[str, _Tracked] = {}
        self._folders: dict[str, int] = {}
        self._heap: list[tuple[float, str]] = []
        self._wake = threading.Condition()
        self._hints = Hints(self._hint)
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._jobs: queue.SimpleQueue[_Tracked | None] = queue.SimpleQueue()

    @property
    def running(self) -> bool:
        """Whether files are being looked at."""
        return self._thread is not None and self._thread.is_alive()

    def add(self, watch: Watch, known: Signature | None) -> None:
        """Watch a file whose content with the signature `known` is recorded."""
        settling = Settling(settle=watch.settle, max_wait=watch.max_wait, every=watch.every, known=known)
        folder = os.path.dirname(watch.path)
        with self._wake:
            if watch.path not in self._files:
                self._folders[folder] = self._folders.get(folder, 0) + 1
            self._files[watch.path] = _Tracked(watch, settling)
            heapq.heappush(self._heap, (0, watch.path))
            self._wake.notify_all()
        if self.running and self._events:
            self._hints.watch(folder)

    def remove(self, path: str) -> None:
        """Watch a file no longer; a job of it that runs is finished."""
        folder = os.path.dirname(path)
        with self._wake:
            if self._files.pop(path, None) is None:
                return
            self._folders[folder] -= 1
            empty = not self._folders[folder]
            if empty:
                del self._folders[folder]
            self._wake.notify_all()
        if empty:
            self._hints.forget(folder)

    def start(self) -> None:
        """Start the scheduler; every file is looked at once at the start."""
        if self.running:
            return
        self._stopping = False
        if self._events:
            self._hints.start()
            for folder in list(self._folders):
                self._hints.watch(folder)
        self._jobs = queue.SimpleQueue()
        # Daemons, not an executor's threads: at the end of the process an executor waits for its jobs, however long.
        for number in range(_WORKERS):
            name = f"csv_manager-record-{number}"
            threading.Thread(target=self._serve, args=(self._jobs,), name=name, daemon=True).start()
        self._thread = threading.Thread(target=self._run, name="csv_manager-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop within a second: jobs that run are finished in that time or left to be done again."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._hints.stop()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
            for _ in range(_WORKERS):
                self._jobs.put(None)
            with self._wake:
                self._wake.wait_for(lambda: not self._busy(), _STOP_SECONDS)
        self._thread = None

    def wait_at_rest(self, timeout: float | None = None) -> bool:
        """Wait until every file was looked at and none is on its way to rest or being read."""
        with self._wake:
            return self._wake.wait_for(
                lambda: self._stopping or all(_at_rest(file) for file in self._files.values()), timeout
            )

    def count_at_rest(self) -> int:
        """How many files were looked at and are neither on their way to rest nor being read."""
        with self._wake:
            return sum(map(_at_rest, self._files.values()))

    def _busy(self) -> bool:
        return any(file.running for file in self._files.values())

    def _hint(self, path: str) -> None:
        with self._wake:
            file = self._files.get(path)
            if file is not None:
                file.hinted = True
                heapq.heappush(self._heap, (0, path))
                self._wake.notify_all()

    def _run(self) -> None:
        while True:
            with self._wake:
                now = time.monotonic()
                while not self._stopping and (not self._heap or self._heap[0][0] > now):
                    self._wake.wait(self._heap[0][0] - now if self._heap else None)
                    now = time.monotonic()
                if self._stopping:
                    return
                _, path = heapq.heappop(self._heap)
                file = self._files.get(path)
                if file is None or file.running or not (file.hinted or file.due <= now):
                    continue
                file.hinted = False
            self._look(file, now)

    def _look(self, file: _Tracked, now: float) -> None:
        """Stat one file and decide; called by the scheduler alone."""
        path = file.watch.path
        state, reason, rested = "ok", None, 0.0
        signature: Signature | None = None
        try:
            signature, rested = stat_of(path)
        except FileNotFoundError:
            state, reason = "missing", f"{path}: no such file; it is watched again as soon as it is there."
        except OSError as error:
            state, reason = "unreadable", f"{path}: {error.strerror}; it is tried again once an interval."
        if self._events:
            self._hints.watch(os.path.dirname(path))
        if signature is None:
            self._rest(file, now, state, reason)
            return
        if signature == file.failed and now < file.retry_at:
            self._again(file, file.retry_at)
            return
        if file.state in ("missing", "unreadable"):
            file.state = "ok"
            self._observe(path, "ok", None)
        self._checked(path)
        verdict = file.settling.look(signature, now, 0 if file.looked else rested)
        if verdict == "rest":
            self._rest(file, now, file.state or "ok", None, quiet=True)
        elif verdict == "wait":
            self._again(file, min(file.settling.due, now + file.watch.interval))
        else:
            self._submit(file)

    def _rest(self, file: _Tracked, now: float, state: str, reason: str | None, *, quiet: bool = False) -> None:
        if file.state != state:
            file.state = state
            if not quiet:
                file.settling.dropped()
                self._observe(file.watch.path, state, reason)
        self._again(file, now + file.watch.interval)

    def _again(self, file: _Tracked, due: float) -> None:
        with self._wake:
            file.looked = True
            file.due = due
            heapq.heappush(self._heap, (due, file.watch.path))
            self._wake.notify_all()

    def _submit(self, file: _Tracked) -> None:
        with self._wake:
            if self._stopping:
                return
            file.running = True
            self._jobs.put(file)

    def _serve(self, jobs: "queue.SimpleQueue[_Tracked | None]") -> None:
        while (file := jobs.get()) is not None:
            if self._stopping:
                file.running = False
            else:
                self._work(file)

    def _work(self, file: _Tracked) -> None:
        processed = Processed(signature=None)
        try:
            processed = self._process(file.watch.path)
        except Exception:
            if not self._stopping:
                log.exception("Recording %s failed.", file.watch.path)
        now = time.monotonic()
        with self._wake:
            file.running = False
            self._wake.notify_all()
        if processed.signature is not None:
            file.failures, file.failed, file.state = 0, None, "ok"
            file.settling.recorded(processed.signature, now)
            self._again(file, now)
        elif processed.torn:
            file.settling.torn()
            self._again(file, now)
        else:
            file.failures += 1
            file.failed = file.settling.seen
            file.retry_at = now + min(_RETRY_SECONDS * 2 ** (file.failures - 1), _MOST_BACKOFF)
            file.settling.dropped()
            self._again(file, file.retry_at)

    def paths(self) -> Iterable[str]:
        """The files that are watched."""
        with self._wake:
            return list(self._files)


def _at_rest(file: _Tracked) -> bool:
    """Looked at, not being read, and nothing new seen; a file that failed rests until it is tried again."""
    return file.looked and not file.running and not file.hinted and file.settling.at_rest
