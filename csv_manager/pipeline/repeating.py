"""What is done again and again while files are watched, in a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from csv_manager.core.errors import CsvManagerError

log = logging.getLogger("csv_manager.runtime")

_SECONDS = 0.5
#: Who rings within so many seconds is answered at once with the others.
_REST_SECONDS = 0.02
_STOP_SECONDS = 1.0


class Repeating:
    """A thread that calls what `functions` gives twice a second, and once more when it is rung.

    What fails is told once, is no reason to leave the rest, and is tried again.
    """

    def __init__(self, name: str, functions: Callable[[], Iterable[Callable[[], object]]]) -> None:
        self._name = name
        self._functions = functions
        self._bell = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._failing: dict[Callable[[], object], str] = {}

    def start(self) -> None:
        """Begin."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def ring(self) -> None:
        """Call the functions at once."""
        self._bell.set()

    def stop(self) -> None:
        """End within a second; a function that takes longer is left to itself."""
        self._stopping = True
        self._bell.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
            self._thread = None

    def _run(self) -> None:
        while not self._stopping:
            self._bell.wait(_SECONDS)
            self._bell.clear()
            for function in self._functions():
                self._call(function)
            time.sleep(_REST_SECONDS)

    def _call(self, function: Callable[[], object]) -> None:
        try:
            function()
            self._failing.pop(function, None)
        except Exception as error:
            if self._failing.get(function) != str(error) and not self._stopping:
                if isinstance(error, CsvManagerError):
                    log.warning("%s It is tried again.", error)
                else:
                    log.warning("What %s does failed; it is tried again.", self._name, exc_info=True)
            self._failing[function] = str(error)
