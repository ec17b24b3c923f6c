"""Where to look and when: whole folders when they are due or events were lost, single files when hinted at.

All of it runs in one thread, but for what says otherwise.
"""

import contextlib
import heapq
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from csv_manager.core import clock
from csv_manager.core.paths import is_text, no_text, os_reason
from csv_manager.core.sightings import FolderCheck
from csv_manager.watch.hints import Hints
from csv_manager.watch.judging import Judge, Observe
from csv_manager.watch.links import targets
from csv_manager.watch.polling import Polling
from csv_manager.watch.telling import ObserveFolder, Telling
from csv_manager.watch.tracking import Folder, Known, Processed, Tracked, Watch
from csv_manager.watch.ways import Ways

#: Files that are looked at between two looks at the clock.
_STEP = 64


class Scheduler:
    """The watched folders and their files; `submit` hands a settled file to the pool, `observe` tells of a state."""

    def __init__(
        self, hints: Hints, submit: Callable[[Tracked], None], observe: Observe, observe_folder: ObserveFolder
    ) -> None:
        self._hints = hints
        self._polling = Polling(hints)
        self._telling = Telling(observe_folder)
        self._judge = Judge(submit, observe, self._drop, self._is_unseen)
        self._folders: dict[str, Folder] = {}
        self._watches: dict[str, Watch] = {}
        #: The folders that each feed has files in, or may have.
        self._entered: dict[str, set[Folder]] = {}
        self._ways = Ways(hints, self._folders, self._forget_if_idle)
        self._scans: list[tuple[float, int, Folder]] = []
        self._number = itertools.count()
        self._scan: Iterator[None] | None = None
        self._scanned: Folder | None = None
        #: The CPU time of the scan that goes on, and of the last one of each folder; when the former was counted last.
        self._spent = self._cost = self._counted = 0.0
        #: The folders to be looked at at once.
        self._urgent: set[Folder] = set()
        self._checks: dict[str, FolderCheck] = {}
        self.count = 0

    @property
    def once(self) -> bool:
        """Whether everything is looked at once, and nothing again."""
        return self._judge.once

    def start(self, *, once: bool) -> None:
        """Begin, before the first look."""
        self._judge.once = self._ways.once = once

    # What other threads ask.

    def minds(self, place: str, name: str, is_folder: bool) -> bool:
        """Whether something that happened to a name in a folder is of interest."""
        folder = self._folders.get(place)
        if folder is None:
            return False
        known = name in folder.files or name in folder.links or name in folder.awaited
        return known or (bool(folder.feeds) and (is_folder or folder.feed_of(name) is not None))

    def count_at_rest(self) -> int:
        """How many files were looked at and are at rest."""
        unseen = sum(len(folder.files) for folder in list(self._urgent))
        return max(self.count - unseen - len(self._judge.restless), 0)

    def take_checks(self) -> dict[str, FolderCheck]:
        """The folders that were scanned since this was asked last."""
        taken, self._checks = self._checks, {}
        return taken

    # What is watched.

    def add(self, watch: Watch, known: Mapping[str, Known]) -> None:
        """Watch what a watcher asks for, anew if it was known."""
        self.remove(watch.id)
        self._watches[watch.id] = watch
        if watch.ordered:
            self._judge.add_line(watch)
        for path, told in known.items():
            self._track(watch, path, told)
        if watch.feed is not None:
            self._enter(watch.feed.root, watch)
        elif watch.path not in known:
            self._track(watch, watch.path, None)

    def remove(self, watch_id: str) -> None:
        """Do not watch any longer what a watcher asked for; other watchers may want its files."""
        watch = self._watches.pop(watch_id, None)
        if watch is None:
            return
        self._judge.remove_line(watch)
        if watch.feed is None:
            folder = self._folders.get(os.path.dirname(watch.path))
            self._leave(watch, [folder] if folder else [])
        else:
            self._leave(watch, list(self._entered.pop(watch_id, ())))

    def worked(self, file: Tracked, processed: Processed) -> None:
        """Take in what a job came to."""
        self._judge.worked(file, processed)

    def forget(self, path: str) -> None:
        """Watch a file of a feed no longer, until it is found again."""
        place, name = os.path.split(path)
        folder = self._folders.get(place)
        file = folder.files.get(name) if folder else None
        if file is not None and file.watch.feed is not None:
            self._drop(file)

    def rescan(self, path: str) -> None:
        """Look at a folder and all in it at once."""
        folder = self._folders.get(path)
        if folder is not None:
            self._due(folder, 0)

    def rescan_all(self) -> None:
        """Look at everything at once."""
        for folder in self._folders.values():
            self._due(folder, 0)

    def hint(self, place: str, name: str, is_folder: bool) -> None:
        """Look at what something happened to."""
        folder = self._folders.get(place)
        if folder is None:
            return
        for path in list(folder.awaited.get(name, ())):
            self.rescan(path)
        for file in list(folder.links.get(name, ())):
            self._link(file)
            self._judge.look(file)
        if is_folder:
            self._see_folder(folder, os.path.join(place, name))
        else:
            known = folder.files.get(name) or self._take(folder, name)
            if known is not None:
                if known.targets or os.path.islink(known.path):
                    self._link(known)
                self._judge.look(known)

    def is_at_rest(self) -> bool:
        """Whether everything was looked at and nothing is on its way."""
        return not (self._judge.restless or self._urgent or self._scan)

    def pause(self, now: float) -> float | None:
        """For how many seconds there is nothing to do; None: until something happens."""
        if self._scan is not None:
            return 0
        dues = [self._scans[0][0]] if self._scans else []
        due = self._judge.next_due()
        dues += [] if due is None else [due]
        return max(min(dues) - now, 0) if dues else None

    def work(self, seconds: float) -> None:
        """Look at what is due, for about so long."""
        until = time.monotonic() + seconds
        self._judge.look_at_due()
        self._lap()
        while time.monotonic() < until and (self._scan is not None or self._begin_scan()):
            if self._scan is None or next(self._scan, _END) is _END:
                self._end_scan()
        self._spent += self._lap()

    def _is_unseen(self, watch: Watch) -> bool:
        """Whether a folder is yet to be looked at that a feed may have files in."""
        scanned = [self._scanned] if self._scanned else []
        return any(watch in folder.feeds for folder in (*self._urgent, *scanned))

    def _track(self, watch: Watch, path: str, known: Known | None) -> Tracked:
        """Watch one file; a watcher of its own takes it from a feed."""
        place, name = os.path.split(path)
        folder = self._folder(place, watch)
        if watch.feed is not None:
            self._entered.setdefault(watch.id, set()).add(folder)
        before = folder.files.get(name)
        if before is not None:
            if watch.feed is not None:
                return before
            self._drop(before)
        file = folder.files[name] = Tracked(folder, name, watch, known)
        self.count += 1
        if watch.feed is None or os.path.islink(path):
            self._link(file)
        if watch.feed is None:
            self._due(folder, 0)
        return file

    def _link(self, file: Tracked) -> None:
        """Mind the names that a file is read through, which may be others than they were."""
        now = targets(file.path)
        for target in set(file.targets) - set(now):
            folder = self._folders.get(os.path.dirname(target))
            if folder is not None:
                self._unlink(folder, os.path.basename(target), file)
        for target in set(now) - set(file.targets):
            where = self._folder(os.path.dirname(target), file.watch)
            where.links.setdefault(os.path.basename(target), []).append(file)
        file.targets = now

    def _unlink(self, folder: Folder, name: str, file: Tracked) -> None:
        """A file is not read through a name any more."""
        rest = [other for other in folder.links.pop(name, ()) if other is not file]
        if rest:
            folder.links[name] = rest
        self._forget_if_idle(folder)

    def _take(self, folder: Folder, name: str) -> Tracked | None:
        """Watch a name that a feed wants."""
        watch = folder.feed_of(name)
        if watch is None:
            return None
        path = os.path.join(folder.path, name)
        if not is_text(path):
            folder.problems[name] = no_text(path)
            return None
        return self._track(watch, path, None)

    def _drop(self, file: Tracked) -> None:
        """Watch a file no longer."""
        if file.folder.files.get(file.name) is file:
            del file.folder.files[file.name]
            self.count -= 1
            self._judge.forget(file)
            for target in file.targets:
                folder = self._folders.get(os.path.dirname(target))
                if folder is not None:
                    self._unlink(folder, os.path.basename(target), file)

    def _leave(self, watch: Watch, folders: list[Folder]) -> None:
        """A watcher has nothing in these folders any more."""
        for folder in folders:
            mine = [file for file in folder.files.values() if file.watch is watch]
            for file in mine:
                self._drop(file)
            self._exit(folder, watch)
            if mine and folder.feeds:
                self._due(folder, 0)
            self._forget_if_idle(folder)

    def _folder(self, path: str, watch: Watch) -> Folder:
        folder = self._folders.get(path)
        if folder is None:
            folder = self._folders[path] = Folder(path)
            self._due(folder, 0)
        folder.interval = min(folder.interval, watch.interval)
        return folder

    def _enter(self, path: str, watch: Watch) -> None:
        """Look for a feed's files in a folder."""
        folder = self._folder(path, watch)
        if watch not in folder.feeds:
            folder.add_feed(watch)
            self._entered.setdefault(watch.id, set()).add(folder)
            self._due(folder, 0)

    def _exit(self, folder: Folder, watch: Watch) -> None:
        """Look for a feed's files in a folder no longer."""
        if watch in folder.feeds:
            folder.feeds.remove(watch)
        self._entered.get(watch.id, set()).discard(folder)
        self._judge.unbar(watch, folder.path)

    def _forget_if_idle(self, folder: Folder) -> None:
        """Let go of a folder in which nothing is watched."""
        if not folder.is_needed and self._folders.get(folder.path) is folder:
            del self._folders[folder.path]
            self._cost -= folder.cost
            self._urgent.discard(folder)
            self._hints.forget(folder.path)
            self._ways.forget(folder)

    # Scans.

    def _due(self, folder: Folder, due: float) -> None:
        folder.due = due
        if not due:
            self._urgent.add(folder)
        heapq.heappush(self._scans, (due, next(self._number), folder))

    def _lap(self) -> float:
        """The seconds of CPU that this thread took since this was asked last."""
        before, self._counted = self._counted, time.thread_time()
        return self._counted - before

    def _begin_scan(self) -> bool:
        now = time.monotonic()
        while self._scans and self._scans[0][0] <= now:
            due, _, folder = heapq.heappop(self._scans)
            if folder.due == due and self._folders.get(folder.path) is folder:
                folder.due = now  # what is asked for from now on is another scan
                self._scanned, self._scan = folder, self._scanning(folder)
                return True
        return False

    def _end_scan(self) -> None:
        folder, self._scan, self._scanned = self._scanned, None, None
        spent, self._spent = self._spent + self._lap(), 0.0
        if folder is None:
            return
        if self._folders.get(folder.path) is not folder:
            self._judge.advance(folder.feeds)
            return
        bar = self._judge.bar if folder.refused and folder.present else self._judge.unbar
        for watch in folder.feeds:
            bar(watch, folder.path)
        self._cost += spent - folder.cost
        folder.cost, folder.scanned = spent, True
        if folder.present and (folder.files or folder.feeds):
            self._checks[folder.path] = FolderCheck(last_check=clock.now(), polled=folder.polled, reason=folder.reason)
        self._telling.tell(folder)
        if folder.due:
            self._urgent.discard(folder)
            if folder.interval < float("inf") and not self.once:  # otherwise it is looked at when events tell
                self._due(folder, folder.next_scan(time.monotonic(), self._cost))
        for path in itertools.chain.from_iterable(list(folder.awaited.values())):
            self.rescan(path)
        self._judge.advance(list(folder.feeds))
        self._forget_if_idle(folder)

    def _scanning(self, folder: Folder) -> Iterator[None]:
        """Look at every file of a folder, a few at a time."""
        folder.interval = min((watch.interval for watch in folder.watches()), default=float("inf"))
        seen: set[str] = set()
        folder.refused, folder.problems = None, {}
        with contextlib.ExitStack() as stack:
            entries = self._list(folder, stack)
            try:
                for number, entry in enumerate(entries):
                    self._see(folder, entry, seen)
                    if not number % _STEP:
                        yield
            except OSError as error:  # of a network's folder; what is known there is looked at by name
                folder.refused = f"{folder.path}: {os_reason(error)}; it is tried again once an interval."
        rest = [file for name, file in folder.files.items() if name not in seen]
        rest += itertools.chain.from_iterable(folder.links.values())
        for number, file in enumerate(rest):
            if file.targets:
                self._link(file)
            self._judge.look(file)
            if not number % _STEP:
                yield

    def _list(self, folder: Folder, stack: contextlib.ExitStack) -> "Iterable[os.DirEntry[str]]":
        """The names in a folder that feeds have files in; what else is watched there is known by name."""
        entries: Iterable[os.DirEntry[str]] = ()
        try:
            # Events are asked for first, so that nothing falls between them and the look.
            self._ways.mind_links(folder)
            folder.polled = self._polling.ask_for_events(folder, wanted=not self.once)
            self._ways.found(folder)
            entries = stack.enter_context(os.scandir(folder.path)) if folder.feeds else ()
        except (FileNotFoundError, NotADirectoryError):
            folder.present = False
            if not folder.files:  # of a feed, what is below its root is found again when it is there again
                for watch in [watch for watch in folder.feeds if watch.feed and watch.feed.root != folder.path]:
                    self._exit(folder, watch)
            folder.refused = f"{folder.path}: no such folder; it is watched as soon as it is there."
            if folder.files or folder.feeds or folder.links:
                self._ways.wait_for(folder)
        except OSError as error:
            folder.refused = f"{folder.path}: {os_reason(error)}; it is tried again once an interval."
        return entries

    def _see(self, folder: Folder, entry: "os.DirEntry[str]", seen: set[str]) -> None:
        """Look at one name of a folder that feeds have files in."""
        file = folder.files.get(entry.name)
        if file is None and entry.is_dir(follow_symlinks=False):
            self._see_folder(folder, entry.path)
            return
        file = file or self._take(folder, entry.name)
        if file is not None and not file.targets:
            seen.add(entry.name)
            self._judge.look(file)

    def _see_folder(self, above: Folder, path: str) -> None:
        """Look into a folder in one that feeds have files in, if they want to; and at it, if it was known."""
        if path not in self._folders and (os.path.islink(path) or not os.path.isdir(path)):
            return
        if not is_text(path):
            if any(watch.feed and watch.feed.enters(path) for watch in above.feeds):
                above.problems[os.path.basename(path)] = no_text(path)
            return
        for watch in above.feeds:
            if watch.feed and watch.feed.enters(path):
                self._enter(path, watch)


_END = object()
