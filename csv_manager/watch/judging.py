"""What follows from a look at one file: it rests, is waited for, is read, or is not as it should be."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterable

from csv_manager.core import clock
from csv_manager.core.leases import is_open_for_writing
from csv_manager.core.model import Signature
from csv_manager.core.paths import dead_link, os_reason, stat_regular
from csv_manager.watch.tracking import Line, Processed, Tracked, Watch

#: `observe(path, watch id, state, reason)`; a file of a feed that was never recorded may be `gone`.
Observe = Callable[[str, str, str, str | None], None]


class Judge:
    """Looks at files.

    `submit` hands a settled one to the pool, `observe` tells of a state, `drop` forgets a file, and `is_unseen` says
    whether a watcher may have files that were not seen yet.
    """

    def __init__(
        self,
        submit: Callable[[Tracked], None],
        observe: Observe,
        drop: Callable[[Tracked], None],
        is_unseen: Callable[[Watch], bool],
    ) -> None:
        self._give = submit
        self._observe = observe
        self._drop = drop
        self._is_unseen = is_unseen
        self._heap: list[tuple[float, int, Tracked]] = []
        self._number = itertools.count()
        self._lines: dict[str, Line] = {}
        #: Whether each file is dealt with once: recorded, or found busy or unreadable, and then let alone.
        self.once = False
        #: The files on their way to rest, or being read.
        self.restless: set[Tracked] = set()

    def add_line(self, watch: Watch) -> None:
        """Process the files of a watcher in the order of their paths."""
        self._lines[watch.id] = Line()

    def remove_line(self, watch: Watch) -> None:
        """A watcher is no more."""
        self._lines.pop(watch.id, None)

    def forget(self, file: Tracked) -> None:
        """A file is watched no longer."""
        file.due = None
        self.restless.discard(file)
        self._leave_line(file)

    def next_due(self) -> float | None:
        """When a file is to be looked at for itself; None if none is."""
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def look_at_due(self) -> None:
        """Look at the files that are due."""
        while (due := self.next_due()) is not None and due <= time.monotonic():
            self.look(heapq.heappop(self._heap)[2])

    def look(self, file: Tracked) -> None:
        """Stat one file and decide."""
        if file.running or file.watch.paused:
            return  # it is looked at when the job is done, or it is resumed
        now = time.monotonic()
        file.due = None
        try:
            stat = stat_regular(file.path)
        except (FileNotFoundError, NotADirectoryError):
            self._see_gone(file, now)
            return
        except OSError as error:
            self._rest(file)
            self._wait_in_line(file)
            self._tell(file, "unreadable", f"{file.path}: {os_reason(error)}; it is tried again once an interval.")
            return
        first, file.looked, file.gone_at = not file.looked, True, None
        signature = Signature.of(stat)
        if signature == file.failed and now < file.retry_at:
            self._again(file, file.retry_at)
            return
        if file.state in ("missing", "unreadable"):
            self._tell(file, "gone" if file.is_new else "ok", None)
        if file.is_open and signature == file.known and not is_open_for_writing(file.path):
            file.doubt()
        if file.settling is None and signature == file.known:
            if file.state == "failing":  # as a process before this one left it; what fails yet is told anew
                self._tell(file, "ok", None)
            self._rest(file)
            return
        # Only what was there when the service began is believed to have rested already: the clock may have been set.
        # Another machine's clock has set the times of files that are on it.
        is_told = first and not file.folder.scanned and not file.folder.remote
        rested = clock.now().timestamp() - max(stat.st_ctime, stat.st_mtime) if is_told else 0
        self._settle(file, signature, now, rested)

    def worked(self, file: Tracked, processed: Processed) -> None:
        """Take in what a job came to."""
        file.running = False
        now = time.monotonic()
        line = self._lines.get(file.watch.id)
        if line is not None and line.running is file:
            line.running = None
        if file.folder.files.get(file.name) is not file:
            self.forget(file)
        elif processed.signature is not None:
            file.recorded(processed.signature, now, ours=processed.ours)
            file.is_open = processed.is_open
            self._leave_line(file)
            self.restless.discard(file)
            if not self.once:
                self.look(file)
        elif processed.torn:
            file.settle().torn()
            if self._tell_if_busy(file, now) and self.once:
                self._give_up(file)
            else:
                self.look(file)
        else:
            file.fail(now)
            self._give_up(file)
            if not self.once:
                self._again(file, file.retry_at)

    def advance(self, watches: Iterable[Watch]) -> None:
        """Read what is next in the lines of these feeds."""
        for watch in watches:
            line = self._lines.get(watch.id)
            if line is not None:
                self._advance(line)

    def _settle(self, file: Tracked, signature: Signature, now: float, rested: float) -> None:
        verdict = file.settle().look(signature, now, rested)
        if verdict == "rest" or (verdict == "later" and self.once):
            self._rest(file)
            return
        line = self._lines.get(file.watch.id)
        if line is not None:
            line.wait(file)
            if self.once and line.stops(file):
                self.restless.discard(file)
                return
        self.restless.add(file)
        if verdict != "read":
            if verdict == "wait" and self._tell_if_busy(file, now) and self.once:
                self._give_up(file)
                return
            self._again(file, min(file.settle().due, now + file.watch.interval))
        elif line is None:
            self._submit(file)
        else:
            line.is_ready(file)
            self._advance(line)

    def _see_gone(self, file: Tracked, now: float) -> None:
        """A file that is not there is missing, unless it comes back at once, as in some programs' way of saving."""
        if file.looked and file.folder.present:
            file.gone_at = now if file.gone_at is None else file.gone_at
            back = file.gone_at + max(file.watch.settle, 0.1)
            if now < back:
                self.restless.add(file)
                self._again(file, back)
                return
        file.looked = True
        self._rest(file)
        self._leave_line(file)
        if file.watch.ordered or (file.watch.feed is not None and file.is_new):
            dead = dead_link(file.path)
            if dead:
                file.folder.problems[file.name] = dead
            if file.state or file.failures:
                self._tell(file, "gone", None)
            self._drop(file)
        else:
            self._tell(file, "missing", f"{file.path}: no such file; it is watched again as soon as it is there.")

    def _give_up(self, file: Tracked) -> None:
        """A file cannot be dealt with now; nor can those that are to follow it, if there is no other time."""
        self.restless.discard(file)
        if self.once:
            self.bar(file.watch, file.path)

    def bar(self, watch: Watch, path: str) -> None:
        """Process nothing of an ordered feed that follows what cannot be read."""
        line = self._lines.get(watch.id)
        if line is None:
            return
        line.barriers.add(path)
        if self.once:
            self.restless -= {file for file in line.waiting if line.stops(file)}

    def unbar(self, watch: Watch, path: str) -> None:
        """What could not be read can be, or is gone."""
        line = self._lines.get(watch.id)
        if line is not None:
            line.barriers.discard(path)

    def _rest(self, file: Tracked) -> None:
        self.restless.discard(file)
        file.rest()
        if file.failed is None and file.state not in ("missing", "unreadable"):
            self._leave_line(file)

    def _again(self, file: Tracked, due: float) -> None:
        file.due = due
        heapq.heappush(self._heap, (due, next(self._number), file))

    def _submit(self, file: Tracked) -> None:
        file.running = True
        self.restless.add(file)
        self._give(file)

    def _tell(self, file: Tracked, state: str, reason: str | None) -> None:
        if file.state != state or not file.told:
            file.state, file.told = state, True
            self._observe(file.path, file.watch.id, state, reason)

    def _tell_if_busy(self, file: Tracked, now: float) -> bool:
        """Tell of a file that does not rest; whether it is one."""
        if file.settle().busy_for(now) <= file.watch.max_wait + file.watch.settle:
            return False
        wait = f"{file.watch.max_wait:g} s"
        reason = f"{file.path}: busy: for more than {wait} it was written to, or locked, each time it was to be read."
        self._tell(file, "waiting", reason)
        return True

    def _wait_in_line(self, file: Tracked) -> None:
        line = self._lines.get(file.watch.id)
        if line is not None and file.known is None:
            line.wait(file)
            self._give_up(file)

    def _leave_line(self, file: Tracked) -> None:
        line = self._lines.get(file.watch.id)
        if line is not None:
            line.leave(file)
            self._advance(line)

    def _advance(self, line: Line) -> None:
        file = line.next()
        if file is not None and not self._is_unseen(file.watch):
            line.begin(file)
            self._submit(file)
