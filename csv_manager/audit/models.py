"""What `log_changes` and `log_queries` write, as mapped classes: a row for each change, and one for each statement."""

import datetime as dt
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class _Utc(TypeDecorator[dt.datetime]):
    """A time with its zone in Python, and in UTC in the database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Microseconds also where they are not kept unless asked for."""
        if dialect.name in ("mysql", "mariadb"):
            from sqlalchemy.dialects.mysql import DATETIME

            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """In UTC; naive where the database knows no zone."""
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """In UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class Base(DeclarativeBase):
    """The tables of both logs."""


class ChangeLog(Base):
    """One row that was changed.

    `type` is `insert`, `update` or `delete`. `diff` has what changed by column, as `{"old": …, "new": …}`, without the
    columns of the primary key unless these changed. `primary_key` is the row's key by column; of a table without one
    it is the whole row. `executed_at` is when the transaction began to write.
    """

    __tablename__ = "change_log"

    id: Mapped[int] = mapped_column(primary_key=True)
    diff: Mapped[dict[str, Any]] = mapped_column(JSON)
    executed_at: Mapped[dt.datetime] = mapped_column(_Utc)
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    primary_key: Mapped[dict[str, Any]] = mapped_column(JSON)
    table_name: Mapped[str] = mapped_column(String(128))
    type: Mapped[str] = mapped_column(String(32))


class QueryLog(Base):
    """One statement that was executed, as the driver got it.

    `parameters` is a list of the statement's parameters, each time that it was executed: by name as far as names are
    known. `type` is the statement's verb in small letters, such as `insert`.
    """

    __tablename__ = "query_log"

    id: Mapped[int] = mapped_column(primary_key=True)
    dialect_description: Mapped[str] = mapped_column(String(64))
    executed_at: Mapped[dt.datetime] = mapped_column(_Utc)
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    parameters: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    statement: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(String(32))


class Delivered(Base):
    """A parcel whose rows are there, so that they do not come twice."""

    __tablename__ = "csv_audit_delivered"

    parcel: Mapped[str] = mapped_column(String(32), primary_key=True)
