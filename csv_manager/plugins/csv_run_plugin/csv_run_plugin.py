"""The commands csv_run_*: what happened to files, and did it work."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from csv_manager.core import clock
from csv_manager.core.errors import OptionError, RunNotFoundError, StoreError
from csv_manager.core.runs import STATES
from csv_manager.core.times import parse_since
from csv_manager.patterns import CsvCommandsPattern, CsvWatcherPattern
from csv_manager.patterns.csv_commands_pattern import each, format_option, option, path_argument
from csv_manager.patterns.describe import short_path, version_line

_COLUMNS = (
    "run", "csv_file", "state", "version", "cause", "started", "seconds", "rows", "inserted", "updated", "deleted",
    "attempts", "recorded_as", "error",
)  # fmt: skip
_SPARE = ("cause", "rows", "attempts", "seconds", "inserted", "updated", "deleted", "recorded_as")
_TASK_COLUMNS = ("name", "state", "started", "ended", "rows", "exception")
_LIMIT = 50
#: The largest number of a run that every database has room for; so there are not more of them.
_MOST = 2**31 - 1
_RETRIED = ("failed", "held")


class CsvRunPlugin(CsvCommandsPattern, CsvWatcherPattern):
    """Tells of runs: each processing of a version, with its tasks, and why one failed."""

    def activate(self) -> None:
        """Register the commands."""
        self.commands.register(
            "csv_run_list",
            "List runs: each processing of a version of a file, newest first.\n\nA run that failed, or whose "
            "version is held, says why. The same content that fails for the same reason again and again is one run "
            "with several attempts; recorded_as is the version that it has been recorded as since. A content that is "
            "recorded already makes no run.\n\n\b\nExamples:\n"
            "  csv_manager csv_run_list prices.csv\n"
            "  csv_manager csv_run_list --state failed --state held --since yesterday",
            self.csv_run_list,
            params=[
                path_argument(required=False),
                option("--state", multiple=True, type=click.Choice(STATES), help="Only these. May be repeated."),
                option(
                    "--since",
                    metavar="TIME",
                    help="Only those that ended since then: today, yesterday, 90m, 12h, 7d, or an ISO time.",
                ),
                option("--limit", type=click.IntRange(0), default=_LIMIT, help="So many at most; 0: all."),
                format_option(),
            ],
        )
        self.commands.register(
            "csv_run_show",
            "Show one run: its tasks, the settings and options in force, and the traceback of what failed.\n\n\b\n"
            "Example:\n  csv_manager csv_run_show 12",
            self.csv_run_show,
            params=[_run_argument(), format_option()],
        )
        self.commands.register(
            "csv_run_retry",
            "Process the file of a run that failed, or whose version is held, once more.\n\nThe file is read as it is "
            "now. If its version is recorded, and a table that follows the file failed, that is tried again. The "
            "exit code is 1 if the version is held again, or a table fails again.\n\n\b\n"
            "Example:\n  csv_manager csv_run_retry 12",
            self.csv_run_retry,
            params=[_run_argument()],
        )

    def csv_run_list(
        self,
        csv_file: str | Sequence[str] = (),
        state: Sequence[str] = (),
        since: str | None = None,
        limit: int = _LIMIT,
        form: str = "table",
    ) -> None:
        """Write runs, the newest first."""
        ledger = self._ledger()
        found = ledger.all(
            paths=self.csv_watcher.known(each(csv_file)) if csv_file else (),
            states=state,
            since=None if since is None else parse_since(since, clock.now()),
            limit=min(limit + 1, _MOST) if limit else None,
        )
        shown = found[:limit] if limit else found
        self.answer(self._rows(shown, ledger.recorded_as(shown), form), _COLUMNS, form, empty="No runs.", spare=_SPARE)
        if len(shown) < len(found):
            self.say(f"There are more than {limit}; --limit 0 lists all.")

    def csv_run_show(self, run: int, form: str = "table") -> None:
        """Write everything that is known of a run."""
        ledger = self._ledger()
        found, tasks = self._find(ledger, run), ledger.tasks(run)
        told = {
            **found.to_json(),
            "recorded_as": ledger.recorded_as([found]).get(run),
            "member": found.member,
            "sha256": found.sha256,
            "ended": found.ended,
            "host": found.host,
            "user": found.user,
            "pid": found.pid,
            "configuration": found.configuration,
        }
        content = ledger.configuration(found.configuration)
        if form != "table":
            whole = told | {"tasks": [task.to_json() for task in tasks], "settings": content}
            self.answer([whole], tuple(whole), form)
            return
        self.answer_one({name: value for name, value in told.items() if value is not None})
        click.echo()
        self.answer([task.to_json() for task in tasks], _TASK_COLUMNS, spare=("started", "rows"))
        for task in tasks:
            if task.traceback:
                click.echo(f"\n{task.traceback.rstrip()}")

    def csv_run_retry(self, run: int) -> int:
        """Process a run's file once more; the exit code: 1 if its version is held again."""
        found = self._find(self._ledger(), run)
        if found.state not in _RETRIED:
            raise OptionError(f"Run {run} is {found.state}; only one that failed, or is held, is tried again.")
        if found.state == "failed" and found.version is not None:
            return self._retry_targets(found)
        outcome = self.csv_watcher.record(found.csv_file, cause=f"retry:{run}", member=found.member)
        file = self.csv_watcher.store.file(found.csv_file)
        if outcome.number is None:
            held = outcome.status == "held"
            click.echo(f"{short_path(file.path)} holds what is {'held' if held else 'recorded'} already.")
        else:
            version, change_set = file.version(outcome.number), file.changes(outcome.number)
            counts = version.inserted, version.updated, version.deleted
            click.echo(version_line(file.path, version, counts, change_set.columns, version.rows))
        return 1 if outcome.status == "held" else 0

    def _retry_targets(self, run: Any) -> int:
        """Bring the tables that follow a file to its head: the version is recorded, and a table failed."""
        behind = self.csv_watcher.sync([run.csv_file])
        for file in self.csv_watcher.store.catalog.targets.files(paths=[run.csv_file]):
            click.echo(f"{file.target.name} is {file.state}, at version {file.version or 'none'}.")
        return 1 if behind else 0

    def _ledger(self) -> Any:
        """The ledger, in which no run goes on whose process is gone, if that can be noted."""
        ledger = self.csv_watcher.store.catalog.ledger
        with contextlib.suppress(StoreError):
            ledger.finish_dead()
        return ledger

    @staticmethod
    def _find(ledger: Any, run: int) -> Any:
        found = ledger.find(run) if run <= _MOST else None
        if found is None:
            raise RunNotFoundError(f"There is no run {run}; csv_run_list lists them.")
        return found

    @staticmethod
    def _rows(found: Iterable[Any], recorded_as: Mapping[int, int], form: str) -> Iterable[dict[str, Any]]:
        for run in found:
            row = {**run.to_json(), "recorded_as": recorded_as.get(run.id)}
            if form == "table":
                row["csv_file"] = short_path(run.csv_file)
                row["seconds"] = None if run.seconds is None else round(run.seconds, 3)
            yield row


def _run_argument() -> click.Argument:
    return click.Argument(["run"], type=click.IntRange(1), metavar="RUN")
