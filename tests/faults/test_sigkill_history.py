"""SIGKILL while versions are put back, forgotten, or stored as deltas: what is listed comes back byte for byte."""

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from killing import Killer, sha

from csv_manager.core.feeds import Feed
from csv_manager.core.model import WatcherOptions

if TYPE_CHECKING:
    from conftest import Cli

    from csv_manager.pipeline.store import Store

Write = Callable[[Path, bytes], None]

#: Rows of a content of more than 64 KB: it is stored as a delta to the one before, if little of it changed.
ROWS = 9_000
#: How many versions a prune keeps.
KEPT = 2
#: How many times a command is killed at random.
SHOTS = 8


class History:
    """A file and its versions, recorded and read in this process."""

    def __init__(self, cli: "Cli", open_store: Callable[..., "Store"], name: str) -> None:
        self._cli = cli
        self._open_store = open_store
        self.path = cli.folder.resolve() / name

    def record(self, *contents: bytes, home: Path | None = None) -> None:
        """Let the file hold these contents one after the other, each recorded; a new file is watched from then on."""
        for data in contents:
            self.path.write_bytes(data)
            with self._open_store(home) as store:
                store.recorder.record(
                    str(self.path), WatcherOptions(settle=0.1), store_watcher=store.find(str(self.path)) is None
                )

    def versions(self, home: Path | None = None) -> dict[int, bytes]:
        """The bytes of each version that is listed, by its number, in order."""
        with self._open_store(home) as store:
            file = store.file(self.path)
            found = {}
            for version in file.versions()[::-1]:
                with file.open(version.number) as content:
                    found[version.number] = content.read()
            return found

    def check_stored(self) -> None:
        """Check that all that is stored comes back, with a version or without: it may be needed again."""
        with self._open_store() as store:
            for sha256 in store.archive.contents():
                with store.archive.open(sha256) as content:
                    assert sha(content.read()) == sha256

    def check_recording(self, *contents: bytes) -> None:
        """Check that these contents are recorded byte for byte, in a copy of the home; this one stays as it is."""
        now, before = self.path.read_bytes(), self.versions()
        home = self._cli.home.with_name("copy")
        shutil.copytree(self._cli.home, home)
        self.record(*contents, home=home)
        assert self.versions(home) == before | dict(enumerate(contents, max(before) + 1))
        shutil.rmtree(home)
        self.path.write_bytes(now)


@pytest.fixture
def begin(cli: "Cli", open_store: Callable[..., "Store"]) -> Callable[[str], History]:
    """`begin(name)`: the history of a file."""
    return lambda name: History(cli, open_store, name)


@pytest.fixture
def history(begin: Callable[[str], History]) -> History:
    return begin("data.csv")


def numbered(contents: list[bytes]) -> dict[int, bytes]:
    return dict(enumerate(contents, 1))


def last(count: int, versions: dict[int, bytes]) -> dict[int, bytes]:
    return dict(list(versions.items())[-count:])


def objects(cli: "Cli") -> Counter[str]:
    """How many files of each kind the archive has."""
    return Counter(path.suffix for path in (cli.home / "archive" / "objects").glob("*/*"))


def check_restored(history: History, old: bytes, whole: list[bytes]) -> None:
    """Check what a killed restore left: at most `whole` is recorded, of which the last one is what it puts back.

    The file is the old one or the new one, and the new one only if the old one is a version. What else lies beside it
    is hidden, and nothing that a folder or a glob stands for.
    """
    held, versions, path = history.path.read_bytes(), history.versions(), history.path
    assert held in (old, whole[-1])
    assert versions == numbered(whole[: len(versions)])
    assert len(versions) >= len(whole) - (1 if held == whole[-1] else 2)
    beside = set(os.listdir(path.parent)) - {path.name}
    assert all(name.startswith(f".{path.name}.") and name.endswith(".tmp") for name in beside)
    folder = os.path.realpath(path.parent)
    assert list(Feed(root=folder).files()) == list(Feed(root=folder, pattern=("*",)).files()) == [str(path)]


@pytest.mark.slow
def test_a_restore_killed_before_any_of_its_changes_leaves_the_old_file_or_the_new_one(
    cli: "Cli", ledger: Any, killer: Killer, contents: Any, history: History
) -> None:
    first, second, unrecorded = contents(3, ROWS)
    history.record(first, second)
    history.path.write_bytes(unrecorded)
    whole = [first, second, unrecorded, first]
    changes = []
    for change in killer.each_change("csv_history_restore", "data.csv", 1, "--yes"):
        changes.append(change)
        check_restored(history, unrecorded, whole)
        is_back = history.path.read_bytes() == first
        if len(changes) % 2:
            cli("csv_watch", "--once")
            assert history.versions() == numbered(whole[: 4 if is_back else 3])
        if not (len(changes) % 2 and is_back):
            cli("csv_history_restore", "data.csv", 1, "--yes")
        assert history.path.read_bytes() == first
        assert history.versions() == numbered(whole)
        assert ledger.kept() == sorted(map(sha, whole[:3]))
    assert [cli.export("data.csv", number) for number in (1, 2, 3, 4)] == whole
    cli("csv_history_verify")
    assert changes.count("commit") >= 2
    assert "rename to files/data.csv" in changes
    assert sum(change.startswith("write files/.data.csv.") for change in changes) >= 2


@pytest.mark.slow
def test_restores_killed_at_random_lose_no_version_and_record_none_twice(
    cli: "Cli", ledger: Any, killer: Killer, chance: random.Random, contents: Any, history: History, check_changes: Any
) -> None:
    expected, *edits = ([data] for data in contents(SHOTS + 1, ROWS))
    history.record(*expected)
    for [data] in edits:
        history.path.write_bytes(data)
        number = chance.randint(1, len(expected))
        restore = "csv_history_restore", "data.csv", number, "--yes"
        whole = [*expected, data, expected[number - 1]]
        killer.kill(killer.start(*restore), sha(data))
        check_restored(history, data, whole)
        cli(*restore)
        expected = whole
        assert history.versions() == numbered(expected)
    print(dict(killer.shots))  # noqa: T201 - pytest shows it where the test fails
    assert ledger.kept() == sorted(set(map(sha, expected)))
    assert [version for version, _ in ledger.outbox()] == list(numbered(expected))
    assert cli.export("data.csv", len(expected) - 1) == expected[-2]
    check_changes(history.path, expected)


@pytest.mark.slow
def test_a_prune_killed_before_any_of_its_changes_leaves_what_is_listed_and_the_next_finishes_it(
    cli: "Cli", ledger: Any, killer: Killer, chance: random.Random, contents: Any, history: History, begin: Any
) -> None:
    expected = contents(7, ROWS)
    other = b"a\n1\n", b"a\n2\n", b"a\n3\n"
    begin("other.csv").record(*other)
    history.record(*expected)
    # A keyframe and three deltas are forgotten, and the keyframe that the first version to stay is a delta to.
    assert objects(cli) == {".zst": 5, ".delta": 5, ".slots": 1}
    kept = last(KEPT, numbered(expected))
    changes = []
    for change in killer.each_change("csv_history_prune", "data.csv", "--keep", KEPT, "--yes"):
        changes.append(change)
        assert history.versions() in (numbered(expected), kept)
        cli("csv_history_verify")
        history.check_stored()
        # What was forgotten may come again, half removed as it is.
        history.check_recording(*chance.sample(expected[:-KEPT], len(expected) - KEPT))
        cli("csv_history_prune", "data.csv", "--keep", KEPT, "--yes")
        assert history.versions() == kept
        assert ledger.kept() == sorted(map(sha, [*kept.values(), *other]))
        assert objects(cli) == {".zst": 4, ".delta": 1, ".slots": 1}
    cli("csv_history_verify")
    assert {number: cli.export("data.csv", number) for number in kept} == kept
    assert changes[0] == "commit"
    rewritten = f"home/archive/objects/{sha(expected[-KEPT])[:2]}/{sha(expected[-KEPT])[2:]}"
    copied = rewritten.replace("/objects/", "/copies/")
    order = [f"rename to {rewritten}.zst", f"rename to {copied}.zst", f"remove {copied}.delta"]
    assert [change for change in changes if change in order] == order
    removed = changes[changes.index(order[-1]) + 1 : -1]
    assert removed[0] == f"remove {rewritten}.delta"
    kinds = Counter((change.split("/")[2], change.rpartition(".")[2]) for change in removed[1:])
    assert kinds == {("objects", "delta"): 3, ("objects", "zst"): 2, ("copies", "delta"): 3, ("copies", "zst"): 2}


@pytest.mark.slow
def test_prunes_killed_at_random_leave_what_is_listed_and_the_last_one_finishes_them(
    cli: "Cli", ledger: Any, killer: Killer, contents: Any, history: History
) -> None:
    edits = contents(3 * SHOTS, ROWS)
    prune = "csv_history_prune", "data.csv", "--keep", KEPT, "--yes"
    for shot in range(SHOTS):
        history.record(*edits[3 * shot : 3 * shot + 3])
        listed = history.versions()
        process = killer.start(*prune)
        if shot % 2:
            killer.kill_after(process, lambda: True, 0.8)
        else:
            killer.kill_after(process, lambda: len(ledger.contents()) == KEPT, 0.02)
        assert history.versions() in (listed, last(KEPT, listed))
        cli("csv_history_verify")
    history.record(b"the,last\n")
    cli(*prune)
    kept = last(KEPT, numbered([*edits, b"the,last\n"]))
    assert history.versions() == {number: cli.export("data.csv", number) for number in kept} == kept
    assert ledger.kept() == sorted(map(sha, kept.values()))
    assert set(objects(cli)) <= {".zst", ".slots"}


@pytest.mark.slow
def test_a_delta_killed_before_any_change_on_its_way_is_recorded_once_all_the_same(
    cli: "Cli", ledger: Any, killer: Killer, contents: Any, history: History, check_changes: Any
) -> None:
    *expected, another = contents(5, ROWS)
    history.record(*expected[:3])
    history.path.write_bytes(expected[3])
    changes = []
    for change in killer.each_change("csv_watch", "--once"):
        changes.append(change)
        recorded = history.versions()
        assert recorded in (numbered(expected[:3]), numbered(expected))
        history.check_stored()
        # What was kept without its version may come later, or earlier contents may.
        history.check_recording(another, expected[3], expected[2])
        cli("csv_watch", "--once")
        assert history.versions() == numbered(expected)
        assert ledger.kept() == sorted(map(sha, expected))
        assert [version for version, _ in ledger.outbox()] == [1, 2, 3, 4]
        assert objects(cli)[".delta"] == 3
        history.check_recording(expected[0], another)
    check_changes(history.path, expected)
    cli("csv_history_verify")
    kept = f"rename to home/archive/objects/{sha(expected[3])[:2]}/{sha(expected[3])[2:]}"
    told = changes[changes.index(f"{kept}.delta") :]
    assert f"{kept}.slots" in told[: told.index("commit")]


@pytest.mark.slow
def test_deltas_killed_at_random_lose_no_version_and_record_none_twice(
    cli: "Cli",
    ledger: Any,
    killer: Killer,
    chance: random.Random,
    contents: Any,
    write: Write,
    history: History,
    check_changes: Any,
) -> None:
    expected = contents(SHOTS + 2, ROWS)
    history.record(expected[0])
    for number, data in enumerate(expected[1:], 2):
        write(history.path, data)
        killer.kill(killer.start("csv_watch", "--once"), sha(data))
        while sha(data) not in ledger.contents():
            process = killer.start("csv_watch", "--once")
            if chance.random() < 0.25:
                killer.kill(process, sha(data))
            else:
                assert process.wait() == 0
                assert sha(data) in ledger.contents()
        assert history.versions() == numbered(expected[:number])
    print(dict(killer.shots))  # noqa: T201 - pytest shows it where the test fails
    cli("csv_watch", "--once")
    assert ledger.contents() == [sha(data) for data in expected]
    assert ledger.kept() == sorted(map(sha, expected))
    assert objects(cli)[".delta"]
    assert objects(cli)[".zst"] > 1
    check_changes(history.path, expected)
    cli("csv_history_verify")


def lose(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    os.truncate(path, 0)


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [lose, empty, halve, spoil])
def test_recording_goes_on_where_the_digests_of_the_last_version_are_damaged(
    cli: "Cli", contents: Any, history: History, check_changes: Any, damage: Callable[[Path], None]
) -> None:
    expected = contents(4, ROWS)
    history.record(*expected[:2])
    [slots] = (cli.home / "archive" / "objects").glob("*/*.slots")
    damage(slots)
    history.path.write_bytes(expected[2])
    cli("csv_watch", "--once")
    history.record(expected[3])
    # The third version could be no delta, the fourth is one to it.
    assert objects(cli) == {".zst": 2, ".delta": 2, ".slots": 1}
    check_changes(history.path, expected)
    cli("csv_history_verify")
