"""The floor of watching: prints a line when a file was closed and the settle time has passed, and does nothing else.

Called as `bare_watchdog.py FILE SETTLE`; prints `ready` once it watches.
"""

import sys
import threading
import time
from pathlib import Path

from watchdog.events import FileClosedEvent, FileSystemEventHandler
from watchdog.observers import Observer


class _Closed(FileSystemEventHandler):
    def __init__(self, path: str, settle: float) -> None:
        self._path = path
        self._settle = settle

    def on_closed(self, event: FileClosedEvent) -> None:
        if event.src_path == self._path:
            time.sleep(self._settle)
            print(event.src_path, flush=True)


def main() -> None:
    path, settle = sys.argv[1], float(sys.argv[2])
    observer = Observer()
    observer.schedule(_Closed(path, settle), str(Path(path).parent))
    observer.start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
