"""Reading versions back while another process prunes them."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from csv_manager import open_store
from csv_manager.core.errors import VersionNotFoundError
from csv_manager.plugins.csv_history_plugin.verifying import find_problem

if TYPE_CHECKING:
    from conftest import Cli

    from csv_manager.pipeline.store import Store

ROWS = [f"{number},{number * 7919 % 100_003}\n" for number in range(200_000)]
#: Each is stored as a delta to the one before, and is more than one block.
CONTENTS = ["".join(["id,v\n", *ROWS[:place], f"{place},new\n", *ROWS[place + 1 :]]) for place in (5, 6, 7)]


@pytest.fixture
def store(cli: "Cli", monkeypatch: pytest.MonkeyPatch) -> Any:
    cli.write("data.csv", CONTENTS[0])
    cli("csv_watcher_add", "data.csv")
    for content in CONTENTS[1:]:
        cli.write("data.csv", content)
        cli("csv_watch", "--once")
    monkeypatch.setenv("CSV_MANAGER_HOME", str(cli.home))
    with open_store() as opened:
        yield opened


def stored(store: "Store", sha256: str) -> Path:
    """The file that holds a content."""
    (found,) = (
        path for path in store.archive.folder.glob(f"objects/{sha256[:2]}/{sha256[2:]}.*") if path.suffix != ".slots"
    )
    return found


def test_a_version_that_comes_back_is_no_problem(store: "Store", cli: "Cli") -> None:
    file = store.file(cli.folder / "data.csv")
    for version in file.versions():
        read: list[int] = []
        assert find_problem(file, version, read.append) is None
        assert sum(read) == version.size


def test_a_version_that_was_pruned_is_told_as_such(store: "Store", cli: "Cli") -> None:
    file = store.file(cli.folder / "data.csv")
    gone, _, kept = reversed(file.versions())
    store.prune([(file, [1, 2])])
    read: list[int] = []
    with pytest.raises(VersionNotFoundError):
        find_problem(file, gone, read.append)
    assert sum(read) == gone.size
    assert find_problem(file, kept, read.append) is None


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_version_that_is_read_while_others_are_pruned_is_no_problem(store: "Store", cli: "Cli", number: int) -> None:
    file = store.file(cli.folder / "data.csv")
    assert stored(store, file.version(3).sha256).suffix == ".delta"
    read: list[int] = []

    def done(count: int) -> None:
        if not read:
            store.prune([(file, [1, 2])])
        read.append(count)

    version = file.version(number)
    with contextlib.suppress(VersionNotFoundError):
        assert find_problem(file, version, done) is None
    assert sum(read) == version.size
    assert stored(store, file.version(3).sha256).suffix == ".zst"


def test_what_is_damaged_is_a_problem_until_it_is_pruned(store: "Store", cli: "Cli") -> None:
    file = store.file(cli.folder / "data.csv")
    version = file.version(1)
    path = stored(store, version.sha256)
    for copy in (path, *store.archive.folder.glob(f"copies/**/{path.name}")):
        copy.unlink()
    read: list[int] = []
    problem = find_problem(file, version, read.append)
    assert problem is not None
    assert str(path) in problem
    assert sum(read) == version.size
    store.prune([(file, [1])])
    with pytest.raises(VersionNotFoundError):
        find_problem(file, version, read.append)
