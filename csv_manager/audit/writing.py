"""A transaction that writes: what its loggers are to tell of it, and its commit."""

import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy import Connection, TwoPhaseTransaction
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from csv_manager.audit.log import AuditLog, Begun
from csv_manager.audit.parcels import Destination, Parcel, Shipments
from csv_manager.audit.quiet import quiet
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.statements import Statement
from csv_manager.core import clock
from csv_manager.core.errors import AuditError

_logger = logging.getLogger(__name__)
_WRITING = "csv_manager.audit"


class Logger(Protocol):
    """Who is told of transactions."""

    destination: Destination

    def begin(self, writing: "Writing") -> None:
        """Make ready for what the transaction is about to write."""

    def parcel(self, writing: "Writing") -> Parcel | None:
        """What there is to tell of it, if anything."""

    def ended(self, writing: "Writing", *, is_committed: bool) -> None:
        """It was committed, or it was not."""


class Writing:
    """A transaction of a connection, from its first write to its end."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.began = clock.now()
        self.begun: Begun | None = None
        #: Whether a logger has made tables or triggers in it.
        self.has_made = False
        self._is_sealed = True
        self._loggers: list[Logger] = []
        self._statements: list[tuple[Logger, dict[str, Any]]] = []
        self._savepoints: list[tuple[str, int, int]] = []
        self._forgotten: dict[Logger, list[str]] = {}

    @classmethod
    def of(cls, connection: Connection) -> "Writing":
        """The one that goes on, or that begins now."""
        found = cls.current(connection)
        if found is None:
            found = connection.info[_WRITING] = cls(connection)
        return found

    @staticmethod
    def current(connection: Connection) -> "Writing | None":
        """The one that goes on, if one does."""
        found: Writing | None = connection.info.get(_WRITING)
        return found

    def join(self, logger: Logger) -> None:
        """Tell a logger of it. Raises `AuditError` if nothing tells when it is committed."""
        if logger in self._loggers:
            return
        with quiet(self.connection):
            if sql_dialect_of(self.connection).is_autocommit(self.connection):
                told = "A connection with AUTOCOMMIT cannot be logged: its changes are there before their log is."
                raise AuditError(f"{told} Use another isolation level; nothing was executed.")
            if isinstance(self.connection.get_transaction(), TwoPhaseTransaction):
                raise AuditError("A transaction in two phases cannot be logged; nothing was executed.")
            logger.begin(self)
            self._loggers.append(logger)
            self._forgotten[logger] = logger.destination.forget(self.connection)

    def begin(self, extra: Mapping[str, Any] | None) -> None:
        """Have what is changed from now on be known as this transaction's, with who does it."""
        if self.begun is None:
            self.begun = AuditLog(self.connection).begin(extra)

    def executed(self, logger: Logger, row: dict[str, Any]) -> None:
        """A statement of which a logger is to tell."""
        self._statements.append((logger, row))

    def statements(self, logger: Logger) -> list[dict[str, Any]]:
        """The statements that were executed, and not undone."""
        return [row for owner, row in self._statements if owner is logger]

    def savepoint(self, statement: Statement, logger: Logger) -> None:
        """A savepoint was made, released, or gone back to, of which each logger tells."""
        if statement.savepoint is None or [logger] != self._loggers[:1]:
            return
        verb, name = statement.savepoint
        if verb == "savepoint":
            self._savepoints.append((name, len(self._statements), len(self._loggers)))
            return
        places = [place for place, each in enumerate(self._savepoints) if each[0] == name]
        if verb == "back":
            self._back(*self._savepoints[places[-1]][1:]) if places else self.rollback()
        if places:
            del self._savepoints[places[-1] + (verb == "back") :]

    def _back(self, statements: int, loggers: int) -> None:
        """Only the first statements are done, and the first loggers told."""
        for logger in self._loggers:
            logger.ended(self, is_committed=False)
        del self._statements[statements:]
        del self._loggers[loggers:]

    def commit(self) -> None:
        """Have the logs be part of what is committed, commit it, and write then what is to be written elsewhere.

        Nothing tells when a driver has committed, so it is told to here; that SQLAlchemy does it again does nothing.
        """
        self._end()
        shipments = Shipments()
        with quiet(self.connection):
            try:
                self._catch_up()
                for logger, parcel in self._keep():
                    logger.destination.send(self.connection, parcel, shipments)
                self._commit()
            except BaseException:
                shipments.rollback()
                self.connection.dialect.do_rollback(self.connection.connection)
                self._tell(is_committed=False)
                raise
            shipments.commit()
            if not self._is_sealed:
                self._seal()
            self._tell(is_committed=True)

    def prepare(self) -> None:
        """Have the logs be part of what another one than SQLAlchemy commits, and be delivered later."""
        self._end()
        with quiet(self.connection):
            self._keep()
        for logger in self._loggers:
            logger.destination.is_behind = True

    def _keep(self) -> list[tuple[Logger, Parcel]]:
        """Write what there is to tell to the audited database, and seal it."""
        told = [(logger, logger.parcel(self)) for logger in self._loggers]
        parcels = [(logger, parcel) for logger, parcel in told if parcel is not None]
        for logger, parcel in parcels:
            logger.destination.keep(self.connection, parcel)
        if self.begun is not None:
            self._is_sealed = AuditLog(self.connection).end(self.begun)
        return parcels

    def _seal(self) -> None:
        """In a transaction of its own; an error leaves it to the next one, for the changes are there."""
        try:
            sql_dialect_of(self.connection).begin_seal(self.connection)
            AuditLog(self.connection).seal()
            self.connection.dialect.do_commit(self.connection.connection)
        except SQLAlchemyError:
            _logger.warning("The audit log could not be sealed; the next transaction does it.", exc_info=True)
            self.connection.dialect.do_rollback(self.connection.connection)

    def _catch_up(self) -> None:
        """Write first what earlier transactions left, so that a log is in the order of commits."""
        for logger in self._loggers:
            logger.destination.catch_up(self.connection)

    def _commit(self) -> None:
        """Errors are those that SQLAlchemy makes of the driver's."""
        dialect = self.connection.dialect
        try:
            dialect.do_commit(self.connection.connection)
        except Exception as error:
            base = dialect.loaded_dbapi.Error
            raise DBAPIError.instance("COMMIT", None, error, base, dialect=dialect) from error

    def _tell(self, *, is_committed: bool) -> None:
        for logger in self._loggers:
            if is_committed:
                logger.destination.forgotten(self._forgotten[logger])
            logger.ended(self, is_committed=is_committed)

    def rollback(self) -> None:
        """Nothing of it is there."""
        self._end()
        if self.begun is not None and not self.connection.invalidated:
            with quiet(self.connection), contextlib.suppress(SQLAlchemyError):
                sql_dialect_of(self.connection).drop_token(self.connection)
        self._tell(is_committed=False)

    def _end(self) -> None:
        self.connection.info.pop(_WRITING, None)
