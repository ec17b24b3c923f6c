"""Runs a console script, and kills its process just before the n-th time that it changes something on the disk.

`python dying.py N FOLDER SCRIPT ARGUMENT…`: a change is a file below FOLDER that is made, written to, renamed or
removed, or the COMMIT of a transaction; the last line on stderr names it. Lock files do not count.
"""

import io
import os
import runpy
import signal
import sqlite3
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_FILES = (io.BufferedWriter, io.FileIO)
_FILE_CALLS = ("write", "close", "__exit__", "truncate")


class Death:
    """Counts the changes, and kills before one of them."""

    def __init__(self, number: int, folder: str) -> None:
        self._left = number
        self._folder = os.path.join(folder, "")

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python is about to ask the system for something."""
        if event == "open" and isinstance(arguments[0], (str, Path)) and arguments[2] & _WRITES:
            self._meet("make", arguments[0])
        elif event in ("os.rename", "os.link"):
            self._meet(f"{event.removeprefix('os.')} to", arguments[1])
        elif event == "os.remove" and os.path.lexists(arguments[0]):
            self._meet("remove", arguments[0])

    def profile(self, _frame: FrameType, event: str, called: Any) -> None:
        """Python is about to call a function in C."""
        if event != "c_call":
            return
        owner, name = getattr(called, "__self__", None), called.__name__
        if isinstance(owner, sqlite3.Connection):
            if name == "commit" and owner.in_transaction:
                self._die_in_time("commit")
        elif isinstance(owner, _FILES) and name in _FILE_CALLS and not owner.closed and owner.writable():
            self._meet("write", f"/proc/self/fd/{owner.fileno()}")

    def _meet(self, what: str, path: str | Path) -> None:
        found = os.path.realpath(path) if what == "write" else os.path.abspath(path)
        if found.startswith(self._folder) and not found.endswith(".lock"):
            self._die_in_time(f"{what} {found.removeprefix(self._folder)}")

    def _die_in_time(self, change: str) -> None:
        self._left -= 1
        if self._left == 0:
            os.write(2, f"\n{change}".encode())
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    number, folder, script = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    sys.argv = sys.argv[3:]
    # What takes long and changes nothing is not watched.
    import csv_manager.framework
    import csv_manager.pipeline.store  # noqa: F401

    death = Death(number, folder)
    sys.addaudithook(death.audit)
    threading.setprofile(death.profile)
    sys.setprofile(death.profile)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
