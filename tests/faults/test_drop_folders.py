"""Files that are deleted or moved once they are recorded: killed in the middle of it, and two services at once."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from killing import Killer, Process, sha
from verdicts import SCALE, SETTLE, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli

#: The drop folder's names: few, so that a new file often comes under the name of one that is on its way out.
NAMES = ("a.csv", "b.csv", "c.csv")


@pytest.mark.slow
@takes_its_time
@pytest.mark.parametrize("done", ["delete", "move:done"])
def test_a_drop_folder_loses_nothing_to_kills_and_to_two_services(
    cli: "Cli",
    judge: Any,
    killer: Killer,
    chance: random.Random,
    contents: Any,
    write: Callable[[Path, bytes], None],
    until: Any,
    done: str,
) -> None:
    account = judge("a drop folder that two services empty")
    drop = cli.folder / "drop"
    drop.mkdir()
    cli("csv_watcher_add", "drop", "--done", done, "--settle", SETTLE, "--missing-ok")
    made = contents(SCALE.edits, 50)
    services: list[Process] = [killer.start("csv_watch") for _ in range(2)]
    for number, data in enumerate(made):
        path = drop / NAMES[number % len(NAMES)]
        until(lambda path=path: not path.exists(), f"that {path.name} is gone")
        account.put(path, data, write)
        if chance.random() < 0.4:
            killed = chance.randrange(2)
            killer.kill(services[killed], sha(data))
            services[killed] = killer.start("csv_watch")
    account.wait()
    until(lambda: not [name for name in os.listdir(drop) if not name.startswith(".")], "the empty folder")
    for one in services:
        one.terminate()
        assert one.wait() in (0, -signal.SIGTERM)  # it may have begun just now
    account.check(settled=len(made))
    assert os.listdir(drop) == []
    if done != "delete":
        assert Counter(path.read_bytes() for path in (cli.folder / "done").iterdir()) == Counter(made)


#: A drop folder's file, and what is watched of it and how.
DROPS = {
    "a folder": ("drop/a.csv", ("drop",)),
    "a series below it": ("drop/2025/a.csv", ("drop", "-r", "--feed", "series")),
    "a glob": ("drop/2025/a.csv", ("drop/*/*.csv",)),
    "a long name": (f"drop/{'a' * 246}.csv", ("drop",)),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("drop", "done"),
    [
        ("a folder", "delete"),
        ("a folder", "move:done"),
        ("a series below it", "delete"),
        ("a glob", "move:done"),
        ("a long name", "move:done"),
    ],
)
def test_a_check_killed_before_any_of_its_changes_leaves_each_file_somewhere(
    cli: "Cli", ledger: Any, killer: Killer, drop: str, done: str
) -> None:
    name, watched = DROPS[drop]
    cli.write(name, "id\n1\n")
    cli("csv_watcher_add", *watched, "--done", done)
    cli.write(name, b"id\n2\n")
    changes = []
    for change in killer.each_change("csv_watch", "--once"):
        changes.append(change)
        kept = [path.read_bytes() for path in cli.folder.rglob("*") if path.is_file() and path.suffix != ".tmp"]
        recorded = sha(b"id\n2\n") in ledger.contents()
        assert b"id\n2\n" in kept or (recorded and done == "delete"), change
        cli("csv_watch", "--once")
        assert [path.name for path in (cli.folder / "drop").rglob("*")] in ([], ["2025"]), change
        assert ledger.contents() == [sha(b"id\n1\n"), sha(b"id\n2\n")], change
        if done != "delete":
            assert [path.read_bytes() for path in (cli.folder / "done").iterdir()] == [b"id\n2\n"], change
        assert '"problems": []' in cli("csv_status", "--format", "json"), change
    assert any("drop/" in change for change in changes)
