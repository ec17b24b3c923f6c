"""Several processes on one store at once: each content is recorded once, in order, and everyone tells it."""

import concurrent.futures
import itertools
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from verdicts import SCALE, SETTLE, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli, Service

pytestmark = takes_its_time

Start = Callable[..., "Service"]
Write = Callable[[Path, bytes], None]

SCENARIO = "two services on one store"
CONTENTS = 10 * SCALE.rounds + 1
ROWS = 200


def numbers(running: "Service") -> list[int]:
    """The versions that a service has told, in its order."""
    return [int(found[1]) for line in running.version_lines() if (found := re.search(r"  version (\d+)  ", line))]


def test_two_services_record_each_content_once_in_order_and_both_tell_it(
    cli: "Cli", judge: Any, service: Start, contents: Any, write: Write, check_changes: Any
) -> None:
    account = judge(SCENARIO)
    expected = contents(CONTENTS, ROWS)
    path = cli.write("data.csv", expected[0])
    account.note(path, expected[0])
    cli("csv_watcher_add", "data.csv", "--settle", SETTLE)
    first, second = service(), service()
    for data in expected[1:]:
        account.write(path, data, write)
    for running in (first, second):
        running.wait_told(f"version {CONTENTS} ")
        assert running.stop() == 0
        assert numbers(running) == list(range(2, CONTENTS + 1))
    account.check(settled=CONTENTS)
    check_changes(path, expected)


def test_of_two_services_one_may_die(
    cli: "Cli", judge: Any, service: Start, contents: Any, write: Write, check_changes: Any
) -> None:
    account = judge(SCENARIO)
    expected = contents(7, ROWS)
    path = cli.write("data.csv", expected[0])
    account.note(path, expected[0])
    cli("csv_watcher_add", "data.csv", "--settle", SETTLE)
    left, killed = service(), service()
    for number, data in enumerate(expected[1:], 2):
        account.put(path, data, write)
        if number == 4:
            killed.process.send_signal(signal.SIGKILL)
        left.wait_told(f"version {number} ")
    assert left.stop() == 0
    assert numbers(left) == [2, 3, 4, 5, 6, 7]
    account.check(settled=7)
    check_changes(path, expected)


def test_many_files_are_shared_by_two_services_without_loss(
    cli: "Cli", ledger: Any, judge: Any, service: Start, contents: Any, write: Write, check_changes: Any
) -> None:
    account = judge(SCENARIO)
    made = contents(24, 50)
    histories = {cli.write(f"{file}.csv", made[file]): made[file::6] for file in range(6)}
    for path, history in histories.items():
        account.note(path, history[0])
    cli("csv_watcher_add", cli.folder, "--settle", SETTLE)
    first, second = service(), service("--format", "jsonl")
    for step in range(1, 4):
        for path, history in histories.items():
            account.put(path, history[step], write)
        account.wait()
    changed = sum(positions for version, positions in ledger.outbox() if version > 1)
    first.wait(lambda: len(first.told) >= 18, "18 versions")
    changes = second.wait_changes(changed)
    assert first.stop() == second.stop() == 0
    assert len(first.told) == 18
    assert [change["position"] for change in changes] == list(range(changes[0]["position"], ledger_end(ledger) + 1))
    account.check(settled=len(made))
    for path, history in histories.items():
        check_changes(path, history)


def ledger_end(ledger: Any) -> int:
    """The last position that the store gave out."""
    [position] = ledger.ask("SELECT value FROM csv_counters WHERE name = 'position'")
    assert isinstance(position, int)
    return position


def test_a_watcher_added_while_the_service_runs_is_watched(
    cli: "Cli", ledger: Any, service: Start, contents: Any, write: Write, check_changes: Any
) -> None:
    expected = contents(3, ROWS)
    cli.write("first.csv", "a\n1\n")
    cli("csv_watcher_add", "first.csv")
    running = service()
    path = cli.write("second.csv", expected[0])
    cli("csv_watcher_add", "second.csv", "--settle", SETTLE)
    running.wait_told("second.csv", "version 1 ")
    for number, data in enumerate(expected[1:], 2):
        write(path, data)
        running.wait_told("second.csv", f"version {number} ")
    assert running.stop() == 0
    assert len(running.told) == len(expected)
    assert len(ledger.contents()) == 1 + len(expected)
    check_changes(path, expected)


def test_of_two_adds_of_one_file_at_once_one_is_refused(
    cli: "Cli", ledger: Any, contents: Any, check_changes: Any
) -> None:
    [content] = contents(1, 20_000)
    path = cli.write("data.csv", content)
    adding = [
        subprocess.Popen(
            cli.command("csv_watcher_add", spelled),
            cwd=cli.folder,
            env=cli.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for spelled in (path, "./data.csv")
    ]
    ended = [(process, *process.communicate(timeout=120)) for process in adding]
    assert sorted(process.returncode for process, _, _ in ended) == [0, 2], ended
    [refused] = [stderr for process, _, stderr in ended if process.returncode == 2]
    assert re.search(r"^Error: .*data\.csv is watched already", refused, re.MULTILINE), refused
    assert ledger.ask("SELECT csv_file FROM csv_watchers") == [str(path.resolve())]
    check_changes(path, [content])


@pytest.mark.parametrize("attempt", range(4))
def test_what_is_purged_beside_a_service_stays_purged(
    cli: "Cli", service: Any, ledger: Any, until: Any, attempt: int
) -> None:
    path = cli.write("data.csv", f"id,v\n1,{attempt}\n")
    cli("csv_watcher_add", "data.csv", "--settle", "0", "-i", "0.05")
    service()
    stop = threading.Event()

    def write() -> None:
        for number in itertools.count():
            if stop.wait(0.01):
                return
            path.write_text(f"id,v\n1,{number}\n")

    with concurrent.futures.ThreadPoolExecutor() as pool:
        writer = pool.submit(write)
        try:
            until(lambda: len(ledger.contents()) > 3, "some versions")
            cli("csv_watcher_delete", "data.csv", "--purge", "--yes")
            beats = ledger.ask("SELECT MAX(heartbeat) FROM csv_services")
            until(
                lambda: ledger.ask("SELECT MAX(heartbeat) FROM csv_services") != beats, "a sign of life of the service"
            )
        finally:
            stop.set()
            writer.result()
    assert ledger.contents() == []
    assert ledger.ask("SELECT path FROM csv_files") == []
