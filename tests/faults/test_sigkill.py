"""SIGKILL at random moments between reading and committing: nothing is lost, nothing is told twice."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from killing import Killer, Process, sha
from verdicts import SCALE, SETTLE, takes_its_time

from csv_manager import testing
from csv_manager.patterns import CsvWatcherPattern

if TYPE_CHECKING:
    from conftest import Cli

EDITS = SCALE.edits
#: Rows of a file: enough for reading and comparing it to be a moment that can be hit.
ROWS = 4000


@pytest.mark.slow
@takes_its_time
def test_kills_at_every_edit_lose_no_version_and_record_none_twice(
    cli: "Cli",
    ledger: Any,
    judge: Any,
    killer: Killer,
    chance: random.Random,
    contents: Any,
    write: Callable[[Path, bytes], None],
    until: Any,
    check_changes: Any,
) -> None:
    account = judge("SIGKILL at random during edits")
    expected = contents(EDITS + 1, ROWS)
    path = cli.write("data.csv", expected[0])
    account.note(path, expected[0])
    cli("csv_watcher_add", "data.csv", "--settle", SETTLE)
    running: Process | None = None
    for number, data in enumerate(expected[1:], 2):
        # The service has been up for long, has just been started, or is down while the file is edited.
        if running is None and chance.random() < 0.5:
            running = killer.start("csv_watch")
        account.put(path, data, write)
        killer.kill(running or killer.start("csv_watch"), sha(data))
        running = None
        while sha(data) not in ledger.contents():
            running = killer.start("csv_watch")
            if chance.random() < 0.25:
                killer.kill(running, sha(data))
                running = None
            else:
                until(lambda told=number: len(ledger.contents()) >= told, f"version {number}")
    if running is not None:
        running.kill()
    print(dict(killer.shots))  # noqa: T201 - pytest shows it where the test fails
    assert killer.shots.total() >= EDITS
    assert killer.shots["reading or comparing"] + killer.shots["kept, not committed"] > 0
    account.check(settled=EDITS + 1)
    # What a killed process had kept of an emptied file is no version, and does no harm.
    assert {*ledger.kept()} - {sha(b"")} == {sha(data) for data in expected}
    assert cli.export(path, EDITS) == expected[EDITS - 1]
    check_changes(path, expected)


@pytest.mark.slow
def test_a_killed_add_stores_all_or_nothing(
    cli: "Cli", ledger: Any, killer: Killer, contents: Any, check_changes: Any
) -> None:
    made = {cli.write(f"{number}.csv", data): data for number, data in enumerate(contents(10, ROWS))}
    for path, data in made.items():
        killer.kill(killer.start("csv_watcher_add", path, "--settle", "0.1"), sha(data))
        stored = ledger.ask("SELECT csv_file FROM csv_watchers ORDER BY id")
        recorded = ledger.ask("SELECT path FROM csv_files JOIN csv_versions ON file_id = id ORDER BY position")
        assert stored == recorded == ledger.ask("SELECT path FROM csv_files ORDER BY id")
    if len(stored) < len(made):
        cli("csv_watcher_add", *made)
    assert ledger.ask("SELECT count(*) FROM csv_watchers") == [len(made)]
    assert sorted(ledger.contents()) == sorted(map(sha, made.values())) == ledger.kept()
    for path, data in made.items():
        check_changes(path, [data])


class Told(CsvWatcherPattern):
    """Counts what it is told, and fails the first time."""

    def activate(self) -> None:
        self.seen: list[int] = []
        self.csv_watcher.on_change(self.tell, name="told")

    def tell(self, change: "object") -> None:
        number: int = change.version  # type: ignore[attr-defined]
        self.seen.append(number)
        if len(self.seen) == 1:
            raise ValueError("the first time fails")


def test_a_receiver_that_failed_is_told_the_same_again_and_in_order() -> None:
    with testing.app(Told) as app:
        for number in range(3):
            app.write("data.csv", f"a\n{number}\n")
            app.settle()
        assert app.plugins["Told"].seen == [1, 1, 2, 3]
