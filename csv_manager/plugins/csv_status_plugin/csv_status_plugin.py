"""How everything that is watched is: csv_status counts, csv_watcher_verify accounts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from csv_manager.patterns import CsvCommandsPattern, CsvWatcherPattern
from csv_manager.patterns.csv_commands_pattern import each, format_option, path_argument
from csv_manager.patterns.describe import nothing_watched, short_path, typed_path
from csv_manager.patterns.output import one_line, to_json
from csv_manager.patterns.watcher_states import WatchedFile, WatcherStates
from csv_manager.plugins.csv_status_plugin.problems import problems as problems_of

_DRIFT_COLUMNS = ("csv_file", "drift", "version", "reason")
_PROBLEM_COLUMNS = ("csv_file", "state", "reason", "command")
#: What tells receivers what they were not told, and says what goes wrong.
_TELLS = "csv_manager -v csv_watch --once"


class CsvStatusPlugin(CsvCommandsPattern, CsvWatcherPattern):
    """Tells whether all is well, with an exit code for monitoring."""

    def activate(self) -> None:
        """Register the commands."""
        self.commands.register(
            "csv_status",
            "Say whether all is well: how many files are in which state, and each problem with the command that "
            "mends it or shows why.\n\nThe exit code is 1 if there is a problem: a file that is missing, unreadable, "
            "held or failing, a receiver or a table that failed, or a service that ended without a word.\n\n\b\n"
            "Example:\n  csv_manager csv_status --format json",
            self.csv_status,
            params=[format_option()],
        )
        self.commands.register(
            "csv_watcher_verify",
            "Compare what the watched files hold with what is recorded of them.\n\nEvery file is read as a whole; one "
            "that a running service is about to record is given the time. Files of watched folders that were never "
            "recorded are found too. The exit code is 1 if anything differs. Without PATH, every watched file is "
            "verified.\n\n\b\nExample:\n  csv_manager csv_watcher_verify exports",
            self.csv_watcher_verify,
            params=[path_argument(required=False), format_option()],
        )

    def csv_status(self, form: str = "table") -> int:
        """Write the counts and the problems; the exit code: 1 if there is a problem."""
        store = self.csv_watcher.store
        others = {path: watcher.options for path, watcher in self.app.csv_watcher.get().items()}
        found = list(WatcherStates(store, others).all())
        states = Counter(told.state for told in found)
        problems = list(problems_of(found))
        problems += self._held_members(found)
        problems += self._failed_receivers()
        problems += self._failed_listeners()
        problems += self._failed_targets()
        problems += self._dead_services()
        alive = store.catalog.services.alive()
        self._answer(states, problems, alive, form)
        return 1 if problems else 0

    def csv_watcher_verify(self, csv_file: str | Sequence[str] = (), form: str = "table") -> int:
        """Write what drifted; the exit code: 1 if anything did."""
        count, drifted = 0, []
        with self.progress("Verifying") as done:
            for drift in self.csv_watcher.verify(each(csv_file)):
                count += 1
                done(1)
                if drift is not None:
                    drifted.append({name: getattr(drift, name) for name in _DRIFT_COLUMNS})
        self.answer(drifted, _DRIFT_COLUMNS, form)
        if not count and not self.csv_watcher.store.catalog.watchers.all():
            self.say(nothing_watched(self.csv_watcher.store))
            return 0
        right = count - len(drifted)
        self.say(f"{right:,} of {count:,} file{'' if count == 1 else 's'} hold{'s' * (count == 1)} what is recorded.")
        return 1 if drifted else 0

    def _held_members(self, found: Iterable[WatchedFile]) -> Iterator[dict[str, Any]]:
        """Files of series that are held though the dataset stands at another one that is all right."""
        for told in found:
            if told.options.feed == "series" and told.state in ("ok", "waiting"):
                for place, why in self.csv_watcher.store.held_members(told.path).items():
                    command = f"csv_manager csv_history_list {typed_path(told.path)}"
                    yield {"csv_file": place, "state": "held", "reason": why, "command": command}

    def _failed_receivers(self) -> Iterator[dict[str, Any]]:
        """Receivers that could not be told what they were to be told."""
        for failure in self.csv_watcher.store.catalog.outbox.failures():
            behind = f"{failure.behind:,} version{'' if failure.behind == 1 else 's'}"
            reason = f"receiver {failure.name} is {behind} behind: {one_line(failure.error)}"
            yield {"csv_file": None, "state": "behind", "reason": reason, "command": _TELLS}

    def _failed_listeners(self) -> Iterator[dict[str, Any]]:
        """Listeners of the event record that could not be told something."""
        for backlog in self.csv_watcher.store.catalog.events.backlogs():
            waits, are = ("1 event", "is") if backlog.count == 1 else (f"{backlog.count:,} events", "are")
            since = f"{backlog.created.astimezone():%Y-%m-%d %H:%M:%S}"
            reason = f"{waits} since {since} {are} not told yet: {one_line(backlog.error)}"
            yield {"csv_file": None, "state": "behind", "reason": reason, "command": _TELLS}

    def _failed_targets(self) -> Iterator[dict[str, Any]]:
        """Tables that could not be brought to the newest version of their file."""
        for file in self.csv_watcher.store.catalog.targets.files(due=True):
            if file.error is not None:
                reason = f"{file.target.name} is at version {file.version or 'none'}: {one_line(file.error)}"
                command = f"csv_manager csv_sync_run {typed_path(file.path)}"
                yield {"csv_file": file.path, "state": "behind", "reason": reason, "command": command}

    def _dead_services(self) -> Iterator[dict[str, Any]]:
        """Services and checks that did not stop as they should, unless a service has taken over."""
        found = self.csv_watcher.store.catalog.services.all()
        if any(service.alive and not service.once for service in found):
            return
        for service in found:
            if not service.alive:
                last = f"{service.heartbeat.astimezone():%Y-%m-%d %H:%M:%S}"
                what, once = ("check", " --once") if service.once else ("service", "")
                reason = f"The {what} on {service.host} (process {service.pid}) ended without a word; last seen {last}."
                yield {"csv_file": None, "state": "dead", "reason": reason, "command": f"csv_manager csv_watch{once}"}

    def _answer(self, states: Counter[str], problems: list[dict[str, Any]], alive: int, form: str) -> None:
        if form == "csv":
            self.answer(problems, _PROBLEM_COLUMNS, form)
            return
        store = self.csv_watcher.store.catalog.name
        if form in ("json", "jsonl"):
            told = {"store": store, "states": dict(sorted(states.items())), "services": alive, "problems": problems}
            click.echo(to_json(told))
            return
        counts = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))
        counts = counts or f"no file is watched in the store {store}"
        watching = f"{alive} service{'' if alive == 1 else 's'} watching" if alive else "nothing is watching now"
        click.echo(f"{counts}; {watching}.")
        for problem in problems:
            path = problem["csv_file"]
            reason = one_line(problem["reason"] or "").removeprefix(f"{path}: ")
            click.echo(f"{short_path(path)} is {problem['state']}: {reason}" if path else reason)
            click.echo(f"    {problem['command']}")
