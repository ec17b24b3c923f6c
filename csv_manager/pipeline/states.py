"""The states of the files that are watched: what is wrong with each, stored and told."""

import collections
import contextlib
import itertools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csv_manager.core.errors import StoreError
from csv_manager.core.sightings import Seen
from csv_manager.store.patience import turn

if TYPE_CHECKING:  # they load SQLAlchemy, which a command without the store does without
    from collections.abc import Callable, Iterable, Mapping

    from csv_manager.pipeline.store import Store
    from csv_manager.pipeline.watched import Watched

#: Files whose states are stored in one transaction.
_BATCH = 500


@dataclass(frozen=True)
class _Change:
    """Where a file is read whose state changed, and for which watcher; `is_gone` as in `States.see`."""

    place: str
    watch_id: str
    is_gone: bool = False


class States:
    """What is wrong with a path, by what it is about: a place where it is read, or something that is done there.

    A dataset of a series has the troubles of all its files. A path is all right once nothing is wrong any more.
    What changed is stored, many files at once, when `store` is called, and then told when `tell` is: whoever finds it
    does not wait for a store or a receiver. `on_change` is called once there is something to store, and
    `on_state(path, state, reason)` for each state that is another one than was told; of a version that is held it is
    told otherwise.
    """

    def __init__(
        self,
        opened: "Callable[[], Store]",
        watched: "Watched",
        on_change: "Callable[[], None]",
        on_state: "Callable[[str, str, str | None], None]",
    ) -> None:
        self._opened = opened
        self._watched = watched
        self._on_change = on_change
        self._on_state = on_state
        self._wrong: dict[str, dict[str, tuple[str, str | None]]] = {}
        #: What is to be stored, by path, in order; a folder's state (None) is only told.
        self._changed: dict[str, _Change | None] = {}
        self._untold: collections.deque[tuple[str, str, str | None]] = collections.deque()
        self._told: dict[str, tuple[str, str | None]] = {}
        #: The scheduler, the pool, the keeper and the one who tells come here.
        self._lock = threading.Lock()
        self._storing = threading.Lock()
        self._telling = threading.Lock()

    def failed(self) -> frozenset[str]:
        """The paths with something wrong that is more than a file that is not there."""
        with self._lock:
            return frozenset(
                path for path, wrong in self._wrong.items() if any(state != "missing" for state, _ in wrong.values())
            )

    def is_wrong(self, path: str, about: str) -> bool:
        """Whether something of a path is wrong."""
        with self._lock:
            return about in self._wrong.get(path, {})

    def forget(self, path: str) -> None:
        """A path is watched no longer."""
        with self._lock:
            self._wrong.pop(path, None)

    def hold(self, watch_id: str, places: "Iterable[str]") -> None:
        """What is read at some places is held; what is followed by what is not, of a series, is not wrong."""
        found = list(places)
        if found and self._watched.is_series(watch_id) and self._opened().last_state(watch_id)[0] != "held":
            return
        for place in found:
            self._put(self._watched.path_at(place, watch_id), place, "held", None)

    def recorded(self, place: str, watch_id: str) -> None:
        """What is read at a place is recorded, and not held."""
        path = self._watched.path_at(place, watch_id)
        with self._lock:
            wrong = dict(self._wrong.get(path, {}))
        followed = self._watched.is_series(watch_id)  # what was held of a series is followed by what is not
        for about, (state, _) in wrong.items():
            if about == place or (followed and state == "held"):
                self._clear(path, about)
        if wrong:
            self.see(place, watch_id, "ok", None)

    def see(self, place: str, watch_id: str, state: str, reason: str | None, about: str | None = None) -> None:
        """The state changed of a file, or with `about` of something that is done with it.

        `gone` is a file that was never recorded, and is not there any more.
        """
        path = self._watched.path_at(place, watch_id)
        if path != watch_id and path in self._watched.options:
            return  # it has a watcher of its own by now
        self._change(path, about or place, state, reason, _Change(place, watch_id, state == "gone"))

    def see_folder(self, path: str, state: str, reason: str | None) -> None:
        """The state of a feed's folder changed, which is only told."""
        self._change(path, path, state, reason, None)

    def store(self) -> bool:
        """Store what changed; whether anything did. Raises `StoreError`: it is to be stored yet."""
        stored = False
        with turn(self._storing) as is_mine:
            while is_mine and (batch := self._take()):
                try:
                    self._store(batch)
                except BaseException:
                    with self._lock:  # what came meanwhile is newer
                        self._changed = batch | self._changed
                    raise
                stored = True
        return stored

    def tell(self) -> None:
        """Tell what changed, in order."""
        with turn(self._telling) as is_mine:
            while is_mine and self._untold:
                path, state, reason = self._untold.popleft()
                if state == "gone":
                    self._told.pop(path, None)
                # A watcher that was changed looks at its files anew, and may find what was told.
                elif self._told.get(path, ("ok", None)) != (state, reason):
                    self._told[path] = state, reason
                    if state != "held":  # which is told when the version is recorded
                        self._on_state(path, state, reason)

    def _take(self) -> "dict[str, _Change | None]":
        with self._lock:
            batch = dict(itertools.islice(self._changed.items(), _BATCH))
            for path in batch:
                del self._changed[path]
        return batch

    def _store(self, batch: "Mapping[str, _Change | None]") -> None:
        seen, gone = [], []
        for path, change in batch.items():
            if change is None:
                self._untold.append((path, *self._state(path)))
            elif change.is_gone and not self._watched.is_series(change.watch_id):
                self._untold.append((path, "gone", None))
                gone.append(path)
            else:
                state, reason = self._state(path)
                # A store that cannot be read is told by what failed to be recorded.
                with contextlib.suppress(StoreError):
                    if state in ("ok", "held"):
                        state, reason = self._opened().last_state(path)
                    if state == "held":
                        self._put(path, change.place, state, reason)
                self._untold.append((path, state, reason))
                if change.watch_id in self._watched.options:
                    origin = self._watched.origin(change.place, change.watch_id)
                    watcher_id = self._watched.watcher_id(change.watch_id)
                    seen.append(Seen(path=path, state=state, reason=reason, origin=origin, watcher_id=watcher_id))
        history = self._opened().catalog.history
        if gone:
            history.forget(gone)
        if seen:
            history.observe(seen)

    def _state(self, path: str) -> tuple[str, str | None]:
        """The first thing that is wrong with a path, or that it is all right."""
        with self._lock:
            return next(iter(self._wrong.get(path, {}).values()), ("ok", None))

    def _change(self, path: str, about: str, state: str, reason: str | None, change: _Change | None) -> None:
        if state in ("ok", "gone"):
            self._clear(path, about)
        else:
            self._put(path, about, state, reason)
        with self._lock:
            self._changed.pop(path, None)
            self._changed[path] = change
        self._on_change()

    def _put(self, path: str, about: str, state: str, reason: str | None) -> None:
        with self._lock:
            self._wrong.setdefault(path, {})[about] = state, reason

    def _clear(self, path: str, about: str) -> None:
        with self._lock:
            wrong = self._wrong.get(path, {})
            wrong.pop(about, None)
            if not wrong:
                self._wrong.pop(path, None)
