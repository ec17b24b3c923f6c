"""`--done` while files are watched: who deletes and moves what is recorded, and goes on with what others began."""

import logging
import os
from typing import TYPE_CHECKING

from csv_manager.core.errors import BusyError
from csv_manager.core.feeds import Feed
from csv_manager.core.leases import is_open_for_writing
from csv_manager.core.model import Signature, WatcherOptions
from csv_manager.core.paths import os_reason
from csv_manager.pipeline.consuming import Consumer, Done, IsRecorded, consume, left_aside, recover

if TYPE_CHECKING:  # they load SQLAlchemy, which a command without the store does without
    from collections.abc import Callable, Mapping

    from csv_manager.pipeline.delivery import Delivery
    from csv_manager.pipeline.states import States
    from csv_manager.pipeline.store import Store
    from csv_manager.pipeline.watched import Watched
    from csv_manager.watch import Known, WatchService

log = logging.getLogger("csv_manager.runtime")

#: The longest that a thread waits for one file's lock, where there are others to be dealt with.
PATIENCE_SECONDS = 0.1
#: What is said of a file that cannot be deleted or moved; the store keeps it.
_TROUBLE = "it is recorded, but cannot be"


class Finisher:
    """Deletes or moves the files that are recorded and told to every receiver, where watchers say so.

    `opened` gives the store. A watcher's files are told of first by `recover`, then by `begin`, then by `add`.
    """

    def __init__(
        self,
        opened: "Callable[[], Store]",
        watched: "Watched",
        states: "States",
        delivery: "Delivery",
        service: "WatchService",
    ) -> None:
        self._opened = opened
        self._watched = watched
        self._states = states
        self._delivery = delivery
        self._service = service
        self._consumer = Consumer()

    def recover(self, watch_id: str, options: WatcherOptions) -> set[str]:
        """Go on with the files of a watcher that killed processes had taken aside; those that are done with by that.

        Whatever is to become of recorded files by now, none stays hidden.
        """
        if options.feed is None or options.paused:
            return set()
        feed = Feed.of(watch_id, options)
        mine = (place for place in left_aside(feed) if not self._watched.is_of_another(place, watch_id))
        return {place for place in mine if self._recover(place, watch_id, options, feed)}

    def begin(self, watch_id: str, options: WatcherOptions, known: "Mapping[str, Known]", finished: set[str]) -> None:
        """Take in what is known of a watcher's files; `finished` are those that `recover` found."""
        if options.feed == "series":
            record = self._opened().catalog.history.file(watch_id)
            if record is not None and record.state == "failing":  # what fails yet is told anew
                self._states.see(watch_id, watch_id, "ok", None)
        if options.done == "keep":
            return
        for place, found in known.items():
            if not os.path.lexists(place) and (place in finished or self._was_finished(place, watch_id, found)):
                self._service.forget(place)
                self._forget(watch_id, place)
            elif found.signature is not None and found.state != "held":
                self.add(watch_id, place, found.signature)

    def add(self, watch_id: str, place: str, signature: Signature) -> None:
        """A file is recorded: see to it that it is deleted or moved, if that is asked for."""
        options = self._watched.options.get(watch_id)
        if options is not None and options.done != "keep" and not os.path.islink(place):
            position = self._opened().catalog.outbox.end()
            done = Done(place=place, signature=signature, position=position, folder=options.done_folder)
            self._consumer.add(watch_id, done)

    def remove(self, watch_id: str) -> None:
        """A watcher is no more; its files stay."""
        self._consumer.forget(watch_id)

    def finish(self) -> None:
        """Delete or move what everybody was told of."""
        store = self._opened()
        names = self._delivery.names()
        told = store.catalog.outbox.lowest(names) if names else None
        for watch_id, done in self._consumer.ready(told):
            options = self._watched.options.get(watch_id)
            if self._watched.is_of_another(done.place, watch_id):
                self._consumer.remove(done)
                continue
            if options is None or is_open_for_writing(done.place):  # what is written yet is recorded first
                self._consumer.retry(done)
                continue
            self._service.forget(done.place)
            try:
                with store.locks.hold(done.place, PATIENCE_SECONDS):
                    is_gone = consume(done, self._is_recorded(done.place, watch_id, options))
            except BusyError:
                self._consumer.retry(done)
                self._service.rescan(os.path.dirname(done.place))
                continue
            except OSError as error:
                self._fail(watch_id, done, error)
                continue
            if is_gone:
                log.info("%s is recorded and %s.", done.place, _what(done.folder))
                self._forget(watch_id, done.place)
            else:
                self._service.rescan(os.path.dirname(done.place))
            self._consumer.remove(done)

    def _recover(self, place: str, watch_id: str, options: WatcherOptions, feed: Feed) -> bool:
        keep = options.done == "keep" or not feed.wants(place)
        is_recorded = self._is_recorded(place, watch_id, options)
        try:
            with self._opened().locks.hold(place):
                return recover(place, None if keep else options.done_folder, is_recorded, keep=keep)
        except OSError as error:
            where, reason = os.path.dirname(place), os_reason(error)
            told = "%s was taken aside, as a hidden file in %s, and stays there until the next start: %s."
            log.warning(told, place, where, reason)
        return False

    def _is_recorded(self, place: str, watch_id: str, options: WatcherOptions) -> IsRecorded:
        """Whether the file at a place has a version with a content, by its SHA-256."""

        def is_recorded(sha256: str) -> bool:
            path = self._watched.path_at(place, watch_id)
            paths = [watch_id] if options.feed == "series" else dict.fromkeys((path, os.path.realpath(place)))
            files = [file for file in map(self._opened().find, paths) if file is not None]
            return any(version.sha256 == sha256 for file in files for version in file.versions())

        return is_recorded

    def _was_finished(self, place: str, watch_id: str, found: "Known") -> bool:
        """Whether a file that is not there was deleted or moved by a process that was killed before it noted that."""
        if found.state != "failing":
            return found.state == "ok"
        file = self._opened().find(self._watched.path_at(place, watch_id))
        return file is not None and _TROUBLE in (file.record.reason or "")

    def _fail(self, watch_id: str, done: Done, error: OSError) -> None:
        reason = f"{done.place}: {_TROUBLE} {_what(done.folder)}: {os_reason(error)}; it is tried again."
        log.info("%s", reason)
        self._states.see(done.place, watch_id, "failing", reason, about=_done_with(done.place))
        self._consumer.retry(done)
        self._service.rescan(os.path.dirname(done.place))

    def _forget(self, watch_id: str, place: str) -> None:
        """A file was deleted or moved as it is asked for: it is not missed; another one of its name is a new one."""
        path, store = self._watched.path_at(place, watch_id), self._opened()
        file = None if self._watched.is_series(watch_id) else store.find(path)
        if self._states.is_wrong(path, _done_with(place)) or (file and file.record.state in ("failing", "missing")):
            self._states.see(place, watch_id, "ok", None, about=_done_with(place))
        self._states.store()
        if file is not None and not os.path.lexists(place):
            store.catalog.history.adopt([file.record.id], None)


def _what(folder: str | None) -> str:
    return f"moved to {folder}" if folder else "deleted"


def _done_with(place: str) -> str:
    """What a trouble with `--done` is about, which a new recording of the file does not end."""
    return f"{place} done with"
