"""What a watcher's versions are checked by: rules, and the gate that holds a version back."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from csv_manager.core.errors import OptionError

LEVELS = ("error", "warning")
#: What becomes of a version with more bad rows than the gate lets through.
ON_BAD = ("hold", "quarantine-rows", "warn")
_LIMIT = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<share>%?)", re.ASCII)
_ALL = 100


@dataclass(frozen=True, kw_only=True)
class Limit:
    """So many rows, or such a share of them in percent."""

    number: float
    is_share: bool = False

    @classmethod
    def parse(cls, text: str, option: str) -> Self:
        """What `5` or `2.5%` says. Raises `OptionError`."""
        found = _LIMIT.fullmatch(text.strip())
        if (
            found is None
            or (not found["share"] and "." in found["number"])
            or (found["share"] and float(found["number"]) > _ALL)
        ):
            raise OptionError(f"{option} {text!r} is neither a number of rows nor a share of them; try 5 or 2%.")
        return cls(number=float(found["number"]), is_share=bool(found["share"]))

    def is_exceeded(self, count: int, of: int) -> bool:
        """Whether `count` of `of` rows are more than these."""
        return count * _ALL > self.number * of if self.is_share else count > self.number

    def __str__(self) -> str:
        return f"{self.number:g}%" if self.is_share else f"{self.number:g}"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """When a version is held. `max_deleted` is a share in percent; None leaves it to what the watcher has besides."""

    max_bad: Limit | None = None
    max_deleted: Limit | None = None
    on_bad: str = "hold"

    @property
    def quarantines(self) -> bool:
        """Whether a version is recorded without its bad rows."""
        return self.on_bad == ON_BAD[1]

    def to_json(self) -> dict[str, Any]:
        """The gate as a JSON object."""
        return {
            "max_bad": None if self.max_bad is None else str(self.max_bad),
            "max_deleted": None if self.max_deleted is None else str(self.max_deleted),
            "on_bad": self.on_bad,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """As `to_json` has it."""
        bad, deleted = told.get("max_bad"), told.get("max_deleted")
        return cls(
            max_bad=None if bad is None else Limit.parse(bad, "--max-bad"),
            max_deleted=None if deleted is None else Limit.parse(deleted, "--max-deleted"),
            on_bad=told.get("on_bad", "hold"),
        )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One check of a watcher's versions: which, with which options, and what its findings weigh.

    `check` is `schema`, `rule`, `query`, or the name that a plugin registered. `source` is the file that it was read
    from, if any.
    """

    name: str
    check: str
    options: Mapping[str, Any] = field(default_factory=dict)
    level: str = "error"
    source: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The rule as a JSON object."""
        return {
            "name": self.name, "check": self.check, "level": self.level, "options": dict(self.options),
            "source": self.source,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """What a watcher's versions are checked by, from one change of it to the next.

    `number` counts from 1; 0 is the empty one of a watcher that never had rules. `uuid` is what the event record knows
    it by.
    """

    number: int = 0
    rules: tuple[Rule, ...] = ()
    gate: Gate = field(default_factory=Gate)
    uuid: str | None = None
    created: dt.datetime | None = None
    user: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Its content, without when it was made and by whom."""
        return {"rules": [rule.to_json() for rule in self.rules], "gate": self.gate.to_json()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], **told: Any) -> Self:
        """As `to_json` has it."""
        return cls(
            rules=tuple(Rule(**rule) for rule in content["rules"]),
            gate=Gate.from_json(content["gate"]),
            **told,
        )
