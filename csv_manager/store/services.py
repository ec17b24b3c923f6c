"""The processes that watch, by their heartbeats."""

import datetime as dt
import os
from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, or_, select, update

from csv_manager.core import clock
from csv_manager.core.hosts import host, is_process_gone
from csv_manager.store.engine import reading, writing
from csv_manager.store.schema import services

#: Seconds after which a service without a heartbeat is taken for dead.
DEAD_SECONDS = 20
_FORGOTTEN = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class ServiceRecord:
    """One process that watches, or watched and did not say that it stops; `files` are how many it watches.

    `overflows` counts the times at which the operating system lost file events, each of them followed by a scan. One
    that checks everything `once` is no service; of one that an older csv_manager noted that is not known.
    """

    id: str
    host: str
    pid: int
    started: dt.datetime
    heartbeat: dt.datetime
    files: int | None
    overflows: int | None
    once: bool | None

    @property
    def alive(self) -> bool:
        """Whether the process is there: it has a heartbeat, and on this host a process too."""
        # A heartbeat from the future is one from before the clock was set back.
        rested = abs((clock.now() - self.heartbeat).total_seconds())
        return rested < DEAD_SECONDS and not (self.host == host() and is_process_gone(self.pid))


class Services:
    """The table csv_services."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def beat(self, service: str, *, files: int = 0, overflows: int = 0, once: bool = False) -> None:
        """Say that a service is alive; the first time, that it is there, and whether it is a check `once`.

        It takes over then from those that died on this host, a check only from other checks; those that died long ago
        elsewhere are forgotten too.
        """
        now = clock.now()
        told = {"heartbeat": now, "files": files, "overflows": overflows}
        with writing(self._engine) as connection:
            known = connection.execute(update(services).where(services.c.id == service).values(**told))
            if known.rowcount:
                return
            forgotten = services.c.heartbeat < now - _FORGOTTEN
            here = select(services.c.id, services.c.pid).where(services.c.host == host())
            here = here.where(services.c.once) if once else here
            gone = [row.id for row in connection.execute(here) if is_process_gone(row.pid)]
            connection.execute(delete(services).where(or_(forgotten, services.c.id.in_(gone))))
            told |= {"id": service, "host": host(), "pid": os.getpid(), "started": now, "once": once}
            connection.execute(insert(services).values(**told))

    def end(self, service: str) -> None:
        """Say that a service has stopped."""
        with writing(self._engine) as connection:
            connection.execute(delete(services).where(services.c.id == service))

    def all(self) -> list[ServiceRecord]:
        """Every service that is alive or ended without a word within a day, the newest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(services).order_by(services.c.started.desc())).mappings()
            return [ServiceRecord(**row) for row in rows]

    def alive(self) -> int:
        """The number of services that are alive."""
        return sum(service.alive for service in self.all())
