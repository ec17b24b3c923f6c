"""Runs while they go on: their stages, their heartbeat, and what is noted of them in the ledger."""

import contextlib
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from csv_manager.core import clock
from csv_manager.core.configurations import Configuration
from csv_manager.core.errors import (
    BusyError,
    CsvManagerError,
    PathNotFoundError,
    StaleWatcherError,
    StoreBusyError,
    StoreError,
    TornReadError,
)
from csv_manager.core.model import Version, WatcherOptions
from csv_manager.core.runs import STAGES, TaskRecord
from csv_manager.store.ledger import Ledger, RunNote
from csv_manager.store.records import NewVersion, cause_of

if TYPE_CHECKING:
    from csv_manager.core.events import Processing

log = logging.getLogger("csv_manager.runs")

#: What is no failure: the file, its watcher or somebody else was not ready, and it is tried again.
_NOT_NOW = (TornReadError, BusyError, StaleWatcherError, PathNotFoundError)
#: How the cause of a run begins that somebody asked for.
RETRY = "retry:"
#: Seconds after which a run is noted though nothing is known of it yet, and between two heartbeats.
_NOTE_SECONDS, _BEAT_SECONDS = 1.0, 10.0
_MOST_TRACEBACK = 8_000


class Run:
    """One processing of one version that goes on. Its stages are entered by `task`; it is in the ledger after `begin`.

    A run that is not `eager` leaves no trace unless it is begun.
    """

    def __init__(self, runs: "Runs", note: RunNote, *, eager: bool) -> None:
        self._runs = runs
        self.note = note
        self.eager = eager
        #: What a run that found nothing to do is noted as, if somebody asked for it.
        self.nothing = "skipped" if note.cause.startswith(RETRY) else None
        self.since = time.monotonic()
        self.beaten = self.since
        self.note.tasks = [TaskRecord(name=name, state="pending") for name in STAGES]
        #: What the event record is to know of it, once that can be told; and whether it is told that it started.
        self.processing: Processing | None = None
        self.is_started = False

    @property
    def id(self) -> int | None:
        """Its number, once it is in the ledger."""
        return self.note.id

    def expect(self) -> None:
        """Be in the ledger, since there is something to do, if the run is eager. Raises `StoreError`."""
        if self.eager:
            self._runs.begin(self)

    def begin(self, sha256: str) -> None:
        """Be in the ledger, since a version of this content is about to be recorded. Raises `StoreError`."""
        self.note.sha256 = sha256
        # What is refused when it is added leaves no trace: its run is told with its version, or not at all.
        if self.eager and self.processing is not None and not self.is_started:
            self.is_started = True
            self.note.events.append(self.processing.start())
        self._runs.begin(self)

    @contextlib.contextmanager
    def task(self, name: str) -> Iterator[None]:
        """Around one stage: what it raises is its failure."""
        self._set(name, state="running", started=clock.now(), ended=None)
        try:
            yield
        except BaseException as error:
            self._set(name, ended=clock.now(), **failure(error))
            raise
        self._set(name, state="success", ended=clock.now())

    def held(self, reason: str) -> None:
        """Note that the content is held: by the stage that failed on it, as it should, or by its rules."""
        failed = [task.name for task in self.note.tasks if task.state == "failed"]
        if failed:
            self._set("check", state="skipped")
        for name in failed or ["check"]:
            self._set(name, state="held", traceback=None)
        self.note.error = reason

    def held_again(self, version: Version, reason: str) -> None:
        """Note that the content is held still: there is no new version of it."""
        self.held(reason)
        if self.nothing is not None:
            self.nothing, self.note.version, self.note.sha256 = "held", version.number, version.sha256

    def end(self) -> None:
        """Have the event record know that it came to nothing, if it knows that it started, or if it failed."""
        if self.processing is not None and (self.is_started or self.note.state == "failed"):
            self.note.events.append(self.processing.fail(self.note.ended or clock.now(), is_started=self.is_started))

    def recorded(self, version: int, new: NewVersion) -> None:
        """Note which version was recorded; the event record was told with it."""
        self.processing = None
        note = self.note
        note.state = "held" if new.status == "held" else "success"
        note.version, note.sha256 = version, new.sha256
        note.cause = cause_of(version, new.cause)
        note.rows, note.inserted, note.updated, note.deleted = new.rows, new.inserted, new.updated, new.deleted
        changed = new.inserted + new.updated + new.deleted
        self._set("compare", rows=new.rows)
        self._set("commit", rows=changed)

    def _set(self, name: str, **told: Any) -> None:
        self.note.tasks = [replace(task, **told) if task.name == name else task for task in self.note.tasks]


class Runs:
    """The runs of this process. `configured` tells the settings and options in force for a file's options.

    While somebody calls `tick` again and again, they set `ring`, which asks for it: runs that end together are noted
    together then. Otherwise each is noted as it ends, and a thread of its own says that it goes on.
    """

    def __init__(self, ledger: Ledger, configured: Callable[[WatcherOptions], Configuration]) -> None:
        self.ledger = ledger
        self.configuration = configured
        self.ring: Callable[[], None] | None = None
        self._lock = threading.Lock()
        #: Held while something is noted, so that no run is noted twice.
        self._noting = threading.Lock()
        self._active: set[Run] = set()
        #: Runs that ended, and are to be noted with the next thing that is.
        self._ended: list[RunNote] = []
        self._forgotten: list[RunNote] = []

    @contextlib.contextmanager
    def run(
        self, path: str, options: WatcherOptions, *, cause: str, member: str | None = None, eager: bool = True
    ) -> Iterator[Run]:
        """Around the processing of a file; what it raises is its failure, unless it is that it has to wait."""
        configuration = self.configuration(options)
        note = RunNote(csv_file=path, cause=cause, configuration=configuration, started=clock.now(), member=member)
        run = Run(self, note, eager=eager)
        with self._lock:
            self._active.add(run)
        try:
            with self._beating():
                yield run
        except BaseException as error:
            is_mine = isinstance(error, _NOT_NOW) or (not eager and isinstance(error, CsvManagerError))
            self._end(run, None if is_mine else error)
            raise
        self._end(run, None)

    def begin(self, run: Run) -> None:
        """Note a run that has begun, unless it was noted, and what else is to be noted. Raises `StoreError`."""
        if run.note.id is None or run.note.events:
            self._flush([run.note])

    def is_active(self, run_id: int) -> bool:
        """Whether a run of this process goes on."""
        with self._lock:
            return any(run.id == run_id for run in self._active)

    def note_target(self, run_id: int, task: TaskRecord) -> None:
        """Note what became of a target of a run that has ended. Raises `StoreError`."""
        self.flush()
        self.ledger.note_target(run_id, task)

    def flush(self) -> None:
        """Note what is to be noted yet. Raises `StoreError`."""
        self._flush([])

    def tick(self) -> None:
        """Note what is to be noted yet, and that the runs which go on do so. Raises `StoreError`."""
        now = time.monotonic()
        with self._lock:
            active = list(self._active)
        late = [run.note for run in active if run.eager and run.id is None and now - run.since > _NOTE_SECONDS]
        self._flush(late)
        tired = [run for run in active if run.id is not None and now - run.beaten > _BEAT_SECONDS]
        if tired:
            with self._noting:
                self.ledger.note([run.note for run in tired if run.note.ended is None])
            for run in tired:
                run.beaten = now

    def close(self) -> None:
        """Note what can be noted still."""
        with contextlib.suppress(StoreError):  # which was told when it came
            self.flush()

    @contextlib.contextmanager
    def _beating(self) -> Iterator[None]:
        """Have `tick` be called, where nobody else does it."""
        if self.ring is not None:
            yield
            return
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(_NOTE_SECONDS):
                with contextlib.suppress(StoreError):  # it is tried again
                    self.tick()

        thread = threading.Thread(target=beat, name="csv_manager-run", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _end(self, run: Run, error: BaseException | None) -> None:
        note = run.note
        with self._lock:
            self._active.discard(run)
        note.ended = clock.now()
        if error is not None:
            self._fail(note, error)
        if error is None and note.state == "running" and run.nothing is not None:
            note.state = run.nothing
            note.tasks = [replace(task, state="skipped") if task.state == "pending" else task for task in note.tasks]
        run.end()
        came_to_nothing = note.state == "running"  # there was nothing to do, or not now
        with self._lock:
            (self._forgotten if came_to_nothing else self._ended).append(note)
        if self.ring is not None:
            self.ring()
            return
        try:
            self.flush()
        except StoreError as failed:
            log.warning("%s What happened is not noted there.", failed)

    def _fail(self, note: RunNote, error: BaseException) -> None:
        note.state, note.error = "failed", failure(error)["exception"]
        if all(task.state != "failed" for task in note.tasks):  # between two stages
            number = next((n for n, task in enumerate(note.tasks) if task.state in ("pending", "running")), 0)
            note.tasks[number] = replace(note.tasks[number], ended=note.ended, **failure(error))
        note.tasks = [replace(task, state="skipped") if task.state == "pending" else task for task in note.tasks]

    def _flush(self, begun: list[RunNote]) -> None:
        with self._noting:
            self._note(begun)

    def _note(self, begun: list[RunNote]) -> None:
        """Note what is to be noted yet. A run that begins does so also if something else cannot be noted now."""
        with self._lock:
            ended, self._ended = self._ended, []
            forgotten, self._forgotten = self._forgotten, []
        new = [note for note in begun if (note.id is None or note.events) and note.ended is None]
        try:
            self._put(ended, new, forgotten)
        except BaseException as error:
            with self._lock:
                self._ended[:0] = ended
                self._forgotten[:0] = forgotten
            if isinstance(error, StoreBusyError) or not isinstance(error, Exception) or not (ended or forgotten):
                raise
            if new:
                self.ledger.note(new)
            elif self.ledger.is_refusal(error):
                self._note_each()
            else:
                raise

    def _put(self, ended: list[RunNote], new: list[RunNote], forgotten: list[RunNote]) -> None:
        # A failure that was counted is not counted again, should the rest not be noted now.
        for note in [note for note in ended if note.state == "failed"]:
            if self.ledger.repeat(note):
                ended.remove(note)
        nothing = [note for note in forgotten if note.id is not None or note.events]
        if ended or new or nothing:
            self.ledger.note([*ended, *new], nothing)

    def _note_each(self) -> None:
        """Note each ended run by itself; one that the store does not take is told and let go of."""
        with self._lock:
            ended, self._ended = self._ended, []
        while ended:
            try:
                self._put(ended[:1], [], [])
            except Exception as error:
                if not self.ledger.is_refusal(error):
                    with self._lock:
                        self._ended[:0] = ended
                    raise
                log.warning("What happened to %s cannot be noted: %s", ended[0].csv_file, error)
            del ended[0]


def failure(error: BaseException) -> dict[str, Any]:
    """What is noted of a task that failed."""
    words = "it was interrupted." if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
    return {
        "state": "failed",
        "exception_type": type(error).__name__,
        "exception": words,
        "traceback": _shortened("".join(traceback.format_exception(error))),
    }


def _shortened(text: str) -> str:
    """A traceback without its middle, if it is long."""
    if len(text) <= _MOST_TRACEBACK:
        return text
    return f"{text[: _MOST_TRACEBACK // 4]}\n…\n{text[-_MOST_TRACEBACK // 2 :]}"
