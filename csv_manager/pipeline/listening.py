"""Tells listeners what the event record is told: each at least once, in order, from a queue of the store."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csv_manager.core import clock
from csv_manager.core.errors import BusyError, CsvManagerError, clause
from csv_manager.core.runs import TaskRecord

if TYPE_CHECKING:  # they load SQLAlchemy, which a command without the store does without
    from csv_manager.core.events import Event
    from csv_manager.pipeline.store import Store
    from csv_manager.store.event_record import Waiting

log = logging.getLogger("csv_manager.events")

#: The listener that writes the four tables, and its group.
SQL = "sql"
#: Seconds between the first attempts to tell a listener something; after so many none is made at once.
_PAUSES, _PATIENCE = (0.1, 0.5), 5.0
#: Seconds until a listener that failed is tried again, and how they grow, up to how many.
_RETRY_SECONDS, _RETRY_FACTOR, _RETRY_MOST = 5.0, 2.0, 600.0


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A function to tell all events of one transaction; it is told nothing unless its group is chosen.

    One that is not `queued` is told by this process without the queue, and has only what others left there.
    """

    name: str
    group: str
    function: "Callable[[Sequence[Event]], object]"
    description: str = ""
    queued: bool = True


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """Why a listener could not be told, when it is tried again, and how long it was waited for that."""

    error: Exception
    retry_at: float
    seconds: float


class Listening:
    """The listeners of one process. One that fails holds up no other, and fails the runs that it was not told of."""

    def __init__(self, groups: Callable[[], frozenset[str]]) -> None:
        self._groups = groups
        self._listeners: dict[str, Listener] = {}
        self._failures: dict[str, _Failure] = {}
        #: Those that are not queued, and had what others left.
        self._emptied: set[str] = set()

    def add(self, listener: Listener) -> None:
        """Add a listener."""
        self._listeners[listener.name] = listener
        self._emptied.discard(listener.name)

    def remove(self, name: str) -> None:
        """Take a listener away; what it was not told waits."""
        self._listeners.pop(name, None)
        self._failures.pop(name, None)

    def known(self) -> dict[str, Listener]:
        """Every listener, told or not, by name."""
        return dict(self._listeners)

    def chosen(self) -> list[Listener]:
        """The listeners whose group is chosen."""
        groups = self._groups()
        return [listener for listener in list(self._listeners.values()) if listener.group in groups]

    @property
    def failed(self) -> bool:
        """Whether a listener could not be told something, and was not since."""
        return bool(self._failures)

    def tell(self, store: "Store") -> bool:
        """Tell every listener what it was not told yet; False if one failed. One that another process tells did not."""
        told = [self._tell(store, listener) for listener in self.chosen() if listener.name not in self._emptied]
        return all(told)

    def _tell(self, store: "Store", listener: Listener) -> bool:
        failure = self._failures.get(listener.name)
        if failure is not None and time.monotonic() < failure.retry_at:
            for waiting in store.catalog.events.waiting(listener.name, is_new=True):
                self._fail(store, listener, waiting, failure.error)
            return False
        if not store.catalog.events.waiting(listener.name, 1):
            if not listener.queued:
                self._emptied.add(listener.name)
            return True
        try:
            with store.listener_locks.hold(listener.name, 0):
                return self._tell_all(store, listener)
        except BusyError:
            log.info("The listener %s is being told by another process.", listener.name)
            return True

    def _tell_all(self, store: "Store", listener: Listener) -> bool:
        record = store.catalog.events
        while page := record.waiting(listener.name):
            for waiting in page:
                try:
                    self._attempt(listener, waiting)
                except Exception as error:
                    log.info("The listener %s failed.", listener.name, exc_info=True)
                    self._wait(listener, error)
                    for one in (waiting, *record.waiting(listener.name, is_new=True)):
                        self._fail(store, listener, one, error)
                    return False
                self._failures.pop(listener.name, None)
                if waiting.attempts:
                    self._note(store, waiting, TaskRecord(name=_task(listener), state="success"))
                record.told(waiting)
        return True

    def _attempt(self, listener: Listener, waiting: "Waiting") -> None:
        """Tell a listener, a few times unless it has failed before; what it raises at last is its failure."""
        began = time.monotonic()
        for pause in () if listener.name in self._failures else _PAUSES:
            try:
                listener.function(waiting.events)
            except Exception:
                log.info("The listener %s failed, and is tried again.", listener.name, exc_info=True)
                if time.monotonic() - began > _PATIENCE:
                    raise
                time.sleep(pause)
            else:
                return
        listener.function(waiting.events)

    def _wait(self, listener: Listener, error: Exception) -> None:
        """Try a listener again later, and each time that it fails still later."""
        before = self._failures.get(listener.name)
        seconds = min(before.seconds * _RETRY_FACTOR, _RETRY_MOST) if before else _RETRY_SECONDS
        if before is None or str(before.error) != str(error):
            log.warning("%s", _words(listener, error))
        self._failures[listener.name] = _Failure(error=error, retry_at=time.monotonic() + seconds, seconds=seconds)

    def _fail(self, store: "Store", listener: Listener, waiting: "Waiting", error: Exception) -> None:
        """Note that a listener could not be told, which fails the run."""
        words = _words(listener, error)
        store.catalog.events.failed(waiting, words)
        now = clock.now()
        told = TaskRecord(
            name=_task(listener),
            state="failed",
            started=now,
            ended=now,
            exception_type=type(error).__name__,
            exception=words,
        )
        self._note(store, waiting, told)

    @staticmethod
    def _note(store: "Store", waiting: "Waiting", task: TaskRecord) -> None:
        if waiting.run_id is not None:
            store.runs.note_target(waiting.run_id, task)


def _task(listener: Listener) -> str:
    return f"events {listener.name}"


def _words(listener: Listener, error: Exception) -> str:
    told = clause(error) if isinstance(error, CsvManagerError) else f"{type(error).__name__}: {clause(error)}"
    return f"The event record's listener {listener.name} could not be told: {told}; it is tried again."
