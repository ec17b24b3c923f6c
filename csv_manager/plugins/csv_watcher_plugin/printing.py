"""Prints what was recorded, in a thread of its own: a reader who does not read holds up nobody else."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Self

import click

from csv_manager.core.errors import CsvManagerError
from csv_manager.core.feeds import Feed, any_wants
from csv_manager.core.files import give_up_stdout
from csv_manager.core.model import WatcherOptions
from csv_manager.patterns.describe import hint, row_lines, version_line
from csv_manager.patterns.output import to_json
from csv_manager.patterns.unchanged import version_ways

#: Seconds for the line that is being written at the end, and from one attempt to have it given up to the next.
_LINE_SECONDS, _GIVE_UP_SECONDS = 0.2, 0.1
_GIVE_UP_ATTEMPTS = 10


class Only:
    """What is told of: everything, or the files of these watchers."""

    def __init__(self, watched: Mapping[str, WatcherOptions]) -> None:
        self._files = frozenset(watched)
        self._feeds = [Feed.of(path, options) for path, options in watched.items() if options.feed is not None]

    def has(self, file: Any) -> bool:
        """Whether a file is told of."""
        is_named = not self._files or file.path in self._files
        return is_named or any_wants(self._feeds, file.record.source)


class Printer:
    """Prints what the outbox has beyond a position, whoever recorded it; once it `is_over`, not one line more."""

    def __init__(self, store: Any, position: int, only: Only, *, rows: bool, limit: int, form: str) -> None:
        self.is_over = False
        self._store = store
        self._position = position
        self._only = only
        self._rows = rows
        self._limit = limit
        self._form = form
        self._hinted: set[str] = set()

    def print_new(self) -> None:
        """Print every new entry; called by one thread."""
        while entries := self._store.catalog.outbox.since(self._position):
            for entry in entries:
                for line, to_stderr in self._lines(entry):
                    if self.is_over:
                        return
                    click.echo(line, err=to_stderr)
                self._position = entry.position + entry.positions - 1

    def _lines(self, entry: Any) -> Iterator[tuple[str, bool]]:
        """The lines of an entry, and whether each is for stderr."""
        found = self._store.find_version(entry.path, entry.version)
        if found is None or not self._only.has(found[0]):
            return
        file, version = found
        if not file.has_changes(version):
            yield file.forgotten(version), True
            return
        changes = file.version_change(version).change_set
        is_lines = self._form == "jsonl"
        if is_lines and version.is_through:
            for seq, change in enumerate(changes):
                if entry.position + seq > self._position:
                    told = change.to_json(csv_file=file.path, version=version.number, seq=seq)
                    yield to_json({"position": entry.position + seq, **told}), False
            return
        ways = version_ways(file, version)
        yield version_line(file.path, version, changes.counts, changes.columns, version.rows, ways), is_lines
        if self._rows:
            for line in row_lines(changes, changes.columns, limit=self._limit, total=sum(changes.counts)):
                yield line, False
        told = self._hint(file, version, changes)
        if told:
            yield told, True

    def _hint(self, file: Any, version: Any, changes: Any) -> str | None:
        """Once for each file: which key would tell updates, and the command that sets it."""
        if version.key or version.base is None or not version.is_through or file.path in self._hinted:
            return None
        if changes.counts.inserted and changes.counts.deleted:
            from csv_manager.core.comparing import Comparison

            self._hinted.add(file.path)
            # A hint is no reason to stop printing.
            with contextlib.suppress(CsvManagerError):
                old, new = file.table(version.base), file.table(version.number)
                is_stored = self._store.catalog.watchers.of(file.path) is not None
                return hint(Comparison(old=old, new=new, change_set=changes), file.path, is_stored=is_stored)
        return None


class Printing(threading.Thread):
    """Prints whenever it is asked, and flushes what receivers printed; who asks need not wait for who reads.

    Within `with`, and from `start` on. At the end a line that nobody reads is given up, and stdout with it.
    """

    def __init__(self, printer: Printer) -> None:
        super().__init__(name="csv_manager-printer", daemon=True)
        self._printer = printer
        self._turn = threading.Condition()
        self._asked = self._done = 0
        self._error: Exception | None = None

    def ask(self, seconds: float | None) -> None:
        """Have printed all that is recorded, and wait for that, but no longer than so. Raises what failed."""
        with self._turn:
            self._asked += 1
            asked = self._asked
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._printer.is_over or self._done >= asked, seconds)
            error, self._error = self._error, None
        if error is not None:
            raise error

    def end(self, seconds: float) -> None:
        """Print for so long what is recorded, then end. Raises what failed."""
        try:
            self.ask(seconds)
        finally:
            self._end()

    def run(self) -> None:
        """Print, until the end."""
        while not self._printer.is_over:
            with self._turn:
                self._turn.wait_for(lambda: self._printer.is_over or self._asked > self._done)
                asked = self._asked
            error = self._print()
            with self._turn:
                self._done, self._error = asked, error
                self._turn.notify_all()

    def _print(self) -> Exception | None:
        try:
            sys.stdout.flush()
            self._printer.print_new()
        except Exception as error:  # noqa: BLE001 - it is for who asked
            return error
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        """End between two lines, or within one that nobody reads."""
        with self._turn:
            self._printer.is_over = True
            self._turn.notify_all()
        if self.is_alive():
            self.join(_LINE_SECONDS)
        if self.is_alive():
            self._give_up()

    def _give_up(self) -> None:
        """Let who writes to a stdout that nobody reads go on: it goes nowhere, as what they write from now on."""
        if os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno()):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        give_up_stdout()
        # A thread that waits in a write still does; a signal of its own has it begin anew, where there are such.
        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_kill"):
            return
        before = signal.signal(signal.SIGURG, lambda *_: None)
        for _ in range(_GIVE_UP_ATTEMPTS):
            for thread in threading.enumerate():  # a receiver that prints may be the one that waits
                if thread is not threading.main_thread() and thread.ident is not None:
                    signal.pthread_kill(thread.ident, signal.SIGURG)
            self.join(_GIVE_UP_SECONDS)
            if not self.is_alive():
                break
        signal.signal(signal.SIGURG, before or signal.SIG_DFL)
