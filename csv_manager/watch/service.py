"""One scheduler, one reader of file events and a bounded pool, for any number of files.

The scheduler is the only one that decides: others leave it words in its inbox. It looks at folders when they are due,
hinted at or after events were lost, and at single files on their way to rest. Each file has at most one job.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping

from csv_manager.core.model import Signature
from csv_manager.core.sightings import FolderCheck
from csv_manager.watch.hints import Hints
from csv_manager.watch.judging import Observe
from csv_manager.watch.scheduler import Scheduler
from csv_manager.watch.telling import ObserveFolder
from csv_manager.watch.tracking import Known, Processed, Tracked, Watch

log = logging.getLogger("csv_manager.watch")

_WORKERS = 4
_STOP_SECONDS = 0.8
#: The longest pause after an error, in seconds.
_MOST_PAUSE = 30.0
#: The longest that the scheduler works before it looks into its inbox, in seconds.
_SLICE_SECONDS = 0.01


class WatchService:
    """Looks at files and hands settled ones to `process`, which runs in the pool.

    `process(path, watch id, signature)`: what the file looked like when it had settled, or None of one that never
    rests; `observe(path, watch id, state, reason)` is told when a file's state changes for a reason
    that is found without reading it, `observe_folder(path, state, reason)` whether all in a folder can be watched. None
    of them may raise.
    """

    def __init__(
        self,
        process: Callable[[str, str, Signature | None], Processed],
        observe: Observe,
        observe_folder: ObserveFolder,
    ) -> None:
        self._process = process
        self._hints = Hints(self)
        self._scheduler = Scheduler(self._hints, self._submit, observe, observe_folder)
        self._lock = threading.Condition()
        self._inbox: list[Callable[[], None]] = []
        self._hinted: dict[tuple[str, str], bool] = {}
        self._lost = False
        self._stopping = False
        self._at_rest = True
        self._running = 0
        self._thread: threading.Thread | None = None
        self._jobs: queue.SimpleQueue[Tracked | None] = queue.SimpleQueue()
        self.overflows = 0

    @property
    def running(self) -> bool:
        """Whether files are being looked at."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def count(self) -> int:
        """How many files are watched."""
        return self._scheduler.count

    def add(self, watch: Watch, known: Mapping[str, Known]) -> None:
        """Watch a file or a feed, of whose files this is known, by the paths at which they are read."""
        self._put(lambda: self._scheduler.add(watch, known))

    def remove(self, watch_id: str) -> None:
        """Do not watch any longer what a watcher asked for; jobs that run are finished."""
        self._put(lambda: self._scheduler.remove(watch_id))

    def forget(self, path: str) -> None:
        """A file of a feed is about to go, and is not missed; if it comes again it is a new one."""
        self._put(lambda: self._scheduler.forget(path))

    def rescan(self, folder: str) -> None:
        """Look at a folder at once."""
        self._put(lambda: self._scheduler.rescan(folder))

    def start(self, *, once: bool = False) -> None:
        """Start the scheduler; every file is looked at at the start, and with `once` not again when that is done."""
        if self.running:
            return
        self._stopping = False
        self._put(lambda: None)  # with nothing to watch, everything is at rest
        self._scheduler.start(once=once)
        self._jobs = queue.SimpleQueue()
        # Daemons, not an executor's threads: at the end of the process an executor waits for its jobs, however long.
        for number in range(_WORKERS):
            name = f"csv_manager-record-{number}"
            threading.Thread(target=self._serve, args=(self._jobs,), name=name, daemon=True).start()
        self._thread = threading.Thread(target=self._run, name="csv_manager-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop within a second: jobs that run are finished in that time or left to be done again."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)  # it might ask for events once more
        self._hints.stop()
        if self._thread is not None:
            for _ in range(_WORKERS):
                self._jobs.put(None)
            with self._lock:
                self._lock.wait_for(lambda: not self._running, _STOP_SECONDS)
        self._thread = None

    def wait_at_rest(self, timeout: float | None = None) -> bool:
        """Wait until every file was looked at and none is on its way to rest or being read."""
        with self._lock:
            return self._lock.wait_for(lambda: self._stopping or self._at_rest, timeout)

    def count_at_rest(self) -> int:
        """How many files were looked at and are neither on their way to rest nor being read."""
        return self._scheduler.count_at_rest()

    def take_checks(self) -> dict[str, FolderCheck]:
        """The folders whose files were all looked at since this was asked last."""
        return self._scheduler.take_checks()

    def on_name(self, folder: str, name: str, is_folder: bool) -> None:
        """Something happened to a name in a folder."""
        if not self._scheduler.minds(folder, name, is_folder):
            return
        with self._lock:
            self._hinted[folder, name] = is_folder
            self._at_rest = False
            self._lock.notify_all()

    def on_folder(self, folder: str) -> None:
        """A folder is not what it was."""
        self._put(lambda: self._scheduler.rescan(folder))

    def on_overflow(self) -> None:
        """Events were lost: every file may have changed."""
        with self._lock:
            if self._lost:
                return
            self._lost = True
            self._at_rest = False
            self.overflows += 1
            self._lock.notify_all()

    def _put(self, word: Callable[[], None]) -> None:
        with self._lock:
            self._inbox.append(word)
            self._at_rest = False
            self._lock.notify_all()

    def _run(self) -> None:
        scheduler, failures = self._scheduler, 0
        while True:
            with self._lock:
                self._lock.wait_for(self._has_mail, scheduler.pause(time.monotonic()))
                if self._stopping:
                    return
                inbox, self._inbox = self._inbox, []
                hinted, self._hinted = self._hinted, {}
                lost, self._lost = self._lost, False
            for word in inbox:
                self._do(word)
            try:
                if lost:
                    log.info("The system lost file events; every file is looked at.")
                    scheduler.rescan_all()
                for (folder, name), is_folder in hinted.items():
                    scheduler.hint(folder, name, is_folder)
                scheduler.work(_SLICE_SECONDS)
                failures = 0
            except Exception:
                log.exception("Looking at files failed; everything is looked at again.")
                scheduler.rescan_all()
                failures += 1
                with self._lock:  # not at once, should it fail again
                    self._lock.wait_for(lambda: self._stopping, min(0.1 * 2 ** min(failures, 10), _MOST_PAUSE))
            with self._lock:
                if not self._has_mail() and scheduler.is_at_rest():
                    self._at_rest = True
                    self._lock.notify_all()

    @staticmethod
    def _do(word: Callable[[], None]) -> None:
        """Do what one word says; an error in it is no reason to lose the others."""
        try:
            word()
        except Exception:
            log.exception("What was asked of the watching service failed.")

    def _has_mail(self) -> bool:
        return bool(self._stopping or self._inbox or self._hinted or self._lost)

    def _submit(self, file: Tracked) -> None:
        with self._lock:
            self._running += 1
        self._jobs.put(file)

    def _serve(self, jobs: "queue.SimpleQueue[Tracked | None]") -> None:
        while (file := jobs.get()) is not None:
            processed = Processed(signature=None, torn=self._stopping)
            try:
                if not self._stopping:
                    processed = self._process(file.path, file.watch.id, file.settle().settled)
            except Exception:
                if not self._stopping:
                    log.exception("Recording %s failed.", file.path)
            with self._lock:
                self._running -= 1
            self._put(lambda file=file, processed=processed: self._scheduler.worked(file, processed))  # type: ignore[misc]
