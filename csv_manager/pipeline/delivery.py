"""Tells receivers what was recorded: at least once, in the order of the versions, each with its own watermark."""

import fnmatch
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csv_manager.core.errors import CsvManagerError, clause
from csv_manager.core.hosts import host, is_process_gone

if TYPE_CHECKING:  # it loads SQLAlchemy, which a command without the store does without
    from collections.abc import Callable

    from csv_manager.pipeline.store import Store, VersionChange

log = logging.getLogger("csv_manager.delivery")


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A function to tell; `files` is a glob that the absolute path must match; `replay` begins with the oldest."""

    name: str
    function: "Callable[[VersionChange], object]"
    files: str = "*"
    replay: bool = False


def _is_dead(owner: str | None) -> bool:
    """Whether the process that holds a lease has ended; of another host's that is not known."""
    if owner is None:
        return False
    where, pid, _ = owner.split(":")
    return where == _host() and is_process_gone(int(pid))


def _process(owner: str | None) -> str:
    """The process that holds, or held until just now, a lease."""
    if owner is None:
        return "another process"
    where, pid, _ = owner.split(":")
    return f"process {pid}{'' if where == _host() else f' on {where}'}"


def _words(receiver: Receiver, error: Exception) -> str:
    """What went wrong, for people who know by whom."""
    told = clause(error) if isinstance(error, CsvManagerError) else f"{type(error).__name__}: {clause(error)}"
    return told.removeprefix(f"Receiver {receiver.name}: ")


def _host() -> str:
    return host()[:32].replace(":", "-")


class Delivery:
    """The receivers of one process. One that fails is told the same again later, and holds up no other."""

    def __init__(self) -> None:
        self._owner = f"{_host()}:{os.getpid()}:{os.urandom(4).hex()}"
        self._receivers: dict[str, Receiver] = {}
        self._known: set[str] = set()
        self._failures: dict[str, tuple[int, str]] = {}
        self._elsewhere: dict[str, str] = {}

    def add(self, receiver: Receiver) -> None:
        """Add a receiver."""
        self._receivers[receiver.name] = receiver

    def remove(self, name: str) -> None:
        """Take a receiver away; its watermark stays in the store."""
        self._receivers.pop(name, None)

    def names(self) -> list[str]:
        """The names of the receivers."""
        return list(self._receivers)

    def register(self, store: "Store") -> None:
        """Give new receivers their first watermark, before anything more is recorded."""
        for receiver in list(self._receivers.values()):
            if receiver.name not in self._known:
                store.catalog.outbox.register(receiver.name, replay=receiver.replay)
                self._known.add(receiver.name)

    def told_elsewhere(self) -> dict[str, str]:
        """The receivers that were left to another process when they were to be told last, and which that was."""
        return dict(self._elsewhere)

    def deliver(self, store: "Store") -> bool:
        """Tell every receiver what it was not told yet; False if one failed and is to be told again.

        One that another process is telling did not fail.
        """
        self.register(store)
        told = [self._deliver(store, receiver) for receiver in list(self._receivers.values())]
        return all(told)

    def _deliver(self, store: "Store", receiver: Receiver) -> bool:
        outbox = store.catalog.outbox
        holder = outbox.owner(receiver.name)
        position = outbox.claim(receiver.name, self._owner, dead=holder if _is_dead(holder) else None)
        if position is None:
            self._elsewhere[receiver.name] = _process(holder)
            log.info("Receiver %s is being told by %s.", receiver.name, _process(holder))
            return True
        self._elsewhere.pop(receiver.name, None)
        failure = None
        try:
            while entries := outbox.since(position):
                for entry in entries:
                    if entry.kind != "held" and fnmatch.fnmatch(entry.path, receiver.files):
                        change = store.told(entry)
                        if change is not None:
                            receiver.function(change)
                    position = entry.position + entry.positions - 1
                    outbox.advance(receiver.name, self._owner, position)
        except Exception as error:
            failure = _words(receiver, error)
            if self._failures.get(receiver.name) != (position, failure):
                log.exception("Receiver %s failed; it is tried again with the same version.", receiver.name)
            self._failures[receiver.name] = position, failure
        finally:
            outbox.release(receiver.name, self._owner, failure)
        return failure is None
