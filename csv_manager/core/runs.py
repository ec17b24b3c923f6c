"""What happened to a file, and did it work: a run for each processing of a version, with its tasks."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

#: `pending` until it is begun; what a failed task kept from being begun is `skipped`. A run whose version is held is
#: `held`, and one that found nothing to do `skipped`.
STATES = ("pending", "running", "success", "failed", "skipped", "held")
#: The tasks of every run, in their order; the targets follow.
STAGES = ("snapshot", "compare", "check", "archive", "commit")


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """One stage of a run, or one target; `rows` are those that it handled, None where it counts none.

    A task that failed has the type of its exception, what that says, and its traceback.
    """

    name: str
    state: str
    started: dt.datetime | None = None
    ended: dt.datetime | None = None
    rows: int | None = None
    exception_type: str | None = None
    exception: str | None = None
    traceback: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The task as a JSON object."""
        return {
            "name": self.name,
            "state": self.state,
            "started": self.started,
            "ended": self.ended,
            "rows": self.rows,
            "exception_type": self.exception_type,
            "exception": self.exception,
            "traceback": self.traceback,
        }


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One processing of one version of a file; `member` is the file of a series that was read.

    `configuration` is the hash of the settings and options that were in force. `attempts` counts the times that the
    same content failed for the same reason, one after another. `version` is what was recorded, if anything was.
    """

    id: int
    csv_file: str
    member: str | None
    cause: str
    state: str
    sha256: str | None
    configuration: str
    version: int | None
    rows: int | None
    inserted: int | None
    updated: int | None
    deleted: int | None
    attempts: int
    error: str | None
    host: str
    user: str
    pid: int
    started: dt.datetime
    heartbeat: dt.datetime
    ended: dt.datetime | None

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.ended is None else max((self.ended - self.started).total_seconds(), 0.0)

    def to_json(self) -> dict[str, Any]:
        """The run as one row of csv_run_list."""
        return {
            "run": self.id,
            "csv_file": self.csv_file,
            "state": self.state,
            "version": self.version,
            "cause": self.cause,
            "started": self.started,
            "seconds": self.seconds,
            "rows": self.rows,
            "inserted": self.inserted,
            "updated": self.updated,
            "deleted": self.deleted,
            "attempts": self.attempts,
            "error": self.error,
        }
