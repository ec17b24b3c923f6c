"""Writes transactions until it is killed: `python audited_writer.py DATABASE LOG`, both as URLs of SQLAlchemy."""

import itertools
import sys
import time

from sqlalchemy import create_engine, event

from csv_manager.audit import log_changes, log_queries


def main(database: str, log: str) -> None:
    """Each transaction sets its own number; a savepoint in each is undone."""
    engine, there = create_engine(database), create_engine(log)
    for each in (engine, there) if engine.name == "sqlite" else (there,):
        event.listen(each, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
    log_changes(of=engine, to=there, extra={"by": "changes"})
    log_queries(of=engine, to=there, extra={"by": "queries"})
    for number in itertools.count(time.time_ns()):
        with engine.begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO counted (number) VALUES ({number})")  # noqa: S608 - a number
            connection.exec_driver_sql(f"UPDATE counted SET twice = {number} WHERE number > {number - 3}")  # noqa: S608
            with connection.begin_nested() as savepoint:
                connection.exec_driver_sql("DELETE FROM counted")
                savepoint.rollback()
            connection.exec_driver_sql(f"DELETE FROM counted WHERE number < {number - 5}")  # noqa: S608 - a number


if __name__ == "__main__":
    main(*sys.argv[1:])
