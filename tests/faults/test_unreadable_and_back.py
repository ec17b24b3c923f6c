"""A file that cannot be read for a while, for whatever reason: what it holds then is recorded once it can."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from verdicts import SCALE, SETTLE, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = takes_its_time

#: Makes a file unreadable, and with a new content; returns what makes it readable again.
Forbid = Callable[[Path, bytes], Callable[[], object]]


def forbid_the_file(path: Path, content: bytes) -> Callable[[], object]:
    """A new file that nobody may read, in place of the old one."""
    beside = path.with_name("new")
    beside.write_bytes(content)
    beside.chmod(0)
    beside.rename(path)
    return lambda: path.chmod(0o600)


def forbid_the_folder(path: Path, content: bytes) -> Callable[[], object]:
    """A folder that nobody may look into, with a new file in it."""
    folder, beside = path.parent, path.parent.with_name("new")
    beside.mkdir()
    (beside / path.name).write_bytes(content)
    beside.chmod(0)
    folder.rename(folder.with_name("old"))
    beside.rename(folder)

    def allow() -> None:
        folder.chmod(0o700)
        (folder.with_name("old") / path.name).unlink()
        folder.with_name("old").rmdir()

    return allow


def become_a_folder(path: Path, content: bytes) -> Callable[[], object]:
    """A folder of the same name; later it is a file again."""
    path.unlink()
    path.mkdir()

    def back() -> None:
        path.rmdir()
        path.write_bytes(content)

    return back


def become_a_pipe(path: Path, content: bytes) -> Callable[[], object]:
    """A named pipe, which would wait to be opened."""
    path.unlink()
    os.mkfifo(path)

    def back() -> None:
        path.unlink()
        path.write_bytes(content)

    return back


def link_to_nowhere(path: Path, content: bytes) -> Callable[[], object]:
    """A link without a target in place of the file."""
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))

    def back() -> None:
        path.unlink()
        path.write_bytes(content)

    return back


WAYS = {
    "unreadable": (forbid_the_file, forbid_the_folder, become_a_folder, become_a_pipe),
    "missing": (link_to_nowhere,),
}


@pytest.mark.parametrize(("state", "forbid"), [(state, way) for state, ways in WAYS.items() for way in ways])
def test_what_could_not_be_read_is_recorded_once_it_can(
    cli: "Cli", judge: Any, service: Any, ledger: Any, contents: Any, until: Any, state: str, forbid: Forbid
) -> None:
    account = judge("unreadable, and readable again")
    made = contents(2 * SCALE.rounds + 1, 100)
    path = cli.write("folder/data.csv", made[0])
    account.note(path, made[0])
    cli("csv_watcher_add", path, "--settle", SETTLE, "-i", "1")
    with cli.within_rights():
        running = service()
    for number in range(1, 2 * SCALE.rounds + 1, 2):
        allow = forbid(path, made[number])
        until(lambda: ledger.state(path) == state, f"the file to be {state}")
        account.write(path, made[number], lambda *_, allow=allow: allow())
        account.write(path, made[number + 1])
    assert ledger.state(path) == "ok"
    assert running.stop() == 0
    account.check(settled=len(made))
