"""groundwork's errors, most of which derive from BaseException, as errors of ours."""

import contextlib
from collections.abc import Iterator

from csv_manager.core.errors import CsvManagerError, PluginError


@contextlib.contextmanager
def translating(what: str) -> Iterator[None]:
    """Turn what groundwork raises into one `PluginError`; an error of ours underneath it is raised as itself."""
    try:
        yield
    except (CsvManagerError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        cause = _root(error)
        if isinstance(cause, (CsvManagerError, KeyboardInterrupt, SystemExit)):
            raise cause from None
        detail = str(cause) or type(cause).__name__
        raise PluginError(f"{what}: {detail}.") from error


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
