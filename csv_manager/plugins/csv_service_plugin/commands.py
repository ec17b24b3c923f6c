"""The command lines of csv_service_*: names, help and parameters."""

from typing import Any

import click

from csv_manager.patterns.csv_commands_pattern import format_option, option

_SYSTEMS = ("systemd", "launchd", "windows")


def register(plugin: Any) -> None:
    """Register every command, each with the plugin's method of its name."""
    plugin.commands.register(
        "csv_service_install",
        "Let the system start csv_watch by itself, and again if it dies.\n\nIt is started now and at each login: as "
        "a unit of systemd, an agent of launchd or a task of Windows, of the user and without special rights. It "
        "gets the --config and --plugin of this call and the CSV_MANAGER_ variables; one that holds a password is "
        "refused. An earlier unit is replaced.\n\n\b\n"
        "Examples:\n  csv_manager csv_service_install --dry-run\n"
        "  csv_manager --config mine.yaml csv_service_install",
        plugin.csv_service_install,
        params=[
            option("--dry-run", is_flag=True, help="Print the unit and what would be run, and change nothing."),
            _system_option(),
        ],
    )
    plugin.commands.register(
        "csv_service_remove",
        "Stop the csv_watch that the system starts, and start it no more.\n\nNothing is asked: "
        "csv_service_install brings it back. Watchers and history stay.\n\n\b\n"
        "Example:\n  csv_manager csv_service_remove",
        plugin.csv_service_remove,
        params=[
            option("--dry-run", is_flag=True, help="Print what would be done, and change nothing."),
            _system_option(),
            option("--yes", is_flag=True, help="Changes nothing: nothing is asked."),
        ],
    )
    plugin.commands.register(
        "csv_service_status",
        "Tell which processes watch, and whether the system starts one.\n\nOne line for each csv_watch that runs on "
        "this store, on any host, or ended within a day without saying so; `unit` names what started it, if the "
        "system did. Exit code 1 if nothing watches now.\n\n\b\n"
        "Example:\n  csv_manager csv_service_status",
        plugin.csv_service_status,
        params=[_system_option(), format_option()],
    )


def _system_option() -> click.Option:
    """--system, the same for all: what was installed with it is removed with it."""
    return option(
        "--system",
        type=click.Choice(_SYSTEMS),
        help="What starts it.  [default: what this system has]",
    )
