"""When an arrival is settled: a pure state machine for one file, driven by stats and a clock."""

import time
from dataclasses import dataclass
from typing import Literal

from csv_manager.core import clock
from csv_manager.core.model import Signature
from csv_manager.core.paths import stat_regular

#: Seconds between two stats of a file that never rests: enough for its writer to have written more.
_EQUAL = 0.02

Verdict = Literal["rest", "wait", "later", "read"]


def stat_of(path: str) -> tuple[Signature, float]:
    """A file's signature and for how many seconds, by the wall clock, it has not moved. Raises OSError."""
    stat = stat_regular(path)
    return Signature.of(stat), clock.now().timestamp() - max(stat.st_ctime, stat.st_mtime)


def wait_settled(path: str, *, settle: float, max_wait: float) -> Signature | None:
    """Wait until a file has rested for `settle` seconds, and return what it looks like; None after `max_wait`.

    Raises OSError.
    """
    settling = Settling(settle=settle, max_wait=max_wait)
    while True:
        signature, rested = stat_of(path)
        now = time.monotonic()
        if settling.look(signature, now, rested if settling.seen is None else 0) == "read":
            return settling.settled
        time.sleep(min(max(settling.due - now, 0.001), 0.1))


@dataclass
class Settling:
    """One file on its way to rest; all times are seconds of a clock that only grows.

    `known` is the signature of what was recorded last. A file that never rests is read after `max_wait`, between two
    equal stats; `every` keeps two readings that far apart.
    """

    settle: float
    max_wait: float
    every: float = 0
    known: Signature | None = None
    seen: Signature | None = None
    seen_at: float = 0
    #: What it looked like when it was to be read; None if it never rested.
    settled: Signature | None = None
    restless_at: float | None = None
    read_at: float | None = None
    due: float = 0

    def look(self, signature: Signature, now: float, rested: float = 0) -> Verdict:
        """Take in a stat: `rest` if there is nothing new, `wait` until `due`, or `read` the file now.

        `later`: as `wait`, of a file that was read less than `every` seconds ago.
        `rested` is how long the file is known not to have moved, for a first look at it.
        """
        if signature == self.known:
            self.dropped()
            return "rest"
        moved = signature != self.seen
        if moved:
            self.seen, self.seen_at = signature, now - min(max(rested, 0), self.settle)
        if self.restless_at is None:
            self.restless_at = now
        ready = min(self.seen_at + self.settle, self.restless_at + self.max_wait)
        if moved:
            ready = max(ready, self.seen_at + min(self.settle, _EQUAL))
        self.due = max(ready, self.allowed_at)
        if now >= self.due:
            self.settled = signature if now >= self.seen_at + self.settle else None
            return "read"
        return "later" if now < self.allowed_at else "wait"

    @property
    def allowed_at(self) -> float:
        """When it may be read again."""
        return self.read_at + self.every if self.every and self.read_at is not None else 0

    def busy_for(self, now: float) -> float:
        """For how many seconds it could have been read, but did not rest."""
        return 0 if self.restless_at is None else now - max(self.restless_at, self.allowed_at)

    def recorded(self, signature: Signature, now: float) -> None:
        """Take in that the file was read, and what it was then."""
        self.known, self.seen, self.restless_at, self.read_at = signature, None, None, now

    def torn(self) -> None:
        """Take in that the file moved while it was read: it has to rest anew, within the same `max_wait`."""
        self.seen = None

    def dropped(self) -> None:
        """Take in that the file is gone or could not be recorded: what was seen of it does not count."""
        self.seen = self.restless_at = None
