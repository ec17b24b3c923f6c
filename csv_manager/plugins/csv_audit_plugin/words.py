"""What people are told of changes."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

#: The begin of a token by which a transaction is told.
_BEGIN = 12
CHANGE_COLUMNS = ("entry", "time", "type", "table", "key", "changes", "actor", "transaction")


def change_row(change: Any, form: str) -> dict[str, Any]:
    """A change as a row of an answer: for people in words, for programs with everything that is known."""
    entry, by = change.entry, change.by
    if form == "table":
        return {
            "entry": entry.number,
            "time": when(entry.at),
            "type": entry.type,
            "table": table(entry.table),
            "key": key(entry.primary_key),
            "changes": diff(entry.diff()),
            "actor": change.actor,
            "transaction": begin(entry.token),
        }
    return {
        "entry": entry.number,
        "time": when(entry.at),
        "type": entry.type,
        "table": table(entry.table),
        "key": entry.primary_key,
        "changes": entry.diff(),
        "actor": change.actor,
        "transaction": entry.token,
        "program": by and by.program,
        "run": by and by.run,
        "extra": by and by.extra,
    }


def net_row(change: Any, form: str, conflict: Any = None) -> dict[str, Any]:
    """What an undo does to a row, and what is in the way."""
    back = change.reverse
    kind = "insert" if back.before is None else "delete" if back.after is None else "update"
    told = back.diff()
    return {
        "table": table(change.table),
        "row": change.row,
        "undo": kind,
        "changes": diff(told) if form == "table" else told,
        "conflict": None if conflict is None else why(conflict),
    }


def why(conflict: Any) -> str:
    """What is in the way of an undo."""
    if conflict.reason is not None:
        return str(conflict.reason)
    if conflict.present is None:
        return f"The row went since{_by(conflict)}."
    if conflict.change.after is None:
        return f"There is a row with this key again{_by(conflict)}."
    places = conflict.change.table.differing(conflict.change.after, conflict.present)
    return f"It was changed since{_by(conflict)}: {', '.join(places)}."


def _by(conflict: Any) -> str:
    return "" if conflict.entry is None else f", by entry {conflict.entry}"


def transaction_rows(sealed: Any) -> Iterator[dict[str, Any]]:
    """The values of changes before and after, a row for each."""
    for each in sealed:
        entry = each.change.entry
        told = entry.diff() or {"-": {"old": None, "new": None}}
        for column, sides in told.items():
            yield {
                "entry": entry.number,
                "type": entry.type,
                "table": table(entry.table),
                "key": key(entry.primary_key),
                "column": column,
                **sides,
            }


def when(at: str) -> dt.datetime:
    """The time of an entry."""
    return dt.datetime.fromisoformat(at)


def table(audited: Any) -> str:
    """The name of a table."""
    return ".".join(filter(None, (audited.schema, audited.name)))


def begin(token: str | None) -> str | None:
    """A token as people type it: those of the database's own are whole."""
    return token if token is None or "." in token else token[:_BEGIN]


def key(told: Mapping[str, Any]) -> str:
    """A key in words: of one column, its value."""
    if len(told) == 1:
        return value(next(iter(told.values())))
    return ", ".join(f"{name}={value(cell)}" for name, cell in told.items())


def diff(told: Mapping[str, Mapping[str, Any]]) -> str:
    """What changed in words."""
    return ", ".join(_told(name, **sides) for name, sides in told.items())


def _told(name: str, old: Any, new: Any) -> str:
    if old is None or new is None:
        return f"{name}: {value(new)}" if old is None else f"{name}: {value(old)} → {value(new)}"
    return f"{name}: {value(old)} → {value(new)}"


def value(cell: Any) -> str:
    """A value in words."""
    return "NULL" if cell is None else str(cell)
