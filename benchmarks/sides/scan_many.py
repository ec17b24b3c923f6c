"""Looks at every file of a folder once more: as csv_manager does while it watches them, or barely.

Called as `scan_many.py ours|bare|watchdog FOLDER`; prints the time of one look in ms, and how many files were seen.
"""

import json
import os
import resource
import sys
import time
from typing import TYPE_CHECKING

from csv_manager.core.feeds import Feed
from csv_manager.core.model import Signature
from csv_manager.watch import Known, Processed, Watch, WatchService

if TYPE_CHECKING:
    from collections.abc import Callable


def ours(folder: str) -> tuple[float, int]:
    """One scan by the service, of files that are all recorded."""
    known = {entry.path: Known(signature=Signature.of(entry.stat()), state="ok") for entry in os.scandir(folder)}
    read: list[str] = []

    def process(path: str, _watch: str, _settled: Signature | None) -> Processed:
        read.append(path)
        return Processed(signature=Signature.of(os.stat(path)))

    service = WatchService(process, lambda *_: None, lambda *_: None)
    watch = Watch(id="all", path=folder, interval=3600, settle=0.1, max_wait=60, feed=Feed(root=folder))
    service.add(watch, known)
    service.start()
    service.wait_at_rest()
    begun = time.perf_counter()
    service.rescan(folder)
    service.wait_at_rest()
    passed = time.perf_counter() - begun
    service.stop()
    return passed, len(known) - len(read)


def bare(folder: str) -> tuple[float, int]:
    """Scandir and stat, and nothing else."""
    begun = time.perf_counter()
    seen = [entry.stat() for entry in os.scandir(folder)]
    return time.perf_counter() - begun, len(seen)


def watchdog(folder: str) -> tuple[float, int]:
    """Watchdog's snapshot, compared with the one before, as its polling observer does."""
    from watchdog.utils.dirsnapshot import DirectorySnapshot, DirectorySnapshotDiff

    before = DirectorySnapshot(folder)
    begun = time.perf_counter()
    now = DirectorySnapshot(folder)
    changed = len(DirectorySnapshotDiff(before, now).files_modified)
    return time.perf_counter() - begun, len(now.paths) - 1 - changed


def main() -> None:
    sides: dict[str, Callable[[str], tuple[float, int]]] = {"ours": ours, "bare": bare, "watchdog": watchdog}
    passed, seen = sides[sys.argv[1]](os.path.realpath(sys.argv[2]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"time": 1000 * passed, "peak": peak, "found": seen}))


if __name__ == "__main__":
    main()
