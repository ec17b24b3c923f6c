"""Statements that change the tables of a target's database, with what it refuses told in one line."""

from collections.abc import Iterable

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from csv_manager.core.targets import Target
from csv_manager.sync.loading import TargetError
from csv_manager.sync.loading.interface import run

#: How PostgreSQL and MySQL say that a user has not the right to something.
_DENIED_STATE, _DENIED_NUMBERS = "42501", (1044, 1142, 1143, 1227)


class AlterError(TargetError):
    """The database refused to change a table."""


def alter(connection: Connection, target: Target, statements: Iterable[str]) -> None:
    """Execute statements. Raises `AlterError` for what the database refuses, such as a view in the way."""
    for statement in statements:
        try:
            run(connection, statement)
        except DBAPIError as error:
            told = _told(error)
            if _is_denied(error):
                user = connection.engine.url.username
                told = f"{user} may not do that ({told}), but csv_sync_run where the settings name an admin does"
            if statement.startswith("CREATE TABLE"):
                raise AlterError(f"{target.name} cannot be made: {told}.") from error
            raise AlterError(f"{target.name} cannot be changed: {told}; it is as it was.") from error


def _is_denied(error: DBAPIError) -> bool:
    """Whether the user has not the right to it."""
    number = next(iter(getattr(error.orig, "args", ())), None)
    return getattr(error.orig, "sqlstate", None) == _DENIED_STATE or number in _DENIED_NUMBERS


def _told(error: DBAPIError) -> str:
    """What a database says, with the detail that names what is in the way."""
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None and diagnosis.message_primary:
        parts = [diagnosis.message_primary, diagnosis.message_detail]
    else:
        arguments = getattr(error.orig, "args", ())
        parts = [str(arguments[-1] if arguments else error.orig)]
    return "; ".join(" ".join(part.split()).rstrip(".") for part in parts if part)
