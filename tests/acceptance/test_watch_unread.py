"""csv_watch whose output nobody reads: it ends when it is told to, and does everything else meanwhile."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli, Service

Start = Callable[..., "Service"]

DEADLINE = 120
ROWS = 5000

TELLER = '''
from pathlib import Path

from csv_manager.patterns import CsvWatcherPattern


class Teller(CsvWatcherPattern):
    """Notes what it was told."""

    def activate(self):
        self.csv_watcher.on_change(self.tell, name="teller")

    def tell(self, change):
        with Path("told.txt").open("a") as file:
            file.write(f"{change.csv_file} {change.version}\\n")
'''


@pytest.fixture
def many(cli: "Cli") -> "Cli":
    """data.csv, recorded, of more rows than a pipe takes."""
    cli.write("data.csv", "id,v\n" + "".join(f"{number},value {number}\n" for number in range(ROWS)))
    cli("csv_watcher_add", "data.csv", "--key", "id", "-i", "60")
    return cli


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that nobody reads while a service writes into it."""
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(descriptor)


@pytest.fixture
def full(pipe: tuple[int, int]) -> int:
    """The end of a pipe into which nothing more goes."""
    _, writer = pipe
    os.set_blocking(writer, False)
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"\n" * size)
    os.set_blocking(writer, True)
    return writer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_service_that_nobody_reads_after_a_whole_line(
    many: "Cli", service: Start, pipe: tuple[int, int], number: int
) -> None:
    reader, writer = pipe
    running = service("--format", "jsonl", "--from", "0", stdout=writer)
    assert running.stop(number) == 0
    assert running.said[-1] == "Stopped."
    os.close(writer)
    with open(reader, closefd=False) as file:
        printed = [json.loads(line) for line in file]
    assert 0 < len(printed) < ROWS
    rest = many("csv_watch", "--once", "--format", "jsonl", "--from", printed[-1]["position"]).splitlines()
    assert [change["seq"] for change in (*printed, *map(json.loads, rest))] == list(range(ROWS))


def test_a_service_ends_too_if_nobody_reads_what_it_says_either(many: "Cli", pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    command = many.command("csv_watch", "--format", "jsonl", "--from", "0")
    with subprocess.Popen(command, cwd=many.folder, env=many.environment, stdout=writer, stderr=writer) as running:
        said = b""
        while b'{"position"' not in said:
            said += os.read(reader, 100)
        running.terminate()
        try:
            assert running.wait(DEADLINE) == 0
        finally:
            running.kill()


def test_a_check_that_nobody_reads_can_be_interrupted(cli: "Cli", full: int) -> None:
    cli.write("data.csv", "id\n1\n")
    command = cli.command("csv_watch", "--once", "data.csv")
    with subprocess.Popen(
        command, cwd=cli.folder, env=cli.environment, stdout=full, stderr=subprocess.PIPE, text=True
    ) as running:
        while cli.run("csv_history_list", "data.csv").returncode:
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        try:
            _, said = running.communicate(timeout=DEADLINE)
        finally:
            running.kill()
    assert running.returncode == 130
    assert said.endswith("Interrupted.\n")


def test_receivers_are_told_and_files_done_with_while_nobody_reads(cli: "Cli", service: Start, full: int) -> None:
    plugin = cli.write("teller.py", TELLER)
    (cli.folder / "drop").mkdir()
    cli("csv_watcher_add", "drop", "--done", "delete", "--missing-ok", "-i", "60")
    running = service(before=("--plugin", plugin), stdout=full)
    told = cli.folder / "told.txt"
    for count, name in enumerate(("a.csv", "b.csv"), 1):
        path = cli.write(f"drop/{name}", "id\n1\n")
        running.wait(lambda path=path: not path.exists(), f"that {name} is deleted")  # type: ignore[misc]
        assert told.read_text().splitlines()[count - 1 :] == [f"{os.path.realpath(path)} 1"]
    assert running.stop() == 0


def test_a_service_ends_whose_receiver_prints_what_nobody_reads(many: "Cli", service: Start, full: int) -> None:
    plugin = many.write("teller.py", TELLER + "        print('-' * 100_000, flush=True)\n")
    running = service(before=("--plugin", plugin), stdout=full)
    many.write("data.csv", "id,v\n")
    running.wait((many.folder / "told.txt").exists, "that the receiver was told")
    assert running.stop() == 0
    assert running.said[-1] == "Stopped."
