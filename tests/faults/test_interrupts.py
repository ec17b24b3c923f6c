"""Ctrl-C at random moments of long work: one line, exit code 130, and the store and the files as they were."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cli

# Each shot takes as long as the command does, and a busy machine takes its time.
Done = subprocess.CompletedProcess[bytes]

#: Times that each command is interrupted.
SHOTS = 6
#: Rows of a file: more than 4 MiB, so that it is hashed by a thread beside what else is done with it.
ROWS = 80_000
#: Seconds after which something that was waited for is taken to never come.
DEADLINE = 120
#: How much sooner a shot comes after one that was too late.
_LATER = 0.7
#: Tells that a command runs: before, Python itself starts.
_PLUGIN = """
import os
from pathlib import Path
from csv_manager.patterns import CsvCommandsPattern

class Begun(CsvCommandsPattern):
    def activate(self):
        Path(os.environ["BEGUN"]).touch()
"""

#: A plugin whose command is interrupted within a finalizer, where Python raises nothing.
_FINALIZING = """
import signal, time
from csv_manager.patterns import CsvCommandsPattern

class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

class Finalizing(CsvCommandsPattern):
    def activate(self):
        self.commands.register("csv_finalize", "Ends something.", self.finalize)

    def finalize(self):
        Finalized()
        time.sleep(60)
"""


class Interrupter:
    """Runs commands and interrupts them at random; `shots` counts how they ended."""

    def __init__(self, cli: "Cli", chance: random.Random) -> None:
        self._cli = cli
        self._chance = chance
        self._begun = cli.home.parent / "begun"
        self._plugin = cli.home.parent / "begun.py"
        self._plugin.write_text(_PLUGIN, "utf-8")
        self.shots: Counter[int] = Counter()
        #: How much of the time the next shot may take: less after one that was too late, as on a busy machine.
        self._share = 1.0

    def seconds(self, *arguments: object) -> float:
        """For how long a command works that nobody interrupts."""
        with self._started(*arguments) as process:
            begin = time.monotonic()
            process.communicate(timeout=DEADLINE)
        assert process.returncode in (0, 1)
        return time.monotonic() - begin

    def interrupt(self, within: float, *arguments: object) -> Done:
        """Interrupt a command within so many seconds; what it said then is one line, if it was not done before."""
        with self._started(*arguments) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self._chance.uniform(0, within * self._share))
            process.send_signal(signal.SIGINT)
            if self._chance.random() < 0.5:  # some press it twice
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(self._chance.uniform(0, 0.05))
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=DEADLINE)
        self.shots[process.returncode] += 1
        self._share = min(self._share / _LATER, 1.0) if process.returncode == 130 else self._share * _LATER
        assert b"Traceback" not in err, err.decode()
        if process.returncode == 130:
            [*_, line] = err.splitlines()
            assert line.startswith(b"Interrupted"), err.decode()
        else:
            assert process.returncode in (0, 1), err.decode()
        return Done(process.args, process.returncode, out, err)

    @contextlib.contextmanager
    def _started(self, *arguments: object) -> Any:
        """A command that has begun."""
        self._begun.unlink(missing_ok=True)
        process = subprocess.Popen(
            self._cli.command("--plugin", self._plugin, *arguments),
            cwd=self._cli.folder,
            env=self._cli.environment | {"BEGUN": str(self._begun)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            deadline = time.monotonic() + DEADLINE
            while not self._begun.exists():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline, "the command never began"
                time.sleep(0.001)
            yield process
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def interrupter(cli: "Cli", chance: random.Random) -> Interrupter:
    cli.environment["CSV_MANAGER_CSV_SETTLE"] = "0"
    return Interrupter(cli, chance)


@pytest.fixture
def versions(cli: "Cli", chance: random.Random) -> list[bytes]:
    """The contents of a watched file's two versions; the second is on the disk."""
    cli.environment["CSV_MANAGER_CSV_SETTLE"] = "0"
    contents = [content(chance), content(chance)]
    path = cli.write("data.csv", contents[0])
    cli("csv_watcher_add", "data.csv", "--key", "id")
    path.write_bytes(contents[1])
    cli("csv_watch", "--once")
    return contents


def content(chance: random.Random) -> bytes:
    """A content of which every tenth row is unlike those of all others."""
    prices = (f"{chance.random() if number % 10 == 0 else 0:.9f}" for number in range(ROWS))
    rows = (f"{number},{price},some text that is the same in every row\n" for number, price in enumerate(prices))
    return "".join(["id,price,note\n", *rows]).encode()


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden files too."""
    return sorted(os.listdir(folder))


@pytest.mark.slow
@pytest.mark.parametrize("key", [(), ("--key", "id")])
def test_an_interrupted_comparison(
    cli: "Cli", interrupter: Interrupter, chance: random.Random, key: tuple[str, ...], tmp_path: Path
) -> None:
    old, new = content(chance), content(chance)
    cli.write("old.csv", old)
    cli.write("new.csv", new)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    cli.environment["TMPDIR"] = str(temporary)
    within = interrupter.seconds("csv_diff", "old.csv", "new.csv", *key)
    for _ in range(SHOTS):
        done = interrupter.interrupt(within, "csv_diff", "old.csv", "new.csv", *key)
        assert done.returncode in (1, 130)
    assert interrupter.shots[130] > 0
    assert names(temporary) == []
    assert [(cli.folder / name).read_bytes() for name in ("new.csv", "old.csv")] == [new, old]
    assert names(cli.folder) == ["new.csv", "old.csv"]


@pytest.mark.slow
def test_an_interrupted_add_stores_all_or_nothing(
    cli: "Cli", interrupter: Interrupter, ledger: Any, chance: random.Random
) -> None:
    data = content(chance)
    cli.write("first.csv", data)
    within = interrupter.seconds("csv_watcher_add", "first.csv", "--key", "id")
    paths = [str(cli.write(f"{number}.csv", data + f"{number + ROWS},,\n".encode())) for number in range(SHOTS)]
    for path in paths:
        done = interrupter.interrupt(within, "csv_watcher_add", path, "--key", "id")
        stored = ledger.ask("SELECT csv_file FROM csv_watchers")
        recorded = ledger.ask("SELECT path FROM csv_files JOIN csv_versions ON file_id = id")
        assert sorted(stored) == sorted(recorded)
        assert path in stored or done.returncode == 130
        assert ledger.incoming() == frozenset()
        assert cli.run("csv_watcher_add", path, "--key", "id").returncode == (2 if path in stored else 0)
        assert cli.versions(path)[0]["rows"] == ROWS + 1
    assert interrupter.shots[130] > 0
    assert names(cli.folder) == sorted(["first.csv", *(f"{number}.csv" for number in range(SHOTS))])
    assert "all as they were recorded" in cli.notes("csv_history_verify")


@pytest.mark.slow
def test_an_interrupted_export_leaves_what_was_there(
    cli: "Cli", interrupter: Interrupter, versions: list[bytes]
) -> None:
    export = ("csv_history_export", "data.csv", "1", "-o", "copy.csv")
    within = interrupter.seconds(*export)
    copy = cli.write("copy.csv", "mine\n")
    before = cli.content()
    for _ in range(SHOTS):
        done = interrupter.interrupt(within, *export)
        assert copy.read_bytes() in ((b"mine\n", versions[0]) if done.returncode else (versions[0],))
        assert names(cli.folder) == ["copy.csv", "data.csv"]
        copy.write_bytes(b"mine\n")
    assert interrupter.shots[130] > 0
    assert cli.content() == before
    assert (cli.folder / "data.csv").read_bytes() == versions[1]


@pytest.mark.slow
def test_an_interrupted_restore_puts_back_all_or_nothing_and_loses_nothing(
    cli: "Cli", interrupter: Interrupter, versions: list[bytes], ledger: Any, chance: random.Random, tmp_path: Path
) -> None:
    mine = content(chance)
    path = cli.write("data.csv", mine)
    saved = tmp_path / "saved"
    shutil.copytree(cli.home, saved)
    restore = ("csv_history_restore", "data.csv", "1", "--yes")
    within = interrupter.seconds(*restore)
    recorded = ledger.contents()
    for _ in range(SHOTS):
        shutil.rmtree(cli.home)
        shutil.copytree(saved, cli.home)
        path.write_bytes(mine)
        done = interrupter.interrupt(within, *restore)
        held, contents = path.read_bytes(), ledger.contents()
        assert names(cli.folder) == ["data.csv"]
        assert ledger.incoming() == frozenset()
        assert contents == recorded[: len(contents)]
        if held == mine:
            assert done.returncode == 130
            assert len(contents) in (2, 3)
        else:
            assert held == versions[0]
            assert len(contents) in ((3, 4) if done.returncode else (4,))
            if len(contents) == 3:
                assert done.stderr.endswith(b"data.csv holds version 1 again, which the next check records.\n")
        cli("csv_watch", "--once")
        assert ledger.contents() == (recorded if held == versions[0] else recorded[:3])
        assert cli.export("data.csv", 3) == mine
    assert interrupter.shots[130] > 0


@pytest.mark.slow
def test_an_interrupted_look_into_the_history_changes_nothing(
    cli: "Cli", interrupter: Interrupter, versions: list[bytes]
) -> None:
    before = cli.content()
    for look in (
        ("csv_history_diff", "data.csv", "1", "2"),
        ("csv_history_blame", "data.csv", "--where", "id=7"),
        ("csv_history_list", "data.csv", "--where", "id=7"),
        ("csv_history_verify",),
    ):
        within = interrupter.seconds(*look)
        for _ in range(SHOTS // 3):
            interrupter.interrupt(within, *look)
    assert interrupter.shots[130] > 0
    assert cli.content() == before
    assert (cli.folder / "data.csv").read_bytes() == versions[1]


@pytest.mark.slow
@pytest.mark.usefixtures("versions")
def test_an_interrupted_check_leaves_nothing_half_done(
    cli: "Cli", interrupter: Interrupter, ledger: Any, chance: random.Random
) -> None:
    path = cli.write("data.csv", content(chance))
    within = interrupter.seconds("csv_watch", "--once")
    for _ in range(SHOTS):
        path.write_bytes(content(chance))
        interrupter.interrupt(within, "csv_watch", "--once")
        assert ledger.incoming() == frozenset()
        assert names(cli.folder) == ["data.csv"]
        cli("csv_watch", "--once")
        assert cli.export("data.csv", "head") == path.read_bytes()
    assert interrupter.shots[130] > 0
    assert ledger.ask("SELECT count(*) FROM csv_versions") == [3 + SHOTS]


def test_an_interrupted_check_says_so_and_the_next_one_does_it(cli: "Cli", interrupter: Interrupter) -> None:
    cli.write("data.csv", "a\n1\n")
    cli("csv_watcher_add", "data.csv")
    cli("csv_watcher_set", "data.csv", "--settle", str(DEADLINE))
    cli.write("data.csv", "a\n2\n")
    done = interrupter.interrupt(0.5, "csv_watch", "--once")
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"Interrupted.")
    cli("csv_watcher_set", "data.csv", "--settle", "0")
    cli("csv_watch", "--once")
    assert cli.counts("data.csv") == [(1, 0, 0), (1, 0, 1)]


def test_an_interrupt_within_a_finalizer_interrupts_what_comes_after_it(cli: "Cli") -> None:
    plugin = cli.write("finalizing.py", _FINALIZING)
    done = cli.run("--plugin", plugin, "csv_finalize")
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"Interrupted.")
