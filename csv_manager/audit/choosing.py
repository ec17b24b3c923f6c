"""Entries as people ask for them: with who made them, by table, key, time, actor or run, or by their transaction."""

import datetime as dt
import difflib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from csv_manager.audit.entries import AuditedTable, Entry
from csv_manager.audit.log import AuditLog, Transaction
from csv_manager.audit.times import padded, utc
from csv_manager.core.errors import OptionError

#: So many entries are asked at once who made them.
_PAGE = 500
#: A text of digits that is no longer is the number of an entry, and no begin of a token.
_DIGITS = 11
#: So many of several are named.
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Change:
    """An entry, and who made it."""

    entry: Entry
    by: Transaction | None

    @property
    def actor(self) -> str | None:
        """The user, at the host that it came from; None if the database does not tell."""
        return self.by.actor if self.by is not None else None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which changes are meant: those that meet all that is told.

    `key` has a value, or COLUMN=VALUE for each column; `actor` is a user, user@host, or a program.
    """

    tables: Sequence[AuditedTable] | None = None
    key: Sequence[str] = ()
    since: dt.datetime | None = None
    actor: str | None = None
    run: str | None = None

    def of(self, log: AuditLog) -> Iterator[Change]:
        """The changes, the newest first. Raises `OptionError` for a key that none of the tables has."""
        tables = log.tables(ended=True) if self.tables is None else self.tables
        keys = {table.number: _key(table, self.key) for table in tables}
        if self.key and not any(keys.values()):
            told = (
                f"the key of {tables[0].name} is {', '.join(tables[0].key)}" if len(tables) == 1 else "no table has it"
            )
            raise OptionError(f"--key {' --key '.join(self.key)}: {told}.")
        chosen = [table for table in tables if not self.key or keys[table.number]]
        wanted: list[Callable[[Entry], bool]] = []
        if self.key:
            wanted.append(lambda entry: _has(entry, keys[entry.table.number] or {}))
        if self.since is not None:
            since = utc(self.since)
            wanted.append(lambda entry: padded(entry.at) >= since)
        entries = (entry for entry in log.newest(chosen) if all(is_so(entry) for is_so in wanted))
        for change in with_actors(log, entries):
            if self._is_by(change.by):
                yield change

    def _is_by(self, by: Transaction | None) -> bool:
        if self.actor is not None and (by is None or self.actor not in (by.user, by.actor, by.program)):
            return False
        return self.run is None or (by is not None and by.run == self.run)


def with_actors(log: AuditLog, entries: Iterable[Entry]) -> Iterator[Change]:
    """Entries, each with who made it."""
    known: dict[str, Transaction] = {}
    entries = iter(entries)
    while page := list(itertools.islice(entries, _PAGE)):
        lacking = {entry.token for entry in page if entry.token is not None} - known.keys()
        known = {token: known[token] for token in {entry.token for entry in page} if token in known}
        known |= log.transactions(lacking)
        yield from (Change(entry=entry, by=known.get(entry.token or "")) for entry in page)


def named(log: AuditLog, told: str) -> list[Entry]:
    """The entry of a number, or those of the transaction whose token begins so; in their order.

    Raises `OptionError` if there is none, or if several transactions are meant.
    """
    if told.isdecimal() and len(told) <= _DIGITS:
        found = list(log.entries(int(told) - 1, int(told)))
        if not found:
            raise OptionError(f"There is no entry {told}.")
        return found
    begun = log.begun_with(told)
    if len(begun) > 1:
        some = ", ".join(each.token for each in begun[:_NAMED])
        raise OptionError(f"Several transactions begin with {told}: {some}{', …' if len(begun) > _NAMED else ''}")
    if not begun:
        raise OptionError(f"There is no transaction {told}.")
    return list(log.entries(begun[0].after, token=begun[0].token))


def of_run(log: AuditLog, run: str) -> list[Entry]:
    """The entries of a run, in their order. Raises `OptionError` if there is none."""
    tokens = [each for each in log.begun_with("") if each.run == run]
    found = [entry for each in tokens for entry in log.entries(each.after, token=each.token)]
    if not found:
        raise OptionError(f"No entry is of a run {run}.")
    return sorted(found, key=lambda entry: entry.number)


def table_named(tables: Iterable[AuditedTable], schema: str | None, name: str, usual: str | None) -> list[AuditedTable]:
    """The audited tables of a name, of which one is still. Raises `OptionError` if there is none."""
    tables = list(tables)
    wanted = None if schema == usual else schema
    found = [table for table in tables if (table.schema, table.name) == (wanted, name)]
    if not found:
        close = difflib.get_close_matches(name, [table.name for table in tables], 1)
        mend = f"did you mean {close[0]}?" if close else "csv_audit_list --tables lists those that are."
        raise OptionError(f"The table {name} is not audited; {mend}")
    return found


def _key(table: AuditedTable, told: Sequence[str]) -> Mapping[str, str] | None:
    """The values of a key by its columns; None if it is none of the table's."""
    columns = [table.columns[place] for place in table.key_places]
    if len(told) == 1 and len(columns) == 1:
        name, is_named, value = told[0].partition("=")
        return {columns[0]: value if is_named and name == columns[0] else told[0]}
    pairs = dict(each.partition("=")[::2] for each in told if "=" in each)
    return pairs if pairs and len(pairs) == len(told) and set(pairs) <= set(columns) else None


def _has(entry: Entry, key: Mapping[str, str]) -> bool:
    """Whether the row had a key before, or has it after."""
    return any(
        all(_text(entry.table, side, name) == value for name, value in key.items())
        for side in (entry.old, entry.new)
        if side is not None
    )


def _text(table: AuditedTable, cells: Sequence[Any], name: str) -> str:
    place = table.columns.index(name)
    told = table.to_json(place, cells[place])
    return "" if told is None else str(told)
