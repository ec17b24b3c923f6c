"""The processes that watch, by their heartbeats."""

import datetime as dt
import os
import socket

from sqlalchemy import Engine, delete, func, insert, select, update

from csv_manager.store.engine import reading, writing
from csv_manager.store.schema import services

#: Seconds after which a service without a heartbeat is taken for dead.
DEAD_SECONDS = 20


class Services:
    """The table csv_services."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def beat(self, service: str) -> None:
        """Say that a service is alive; the first time, that it is there. Dead ones are forgotten."""
        now = dt.datetime.now(dt.UTC)
        with writing(self._engine) as connection:
            known = connection.execute(update(services).where(services.c.id == service).values(heartbeat=now))
            if known.rowcount:
                return
            connection.execute(delete(services).where(services.c.heartbeat < now - dt.timedelta(days=1)))
            host = socket.gethostname()[:255]
            connection.execute(
                insert(services).values(id=service, host=host, pid=os.getpid(), started=now, heartbeat=now)
            )

    def end(self, service: str) -> None:
        """Say that a service has stopped."""
        with writing(self._engine) as connection:
            connection.execute(delete(services).where(services.c.id == service))

    def alive(self) -> int:
        """The number of services that are alive."""
        since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=DEAD_SECONDS)
        with reading(self._engine) as connection:
            query = select(func.count()).select_from(services).where(services.c.heartbeat >= since)
            return int(connection.execute(query).scalar_one())
