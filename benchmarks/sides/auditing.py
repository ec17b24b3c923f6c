"""Rows that are written by one way of auditing them, or by none, in a process of its own.

Called as `auditing.py WAY WORK COUNT`. Prints, as JSON, the CPU time in ms of the work, from its first statement to its
last commit, the process's peak memory in MB, and what was found: how many rows are there, and how many changes the
audit tells of (None for what is not audited). The work `size` finds the bytes that the log keeps, and `recover` how
many rows it makes of how many changes. The database is an SQLite file in a temporary folder.
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import peak
from sqlalchemy import Engine, create_engine, delete, event, func, insert, inspect, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, configure_mappers, mapped_column

sys.path.append(str(Path(__file__).parent.parent))

from csv_files import HEADER, row

from csv_manager.audit import batches, recovering
from csv_manager.audit.log import AuditLog


class Base(DeclarativeBase):
    """What is mapped."""


def mapped(*mixins: type, **attributes: Any) -> Any:
    """A class of ten columns, as a way of auditing wants it."""
    columns = {
        "__tablename__": "rows",
        "__annotations__": {"id": Mapped[int]} | dict.fromkeys(HEADER[1:], Mapped[str]),
        "id": mapped_column(primary_key=True),
        **{name: mapped_column() for name in HEADER[1:]},
    }
    return type("Row", (*mixins, Base), {**columns, **attributes})


def rows_of(count: int) -> list[dict[str, Any]]:
    """Rows by their columns, the same each time."""
    source = random.Random(80)  # noqa: S311 - the same each time
    return [dict(zip(HEADER, row(source, number), strict=True)) | {"id": number} for number in range(count)]


def plain(_engine: Engine) -> tuple[Any, Callable[[Session], int | None]]:
    """Nothing is audited."""
    return mapped(), lambda _session: None


def triggers(engine: Engine) -> tuple[Any, Callable[[Session], int | None]]:
    """csv_audit_add: triggers alone; what is written is sealed by others."""
    row = mapped()
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        log = AuditLog(connection)
        log.install()
        log.track("rows")
    return row, lambda session: sum(1 for _ in AuditLog(session.connection()).entries())


def log_changes(engine: Engine) -> tuple[Any, Callable[[Session], int | None]]:
    """csv_manager's library, which writes a ChangeLog beside the triggers' entries and seals them."""
    from csv_manager.audit import ChangeLog
    from csv_manager.audit import log_changes as begin

    row = mapped()
    Base.metadata.create_all(engine)
    begin(of=engine, to=engine)

    def told(session: Session) -> int | None:
        is_there = inspect(session.connection()).has_table(ChangeLog.__tablename__)  # which the first change makes
        return session.scalar(select(func.count()).select_from(ChangeLog)) if is_there else 0

    return row, told


def continuum(engine: Engine) -> tuple[Any, Callable[[Session], int | None]]:
    """SQLAlchemy-Continuum."""
    from sqlalchemy_continuum import make_versioned, version_class

    make_versioned(user_cls=None)
    row = mapped(__versioned__={})
    configure_mappers()
    Base.metadata.create_all(engine)
    return row, lambda session: session.scalar(select(func.count()).select_from(version_class(row)))


def history(engine: Engine) -> tuple[Any, Callable[[Session], int | None]]:
    """SQLAlchemy-History."""
    from sqlalchemy_history import make_versioned, version_class

    make_versioned(user_cls=None)
    row = mapped(__versioned__={})
    configure_mappers()
    Base.metadata.create_all(engine)
    return row, lambda session: session.scalar(select(func.count()).select_from(version_class(row)))


def orm_insert(engine: Engine, mapped_class: Any, rows: list[dict[str, Any]]) -> None:
    """Objects that are added one by one."""
    with Session(engine) as session:
        session.add_all(mapped_class(**cells) for cells in rows)
        session.commit()


def orm_update(engine: Engine, mapped_class: Any, _rows: list[dict[str, Any]]) -> None:
    """Objects that are read, and changed one by one."""
    with Session(engine) as session:
        for each in session.scalars(select(mapped_class)):
            each.note = "another"
        session.commit()


def bulk(engine: Engine, mapped_class: Any, rows: list[dict[str, Any]]) -> None:
    """Statements of Core: rows inserted, all updated, and a quarter of them deleted."""
    with engine.begin() as connection:
        connection.execute(insert(mapped_class), rows)
    with engine.begin() as connection:
        connection.execute(update(mapped_class).values(note="another"))
    with engine.begin() as connection:
        connection.execute(delete(mapped_class).where(mapped_class.id < len(rows) // 4))


def own(engine: Engine, _mapped_class: Any, rows: list[dict[str, Any]]) -> None:
    """What csv_manager writes itself: rows merged by their key, all updated, and a quarter of them deleted."""
    from csv_manager import open_database

    with open_database(engine.url) as database:
        [table] = [table for table in database.tables() if table.name == "rows"]
        database.upsert_rows(table, HEADER, (tuple(cells.values()) for cells in rows))
        database.upsert_rows(table, HEADER, ((*tuple(cells.values())[:-1], "another") for cells in rows))
        database.delete_rows(table, HEADER[:1], [(number,) for number in range(len(rows) // 4)])


WAYS = {way.__name__: way for way in (plain, triggers, log_changes, continuum, history)}
WORKS = {work.__name__: work for work in (orm_insert, orm_update, bulk, own)}


def written(way: str, work: str, count: int, folder: str) -> tuple[float, list[int | None]]:
    """The CPU seconds of a work, and what was found then."""
    engine = create_engine(f"sqlite:///{Path(folder) / 'rows.db'}")
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA journal_mode = WAL"))
    mapped_class, changes = WAYS[way](engine)
    Base.metadata.create_all(engine)
    rows = rows_of(count)
    if work == "orm_update":
        orm_insert(engine, mapped_class, rows)
    with Session(engine) as session:
        before = changes(session) or 0
    start = time.process_time()
    WORKS[work](engine, mapped_class, rows)
    passed = time.process_time() - start
    with Session(engine) as session:
        told = changes(session)
        there = session.scalar(text("SELECT count(*) FROM rows"))
    engine.dispose()
    return passed, [there, None if told is None else told - before]


def size(count: int, folder: str) -> tuple[float, list[int | None]]:
    """The bytes of the compressed entries of what csv_manager writes itself."""
    passed, _ = written("triggers", "own", count, folder)
    engine = create_engine(f"sqlite:///{Path(folder) / 'rows.db'}")
    with engine.begin() as connection:
        batches.compact(connection, AuditLog(connection).tables())
        kept = connection.scalar(text("SELECT sum(length(content)) FROM csv_audit_batches"))
    engine.dispose()
    return passed, [kept]


def recover(count: int, folder: str) -> tuple[float, list[int | None]]:
    """The CPU seconds until rows are in another database as they were before so many changes, four of each row."""
    engine, other = (create_engine(f"sqlite:///{Path(folder) / name}.db") for name in ("rows", "then"))
    mapped_class, _ = plain(engine)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(mapped_class), rows_of(count // 4))
        log = AuditLog(connection)
        log.install()
        log.track("rows")
        for number in range(4):
            connection.execute(update(mapped_class).values(note=f"another {number}", city="elsewhere"))
    start = time.process_time()
    with engine.connect() as source, other.begin() as target:
        later = recovering.later_than(AuditLog(source), 0)
        [found] = recovering.recover(source, target, later)
    passed = time.process_time() - start
    for each in (engine, other):
        each.dispose()
    return passed, [found.rows, len(later)]


def main() -> None:
    way, work, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as folder:
        if work in WORKS:
            passed, found = written(way, work, count, folder)
        else:
            passed, found = {"size": size, "recover": recover}[work](count, folder)
    print(json.dumps({"time": 1000 * passed, "peak": peak(), "found": found}))


if __name__ == "__main__":
    main()
