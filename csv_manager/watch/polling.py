"""Which folders give no file events, or not all: those of a network or of another system."""

import logging
import os
import sys

from csv_manager.watch.hints import Hints
from csv_manager.watch.tracking import Folder

log = logging.getLogger("csv_manager.watch")

_MOUNTS = "/proc/self/mountinfo"
#: What others write there is written on their machine; this one's kernel does not see it.
_REMOTE = frozenset(
    {"9p", "afs", "afpfs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "gpfs", "glusterfs", "lustre", "ncpfs"}
    | {"nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"}
)


class Polling:
    """Asks for the events of folders, and knows for which of them that is not enough."""

    def __init__(self, hints: Hints) -> None:
        self._hints = hints
        self._remote: dict[int, str | None] = {}
        self._said: set[str] = set()

    def ask_for_events(self, folder: Folder, *, wanted: bool) -> str | None:
        """Ask for a folder's events, if they are `wanted`; why there are none. Raises OSError if it is not there."""
        if not folder.scanned:
            device = os.stat(folder.path).st_dev
            if device not in self._remote:
                self._remote[device] = find_remote(folder.path)
            folder.remote = self._remote[device]
        if not wanted or folder.is_polled:
            os.stat(folder.path)
            self._hints.forget(folder.path)
            return "that is asked for" if wanted else None
        reason = self._hints.watch(folder.path) or folder.remote
        if reason and reason not in self._said:
            self._said.add(reason)
            log.warning(
                "%s is scanned once an interval: %s. Others for this reason are not named.", folder.path, reason
            )
        return reason


def find_remote(folder: str, mounts: str | None = None) -> str | None:
    """Why a folder is scanned once an interval, or None if its files give events.

    `mounts` is the text of /proc/self/mountinfo, read if it is not given (see proc_pid_mountinfo(5)).
    """
    if mounts is None:
        if not sys.platform.startswith("linux"):
            return None
        try:
            with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
                mounts = file.read()
        except OSError:
            return None
    kind, longest = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = _unescaped(fields[4])
        # Of two on one place, the later one lies above.
        if len(point) >= longest and _is_below(folder, point):
            kind, longest = after.split()[0], len(point)
    if kind in _REMOTE or kind.startswith("fuse."):
        return f"it is on a network or shared filesystem ({kind}), which does not tell of all changes"
    return None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def _unescaped(text: str) -> str:
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, character)
    return text
