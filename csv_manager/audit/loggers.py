"""`log_changes` and `log_queries`: what is written through an engine, a connection or sessions is told to a database.

Changes are told by triggers, so they are all there: those of ORM flushes, bulk and Core statements, raw SQL, cascades,
and defaults that the database computes. What was rolled back is not, for the triggers' work was rolled back as well.
Both logs are committed with what they tell of.
"""

import abc
import datetime as dt
import weakref
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from csv_manager.audit.log import AuditLog
from csv_manager.audit.models import ChangeLog, QueryLog
from csv_manager.audit.parameters import Redaction, plain, told_parameters
from csv_manager.audit.parcels import CHANGES, QUERIES, Destination, Parcel, WhenAway
from csv_manager.audit.quiet import is_quiet, quiet
from csv_manager.audit.sql_dialects import sql_dialect_of
from csv_manager.audit.statements import Statement, parse
from csv_manager.audit.tables import outbox
from csv_manager.audit.writing import Writing
from csv_manager.core import clock
from csv_manager.core.errors import AuditError, ConfigurationError

#: What can be logged, and what has an engine to log to.
Source = Engine | Connection | Session | sessionmaker[Any] | scoped_session[Any]
_SOURCES = (Engine, Connection, Session, sessionmaker, scoped_session)
#: What is told with each row: the same each time, or what a function returns when a transaction begins to write.
Extra = Mapping[str, Any] | Callable[[], Mapping[str, Any] | None] | None
#: The columns of tables whose values are not to be in a log.
Redact = Mapping[str, Collection[str]]

#: A target, the name of an event, and the function that hears of it.
_Heard = tuple[Any, str, Callable[..., Any]]
_EVENTS = ("begin", "before_cursor_execute", "after_cursor_execute", "commit", "rollback")


class Logger(abc.ABC):
    """Who listens to a source, until `close`."""

    def __init__(self, *, of: Source, to: Source, extra: Extra, redact: Redact, when_away: WhenAway) -> None:
        _refuse_wrong(of, redact, when_away)
        self.destination = Destination(_engine_of(to), when_away)
        self._extra = extra
        self._redact = {name: tuple(columns) for name, columns in redact.items()}
        self._redaction = Redaction({column for columns in self._redact.values() for column in columns})
        self._heard: list[_Heard] = []
        #: What is heard of the connections of sessions, until their transactions end.
        self._of_sessions: weakref.WeakKeyDictionary[Session, list[_Heard]] = weakref.WeakKeyDictionary()
        if isinstance(of, Engine | Connection):
            self._heard += self._listen(of)
        else:
            self._heard.append(_hear(of, "after_begin", self._after_begin))
            self._heard.append(_hear(of, "after_transaction_end", self._after_transaction_end))

    def close(self) -> None:
        """Listen no longer; what was told stays."""
        for heard in (self._heard, *self._of_sessions.values()):
            _remove(heard)

    @abc.abstractmethod
    def _make(self, connection: Connection) -> None:
        """Make the tables and triggers that are needed, unless they are there."""

    @abc.abstractmethod
    def begin(self, writing: Writing) -> None:
        """Make ready for what the transaction is about to write."""

    @abc.abstractmethod
    def parcel(self, writing: Writing) -> Parcel | None:
        """What there is to tell of it, if anything."""

    @abc.abstractmethod
    def ended(self, writing: Writing, *, is_committed: bool) -> None:
        """It was committed, or it was not."""

    @abc.abstractmethod
    def _before(self, connection: Connection, statement: Statement) -> None:
        """A statement that may write is about to be executed."""

    @abc.abstractmethod
    def _after(self, connection: Connection, statement: Statement, told: Callable[[], dict[str, Any]]) -> None:
        """It was executed; what the driver got is `told` if it is asked for."""

    def extra(self) -> dict[str, Any] | None:
        """What is told with each row."""
        given = self._extra() if callable(self._extra) else self._extra
        return None if given is None else {str(name): plain(value) for name, value in given.items()}

    def _listen(self, target: Engine | Connection) -> list[_Heard]:
        return [_hear(target, name, getattr(self, f"_{name}")) for name in _EVENTS]

    def _after_begin(self, session: Session, _transaction: Any, connection: Connection) -> None:
        if not event.contains(connection, "commit", self._commit):
            self._of_sessions.setdefault(session, []).extend(self._listen(connection))
            self._begin(connection)

    def _begin(self, connection: Connection) -> None:
        """Tables are made where nothing of a transaction is committed by that."""
        if sql_dialect_of(connection).commits_definitions and not is_quiet(connection):
            with quiet(connection):
                self._make(connection)

    def _after_transaction_end(self, session: Session, transaction: Any) -> None:
        """A session may have been given a connection, with which others go on."""
        if transaction.parent is None:
            _remove(self._of_sessions.pop(session, []))

    def _before_cursor_execute(self, connection: Connection, _cursor: Any, text: str, *_others: Any) -> None:
        if is_quiet(connection):
            return
        statement = parse(text)
        writing = Writing.current(connection)
        if writing is not None and (statement.verb in ("commit", "end") or _commits(connection, statement)):
            writing.prepare()
        if statement.may_write:
            self._before(connection, statement)

    def _after_cursor_execute(
        self, connection: Connection, _cursor: Any, text: str, parameters: Any, context: Any, executemany: Any
    ) -> None:
        if is_quiet(connection):
            return
        statement, writing = parse(text), Writing.current(connection)
        if statement.savepoint is not None:
            if writing is not None:
                writing.savepoint(statement, self)
        elif statement.verb in ("rollback", "abort"):
            if writing is not None:
                writing.rollback()
        elif statement.verb in ("commit", "end") or _commits(connection, statement):
            with quiet(connection):
                self.destination.catch_up(connection)
        if statement.may_write:
            self._after(connection, statement, lambda: self._told(connection, text, parameters, context, executemany))

    def _told(
        self, connection: Connection, text: str, parameters: Any, context: Any, executemany: Any
    ) -> dict[str, Any]:
        given = told_parameters(parameters, context, executemany=bool(executemany))
        return {
            "dialect_description": connection.dialect.dialect_description,
            "executed_at": clock.now().astimezone(dt.UTC).isoformat(),
            "statement": self._redaction.statement(text),
            "parameters": self._redaction.parameters(text, given),
            "type": parse(text).verb,
        }

    def _commit(self, connection: Connection) -> None:
        writing = Writing.current(connection)
        if writing is not None:
            writing.commit()

    def _rollback(self, connection: Connection) -> None:
        writing = Writing.current(connection)
        if writing is not None:
            writing.rollback()


class ChangeLogger(Logger):
    """Tells of changed rows; see `log_changes`."""

    def __init__(self, **given: Any) -> None:
        #: Of each engine what its tables were like when all of them were audited.
        self._known: weakref.WeakKeyDictionary[Engine, Hashable] = weakref.WeakKeyDictionary()
        super().__init__(**given)

    def _before(self, connection: Connection, statement: Statement) -> None:
        if statement.is_definition:
            return
        if statement.verb == "truncate" and sql_dialect_of(connection).commits_definitions:
            raise AuditError("TRUNCATE is not audited by this database; use DELETE. Nothing was executed.")
        writing = Writing.of(connection)
        writing.join(self)
        if self._known.get(connection.engine) is None:
            with quiet(connection):
                self._make(connection)

    def _after(self, connection: Connection, statement: Statement, told: Callable[[], dict[str, Any]]) -> None:
        del told
        if statement.is_definition:
            self._known.pop(connection.engine, None)

    def begin(self, writing: Writing) -> None:
        """Audit the tables that there are by now."""
        sql_dialect_of(writing.connection).prepare(writing.connection)
        self._make(writing.connection)
        writing.begin(self.extra())

    def _make(self, connection: Connection) -> None:
        """Audit all tables, as they are by now."""
        sql_dialect = sql_dialect_of(connection)
        if self._known.get(connection.engine) == sql_dialect.fingerprint(connection):
            return
        with sql_dialect.alone(connection):
            self.destination.prepare(connection)
            log = AuditLog(connection)
            log.install()
            log.track_all(redacted=self._redact, besides=_own_tables(connection))
        self._known[connection.engine] = sql_dialect.fingerprint(connection)
        _note(connection)

    def parcel(self, writing: Writing) -> Parcel | None:
        """Its changes, by their token."""
        begun = writing.begun
        if begun is None or next(AuditLog(writing.connection).entries(begun.after, token=begun.token), None) is None:
            return None
        extra = self.extra()
        return Parcel(log=CHANGES, executed_at=writing.began, extra=extra, token=begun.token, after=begun.after)

    def ended(self, writing: Writing, *, is_committed: bool) -> None:
        """Triggers that were made in it are not there if it was rolled back."""
        if not is_committed and writing.has_made:
            self._known.pop(writing.connection.engine, None)


class QueryLogger(Logger):
    """Tells of statements; see `log_queries`."""

    def __init__(self, **given: Any) -> None:
        self._prepared: weakref.WeakSet[Engine] = weakref.WeakSet()
        super().__init__(**given)

    def _before(self, connection: Connection, statement: Statement) -> None:
        del statement
        Writing.of(connection).join(self)

    def _after(self, connection: Connection, statement: Statement, told: Callable[[], dict[str, Any]]) -> None:
        del statement
        Writing.of(connection).executed(self, told())

    def begin(self, writing: Writing) -> None:
        """Make the tables that are needed."""
        self._make(writing.connection)

    def _make(self, connection: Connection) -> None:
        """What is written to later, or by now."""
        if connection.engine not in self._prepared:
            with sql_dialect_of(connection).alone(connection):
                self.destination.prepare(connection)
            self._prepared.add(connection.engine)
            _note(connection)

    def parcel(self, writing: Writing) -> Parcel | None:
        """The statements that were not undone."""
        rows = writing.statements(self)
        return Parcel(log=QUERIES, executed_at=writing.began, extra=self.extra(), rows=rows) if rows else None

    def ended(self, writing: Writing, *, is_committed: bool) -> None:
        """Tables that were made in it are not there if it was rolled back."""
        if not is_committed and writing.has_made:
            self._prepared.discard(writing.connection.engine)


def log_changes(
    *,
    of: Source,
    to: Source,
    extra: Extra = None,
    redact: Redact | None = None,
    when_away: WhenAway = "fail",
) -> ChangeLogger:
    """Have each row that is inserted, updated or deleted told as a `ChangeLog`.

    `of` is what is listened to: an engine, a connection, a session, or what makes sessions. Every table of its
    database is audited by triggers, also for other programs; told are the changes that come by `of`.

    `to` is the database of the log, which may be that of `of`: there, the log is committed with the changes. In another
    one it is written before they are committed, and committed after. While that one is away, writes `fail` with
    `AuditError`; or with `when_away="buffer"` the log waits in the audited database, and a later transaction or
    `deliver` brings it. Neither loses a row or tells one twice.

    `extra` is told with each row, as JSON has it. `redact` has, by table, columns whose values are not to be in the
    log: `{"users": ["password"]}`.

    The first write of a transaction raises `ConfigurationError` for a database that cannot be audited, and `AuditError`
    on a connection with AUTOCOMMIT, or in two phases.
    """
    return ChangeLogger(of=of, to=to, extra=extra, redact=redact or {}, when_away=when_away)


def log_queries(
    *,
    of: Source,
    to: Source,
    extra: Extra = None,
    redact: Redact | None = None,
    when_away: WhenAway = "fail",
) -> QueryLogger:
    """Have each statement that may write told as a `QueryLog`, once it is committed, as the driver got it.

    The arguments are those of `log_changes`. In a statement that names a column of `redact`, what is given for it, and
    each literal, is not told.
    """
    return QueryLogger(of=of, to=to, extra=extra, redact=redact or {}, when_away=when_away)


def deliver(*, of: Engine, to: Source) -> int:
    """Write to a log's database what waits for it in an audited one; for how many transactions, of each log.

    Each transaction does so, so this is for after the last one, such as after a crash.
    """
    destination = Destination(_engine_of(to), "buffer")
    with of.begin() as connection, quiet(connection):
        outbox.create_all(connection)
        count = destination.catch_up(connection)
        destination.forget(connection)
    return count


def _hear(target: Any, name: str, function: Callable[..., Any]) -> _Heard:
    event.listen(target, name, function)
    return target, name, function


def _remove(heard: list[_Heard]) -> None:
    while heard:
        event.remove(*heard.pop())


def _refuse_wrong(of: Any, redact: Any, when_away: Any) -> None:
    """Raise `ConfigurationError` for what a type checker would have told."""
    if not isinstance(of, _SOURCES):
        raise ConfigurationError(f"`of` is {of!r}; it takes an engine, a connection, a session, or a sessionmaker.")
    if when_away not in ("fail", "buffer"):
        raise ConfigurationError(f"`when_away` is {when_away!r}; it takes 'fail' or 'buffer'.")
    for name, columns in redact.items():
        if isinstance(columns, str):
            raise ConfigurationError(f"`redact` has {columns!r} for table {name}; it takes a list of columns.")


def _engine_of(to: Source) -> Engine:
    if not isinstance(to, _SOURCES):
        raise ConfigurationError(f"`to` is {to!r}; it takes an engine, or what has one.")
    if isinstance(to, Engine):
        return to
    if isinstance(to, sessionmaker):
        bind = to.kw.get("bind")
    elif isinstance(to, Connection):
        bind = to
    else:
        bind = to.get_bind()
    if bind is None:
        raise ConfigurationError("The database of the log is not known: `to` has no engine.")
    engine: Engine = bind.engine
    return engine


def _commits(connection: Connection, statement: Statement) -> bool:
    """Whether a statement commits all that was done before."""
    is_one = statement.is_definition or statement.verb == "truncate"
    return is_one and sql_dialect_of(connection).commits_definitions


def _note(connection: Connection) -> None:
    """Tables were made, which a rollback takes back if the database can."""
    writing = Writing.current(connection)
    if writing is not None and not sql_dialect_of(connection).commits_definitions:
        writing.has_made = True


def _own_tables(connection: Connection) -> list[str]:
    """The tables of logs, where they are in the database."""
    found = []
    for log in (ChangeLog, QueryLog):
        shape = sql_dialect_of(connection).describe(connection, None, log.__tablename__)
        if shape is not None and set(shape.columns) == set(log.__table__.columns.keys()):
            found.append(log.__tablename__)
    return found
