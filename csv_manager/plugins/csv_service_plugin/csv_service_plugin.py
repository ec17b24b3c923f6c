"""The commands csv_service_*: csv_watch as a service that the system starts, and which processes watch."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from csv_manager.core.errors import OptionError
from csv_manager.core.files import make_private, writing_to
from csv_manager.core.hosts import host
from csv_manager.core.paths import os_reason
from csv_manager.patterns import CsvCommandsPattern, CsvWatcherPattern
from csv_manager.plugins.csv_service_plugin import commands

if TYPE_CHECKING:  # loaded by the commands that need it
    from collections.abc import Iterable

    from csv_manager.plugins.csv_service_plugin.system import Call, System

_COLUMNS = ("host", "pid", "unit", "started", "heartbeat", "files", "overflows", "state")
_SPARE = ("overflows", "unit", "started")


class CsvServicePlugin(CsvCommandsPattern, CsvWatcherPattern):
    """Lets the system start csv_watch, and tells which processes watch."""

    def activate(self) -> None:
        """Register the commands."""
        commands.register(self)

    def csv_service_install(self, dry_run: bool = False, system: str | None = None) -> None:
        """Write the unit, and have it started now and at each login."""
        from csv_manager.plugins.csv_service_plugin.invocation import make_invocation
        from csv_manager.plugins.csv_service_plugin.tools import check_tool, run_all

        invocation = make_invocation(self.csv_watcher.settings(), self.settings(), _options())
        service = self._system(system)
        content = service.content(invocation)
        path = str(service.path)
        replacing = os.path.exists(path)
        calls = service.installing(replacing=replacing)
        if dry_run:
            click.echo(f"Would {'replace' if replacing else 'write'} {path}:\n\n{service.shown(content).rstrip()}\n")
            _show(calls)
            return
        check_tool(service)
        _write(path, content, invocation.home)
        run_all(
            service, calls, f"{path} is written; once that is mended, install again. csv_service_remove deletes it."
        )
        click.echo(f"{'Replaced' if replacing else 'Installed'} {path}: csv_watch runs now, and starts {service.when}.")
        for note in service.notes():
            self.say(note)

    def csv_service_remove(self, dry_run: bool = False, system: str | None = None, yes: bool = False) -> None:
        """Stop what the unit runs, and delete the unit; it is easily made again, so nobody is asked."""
        del yes
        from csv_manager.plugins.csv_service_plugin.tools import NotServedError, check_tool, run_all

        service = self._system(system)
        path = str(service.path)
        if not os.path.lexists(path):
            raise OptionError(f"No unit is installed: there is no {path}. csv_service_install makes one.")
        if dry_run:
            _show(service.stopping())
            click.echo(f"Would delete {path}")
            _show(service.deleted())
            return
        try:
            check_tool(service)
            run_all(
                service, service.stopping(), f"{path} stays; once that is mended, remove it again, or delete the file."
            )
        except NotServedError:  # what was written without it is deleted without it
            _delete(path)
            click.echo(
                f"Removed {path}: csv_watch starts no more by itself. {service.name} could not be asked here, so "
                "nothing was stopped; csv_service_status tells what watches."
            )
            return
        _delete(path)
        run_all(service, service.deleted(), f"{path} is deleted, and nothing runs it any more.")
        click.echo(f"Removed {path}: csv_watch was stopped, and starts no more by itself.")

    def csv_service_status(self, system: str | None = None, form: str = "table") -> int:
        """Write a row for each process that watches or died; 1 if none watches."""
        unit, pid, start = self._say_unit(system)
        found = self.csv_watcher.store.catalog.services.all()
        rows = [
            {
                "host": service.host,
                "pid": service.pid,
                "unit": unit if (service.host, service.pid) == (host(), pid) else None,
                "started": service.started,
                "heartbeat": service.heartbeat,
                "files": service.files,
                "overflows": service.overflows,
                "state": "alive" if service.alive else "dead",
            }
            for service in found
        ]
        self.answer(rows, _COLUMNS, form, spare=_SPARE)
        if any(row["state"] == "alive" for row in rows):
            return 0
        for_good = f"`{start}` starts it for good, `csv_manager csv_watch` until you stop it."
        self.say(f"Nothing is watching now: {for_good if start else '`csv_manager csv_watch` watches.'}")
        return 1

    def _say_unit(self, name: str | None) -> tuple[str | None, int | None, str]:
        """Say what the system says of the unit; the unit's name, its process, and the command that starts it.

        The command is empty where no service can be started.
        """
        from csv_manager.plugins.csv_service_plugin.tools import ask, command_line

        try:
            service = self._system(name)
        except OptionError as error:
            self.say(str(error))
            return None, None, ""
        condition, reason = ask(service)
        if not service.path.exists():
            self.say(f"No unit is installed: there is no {service.path}.")
            return None, None, "csv_manager csv_service_install" if condition.is_served else ""
        self.say(f"{service.path}: {condition.state}{f' ({reason})' if reason else ''}.")
        start = command_line(service.starting()) if condition.is_served else ""
        return service.unit, condition.pid, start

    def _system(self, name: str | None = None) -> "System":
        """The service manager of this system, or the one named."""
        from csv_manager.plugins.csv_service_plugin.invocation import home_of
        from csv_manager.plugins.csv_service_plugin.systems import find_system

        return find_system(home_of(self.csv_watcher.settings()), name)


def _delete(path: str) -> None:
    try:
        os.unlink(path)
    except OSError as error:
        raise OptionError(f"{path} cannot be deleted: {os_reason(error)}.") from error


def _options() -> dict[str, Any]:
    """The options before the command, which the service is to get too."""
    context = click.get_current_context(silent=True)
    return dict(context.find_root().params) if context else {}


def _show(calls: "Iterable[Call]") -> None:
    from csv_manager.plugins.csv_service_plugin.tools import command_line

    for call in calls:
        click.echo(f"Would run: {command_line(call)}")


def _write(path: str, content: bytes, home: str) -> None:
    """Write a unit that only its user can read or change: launchd takes no other."""
    for folder in (os.path.dirname(path), home):
        try:
            make_private(Path(folder))
        except OSError as error:
            raise OptionError(f"{folder} cannot be made: {os_reason(error)}.") from error
    try:
        with writing_to(path) as file:
            file.write(content)
        os.chmod(path, 0o600)
    except OSError as error:
        raise OptionError(f"{path} cannot be written: {os_reason(error)}.") from error
