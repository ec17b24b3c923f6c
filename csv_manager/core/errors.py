"""Every error that csv_manager raises on purpose.

One root; each class is one line of prose, which is also its default message. A message names the file, the row
and the column where there is one, and the next step. Commands print it on stderr and end with `exit_code`.
"""


def clause(message: object) -> str:
    """A message on one line and without a full stop at its end."""
    return " ".join(str(message).split()).rstrip(".")


class CsvManagerError(Exception):
    """csv_manager could not do what was asked."""

    exit_code = 2

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class ConfigurationError(CsvManagerError):
    """A setting is not usable; see csv_config_list for each value and where it came from."""


class PluginError(CsvManagerError):
    """A plugin could not be loaded or activated."""


class PathNotFoundError(CsvManagerError):
    """There is no such file."""


class UnreadableError(CsvManagerError):
    """The file may not be read."""


class NotCsvError(CsvManagerError):
    """The content cannot be read as CSV."""

    def of(self, path: str) -> "NotCsvError":
        """The same with the file's name in front, once."""
        message = str(self)
        return self if message.startswith(path) else NotCsvError(f"{path}: {message[0].lower()}{message[1:]}")


class UnknownColumnError(CsvManagerError):
    """The file has no such column."""


class DuplicateKeyError(CsvManagerError):
    """Two rows have the same key."""


class LateError(CsvManagerError):
    """A file of a series came after one that follows it."""


class RunNotFoundError(CsvManagerError):
    """There is no such run."""


class OptionError(CsvManagerError):
    """An option has a value that cannot be used."""


class RuleError(CsvManagerError):
    """A rule cannot be used as it is told."""


class WatcherExistsError(CsvManagerError):
    """The file is watched already; csv_watcher_set changes a watcher."""


class WatcherNotFoundError(CsvManagerError):
    """No watcher has this file; csv_watcher_list shows those there are."""


class VersionNotFoundError(CsvManagerError):
    """The history has no such version; csv_history_list shows those there are."""


class StoreError(CsvManagerError):
    """The store could not be read or written."""


class StoreBusyError(StoreError):
    """Another process is writing to the store and did not finish in time; try again."""


class ArchiveError(CsvManagerError):
    """The archive could not be read or written."""


class DamagedError(ArchiveError):
    """What the archive holds of a version is damaged or lost."""


class AuditError(CsvManagerError):
    """What the audit log tells cannot be done to rows."""


class NoRoomError(CsvManagerError):
    """There is no room on the disk for a temporary copy."""


class ReceiverError(CsvManagerError):
    """A receiver of changes failed; it is called again with the same change."""


class TornReadError(CsvManagerError):
    """The file changed while it was read; it is read again once it rests."""


class BusyError(CsvManagerError):
    """Another process or thread has this file's lock."""


class StaleWatcherError(CsvManagerError):
    """The watcher was changed or deleted meanwhile."""


class LostRaceError(CsvManagerError):
    """Another process recorded a version of this file first."""


def go_on_stopping(error: BaseException | None) -> None:
    """Raise the interrupt that an error came after: what that left half done may fail to be undone."""
    while error is not None:
        if not isinstance(error, Exception):
            raise error
        error = error.__context__
