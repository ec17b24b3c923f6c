"""A watched file whose folder is deleted, moved away or made again: its history goes on where it was."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from verdicts import SCALE, SETTLE, Account, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli, Service

pytestmark = takes_its_time

SCENARIO = "a folder deleted or moved away, and there again"
#: Leaves the folder of a file away, and says how to have it back.
Leave = Callable[[Path], Callable[[], object]]


def delete(path: Path) -> Callable[[], object]:
    shutil.rmtree(path.parent)
    return path.parent.mkdir


def delete_the_parent(path: Path) -> Callable[[], object]:
    shutil.rmtree(path.parent.parent)
    return lambda: path.parent.mkdir(parents=True)


def delete_the_file(path: Path) -> Callable[[], object]:
    path.unlink()
    return lambda: None


def move(path: Path) -> Callable[[], object]:
    away = path.parent.with_name("away")
    path.parent.rename(away)
    return lambda: away.rename(path.parent)


def move_the_parent(path: Path) -> Callable[[], object]:
    away = path.parent.parent.with_name("moved")
    path.parent.parent.rename(away)
    return lambda: away.rename(path.parent.parent)


WAYS: tuple[Leave, ...] = (delete, delete_the_parent, delete_the_file, move, move_the_parent)


class Scene:
    """A file for each way, in a folder in a folder, all watched by one service."""

    def __init__(self, cli: "Cli", account: Account, service: Any, ledger: Any, until: Any, made: list[bytes]) -> None:
        self.account = account
        self._ledger = ledger
        self._until = until
        self._made = iter(made)
        self.content = next(self._made)
        self.paths = {cli.write(f"{way.__name__}/inner/data.csv", self.content): way for way in WAYS}
        for path in self.paths:
            account.note(path, self.content)
        cli("csv_watcher_add", *self.paths, "--settle", SETTLE, "-i", "1")
        self.running: Service = service()

    def leave(self, path: Path) -> None:
        """Have the file away for a moment."""
        self.paths[path](path)()

    def leave_until_missed(self) -> None:
        """Have every file away until the service has seen it."""
        ways_back = [leave(path) for path, leave in self.paths.items()]
        self.wait_state("missing")
        for come_back in ways_back:
            come_back()

    def bring_back(self, path: Path) -> None:
        """See that a file is there again with the same content, which is no version."""
        if not path.exists():
            path.write_bytes(self.content)

    def edit(self, how: Callable[[Path, bytes], object] = Path.write_bytes) -> None:
        """Write a new content to every file, and wait for its version."""
        self.content = next(self._made)
        for path in self.paths:
            self.account.put(path, self.content, how)
        self.account.wait()

    def wait_state(self, state: str) -> None:
        """Wait until the service has seen that every file is there, or that none is."""

        def seen() -> bool:
            return {self._ledger.state(path) for path in self.paths} == {state}

        self._until(seen, f"every file to be {state}")

    def check(self) -> None:
        """Nothing was lost, doubled or wrong."""
        assert self.running.stop() == 0
        self.account.check(settled=len(WAYS) * (3 * SCALE.rounds + 1))


@pytest.fixture
def scene(cli: "Cli", judge: Any, service: Any, ledger: Any, contents: Any, until: Any) -> Scene:
    return Scene(cli, judge(SCENARIO), service, ledger, until, contents(3 * SCALE.rounds + 1, 100))


def test_files_that_were_missed_go_on_with_their_histories(scene: Scene, write: Any) -> None:
    for _ in range(SCALE.rounds):
        scene.leave_until_missed()
        for path in scene.paths:
            scene.bring_back(path)
        scene.wait_state("ok")
        scene.edit(write)
        scene.leave_until_missed()
        scene.edit()
        scene.edit(write)
    scene.check()


def test_files_that_were_away_for_a_moment_go_on_with_their_histories(scene: Scene, write: Any) -> None:
    for _ in range(SCALE.rounds):
        for path in scene.paths:
            scene.leave(path)
            scene.bring_back(path)
        scene.edit(write)
        for path in scene.paths:
            scene.leave(path)
        scene.edit()
        scene.edit(write)
    scene.check()
