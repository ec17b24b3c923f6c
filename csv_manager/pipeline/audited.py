"""Changes of csv_manager's own: where a table is audited, its log tells what made them, and follows its columns."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from csv_manager.audit import batches
from csv_manager.audit.log import AuditLog, Begun
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.core.errors import StoreError
from csv_manager.store.engine import loading, looking

_logger = logging.getLogger("csv_manager.audit")
#: So many entries of a table are left as they are.
_MANY = 10_000


@contextlib.contextmanager
def changing(engine: Engine, admin: Engine | None, told: Mapping[str, Any]) -> Iterator[Connection]:
    """As `loading`, with what is `told` of the changes in the audit log of the database, if it has one; sealed.

    Where another user owns the tables, the log is its own, too: it tells of the changes before, and seals them after.
    """
    extra = {"program": "csv_manager", **{name: value for name, value in told.items() if value is not None}}
    if admin is None:
        with loading(engine) as connection, _logged(connection, extra) as ended:
            yield connection
        if ended == [False]:
            seal(engine)
        if ended:
            _compact_many(engine)
        return
    with _begun(admin, extra) as begun, loading(engine) as connection, _token(connection, begun):
        yield connection


def seal(engine: Engine) -> None:
    """Seal what is not sealed yet, in a transaction that sees what others have committed."""
    with _seeing(engine) as connection:
        AuditLog(connection).seal()


def compact(engine: Engine) -> int:
    """Keep what is sealed compressed; how many entries that are."""
    with _seeing(engine) as connection:
        return batches.compact(connection, AuditLog(connection).tables(ended=True))


def _compact_many(engine: Engine) -> None:
    """Keep what is sealed compressed if it is much; the changes themselves are committed, whatever comes of it."""
    try:
        with looking(engine) as connection:
            is_due = batches.are_many(connection, AuditLog(connection).tables(ended=True), _MANY)
        if is_due:
            compact(engine)
    except StoreError as error:
        _logger.warning("The audit log could not be compacted; it is tried again later: %s", error)


@contextlib.contextmanager
def _seeing(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees what others have committed."""
    with loading(engine) as connection:
        dialect = sql_dialect_of(connection)
        if not dialect.may_seal(connection):
            dialect.begin_seal(connection)
        yield connection


def follow(connection: Connection) -> None:
    """Have the tables that are audited be audited with the columns that they have now."""
    log = AuditLog(connection)
    if log.is_there and log.lapsed():
        with sql_dialect_of(connection).alone(connection):
            log.follow()


@contextlib.contextmanager
def _logged(connection: Connection, extra: Mapping[str, Any]) -> Iterator[list[bool]]:
    """Within the transaction itself; the list has then whether it is sealed, or is to be after its end."""
    log, dialect, ended = AuditLog(connection), sql_dialect_of(connection), list[bool]()
    if not log.is_there:
        yield ended
        return
    dialect.prepare(connection)
    try:
        with connection.begin_nested():
            begun = log.begin(extra)
    except DBAPIError:  # a user without rights on the log, whose changes are in it as those of another program
        yield ended
        return
    try:
        yield ended
    except BaseException:
        with contextlib.suppress(SQLAlchemyError):
            dialect.drop_token(connection)
        raise
    ended.append(log.end(begun))


@contextlib.contextmanager
def _begun(admin: Engine, extra: Mapping[str, Any]) -> Iterator[Begun | None]:
    """In transactions of their own, before and after."""
    with loading(admin) as connection:
        log = AuditLog(connection)
        begun = log.begin(extra) if log.is_there else None
        if begun is not None:
            sql_dialect_of(connection).set_token(connection, None)
    try:
        yield begun
    finally:
        if begun is not None:
            with loading(admin) as connection:
                is_sealed = AuditLog(connection).end(begun)
            if not is_sealed:
                seal(admin)
            _compact_many(admin)


@contextlib.contextmanager
def _token(connection: Connection, begun: Begun | None) -> Iterator[None]:
    """Have what is changed on a connection be known by a token."""
    if begun is None:
        yield
        return
    dialect = sql_dialect_of(connection)
    dialect.set_token(connection, begun.token)
    try:
        yield
    finally:
        with contextlib.suppress(SQLAlchemyError):
            dialect.set_token(connection, None)
