"""Long work shows on a terminal how far it is, and leaves nothing of that behind; elsewhere nothing is shown."""

import codecs
import contextlib
import fcntl
import io
import logging
import os
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import pytest
from conftest import DEADLINE

from csv_manager.applications.csv_manager_app import main
from csv_manager.patterns import progress

if TYPE_CHECKING:
    from conftest import Cli

OLD = "id,v\n1,x\n2,y\n"
NEW = "id,v\n1,z\n2,y\n3,w\n"


class Terminal:
    """A pseudo-terminal; `written` is all that was written to it so far."""

    def __init__(self) -> None:
        self._master, self.slave = os.openpty()
        self.written = ""
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def stream(self) -> io.TextIOWrapper:
        """A text stream to it, as Python makes one for a terminal."""
        return open(os.dup(self.slave), "w", buffering=1, encoding="utf-8", errors="backslashreplace")

    @contextlib.contextmanager
    def as_stderr(self) -> Iterator[io.TextIOWrapper]:
        """This process writes its stderr to it."""
        with self.stream() as stream, contextlib.redirect_stderr(stream):
            yield stream

    @contextlib.contextmanager
    def as_stdout(self) -> Iterator[None]:
        """This process writes its stdout to it."""
        with self.stream() as stream, contextlib.redirect_stdout(stream):
            yield

    def wait(self, *parts: str) -> None:
        """Wait until these were written, one after the other."""
        pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
        with self._changed:
            come = self._changed.wait_for(lambda: pattern.search(self.written), DEADLINE)
        assert come, f"waited in vain for {parts} in {self.written!r}"

    def screen(self) -> list[str]:
        """The lines that somebody sees now, with nothing on the last one if the cursor stands at its begin."""
        lines, column = [""], 0
        for mark in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|\x1b|[\r\n]|[^\x1b\r\n]+", self.written):
            if mark == "\r":
                column = 0
            elif mark == "\n":
                lines.append("")
            elif mark == "\x1b[K":
                lines[-1] = lines[-1][:column]
            elif not mark.startswith("\x1b"):
                lines[-1] = lines[-1][:column].ljust(column) + mark + lines[-1][column + len(mark) :]
                column += len(mark)
        return lines

    def end(self) -> None:
        """Wait until all that was written was read, and close it."""
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1
            self._thread.join(DEADLINE)
            os.close(self._master)

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        with contextlib.suppress(OSError):  # EIO, once nobody has the other side open
            while data := os.read(self._master, 1 << 16):
                with self._changed:
                    self.written += decoder.decode(data)
                    self._changed.notify_all()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal, and an environment in which it is a plain one of 80 columns."""
    for name, value in (("TERM", "xterm"), ("COLUMNS", "80"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    made = Terminal()
    yield made
    made.end()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever takes any time is long work."""
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setattr(progress, "_REFRESH", 0.01)


@pytest.fixture
def patient(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """No work ends before the terminal showed it."""
    end = progress._Line.end

    def shown(line: progress._Line) -> None:
        terminal.wait(line._label[:20])
        end(line)

    monkeypatch.setattr(progress._Line, "end", shown)


@pytest.fixture
def history(cli: "Cli", monkeypatch: pytest.MonkeyPatch) -> "Cli":
    """A watched file with two versions, and one more content on the disk; this process has the same home."""
    cli.write("old.csv", OLD)
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli.write("data.csv", NEW)
    cli("csv_watch", "--once")
    cli.write("data.csv", NEW + "4,v\n")
    for name, value in cli.environment.items():
        if name.startswith("CSV_MANAGER_"):
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(cli.folder)
    return cli


COMMANDS = (
    ("Comparing data.csv", "csv_diff old.csv data.csv", 1),
    ("Adding old.csv", "csv_watcher_add old.csv", 0),
    ("Adding 2 files", "csv_watcher_add old.csv more.csv", 0),
    ("Changing", "csv_watcher_set data.csv --ignore v", 0),
    ("Deleting", "csv_watcher_delete data.csv --purge --yes", 0),
    ("Checking", "csv_watch --once", 0),
    ("Comparing data.csv", "csv_history_show data.csv", 0),
    ("Comparing data.csv", "csv_history_diff data.csv 1 2", 0),
    ("Comparing data.csv", "csv_history_diff data.csv head file --format json", 0),
    ("Exporting data.csv", "csv_history_export data.csv 1 -o copy.csv", 0),
    ("Putting back data.csv", "csv_history_restore data.csv 1 --yes", 0),
    ("Reading the history of data.csv", "csv_history_blame data.csv", 0),
    ("Searching", "csv_history_list data.csv --where id=1", 0),
    ("Forgetting", "csv_history_prune data.csv --keep 1 --yes", 0),
    ("Verifying", "csv_history_verify", 0),
)


@pytest.mark.usefixtures("impatient", "patient")
@pytest.mark.parametrize(("label", "command", "code"), COMMANDS)
def test_every_command_that_may_take_long_shows_it_and_takes_it_away(
    history: "Cli", terminal: Terminal, label: str, command: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    history.write("more.csv", OLD)
    with terminal.as_stderr():
        assert main(command.split()) == code
    terminal.end()
    assert label in terminal.written
    assert "\x1b[?" not in terminal.written  # nor is the cursor hidden
    assert [line for line in terminal.screen() if label in line] == []
    assert label not in capsys.readouterr().out


@pytest.mark.usefixtures("impatient", "history")
def test_a_list_of_versions_is_shown_at_once(terminal: Terminal) -> None:
    with terminal.as_stderr():
        assert main(["csv_history_list", "data.csv"]) == 0
    assert terminal.written == ""


@pytest.mark.usefixtures("impatient")
def test_a_bar_stands_there_while_some_is_done_and_some_is_left(terminal: Terminal) -> None:
    with terminal.as_stderr(), progress.showing("Verifying", 10) as done:
        terminal.wait("Verifying 0:00")
        done(3)
        terminal.wait(" 30% ")
        done(6)
        terminal.wait(" 90% ")
        done(1)
        terminal.wait(" 90% ", "Verifying 0:00")
    terminal.end()
    assert "100%" not in terminal.written
    assert terminal.screen() == [""]


@pytest.mark.usefixtures("impatient")
def test_one_step_is_no_bar(terminal: Terminal) -> None:
    with terminal.as_stderr(), progress.showing("Checking", 1) as done:
        terminal.wait("Checking 0:00")
        done(1)
    terminal.end()
    assert "%" not in terminal.written


@pytest.mark.usefixtures("impatient")
def test_what_is_written_meanwhile_stands_above(terminal: Terminal) -> None:
    with terminal.as_stdout(), terminal.as_stderr():
        stdout = sys.stdout
        with progress.showing("Adding"):
            terminal.wait("Adding")
            for number in range(5):
                click.echo(f"Added {number}.", err=bool(number % 2))
                terminal.wait(f"Added {number}.", "Adding")
        assert sys.stdout is stdout
    terminal.end()
    assert terminal.screen() == [*(f"Added {number}." for number in range(5)), ""]


@pytest.mark.usefixtures("impatient")
def test_half_a_line_stays_as_it_is(terminal: Terminal) -> None:
    with terminal.as_stderr(), progress.showing("Adding"):
        terminal.wait("Adding")
        click.echo("one ", nl=False, err=True)
        terminal.wait("one ")
        click.echo("two", err=True)
        terminal.wait("two", "Adding")
    terminal.end()
    assert re.search("one .*Adding.*two", terminal.written, re.DOTALL) is None
    assert terminal.screen() == ["one two", ""]


@pytest.mark.usefixtures("impatient")
def test_a_warning_stands_above(terminal: Terminal) -> None:
    with terminal.as_stderr() as stderr:
        handler = logging.StreamHandler(stderr)
        logging.getLogger().addHandler(handler)
        try:
            with progress.showing("Checking"):
                terminal.wait("Checking")
                logging.getLogger("csv_manager").warning("damaged")
                terminal.wait("damaged", "Checking")
            assert handler.stream is stderr
        finally:
            logging.getLogger().removeHandler(handler)
    terminal.end()
    assert terminal.screen() == ["damaged", ""]


@pytest.mark.usefixtures("impatient")
def test_raw_bytes_end_it(terminal: Terminal) -> None:
    with terminal.as_stdout(), terminal.as_stderr(), progress.showing("Exporting"):
        terminal.wait("Exporting")
        sys.stdout.buffer.write(b"id,v\n1,")
        sys.stdout.buffer.flush()
        assert drawing() == []
        sys.stdout.buffer.write(b"x\n")
        sys.stdout.buffer.flush()
    terminal.end()
    assert terminal.screen() == ["id,v", "1,x", ""]


@pytest.mark.usefixtures("impatient")
def test_work_within_work_has_no_line_of_its_own(terminal: Terminal) -> None:
    with terminal.as_stderr(), progress.showing("Checking"):
        terminal.wait("Checking")
        with progress.showing("Telling") as done:
            done(1)
            assert len(drawing()) == 1
    assert "Telling" not in terminal.written


@pytest.mark.usefixtures("impatient", "patient")
def test_a_long_name_leaves_room_and_a_wild_one_drives_no_terminal(history: "Cli", terminal: Terminal) -> None:
    name = "wild\x1b[2J" + "long" * 40 + ".csv"
    history.write(name, NEW)
    with terminal.as_stderr():
        assert main(["csv_diff", "old.csv", name]) == 1
    terminal.end()
    assert "Comparing wild\\x1b[2Jlonglonglong" in terminal.written
    assert "… 0:00" in terminal.written
    assert "\x1b[2J" not in terminal.written
    shown = [line for line in re.split(r"[\r\n]|\x1b\[K", terminal.written) if "Comparing" in line]
    assert max(map(len, shown)) < 80


@pytest.mark.usefixtures("impatient")
def test_in_the_background_the_terminal_is_left_to_others(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Semaphore(0)

    def other(_terminal: int) -> int:
        looked.release()
        return os.getpgrp() + 1

    monkeypatch.setattr(os, "tcgetpgrp", other)
    with terminal.as_stderr(), progress.showing("Comparing"):
        for _ in range(3):
            assert looked.acquire(timeout=DEADLINE)
    terminal.end()
    assert terminal.written == ""


@pytest.mark.usefixtures("history")
def test_short_work_shows_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY", DEADLINE)
    with terminal.as_stderr():
        assert main(["csv_history_export", "data.csv", "1", "-o", "copy.csv"]) == 0
    terminal.end()
    assert terminal.written == "Wrote copy.csv.\r\n"


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("CSV_MANAGER_PROGRESS", "no")])
@pytest.mark.usefixtures("impatient", "history")
def test_who_wants_none_has_none(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    def never(_line: progress._Line) -> None:
        raise AssertionError

    monkeypatch.setattr(progress._Line, "start", never)
    with terminal.as_stderr():
        assert main(["csv_diff", "old.csv", "data.csv", "--key", "id"]) == 1
    terminal.end()
    assert terminal.written == ""


@pytest.mark.usefixtures("impatient", "terminal")
def test_nothing_is_shown_on_a_pipe() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as read:
        stream = open(writer, "w", encoding="utf-8")  # noqa: SIM115 - closed below, for the reader to come to an end
        with contextlib.redirect_stderr(stream), progress.showing("Comparing", 10) as done:
            done(5)
            assert drawing() == []
            assert sys.stderr is stream
        stream.close()
        assert read.read() == b""


def drawing() -> list[threading.Thread]:
    """The threads that show how far work is."""
    return [thread for thread in threading.enumerate() if thread.name == "csv_manager-progress"]


def on_terminal(cli: "Cli", terminal: Terminal, *arguments: object) -> "subprocess.Popen[bytes]":
    """A command that somebody typed into a terminal, which is its controlling one."""

    def take() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    terms = {name: os.environ[name] for name in ("TERM", "COLUMNS", "NO_COLOR")}
    return subprocess.Popen(
        cli.command(*arguments),
        cwd=cli.folder,
        env=cli.environment | terms,
        stdin=terminal.slave,
        stdout=terminal.slave,
        stderr=terminal.slave,
        preexec_fn=take,  # noqa: PLW1509 - nothing else takes a controlling terminal
    )


@pytest.fixture
def slow(cli: "Cli") -> str:
    """The name of a content that does not end until it is written: a pipe."""
    os.mkfifo(cli.folder / "slow.csv")
    cli.write("new.csv", NEW)
    return "slow.csv"


def test_a_comparison_that_takes_long_shows_it(cli: "Cli", terminal: Terminal, slow: str) -> None:
    with on_terminal(cli, terminal, "csv_diff", slow, "new.csv", "--key", "id") as running:
        with open(cli.folder / slow, "w", encoding="utf-8") as pipe:
            pipe.write("id,v\n1,x\n")
            terminal.wait("Comparing new.csv")
            pipe.write("2,y\n")
        assert running.wait(DEADLINE) == 1
    terminal.end()
    assert terminal.screen() == ["  ~ id=1  v x → z", "  + id=3  v=w", "+1 ~1 -0", ""]
    assert "\x1b[?" not in terminal.written


def interrupted(terminal: Terminal, running: subprocess.Popen[bytes]) -> int:
    """Press Ctrl-C as a person would: once, and again if half a minute later nothing happened; return the exit code.

    CPython notes a signal between two steps of its interpreter and raises it at the next one. One that comes as a step
    enters a read that waits is so raised only once that read returns, for which a second signal is enough.
    """
    terminal.type(b"\x03")
    with contextlib.suppress(subprocess.TimeoutExpired):
        return running.wait(DEADLINE / 4)
    terminal.type(b"\x03")
    return running.wait(DEADLINE)


@pytest.mark.parametrize("seen", [True, False])
def test_ctrl_c_ends_it_with_one_line(cli: "Cli", terminal: Terminal, slow: str, *, seen: bool) -> None:
    before = termios.tcgetattr(terminal.slave)
    # The pipe opens once it is read.
    with on_terminal(cli, terminal, "csv_diff", slow, "new.csv") as running, open(cli.folder / slow, "wb"):
        if seen:
            terminal.wait("Comparing new.csv")
        assert interrupted(terminal, running) == 130
    assert termios.tcgetattr(terminal.slave) == before
    terminal.end()
    lines = [line.replace("^C", "") for line in terminal.screen()]
    assert lines[-2:] == ["Interrupted.", ""]
    assert [line for line in lines if line] == ["Interrupted."]
    assert "\x1b[?" not in terminal.written


def test_sigterm_ends_it_at_once(cli: "Cli", terminal: Terminal, slow: str) -> None:
    with on_terminal(cli, terminal, "csv_diff", slow, "new.csv") as running, open(cli.folder / slow, "wb"):
        terminal.wait("Comparing new.csv")
        running.send_signal(signal.SIGTERM)
        assert running.wait(DEADLINE) == -signal.SIGTERM
    terminal.end()
    assert "\x1b[?" not in terminal.written


def test_nothing_is_drawn_over_what_somebody_types(cli: "Cli", terminal: Terminal) -> None:
    cli.write("new.csv", NEW)
    with on_terminal(cli, terminal, "csv_diff", "-", "new.csv", "--key", "id") as running:
        terminal.type(b"id,v\n1,z\n2,y\n\x04\x04")
        assert running.wait(DEADLINE) == 1
    terminal.end()
    assert "Comparing" not in terminal.written
    assert terminal.screen()[-3:] == ["  + id=3  v=w", "+1 ~0 -0", ""]
