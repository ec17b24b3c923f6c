"""One session over several databases: each table is in the bind of its class."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.sql.visitors import iterate

if TYPE_CHECKING:
    from csv_manager.framework.databases import Databases


class BoundSession(Session):
    """Finds the engine of what is asked for; what names no table is asked of the store's database."""

    def __init__(self, databases: "Databases", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._databases = databases

    def get_bind(
        self, mapper: Any = None, *, clause: Any = None, bind: Engine | Connection | None = None, **_: Any
    ) -> Engine | Connection:
        """The bind that was asked for, else the engine of a mapped class, or of the first table of a statement."""
        if bind is not None:
            return bind
        if mapper is not None:
            from sqlalchemy import inspect

            table: Any = inspect(mapper).local_table
        else:
            table = (
                next((part for part in iterate(clause) if isinstance(part, Table)), None)
                if clause is not None
                else None
            )
        name = self._databases.bind_of(table)
        engine: Engine = self._databases.bind(name).engine
        return engine


def bound_session(databases: "Databases") -> Any:
    """A session for each thread. A commit commits each database by itself, the store's first."""
    return scoped_session(sessionmaker(class_=BoundSession, databases=databases))
