"""The states of the files that are watched: what is wrong with each, stored and told."""

import contextlib
import threading
from typing import TYPE_CHECKING

from csv_manager.core.errors import StoreError

if TYPE_CHECKING:  # they load SQLAlchemy, which a command without the store does without
    from collections.abc import Callable, Iterable

    from csv_manager.pipeline.store import Store
    from csv_manager.pipeline.watched import Watched


class States:
    """What is wrong with a path, by what it is about: a place where it is read, or something that is done there.

    A dataset of a series has the troubles of all its files. A path is all right once nothing is wrong any more.
    `on_state(path, state, reason)` is called when a state changes; of a version that is held it is told otherwise.
    """

    def __init__(
        self,
        opened: "Callable[[], Store]",
        watched: "Watched",
        on_state: "Callable[[str, str, str | None], None]",
    ) -> None:
        self._opened = opened
        self._watched = watched
        self._on_state = on_state
        self._wrong: dict[str, dict[str, tuple[str, str | None]]] = {}
        self._told: dict[str, tuple[str, str | None]] = {}
        #: The scheduler, the pool and the one who tells come here.
        self._lock = threading.Lock()

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
        """What is read at some places is held."""
        for place in places:
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
        if state in ("ok", "gone"):
            self._clear(path, about or place)
        else:
            self._put(path, about or place, state, reason)
        # The state is for people; a store that cannot be written now is told by what failed to be recorded.
        with contextlib.suppress(StoreError):
            history = self._opened().catalog.history
            if state == "gone" and not self._watched.is_series(watch_id):
                history.forget(path)
                self._told.pop(path, None)
                return
            with self._lock:
                state, reason = next(iter(self._wrong.get(path, {}).values()), ("ok", None))
            if state in ("ok", "held"):
                state, reason = self._opened().last_state(path)
                if state == "held":
                    self._put(path, place, state, reason)
            if watch_id in self._watched.options:
                history.observe(path, state=state, reason=reason, origin=self._watched.origin(place, watch_id))
        self._tell(path, state, reason)

    def see_folder(self, path: str, state: str, reason: str | None) -> None:
        """The state of a feed's folder changed, which is only told."""
        if state == "ok":
            self._clear(path, path)
        else:
            self._put(path, path, state, reason)
        self._tell(path, state, reason)

    def _put(self, path: str, about: str, state: str, reason: str | None) -> None:
        with self._lock:
            self._wrong.setdefault(path, {})[about] = state, reason

    def _clear(self, path: str, about: str) -> None:
        with self._lock:
            wrong = self._wrong.get(path, {})
            wrong.pop(about, None)
            if not wrong:
                self._wrong.pop(path, None)

    def _tell(self, path: str, state: str, reason: str | None) -> None:
        # A watcher that was changed looks at its files anew, and may find what was told.
        if self._told.get(path, ("ok", None)) != (state, reason):
            self._told[path] = state, reason
            if state != "held":  # which is told when the version is recorded
                self._on_state(path, state, reason)
