"""This host's name, and which of its processes are there."""

import functools
import getpass
import os
import socket
from pathlib import Path


def host() -> str:
    """The name of this host."""
    return socket.gethostname()[:255]


def user() -> str:
    """The name of this process's user."""
    try:
        return getpass.getuser()[:255]
    except (OSError, KeyError, ImportError):  # no entry for its number, as in some containers
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


@functools.cache
def address() -> str:
    """The IP address that this host speaks to others from; nothing is sent to find it."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.connect(("192.0.2.1", 9))  # an address for examples, which nobody has
            return str(line.getsockname()[0])
    except OSError:  # there is no network
        return "127.0.0.1"


def is_process_gone(pid: int) -> bool:
    """Whether this host has no process of this number."""
    if os.name == "nt":  # there, the question would end the process
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it is another user's
    return False


def process_age(pid: int) -> float | None:
    """The seconds since a process of this host began; None where the system does not tell."""
    try:
        # The name of the program, in brackets, may have spaces; the 22nd field is when it began, in ticks since boot.
        began = int(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])
        up = float(Path("/proc/uptime").read_text("utf-8").split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return up - began / os.sysconf("SC_CLK_TCK")
