"""Copies what the tables of one store hold into the empty ones of another, whatever databases they are in."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, func, insert, inspect, select, update
from sqlalchemy.schema import sort_tables

from csv_manager.core.errors import StoreError
from csv_manager.store.engine import name_of, reading, writing
from csv_manager.store.schema import changes, counters, quarantine, services, versions
from csv_manager.store.services import Services
from csv_manager.store.sql_dialects import run, sql_dialect_of

#: Around the copying of one table of so many rows: a function to call with how many more are copied.
Progress = Callable[[str, int], contextlib.AbstractContextManager[Callable[[int], None]]]
#: Rows that are read and written at once.
_PAGE = 500
#: What is not copied: the processes that watch are those of the other store.
_LEFT = (services,)
#: What a new store has in it.
_THERE = (*_LEFT, counters)


def copy_store(source: Engine, target: Engine, tables: Sequence[Table], progress: Progress) -> dict[str, int]:
    """Copy the rows of tables in one transaction; how many there were of each.

    Nobody writes to either meanwhile. `target` is its administrator's, who may say where numbers go on. Raises
    `StoreError`, and nothing was copied then: for a store that is watched, one that is not empty, and an empty source.
    """
    _refuse_full(target, tables)
    for engine in (source, target):
        _refuse_live(engine)
    with writing(source) as old, writing(target) as new:
        _refuse_full(target, tables)
        there = set(inspect(old).get_table_names())
        copied = [table for table in sort_tables(tables) if table not in _LEFT and table.name in there]
        if not any(_count(old, table) for table in copied if table not in _THERE):
            raise StoreError(f"The store {name_of(source.url)} is empty; there is nothing to copy.")
        left: set[tuple[int, int]] = set()
        counts = {table.name: _copy(old, new, table, progress, left) for table in copied}
        _leave(new, left)
        for statement in sql_dialect_of(target).renumber(new, [table.name for table in copied]):
            run(new, statement)
    return counts


def _copy(old: Connection, new: Connection, table: Table, progress: Progress, left: set[tuple[int, int]]) -> int:
    new.execute(delete(table))
    count = 0
    with progress(f"Copying {table.name}", _count(old, table)) as done:
        query = select(table).order_by(*table.primary_key.columns)
        for page in old.execute(query, execution_options={"yield_per": _PAGE}).mappings().partitions():
            rows = [dict(row) for row in page]
            if table is changes:
                rows = _taken(new, rows, left)
            elif table is quarantine:
                rows = _with_cells(new, rows)
            if rows:
                new.execute(insert(table), rows)
            count += len(rows)
            done(len(page))
    return count


def _taken(new: Connection, rows: list[dict[str, Any]], left: set[tuple[int, int]]) -> list[dict[str, Any]]:
    """Row changes that the database takes; the versions of the others are noted in `left`."""
    takes = sql_dialect_of(new.engine).takes
    if not takes(new, map(_cells, rows)):
        left |= {(row["file_id"], row["version"]) for row in rows if not takes(new, [_cells(row)])}
    return [row for row in rows if (row["file_id"], row["version"]) not in left]


def _with_cells(new: Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Quarantined rows, without the cells that the database does not take."""
    takes = sql_dialect_of(new.engine).takes
    if takes(new, (row["row_cells"] for row in rows)):
        return rows
    return [row if takes(new, [row["row_cells"]]) else {**row, "row_cells": None} for row in rows]


def _leave(new: Connection, left: set[tuple[int, int]]) -> None:
    """Have the row changes of versions, of which not all could be copied, be read from the archive."""
    for file_id, number in left:
        new.execute(delete(changes).where(changes.c.file_id == file_id, changes.c.version == number))
        mine = versions.c.file_id == file_id, versions.c.number == number
        new.execute(update(versions).where(*mine).values(stored=False))


def _cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["row_key"], row["row_before"], row["row_after"]


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _refuse_full(engine: Engine, tables: Sequence[Table]) -> None:
    """Raise for a store that has anything in it."""
    with reading(engine) as connection:
        full = [table.name for table in tables if table not in _THERE and _count(connection, table)]
    if full:
        raise StoreError(
            f"The store {name_of(engine.url)} is not empty, there are rows in {', '.join(sorted(full))}; one that is "
            "copied needs an empty one, in a new database."
        )


def _refuse_live(engine: Engine) -> None:
    """Raise for a store that a process watches files with."""
    alive = next((service for service in Services(engine).all() if service.alive), None)
    if alive is not None:
        raise StoreError(
            f"The process {alive.pid} on {alive.host} watches with the store {name_of(engine.url)}; stop it first."
        )
