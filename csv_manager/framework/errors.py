"""groundwork's errors, most of which derive from BaseException, as errors of ours."""

import contextlib
from collections.abc import Iterator

from csv_manager.core.errors import CsvManagerError, PluginError, one_line


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
        ends = "it ends the program: SystemExit " if isinstance(cause, SystemExit) else ""
        raise PluginError(f"{what}: {ends}{one_line(cause) or type(cause).__name__}.") from error


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
