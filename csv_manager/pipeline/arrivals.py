"""A settled content that is about to be recorded, and what its recording comes to."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from csv_manager.archive import Snapshot, open_snapshot
from csv_manager.core.model import Signature, WatcherOptions
from csv_manager.core.sightings import Member, Origin
from csv_manager.pipeline.runs import Run


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A settled content of a file that is about to be recorded; `origin` is how the file comes to be watched, if new.

    With `store_watcher` the watcher is stored in the same transaction, and what is no CSV is refused. With `is_member`
    the snapshot is one of a series, and `path` that of the dataset. `watcher_id` is the stored watcher that has these
    options. What takes long ends once `stopping()` says so.
    """

    run: Run
    path: str
    options: WatcherOptions
    snapshot: Snapshot
    cause: str
    store_watcher: bool = False
    origin: Origin | None = None
    is_member: bool = False
    watcher_id: int | None = None
    stopping: Callable[[], bool] = lambda: False

    @property
    def member(self) -> Member | None:
        """The file of a series that is read."""
        return Member(path=self.snapshot.path, signature=self.signature) if self.is_member else None

    @property
    def signature(self) -> Signature | None:
        """What the file is known by from now on; None if it is to be read again all the same."""
        return None if self.snapshot.is_open else self.snapshot.signature

    @property
    def place(self) -> str:
        """The file, for messages, and whose ending tells how it is compressed."""
        return self.snapshot.path if self.is_member else self.path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one recording came to: the number of the new version, or None if the content is the latest one.

    A file that `is_open` for writing may have changed since it was read, though it looks as it did.
    """

    path: str
    number: int | None
    status: str
    signature: Signature
    is_open: bool = False


@contextlib.contextmanager
def arriving(run: Run, source: str, **told: Any) -> Iterator[Arrival]:
    """The arrival of what a path holds, which is the first stage of a run; `told` is what an `Arrival` is besides.

    Raises what `open_snapshot` raises.
    """
    with contextlib.ExitStack() as stack:
        with run.task("snapshot"):
            snapshot = stack.enter_context(open_snapshot(source))
        yield Arrival(run=run, snapshot=snapshot, **told)
