"""The rules of watchers: each change of them is a rule set of its own, and none is ever changed."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from csv_manager.core import clock
from csv_manager.core.errors import LostRaceError, StaleWatcherError
from csv_manager.core.events import rules_changed
from csv_manager.core.hosts import user
from csv_manager.core.rules import RuleSet
from csv_manager.store import counters
from csv_manager.store.columns import path_sha
from csv_manager.store.engine import reading, writing
from csv_manager.store.event_record import EventRecord
from csv_manager.store.schema import files, rule_sets, targets, watchers
from csv_manager.store.series import reread_held
from csv_manager.store.watchers import StoredWatcher


@dataclass(frozen=True, kw_only=True)
class InForce:
    """What a file's versions are checked by: the newest rules of its watcher, and whether a table follows it."""

    rule_set: RuleSet
    has_target: bool
    #: What the watcher watches; None without a watcher.
    watched: str | None = None


#: What is checked by nothing.
NO_RULES = InForce(rule_set=RuleSet(), has_target=False)
#: A watcher of the same number may be another one than that which the rules were made for.
_OF_WATCHER = and_(watchers.c.id == rule_sets.c.watcher_id, watchers.c.csv_file == rule_sets.c.watcher_path)
_NEWEST = (
    select(rule_sets)
    .join(watchers, _OF_WATCHER)
    .where(watchers.c.id == bindparam("the_watcher"))
    .order_by(rule_sets.c.number.desc())
    .limit(1)
)
_WATCHERS = select(
    watchers.c.id,
    watchers.c.csv_file,
    exists()
    .where(targets.c.watcher_id == watchers.c.id, targets.c.watcher_path == watchers.c.csv_file)
    .label("has_target"),
)
_WATCHER = _WATCHERS.where(watchers.c.id == bindparam("the_watcher"))
#: The watcher of a file: its own, or that of its feed.
_WATCHER_OF = (
    _WATCHERS.where(
        or_(
            watchers.c.csv_file == bindparam("the_path"),
            watchers.c.id
            == select(files.c.feed_id).where(files.c.path_sha == bindparam("the_path_sha")).scalar_subquery(),
        )
    )
    .order_by((watchers.c.csv_file == bindparam("the_path")).desc())
    .limit(1)
)


class Rules:
    """The table csv_rule_sets."""

    def __init__(self, engine: Engine, events: EventRecord) -> None:
        self._engine = engine
        self._events = events

    def in_force(self, path: str, watcher_id: int | None = None) -> InForce:
        """What the versions of a file, by its absolute path, are checked by now.

        `watcher_id` is the watcher that has it, if that is known: of a new file of a folder, nothing else tells.
        """
        with reading(self._engine) as connection:
            told = {"the_path": path, "the_path_sha": path_sha(path)}
            known = (
                connection.execute(_WATCHER, {"the_watcher": watcher_id}).first() if watcher_id is not None else None
            )
            watcher = known or connection.execute(_WATCHER_OF, told).first()
            if watcher is None:
                return NO_RULES
            found = connection.execute(_NEWEST, {"the_watcher": watcher.id}).first()
        return InForce(rule_set=_to_rule_set(found), has_target=bool(watcher.has_target), watched=watcher.csv_file)

    def of(self, watcher: StoredWatcher) -> RuleSet:
        """The newest rules of a watcher."""
        with reading(self._engine) as connection:
            return _to_rule_set(connection.execute(_NEWEST, {"the_watcher": watcher.id}).first())

    def change(self, watcher: StoredWatcher, change: Callable[[RuleSet], RuleSet]) -> RuleSet:
        """Have a watcher have other rules: what `change` makes of those it has. Raises what that raises.

        Held contents are read at the next check. Raises `StaleWatcherError` if the watcher was deleted meanwhile,
        `LostRaceError` if its rules were changed.
        """
        with writing(self._engine) as connection:
            mine = watchers.c.id == watcher.id, watchers.c.csv_file == watcher.csv_file
            if connection.execute(select(watchers.c.id).where(*mine)).first() is None:
                raise StaleWatcherError(f"The watcher of {watcher.csv_file} was deleted meanwhile.")
            before = _to_rule_set(connection.execute(_NEWEST, {"the_watcher": watcher.id}).first())
            after = change(before)
            last = select(func.max(rule_sets.c.number)).where(rule_sets.c.watcher_id == watcher.id)
            content = after.to_json()
            row: dict[str, Any] = {
                "uuid": uuid.uuid4().hex,
                "watcher_id": watcher.id,
                "watcher_path": watcher.csv_file,
                "number": (connection.execute(last).scalar() or 0) + 1,
                "content": content,
                "created": clock.now(),
                "user": user(),
            }
            try:
                connection.execute(insert(rule_sets), row)
            except IntegrityError:
                raise LostRaceError(f"{watcher.csv_file}: somebody else changed its rules; try again.") from None
            _judge_anew(connection, watcher)
            told = {name: row[name] for name in ("number", "uuid", "created", "user")}
            rule_set = RuleSet.from_json(content, **told)
            event = rules_changed(rule_set, watcher.csv_file, watcher.options.name, row["created"])
            self._events.put(connection, [event])
        return rule_set

    def find(self, identity: str) -> RuleSet | None:
        """A rule set, by its uuid."""
        with reading(self._engine) as connection:
            row = connection.execute(select(rule_sets).where(rule_sets.c.uuid == identity)).first()
        return _to_rule_set(row) if row else None


def _judge_anew(connection: Connection, watcher: StoredWatcher) -> None:
    """Have the held contents of a watcher be read at the next check, also by services that know them."""
    own = select(watchers.c.file_id).where(watchers.c.id == watcher.id).scalar_subquery()
    mine = or_(files.c.id == own, files.c.feed_id == watcher.id)
    held = update(files).where(mine, files.c.latest != files.c.head)
    connection.execute(held.values(signature=None))
    for (file_id,) in connection.execute(select(files.c.id).where(files.c.id == own)).all():
        reread_held(connection, file_id)
    revision = counters.take(connection, "watchers")
    connection.execute(update(watchers).where(watchers.c.id == watcher.id).values(revision=revision))


def _to_rule_set(row: Row[Any] | None) -> RuleSet:
    if row is None:
        return RuleSet()
    return RuleSet.from_json(row.content, number=row.number, uuid=row.uuid, created=row.created, user=row.user)
