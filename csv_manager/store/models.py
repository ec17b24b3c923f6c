"""Mapped classes: the base of those that plugins declare, and those of the ledger, for queries of one's own."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, relationship

from csv_manager.core.errors import PluginError
from csv_manager.store import schema


class Model(DeclarativeBase):
    """The base of a plugin's mapped classes; `__bind_key__` names the database of one, the store's by default."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Raise `PluginError` for a table that another class has."""
        try:
            super().__init_subclass__(**kwargs)
        except InvalidRequestError as error:
            name = getattr(cls, "__tablename__", None)
            others = [known for known in _below(Model) if getattr(known, "__tablename__", None) == name]
            if len(others) == 1:  # it was refused for something else
                raise
            own, other = (f"{clazz.__module__}.{clazz.__qualname__}" for clazz in (cls, others[0]))
            raise PluginError(f"{own}: {other} has a table {name!r} already; name it otherwise.") from error


def _below(clazz: type[Model]) -> Iterator[type[Model]]:
    for known in clazz.__subclasses__():
        yield known
        yield from _below(known)


class _Ledger(DeclarativeBase):
    metadata = schema.metadata


class Configuration(_Ledger):
    """Settings and options that were in force: `hash`, `content`, `created`."""

    __table__ = schema.configurations

    runs: Mapped[list["Run"]] = relationship(back_populates="settings", viewonly=True)


class Run(_Ledger):
    """One processing of a version: the columns of csv_runs, its `tasks`, and the `settings` that were in force."""

    __table__ = schema.runs

    tasks: Mapped[list["Task"]] = relationship(back_populates="run", order_by=schema.tasks.c.number, viewonly=True)
    settings: Mapped["Configuration"] = relationship(back_populates="runs", viewonly=True)


class Task(_Ledger):
    """One stage of a run, or one target: the columns of csv_tasks, and its `run`."""

    __table__ = schema.tasks

    run: Mapped["Run"] = relationship(back_populates="tasks", viewonly=True)
