"""Upgrades stores that stdin tells of, each in a process that kills itself before its n-th change of the database.

A line is JSON: `number`, the `url` and maybe an `admin`. The answer is a line too: the statement that was not executed,
or an empty one if there were fewer. COMMIT counts as a statement.
"""

import json
import os
import signal
import sys
from typing import Any

import alembic.command  # noqa: F401 - imported once, and not by each process
from sqlalchemy import Engine, event, make_url

from csv_manager.store.engine import using
from csv_manager.store.upgrade import CORE, upgrade_as

_READS = ("SELECT", "SHOW", "DESCRIBE", "PRAGMA", "BEGIN")


def die_before(number: int) -> None:
    """Have this process killed before so many changes of a database were made."""
    left = number

    def count(statement: str) -> None:
        nonlocal left
        if statement.lstrip().upper().startswith(_READS):
            return
        left -= 1
        if not left:
            answer(" ".join(statement.split()))
            os.kill(os.getpid(), signal.SIGKILL)

    def execute(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        count(statement)

    event.listen(Engine, "before_cursor_execute", execute)
    event.listen(Engine, "commit", lambda _: count("COMMIT"))


def answer(line: str) -> None:
    """Write a line to who told of the store."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Answer each line by a process of its own."""
    for line in sys.stdin:
        told = json.loads(line)
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            if status not in (0, signal.SIGKILL):
                sys.exit("The upgrade failed.")
            continue
        die_before(told["number"])
        with using(told["url"]) as engine:
            upgrade_as(engine, make_url(told["admin"]) if told["admin"] else None, CORE)
        answer("")
        os._exit(0)


if __name__ == "__main__":
    main()
