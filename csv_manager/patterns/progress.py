"""How far long work is: one line on the terminal, below all that is written meanwhile, and gone at the end.

The work tells what it has done, if it can, and nothing else; a thread beside it looks, and draws. The cursor stays
visible and no mode of the terminal is changed, so there is nothing to restore, however the process ends.
"""

import contextlib
import io
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast

#: Seconds of work before anything is shown, so that nothing flashes, and seconds from one look to the next.
DELAY, _REFRESH = 1.0, 0.2
#: What a terminal does: go back to the begin of the line, and erase the rest of it.
_BACK, _ERASE = "\r", "\x1b[K"


@contextlib.contextmanager
def showing(label: str, length: int | None = None, rows: int | None = None) -> Iterator[Callable[[int], None]]:
    """Around long work: a function to call with how much more is done of `length`, None if that cannot be known.

    Shown is a bar while some of the length is done, else that the work goes on and since when: on stderr, if that is a
    terminal, and from `DELAY` seconds on. Of `rows`, which are the length, it tells how many are done in a second.
    """
    if not _is_possible():
        yield lambda _: None
        return
    line = _Line(label, length if length is None or length > 1 else None, rows)
    with _written_above(line):
        try:
            line.start()
            yield line.add
        finally:
            line.end()


def _is_possible() -> bool:
    """Whether stderr is a terminal that can erase a line, and has no such line yet."""
    return not isinstance(sys.stderr, _Above) and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class _Line(threading.Thread):
    """The line, and the thread that draws it."""

    def __init__(self, label: str, length: int | None, rows: int | None) -> None:
        super().__init__(name="csv_manager-progress", daemon=True)
        self._label, self._length, self._rows = label, length, rows
        self._terminal, self._encoding = sys.stderr.fileno(), sys.stderr.encoding
        self._begun, self._done = time.monotonic(), 0
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._is_drawn, self._is_at_begin = False, True

    def add(self, done: int) -> None:
        """Take in that so much more is done."""
        self._done += done

    def end(self) -> None:
        """Take the line away, for good."""
        self._ended.set()
        self._erase()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """Draw, again and again, once the work took a while."""
        if self._ended.wait(DELAY):
            return
        picture = picture_of(self._label, self._length, self._begun, self._rows)
        while not self._ended.is_set():
            with self._lock:
                if self._is_at_begin and not self._ended.is_set():
                    self._is_drawn = self._put(_BACK + picture(self._done) + _ERASE)
            self._ended.wait(_REFRESH)

    @contextlib.contextmanager
    def away(self, text: str) -> Iterator[None]:
        """Without the line while `text` is written; it is drawn anew once what was written has ended its line."""
        with self._lock:
            self._erase()
            yield
            self._is_at_begin = text.endswith("\n") if text else self._is_at_begin

    def _erase(self) -> None:
        with self._lock:
            if self._is_drawn:
                self._put(_BACK + _ERASE)
                self._is_drawn = False

    def _put(self, text: str) -> bool:
        """Write to the terminal, unless it is gone, or the shell's own again since this runs in the background."""
        with contextlib.suppress(OSError):
            if _is_in_front(self._terminal):
                os.write(self._terminal, text.encode(self._encoding, "replace"))
                return True
        return False


class _Above:
    """A stream to the terminal that the line is on."""

    def __init__(self, stream: TextIO, line: _Line) -> None:
        self._stream, self._line = stream, line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def buffer(self) -> Any:
        """The bytes beneath, which are written unseen: there is no line from now on."""
        self._line.end()
        return self._stream.buffer

    def write(self, text: str) -> int:
        """Write where the line was."""
        with self._line.away(text):
            return self._stream.write(text)


@contextlib.contextmanager
def _written_above(line: _Line) -> Iterator[None]:
    """Let all that is written to the terminal stand above the line: answers, talk and warnings."""
    stderr = sys.stderr
    above = cast("TextIO", _Above(stderr, line))
    warning = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is stderr
    ]
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stderr(above))
        if sys.stdout.isatty():
            stack.enter_context(contextlib.redirect_stdout(cast("TextIO", _Above(sys.stdout, line))))
        for handler in warning:
            handler.setStream(above)
            stack.callback(handler.setStream, stderr)
        yield


def _is_in_front(terminal: int) -> bool:
    """Whether the terminal is for this process now; one that does no job control always is."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True


def picture_of(label: str, length: int | None, begun: float, rows: int | None = None) -> Callable[[int], str]:
    """A function from what is done to the line as the terminal takes it.

    A bar stands in it while some is done and some is left: work has a begin and an end that are not counted.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    console = Console(file=io.StringIO(), force_terminal=True)  # stderr's own would have what stands there erased
    told = Text(label)
    told.truncate(console.width // 2, overflow="ellipsis")
    what = SpinnerColumn(), TextColumn("{task.description}", markup=False)
    speed = (TextColumn("{task.fields[speed]}"),) if rows and length else ()
    bar = Progress(*what, BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), *speed, console=console)
    spinner = Progress(*what, TimeElapsedColumn(), console=console)
    for progress, total in ((bar, length), (spinner, None)):
        progress.add_task(told.plain, total=total, speed="")
        progress.tasks[0].start_time = begun

    def line(done: int) -> str:
        seconds = max(time.monotonic() - begun, _REFRESH)
        speed = f"{done * (rows or 0) / (length or 1) / seconds:,.0f} rows/s"
        bar.update(bar.task_ids[0], completed=done, speed=speed)
        progress = bar if length and 0 < done < length else spinner
        with console.capture() as captured:
            # A line that fills the terminal would lose its last character to what erases the rest.
            console.print(progress.get_renderable(), end="", width=console.width - 1)
        return captured.get().partition("\n")[0]

    return line
