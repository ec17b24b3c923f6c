"""Watches an empty folder while files are written into it in a burst, and counts the files that were noticed.

Called as `burst.py ours|watchdog|watchfiles FOLDER COUNT`; it prints `ready`, reads a line once all is written, waits
until nothing more is noticed for a while, and prints how many of the files were not. As `burst.py write FOLDER FIRST
STEP COUNT` it writes each STEP-th of the files.
"""

import os
import sys
import threading
import time
from collections.abc import Callable

_QUIET_SECONDS = 3.0
Notice = Callable[[str], None]


def ours(folder: str, notice: Notice) -> None:
    """csv_manager's service; what it does with a file is left out."""
    from csv_manager.core.feeds import Feed
    from csv_manager.core.model import Signature
    from csv_manager.watch import Processed, Watch, WatchService

    def process(path: str, _watch: str, _settled: Signature | None) -> Processed:
        notice(path)
        return Processed(signature=Signature.of(os.stat(path)))

    service = WatchService(process, lambda *_: None, lambda *_: None)
    feed = Feed(root=folder)
    service.add(Watch(id="all", path=folder, interval=3600, settle=0.1, max_wait=60, feed=feed), {})
    service.start()
    service.wait_at_rest()


def watchdog(folder: str, notice: Notice) -> None:
    """Watchdog's observer, with a handler that takes every event."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            notice(os.fsdecode(event.src_path))

    observer = Observer()
    observer.schedule(Handler(), folder)
    observer.start()


def watchfiles(folder: str, notice: Notice) -> None:
    """Watchfiles' generator, in a thread."""
    from watchfiles import watch

    def run() -> None:
        for changes in watch(folder, recursive=False):
            for _, path in changes:
                notice(path)

    threading.Thread(target=run, daemon=True).start()
    time.sleep(1)  # it does not say when it watches


def write(folder: str, first: int, step: int, count: int) -> None:
    """Write files, each closed, as fast as one process can."""
    for number in range(first, count, step):
        with open(os.path.join(folder, f"{number:06}.csv"), "wb") as file:
            file.write(b"id,v\n1,x\n")


def main() -> None:
    if sys.argv[1] == "write":
        write(sys.argv[2], *map(int, sys.argv[3:]))
        return
    side, folder, count = sys.argv[1], os.path.realpath(sys.argv[2]), int(sys.argv[3])
    noticed: set[str] = set()
    last = [time.monotonic()]

    def notice(path: str) -> None:
        noticed.add(path)
        last[0] = time.monotonic()

    {"ours": ours, "watchdog": watchdog, "watchfiles": watchfiles}[side](folder, notice)
    print("ready", flush=True)
    sys.stdin.readline()
    last[0] = time.monotonic()
    while time.monotonic() - last[0] < _QUIET_SECONDS:
        time.sleep(0.05)
    missed = {os.path.join(folder, f"{number:06}.csv") for number in range(count)} - noticed
    print(len(missed), flush=True)
    os._exit(0)  # watchers' threads need not be waited for


if __name__ == "__main__":
    main()
