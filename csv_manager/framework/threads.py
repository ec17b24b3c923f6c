"""Threads of plugins: daemonic, stoppable, and stopped when their plugin is deactivated or the app shut down."""

import datetime as dt
import logging
import threading
from collections.abc import Callable
from typing import Any

from groundwork.patterns.gw_threads_pattern import ThreadsListApplication

log = logging.getLogger("csv_manager.threads")


class PluginThread:
    """What `self.threads.register` returns: groundwork's names, with `stop`, `stopping` and `join` besides.

    `function(plugin, **kwargs)` is called with the arguments of `run`; one that runs for long looks at `stopping`.
    """

    def __init__(self, name: str, function: Callable[..., Any], plugin: Any, description: str | None) -> None:
        self.name = name
        self.function = function
        self.plugin = plugin
        self.description = description
        self.stopping = threading.Event()
        self.response: Any = None
        self.error: BaseException | None = None
        self.time_start: dt.datetime | None = None
        self.time_end: dt.datetime | None = None
        self.running = False
        self.thread: threading.Thread | None = None

    def run(self, **kwargs: Any) -> None:
        """Start the thread."""
        self.stopping.clear()
        self.thread = threading.Thread(target=self._run, kwargs=kwargs, name=self.name, daemon=True)
        self.running = True
        self.thread.start()

    def stop(self) -> None:
        """Ask the thread to stop."""
        self.stopping.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread's end."""
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(timeout)

    def _run(self, **kwargs: Any) -> None:
        self.time_start = dt.datetime.now(dt.UTC)
        try:
            self.response = self.function(self.plugin, **kwargs)
        except BaseException as error:
            self.error = error
            log.exception("Thread %s of %s failed.", self.name, self.plugin.name)
        finally:
            self.time_end = dt.datetime.now(dt.UTC)
            self.running = False


class Threads(ThreadsListApplication):
    """`app.threads`."""

    threads: dict[str, PluginThread]

    def register(
        self, name: str, function: Callable[..., Any], plugin: Any, description: str | None = None
    ) -> PluginThread:
        """Register a thread; it runs when its `run` is called. Raises ValueError for a name that is taken."""
        if name in self.threads:
            raise ValueError(f"Thread {name} was registered by {self.threads[name].plugin.name} already.")
        self.threads[name] = PluginThread(name, function, plugin, description)
        return self.threads[name]

    def unregister(self, thread: str) -> None:
        """Stop a thread and forget it."""
        known = self.threads.pop(thread, None)
        if known is None:
            log.warning("There is no thread %s to unregister.", thread)
            return
        known.stop()
        known.join(1)

    def stop(self) -> None:
        """Stop every thread."""
        for thread in self.threads.values():
            thread.stop()
        for thread in self.threads.values():
            thread.join(1)
