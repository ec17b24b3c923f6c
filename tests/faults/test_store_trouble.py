"""A store that cannot be written to for a while: what was written meanwhile is recorded once it can."""

import contextlib
import hashlib
import os
import random
import resource
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import pytest
from verdicts import SCALE, SETTLE, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli, Service

pytestmark = takes_its_time

#: The threads that record.
WORKERS = 4
FILES = 8
#: Bytes that a file may grow to while there is no room: none, or so many that a write ends in its middle.
ROOM = (0, 1000, 20_000)


def mount(folder: Path) -> bool:
    """Put a small file system in memory in place of a folder, if that is allowed here."""
    size = f"size={4 + SCALE.rounds}m"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def unmount(folder: Path) -> None:
    """Have the folder back."""
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def can_mount() -> bool:
    """Whether a file system may be mounted here: by root outside of most containers."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = os.geteuid() == 0 and mount(Path(folder))
        if mounted:
            unmount(Path(folder))
    return mounted


#: What there may be too little room on: files of a size, on every machine, and a real small disk where that can be had.
DISKS = (*ROOM, *(["small disk"] if can_mount() else []))


@contextlib.contextmanager
def limited(running: "Service", size: int) -> Iterator[None]:
    """A running service can write no file of more than `size` bytes, until the end."""
    _, most = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, most))
    yield
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (most, most))


@contextlib.contextmanager
def filled(ballast: Path) -> Iterator[None]:
    """A file takes all the room that is left, until the end."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 512)
    yield
    ballast.unlink()


@pytest.fixture
def without_room(request: pytest.FixtureRequest, cli: "Cli") -> Iterator[Callable[["Service"], Any]]:
    """`without_room(running)`: a context in which a running service has no room."""
    if isinstance(request.param, int):
        yield lambda running: limited(running, request.param)
        return
    cli.home.mkdir()
    assert mount(cli.home)
    yield lambda _running: filled(cli.home / "ballast")
    unmount(cli.home)


@pytest.mark.parametrize("without_room", DISKS, indirect=True)
def test_what_is_written_while_there_is_no_room_is_recorded_once_there_is(
    cli: "Cli", without_room: Any, judge: Any, service: Any, contents: Any, check_changes: Any
) -> None:
    account = judge("no room on the disk, and room again")
    made = contents(FILES * (SCALE.rounds + 1), 4000)
    paths = [cli.folder / f"{number}.csv" for number in range(FILES)]
    histories = {path: made[number::FILES] for number, path in enumerate(paths)}
    for path, history in histories.items():
        path.write_bytes(history[0])
        account.note(path, history[0])
    cli("csv_watcher_add", cli.folder, "--settle", SETTLE, "-i", "1")
    running = service()
    for turn in range(1, SCALE.rounds + 1):
        told = len(running.said)
        with without_room(running):
            for path, history in histories.items():
                account.put(path, history[turn])
            running.wait(lambda told=told: any("is failing" in line for line in running.said[told:]), "a failure")
        account.wait()
    assert running.stop() == 0
    account.check(settled=len(made))
    for path, history in histories.items():
        check_changes(path, history)


@contextlib.contextmanager
def locked(store: Path) -> Iterator[None]:
    """Another program writes to the store for long."""
    with contextlib.closing(sqlite3.connect(store, timeout=120, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def test_what_is_written_while_the_store_is_locked_is_recorded_afterwards(
    cli: "Cli", judge: Any, service: Any, contents: Any, chance: random.Random
) -> None:
    account = judge("the store locked by another process")
    made = contents(2 * FILES + 1, 200)
    paths = [cli.folder / f"{number}.csv" for number in range(FILES)]
    for path in paths:
        account.note(path, made[0])
        path.write_bytes(made[0])
    cli("csv_watcher_add", cli.folder, "--settle", SETTLE, "-i", "1")
    running = service()
    with locked(cli.home / "watcher_db.db"):
        released = time.monotonic() + SCALE.locked
        for number, path in enumerate(paths[1:], 1):
            account.put(path, made[number])
            # What is replaced while nobody can write it down need not be recorded: this file changes all the time.
            account.note(paths[0], made[FILES + number], may=True)
            paths[0].write_bytes(made[FILES + number])
            time.sleep(chance.uniform(0, SCALE.locked / FILES))
        account.put(paths[0], made[-1])
        time.sleep(max(0, released - time.monotonic()))
    account.wait()
    assert running.stop() == 0
    account.check(settled=2 * FILES)


def test_a_lock_that_is_held_for_long_holds_up_no_other_files(
    cli: "Cli", judge: Any, service: Any, contents: Any, ledger: Any, until: Any
) -> None:
    account = judge("the store locked by another process")
    before, after = contents(2, 100)
    paths = [cli.write(f"{number}.csv", before) for number in range(200)]
    for path in paths:
        account.note(path, before)
    cli("csv_watcher_add", cli.folder, "--settle", SETTLE, "-i", "1")
    busy = max((cli.home / "archive" / "locks").iterdir(), key=lambda lock: len(sharing(lock, paths)))
    held = sharing(busy, paths)
    assert len(held) > WORKERS
    running = service()
    with filelock.FileLock(busy):
        for path in paths:
            account.put(path, after)
        changed = hashlib.sha256(after).hexdigest()
        wanted = {(str(path.resolve()), changed) for path in set(paths) - set(held)}
        until(lambda: wanted <= ledger.newest(), "the files that do not share the lock")
        assert ledger.newest() & {(str(path.resolve()), changed) for path in held} == set()
    account.wait()
    assert running.stop() == 0
    account.check(settled=2 * len(paths))


def sharing(lock: Path, paths: list[Path]) -> list[Path]:
    """The files that a lock is of."""
    return [path for path in paths if hashlib.sha256(str(path.resolve()).encode()).digest()[0] % 64 == int(lock.stem)]
