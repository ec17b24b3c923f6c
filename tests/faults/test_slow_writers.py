"""Writers that take their time: a file is read when it is complete, and only then."""

import contextlib
import mmap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from verdicts import SCALE, Account, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = takes_its_time

CHUNKS = 20
#: Seconds that a file must rest, many times as long as the writer's pauses.
SETTLE = 2

Append = Callable[[bytes], object]


@contextlib.contextmanager
def held_open(path: Path) -> Iterator[Append]:
    """The file is opened once."""
    with path.open("wb", buffering=0) as file:
        yield file.write


@contextlib.contextmanager
def opened_each_time(path: Path) -> Iterator[Append]:
    """The file is opened, appended to and closed for each chunk."""
    path.write_bytes(b"")

    def append(chunk: bytes) -> None:
        with path.open("ab") as file:
            file.write(chunk)

    yield append


def write_slowly(account: Account, path: Path, content: bytes, opened: Any) -> None:
    """Write a content in chunks; one that this machine made rest on its way may be a version."""
    size = -(-len(content) // CHUNKS)
    with opened(path) as append:
        before = time.monotonic()
        for end in range(size, len(content) + size, size):
            append(content[end - size : end])
            time.sleep(SCALE.slow_pause)
            if end < len(content) and time.monotonic() - before >= SETTLE:
                account.note(path, content[:end], may=True)
            before = time.monotonic()
    account.note(path, content)


@pytest.mark.parametrize(
    ("scenario", "opened"),
    [
        ("a slow writer, the file held open", held_open),
        ("a slow writer, the file opened for each chunk", opened_each_time),
    ],
)
def test_a_file_that_is_written_slowly_is_one_version(
    cli: "Cli", judge: Any, service: Any, contents: Any, scenario: str, opened: Any
) -> None:
    account = judge(scenario)
    made = contents(SCALE.slow_contents + 1, 500)
    path = cli.write("data.csv", made[0])
    account.note(path, made[0])
    cli("csv_watcher_add", "data.csv", "--settle", SETTLE)
    running = service()
    for content in made[1:]:
        write_slowly(account, path, content, opened)
        account.wait()
    assert running.stop() == 0
    account.check(settled=SCALE.slow_contents + 1)


def test_what_is_written_through_a_mapping_is_recorded_once_the_file_is_let_go(
    cli: "Cli", judge: Any, service: Any
) -> None:
    account = judge("a slow writer, the file held open")
    path = cli.write("data.csv", b"id,v\n1,0000\n")
    account.note(path, path.read_bytes())
    cli("csv_watcher_add", "data.csv", "--settle", 0.3, "-i", "1")
    for number in range(SCALE.rounds):
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
            for digits in range(3):
                # The second of these and the third do not move the file's times: their page is to be written already.
                mapped[7:11] = b"%02d%02d" % (number, digits + 1)
                if digits == 0:
                    account.note(path, bytes(mapped))
                    with service():
                        account.wait()
                elif digits == 1:
                    account.note(path, bytes(mapped), may=True)
            account.note(path, bytes(mapped))
            if number % 2:
                running = service()
        if not number % 2:
            running = service()
        account.wait()
        assert running.stop() == 0
    account.check(settled=2 * SCALE.rounds + 1)
