"""The watching service on real files, with the operating system's events, without them, and where it refuses them."""

import contextlib
import ctypes
import errno
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers import inotify_c

from csv_manager.core.feeds import Feed
from csv_manager.core.model import Signature
from csv_manager.watch import Known, Processed, Watch, WatchService, hints

DEADLINE = 120
#: A scan that nobody lives to see: what is noticed was told by an event.
NEVER = 3600.0


class Watching:
    """A service, with what it was told to process and what it said of states."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.states: list[tuple[str, str]] = []
        self._changed = threading.Condition()
        self.service = WatchService(self._process, self._observe, self._observe_folder)

    def feed(self, folder: Path, interval: float = NEVER, **options: bool) -> None:
        feed = Feed(root=str(folder), recursive=options.pop("recursive", False))
        self.service.add(
            Watch(id="feed", path=str(folder), interval=interval, settle=0.02, max_wait=60, feed=feed, **options), {}
        )

    def file(self, path: Path, interval: float = NEVER, known: Signature | None = None) -> None:
        watch = Watch(id=str(path), path=str(path), interval=interval, settle=0.02, max_wait=60)
        self.service.add(watch, {str(path): Known(signature=known)} if known else {})

    def start(self) -> None:
        self.service.start()
        assert self.service.wait_at_rest(DEADLINE)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE), f"waited in vain for {what}: {self.read} {self.states}"

    def wait_read(self, path: Path, times: int = 1) -> None:
        self.wait(lambda: self.read.count(str(path)) >= times, f"{path} being read")

    def _process(self, path: str, _watch: str, _settled: Signature | None) -> Processed:
        signature = Signature.of(os.stat(path))
        with self._changed:
            self.read.append(path)
            self._changed.notify_all()
        return Processed(signature=signature)

    def _observe(self, path: str, _watch: str, state: str, _reason: str | None) -> None:
        with self._changed:
            self.states.append((path, state))
            self._changed.notify_all()

    def _observe_folder(self, path: str, state: str, reason: str | None) -> None:
        self._observe(path, "", state, reason)


@pytest.fixture
def watching() -> Iterator[Watching]:
    made = Watching()
    with contextlib.closing(_Closing(made)):
        yield made


class _Closing:
    def __init__(self, watching: Watching) -> None:
        self._watching = watching

    def close(self) -> None:
        self._watching.service.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = Path(os.path.realpath(tmp_path)) / "in"
    path.mkdir()
    return path


def write(path: Path, content: str = "a\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """Let a system call of inotify fail."""

    def refused(*_: object) -> int:
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(inotify_c, call, refused)


def test_events_tell_of_new_and_changed_files_at_once(watching: Watching, folder: Path) -> None:
    first = write(folder / "a.csv")
    watching.feed(folder)
    watching.start()
    assert watching.read == [str(first)]
    second = write(folder / "b.csv")
    watching.wait_read(second)
    write(first, "b\n")
    watching.wait_read(first, 2)


@pytest.mark.parametrize(
    ("call", "number", "words"),
    [
        ("inotify_add_watch", errno.ENOSPC, "max_user_watches"),
        ("inotify_init", errno.EMFILE, "max_user_instances"),
        ("inotify_add_watch", errno.EACCES, "Permission denied"),
    ],
)
def test_where_the_system_refuses_events_files_are_looked_at_each_interval(
    watching: Watching,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    call: str,
    number: int,
    words: str,
) -> None:
    refuse(monkeypatch, call, number)
    first = write(folder / "a.csv")
    watching.feed(folder, interval=0.05)
    watching.start()
    write(first, "b\n")
    watching.wait_read(first, 2)
    watching.wait_read(write(folder / "b.csv"))
    [said] = [record.getMessage() for record in caplog.records]
    assert f"{folder} is scanned once an interval: " in said
    assert words in said
    assert words in (watching.service.take_checks()[str(folder)].polled or "")


@pytest.mark.parametrize("call", ["inotify_add_watch", "inotify_init"])
def test_once_the_system_refuses_no_longer_there_are_events(
    watching: Watching, folder: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(hints, "_AGAIN_SECONDS", 0.1)
    with monkeypatch.context() as patched:
        refuse(patched, call, errno.EMFILE)
        first = write(folder / "a.csv")
        watching.feed(folder, interval=0.05)
        watching.start()
        assert "limit" in (watching.service.take_checks()[str(folder)].polled or "")

    def has_events() -> bool:
        checks = watching.service.take_checks()
        return bool(checks) and checks[str(folder)].polled is None

    for number in itertools.count():
        if has_events():
            break
        write(first, f"{number}\n")
        watching.wait_read(first, number + 2)


def test_a_link_that_leads_elsewhere_just_after_its_folder_s_events_were_asked_for_is_followed(
    watching: Watching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "releases" / number / "a.csv" for number in "12"]
    for path in paths:
        path.parent.mkdir(parents=True)
        write(path)
    link, beside = tmp_path / "current", tmp_path / "next"
    link.symlink_to(paths[0].parent)
    beside.symlink_to(paths[1].parent)
    ask = hints.Hints.watch

    def ask_and_lead_elsewhere(self: hints.Hints, folder: str) -> str | None:
        reason = ask(self, folder)
        if folder == str(link) and beside.is_symlink():
            beside.replace(link)
        return reason

    monkeypatch.setattr(hints.Hints, "watch", ask_and_lead_elsewhere)
    watching.feed(link)
    watching.start()
    before = watching.read.count(str(link / "a.csv"))
    write(paths[1], "b\n")
    watching.wait_read(link / "a.csv", before + 1)


def test_elsewhere_the_observer_of_the_system_tells(
    watching: Watching, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "_source", hints._Observed)
    first = write(folder / "a.csv")
    watching.feed(folder)
    watching.start()
    write(first, "b\n")
    watching.wait_read(first, 2)
    beside = write(folder / ".a.tmp", "c\n")
    beside.replace(first)
    watching.wait_read(first, 3)
    watching.service.stop()
    assert not watching.service.running


def test_after_an_overflow_everything_is_looked_at(watching: Watching, folder: Path) -> None:
    files = [write(folder / f"{number}.csv") for number in range(3)]
    for file in files:
        watching.file(file)
    watching.start()
    # The system's own overflow is among the fault tests; here only what follows from it.
    watching.service._hints._source.forget(str(folder))  # type: ignore[union-attr]
    for file in files:
        write(file, "b\n")
    watching.service.on_overflow()
    for file in files:
        watching.wait_read(file, 2)
    assert watching.service.overflows == 1


def test_a_file_that_is_recorded_is_not_read(watching: Watching, folder: Path) -> None:
    path = write(folder / "a.csv")
    watching.file(path, known=Signature.of(os.stat(path)))
    watching.start()
    assert watching.read == []
    assert watching.service.count == watching.service.count_at_rest() == 1


def test_a_file_that_is_gone_for_a_moment_is_not_missed(watching: Watching, folder: Path) -> None:
    path = write(folder / "a.csv")
    watching.file(path)
    watching.start()
    path.unlink()
    write(path, "b\n")
    watching.wait_read(path, 2)
    assert watching.states == []
    path.unlink()
    watching.wait(lambda: (str(path), "missing") in watching.states, "the file being missed")
    write(path, "c\n")
    watching.wait_read(path, 3)
    assert watching.states == [(str(path), "missing"), (str(path), "ok")]


def test_folders_that_vanish_with_all_above_them_are_seen_again_by_events(watching: Watching, folder: Path) -> None:
    path = write(folder / "x" / "y" / "a.csv")
    watching.file(path)
    watching.start()
    for number in (2, 3):
        shutil.rmtree(folder / "x")
        watching.wait(lambda: watching.states[-1:] == [(str(path), "missing")], "the file being missed")
        write(path, f"{number}\n")
        watching.wait_read(path, number)


def test_what_is_watched_no_longer_is_not_read(watching: Watching, folder: Path) -> None:
    first, second = write(folder / "a.csv"), write(folder / "b.csv")
    watching.file(first)
    watching.file(second)
    watching.start()
    watching.service.remove(str(first))
    write(first, "b\n")
    write(second, "b\n")
    watching.wait_read(second, 2)
    assert watching.service.wait_at_rest(DEADLINE)
    assert watching.read.count(str(first)) == 1
    assert watching.service.count == 1


def test_a_feed_lets_go_of_folders_that_are_gone(watching: Watching, folder: Path) -> None:
    watching.feed(folder, recursive=True)
    watching.start()
    for number in range(3):
        path = write(folder / f"day-{number}" / "a.csv")
        watching.wait_read(path)
        watching.service.forget(str(path))
        shutil.rmtree(path.parent)
    watching.wait_read(write(folder / "last.csv"))
    assert watching.service.wait_at_rest(DEADLINE)
    watching.wait(lambda: set(watching.service._scheduler._folders) == {str(folder)}, "the folders being forgotten")


def test_an_error_in_a_job_ends_nothing(watching: Watching, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder / "a.csv")
    process = watching._process
    failures = iter([ValueError("once")])

    def failing(place: str, watch: str, settled: Signature | None) -> Processed:
        for failure in failures:
            raise failure
        return process(place, watch, settled)

    monkeypatch.setattr(watching.service, "_process", failing)
    watching.file(path)
    watching.service.start()
    watching.wait_read(path)
