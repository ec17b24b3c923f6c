"""The end of watching: what is to be noted then, also where the store is locked."""

import logging
from collections.abc import Callable

from csv_manager.core.errors import CsvManagerError
from csv_manager.store.patience import hurrying

log = logging.getLogger("csv_manager.runtime")

#: Seconds to wait for others who write to the store, in all.
_SECONDS = 2
_NOT_NOTED = (
    "That watching ended is not noted there: csv_status says that it ended without a word, until the next service "
    "starts."
)


def end_watching(end: Callable[[], object], *rest: Callable[[], object]) -> None:
    """Note the end, then do the rest: each by itself, whatever becomes of the others."""
    with hurrying(_SECONDS):
        not_noted, *failures = [_failure(function) for function in (end, *rest)]
    if not_noted:
        log.warning("%s %s", not_noted, _NOT_NOTED)
    for failure in dict.fromkeys(failures):
        if failure and failure != not_noted:
            log.warning("%s", failure)


def _failure(function: Callable[[], object]) -> str | None:
    """Why a function failed."""
    try:
        function()
    except CsvManagerError as error:
        return str(error)
    except Exception:
        log.exception("Watching did not end as it should; the next start makes up for it.")
    return None
