"""groundwork's errors, most of which derive from BaseException, as errors of ours."""

import contextlib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from csv_manager.core.errors import CsvManagerError, PluginError, clause


@contextlib.contextmanager
def translating(what: str) -> Iterator[None]:
    """Turn what groundwork raises into one `PluginError`; an error of ours underneath it is raised as itself."""
    try:
        yield
    except (CsvManagerError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        cause = _root(error)
        if isinstance(cause, (CsvManagerError, KeyboardInterrupt)):
            raise cause from None
        raise PluginError(f"{what}: {reason_of(cause)}.") from error


def reason_of(error: BaseException) -> str:
    """What an error in a user's own code says, for the end of a sentence; one without words says its type."""
    if isinstance(error, SystemExit):
        return f"it ends the program (SystemExit {error.code})"
    return clause(error) or type(error).__name__


def line_of(error: BaseException, path: Path) -> int:
    """The line of the file `path` on which an error arose while it was executed, or compiled; 1 if none is known."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return getattr(error, "lineno", None) or next(filter(None, reversed(lines)), 1)


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def translated(function: Callable[..., object], what: str) -> Callable[..., object]:
    """The function, with groundwork's errors, which no `except Exception` stops, as ours."""

    def call(*arguments: Any) -> object:
        with translating(what):
            try:
                return function(*arguments)
            except SystemExit as stop:  # it would end the thread that tells all the others
                raise PluginError(f"{what} called sys.exit({stop.code!r}).") from stop

    return call
