"""A watched path that is, or becomes, a symbolic link: its history is the path's, whatever it leads to."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from verdicts import SCALE, SETTLE, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = takes_its_time


def write_the_target(path: Path, content: bytes, number: int) -> None:
    """The link stays, and what it leads to changes."""
    del number
    path.resolve().write_bytes(content)


def lead_elsewhere(path: Path, content: bytes, number: int) -> None:
    """A new file, and the link replaced by one that leads there: `ln -sfn`."""
    target = path.parent.parent / "releases" / f"{number}.csv"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content)
    beside = path.with_name("link.new")
    beside.symlink_to(target)
    beside.replace(path)


def lead_nowhere_at_first(path: Path, content: bytes, number: int) -> None:
    """A link whose target comes only then."""
    target = path.parent.parent / "later" / f"{number}.csv"
    path.unlink()
    path.symlink_to(target)
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(content)


Change = Callable[[Path, bytes, int], None]


@pytest.mark.parametrize("change", [write_the_target, lead_elsewhere, lead_nowhere_at_first])
def test_the_history_of_a_path_goes_on_through_links_and_restarts(
    cli: "Cli", judge: Any, service: Any, contents: Any, change: Change
) -> None:
    account = judge("a path that becomes a link")
    made = contents(3 * SCALE.rounds + 1, 100)
    path = cli.write("current/data.csv", made[0])
    account.note(path, made[0])
    cli("csv_watcher_add", path, "--settle", SETTLE, "-i", "1")
    for first in range(1, len(made), 3):
        running = service()
        for number in (first, first + 1):
            account.note(path, made[number])
            change(path, made[number], number)
            account.wait()
        assert running.stop() == 0
        # Nobody watches: the next start finds it.
        account.note(path, made[first + 2])
        change(path, made[first + 2], first + 2)
        with service() as running:
            account.wait()
    account.check(settled=len(made))


def test_of_two_watched_files_one_may_become_a_link_to_the_other(
    cli: "Cli", judge: Any, service: Any, contents: Any
) -> None:
    account = judge("a path that becomes a link")
    made = contents(2 * SCALE.rounds + 1, 100)
    today, latest = cli.write("today.csv", made[0]), cli.write("latest.csv", made[0])
    for path in (today, latest):
        account.note(path, made[0])
        cli("csv_watcher_add", path, "--settle", SETTLE, "-i", "1")
    latest.unlink()
    latest.symlink_to(today)
    for first in range(1, len(made), 2):
        for content in made[first : first + 2]:
            with service():
                for path in (today, latest):
                    account.note(path, content)
                today.write_bytes(content)
                account.wait()
    account.check(settled=2 * len(made))
