"""Which folders are on a filesystem whose files others change unseen."""

import os
import sys

_MOUNTS = "/proc/self/mountinfo"
#: What others write there is written on their machine; this one's kernel does not see it.
_REMOTE = frozenset(
    {"9p", "afs", "afpfs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs", "gpfs", "glusterfs", "lustre", "ncpfs"}
    | {"nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"}
)


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
