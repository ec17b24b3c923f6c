"""Whether a program may still write to a file without a trace: it has it open, or mapped."""

import errno
import os
import signal
import sys

from csv_manager.core.mounts import find_remote
from csv_manager.core.paths import stat_regular


def is_open_for_writing(path: str) -> bool:
    """Whether a program has a file open, or mapped, for writing: Linux refuses a lease of it then (fcntl(2)).

    False where that cannot be known: on other systems, network filesystems, and of a file that is another user's.
    Raises nothing; a file that is not there is open for nobody.
    """
    try:
        stat_regular(path)  # anything else might never answer
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        return is_written_to(file, path)
    finally:
        os.close(file)


def is_written_to(file: int, path: str) -> bool:
    """As `is_open_for_writing`, of a file that is open for reading, by its descriptor."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    try:
        # A program that opens the file in this moment makes the kernel tell us: by a signal that ends nobody.
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        # A network's server refuses a lease for reasons of its own.
        return error.errno == errno.EAGAIN and find_remote(os.path.dirname(os.path.abspath(path))) is None
    return False
