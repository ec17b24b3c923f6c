"""Events: what arrived, what it was checked by, and how that went, as rows of the four tables of the event record.

The tables and their columns are those of CsvPath's framework, so that queries for them hold here.
"""

import datetime as dt
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from csv_manager.core.hosts import address, host, user
from csv_manager.core.model import Compared
from csv_manager.core.rules import RuleSet

NAMED_FILE, NAMED_PATHS = "named_file", "named_paths"
GROUP_RUN, INSTANCE_RUN = "named_paths_group_run", "instance_run"
TABLES = (NAMED_FILE, NAMED_PATHS, GROUP_RUN, INSTANCE_RUN)
#: What a run of the record is before it has ended, and after.
STARTED, COMPLETE, FAILED = "started", "complete", "failed"
#: Where the rules and runs that the record names are told in full.
_RULE_SETS, _RUNS = "csv_rule_sets", "csv_runs"
_OF_NO_RULES = uuid.UUID("8d4e5f0c-6c0e-4d0b-9a53-2f6f8f8f0c57")
_TIMES = ("at", "time_completed")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One row of the event record: the name of its table, and its values by column; times are aware, in UTC.

    One that `completes` a row tells how a run ended that was told as started before.
    """

    table: str
    values: Mapping[str, Any]
    completes: bool = False

    @property
    def uuid(self) -> str:
        """What its row is known by."""
        return str(self.values["uuid"])

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object."""
        values = {
            name: value.isoformat() if isinstance(value, dt.datetime) else value for name, value in self.values.items()
        }
        return {"table": self.table, "completes": self.completes, "values": values}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """As `to_json` has it."""
        values = {
            name: dt.datetime.fromisoformat(value) if name in _TIMES and value is not None else value
            for name, value in told["values"].items()
        }
        return cls(table=told["table"], values=values, completes=told["completes"])


def rules_changed(rule_set: RuleSet, watched: str, name: str | None, at: dt.datetime) -> Event:
    """That a watcher is checked by other rules from now on; or, of an empty set without a uuid, by none as yet."""
    identity = rules_identity(rule_set.uuid, watched)
    home = f"{_RULE_SETS}/{identity}"
    sources = [rule.source for rule in rule_set.rules if rule.source]
    return Event(
        table=NAMED_PATHS,
        values={
            "uuid": identity,
            "at": at,
            "paths_root": _RULE_SETS,
            "paths_name": name_of(name, watched),
            "paths_home": home,
            "group_file_path": home,
            "paths_count": len(rule_set.rules),
            "source_path": sources[0] if sources else watched,
            "base_path": os.path.dirname(watched),
            "manifest_path": home,
            **_who(),
        },
    )


def rules_identity(rule_set: str | None, watched: str) -> str:
    """What a rule set is known by in the record; of a watcher that never had rules, the same each time."""
    return rule_set or uuid.uuid5(_OF_NO_RULES, f"{host()}\0{watched}").hex


def name_of(name: str | None, watched: str) -> str:
    """What the record calls a watched file: its watcher's name, or the last part of the path."""
    return name or os.path.basename(watched.rstrip(os.sep)) or watched


@dataclass(frozen=True, kw_only=True)
class Processing:
    """One processing of one content of a file: what is known of it when it starts.

    `csv_file` is the file or dataset, `place` where it was read, `watched` what the watcher watches, by the name
    `name`. `rule_set` is the uuid of its rules, None for none. `stored` is the file of the archive that has the
    content, in the folder `archive`; `changed` is when the file was written.
    """

    uuid: str
    started: dt.datetime
    csv_file: str
    place: str
    watched: str
    name: str | None
    rule_set: str | None
    sha256: str
    size: int
    changed: dt.datetime
    stored: str
    archive: str
    file_uuid: str = field(default_factory=lambda: uuid.uuid4().hex)

    def start(self) -> Event:
        """That it began."""
        return Event(table=GROUP_RUN, values=self._run() | {"status": STARTED})

    def fail(self, at: dt.datetime, *, is_started: bool) -> Event:
        """That it came to nothing: no version was recorded. `is_started` if it was told that it began."""
        ended = failed(self.uuid, at)
        return Event(table=GROUP_RUN, values={**self._run(), **ended.values}, completes=is_started)

    def record(self, new: Compared, number: int, at: dt.datetime, *, is_started: bool) -> Iterator[Event]:
        """That it came to a version: the file, how each rule went, and how all did."""
        yield self._file(number, at)
        are_run = new.rows is not None and not any(told["failed"] for told in new.checks)
        errors = [finding for finding in new.findings if finding.level == "error"]
        at_large = sum(finding.rule is None for finding in errors)
        count = at_large + sum(told["findings"] for told in new.checks if told["level"] == "error")
        told = {
            "time_completed": at,
            "status": COMPLETE if are_run else FAILED,
            "all_completed": _flag(are_run),
            "all_valid": _flag(count == 0),
            "error_count": count,
            "all_expected_files": "Y",
        }
        yield Event(table=GROUP_RUN, values=self._run() | told, completes=is_started)
        yield from self._parts(new, at)

    def _run(self) -> dict[str, Any]:
        identity = rules_identity(self.rule_set, self.watched)
        home = os.path.dirname(self.stored)
        name = name_of(self.name, self.watched)
        return {
            "uuid": self.uuid,
            "at": self.started,
            "by_line_run": "N",
            "archive_name": os.path.basename(self.archive),
            "run_home": f"{_RUNS}/{self.uuid}",
            "named_results_name": name,
            "named_paths_uuid": identity,
            "named_paths_name": name,
            "named_paths_home": f"{_RULE_SETS}/{identity}",
            "named_file_uuid": self.file_uuid,
            "named_file_name": name,
            "named_file_home": home,
            "named_file_path": self.stored,
            "named_file_size": self.size,
            "named_file_last_change": self.changed.isoformat(),
            "named_file_fingerprint": self.sha256,
            "manifest_path": self.stored,
            **_who(),
        }

    def _file(self, number: int, at: dt.datetime) -> Event:
        home = os.path.dirname(self.stored)
        return Event(
            table=NAMED_FILE,
            values={
                "uuid": self.file_uuid,
                "at": at,
                "named_file_name": name_of(self.name, self.watched),
                "origin_path": self.place,
                "name_home": os.path.dirname(self.csv_file),
                "file_home": home,
                "file_path": self.stored,
                "file_name": os.path.basename(self.stored),
                "mark": str(number),
                "type": os.path.basename(self.place).partition(".")[2],
                "file_size": self.size,
                "files_root": self.archive,
                "base_path": os.path.dirname(self.archive),
                "manifest_path": self.stored,
                **_who(),
            },
        )

    def _parts(self, new: Compared, at: dt.datetime) -> Iterator[Event]:
        """How each rule went."""
        before = None
        for index, told in enumerate(new.checks):
            name = told["rule"]
            yield Event(
                table=INSTANCE_RUN,
                values={
                    "uuid": uuid.uuid4().hex,
                    "at": at,
                    "group_run_uuid": self.uuid,
                    "instance_identity": name,
                    "instance_index": index,
                    "instance_home": f"{_RUNS}/{self.uuid}/{name}",
                    "preceding_instance_identity": before,
                    "actual_data_file": self.stored,
                    "number_of_files_expected": 0,
                    "number_of_files_generated": 0,
                    "valid": _flag(not told["findings"]),
                    "completed": _flag(not told["failed"]),
                    "lines_scanned": told["scanned"],
                    "lines_total": told["total"],
                    "lines_matched": max(told["scanned"] - told["bad_rows"], 0),
                    "error_count": told["findings"],
                    "manifest_path": self.stored,
                },
            )
            before = name


def failed(run: str, at: dt.datetime) -> Event:
    """That a run that was told as started, by its uuid, came to no version: its process died."""
    told = {"time_completed": at, "status": FAILED, "all_completed": "N", "all_valid": "N", "all_expected_files": "N"}
    return Event(table=GROUP_RUN, values={"uuid": run, **told}, completes=True)


def _flag(told: object) -> str:
    return "Y" if told else "N"


def _who() -> dict[str, str]:
    return {"hostname": host(), "username": user(), "ip_address": address()}
