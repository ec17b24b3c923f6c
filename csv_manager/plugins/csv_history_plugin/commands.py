"""The command lines of csv_history_*: names, help and parameters."""

from typing import Any

import click

from csv_manager.patterns.csv_commands_pattern import format_option, one_path_argument, option, path_argument
from csv_manager.patterns.describe import limit_option
from csv_manager.patterns.retention_options import retention_params

_RECORDED = "VERSION is a number, head, head~N, or an ISO time for what stood then."
_VERSION_HELP = "VERSION is a number, head, head~N, an ISO time for what stood then, or file for what is on the disk."


def register(plugin: Any) -> None:
    """Register every command, each with the plugin's method of its name."""
    path = one_path_argument()
    where = option("--where", multiple=True, metavar="COLUMN=VALUE", help="Only rows with this cell. May be repeated.")
    plugin.commands.register(
        "csv_history_list",
        "List the versions of a file, newest first.\n\nWith --where, only those that touched a row with these "
        "cells, and what they did to it.\n\n\b\nExamples:\n  csv_manager csv_history_list prices.csv\n"
        "  csv_manager csv_history_list prices.csv --where id=7",
        plugin.csv_history_list,
        params=[path_argument(), where, format_option()],
    )
    plugin.commands.register(
        "csv_history_show",
        f"Show the row changes of a version, by default the newest.\n\n{_VERSION_HELP}\n\n\b\n"
        "Example:\n  csv_manager csv_history_show prices.csv 2",
        plugin.csv_history_show,
        params=[
            path,
            click.Argument(["version"], required=False, metavar="[VERSION]"),
            format_option(),
            limit_option(),
            option("--quarantine", is_flag=True, help="Show the rows that it was recorded without, instead."),
        ],
    )
    plugin.commands.register(
        "csv_history_diff",
        "Show the row changes between any two versions, by default those of the head.\n\n"
        f"{_VERSION_HELP.replace('VERSION is', 'V1 and V2 are')} The exit code is 0, whether rows differ or not; "
        "csv_diff tells it by its exit code.\n\n\b\n"
        "Examples:\n  csv_manager csv_history_diff prices.csv 1 head\n"
        "  csv_manager csv_history_diff prices.csv head file",
        plugin.csv_history_diff,
        params=[
            path,
            click.Argument(["old"], required=False, metavar="[V1"),
            click.Argument(["new"], required=False, metavar="V2]"),
            format_option(),
            limit_option(),
        ],
    )
    plugin.commands.register(
        "csv_history_export",
        f"Write the bytes of a version, exactly as the file came.\n\n{_VERSION_HELP}\n\n\b\n"
        "Example:\n  csv_manager csv_history_export prices.csv head~1 -o old.csv",
        plugin.csv_history_export,
        params=[
            path,
            click.Argument(["version"], metavar="VERSION"),
            option("-o", "--output", metavar="FILE", default="-", help="Write to this file; - is stdout."),
        ],
    )
    plugin.commands.register(
        "csv_history_restore",
        "Put a version back in place of the file.\n\nWhat the file holds now is recorded before, so nothing is "
        f"lost and nothing is asked; what it holds then is its next version. {_RECORDED}\n\n\b\n"
        "Example:\n  csv_manager csv_history_restore prices.csv head~1",
        plugin.csv_history_restore,
        params=[
            path,
            click.Argument(["version"], metavar="VERSION"),
            option("--yes", is_flag=True, help="Changes nothing: nothing is asked."),
            option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
        ],
    )
    version = click.Argument(["version"], required=False, metavar="[VERSION]")
    plugin.commands.register(
        "csv_history_accept",
        "Let a held version through, by default the newest: it becomes the head, and tables follow it.\n\nWho did it, "
        "and when, is recorded. A version that is older than the head stays held.\n\n\b\n"
        "Example:\n  csv_manager csv_history_accept prices.csv",
        plugin.csv_history_accept,
        params=[path, version],
    )
    plugin.commands.register(
        "csv_history_reject",
        "Close a held version, by default the newest: nothing follows it, and nobody is asked about it again.\n\nWho "
        "did it, and when, is recorded. The file stays as it is.\n\n\b\n"
        "Example:\n  csv_manager csv_history_reject prices.csv",
        plugin.csv_history_reject,
        params=[path, version],
    )
    plugin.commands.register(
        "csv_history_blame",
        "Tell for each row of the head which version last set it, and when.\n\nNothing stands there if that "
        "version was pruned.\n\n\b\n"
        "Example:\n  csv_manager csv_history_blame prices.csv --where id=7",
        plugin.csv_history_blame,
        params=[path, where, format_option(), limit_option()],
    )
    plugin.commands.register(
        "csv_history_prune",
        "Forget old versions of a file.\n\nA version is kept if one of the options keeps it; the head, the latest "
        "version and held ones always are. Without options, those of the watcher count.\n\n\b\nExample:\n"
        "  csv_manager csv_history_prune prices.csv --keep-within 7d --keep-monthly 12",
        plugin.csv_history_prune,
        params=[
            path_argument(),
            *retention_params(),
            option("--yes", is_flag=True, help="Do not ask."),
            option("--dry-run", is_flag=True, help="Say what would be forgotten, and forget nothing."),
        ],
    )
    plugin.commands.register(
        "csv_history_verify",
        "Read every version back, and compare it with what was recorded.\n\nWithout PATH, of all files. Exit code "
        "1 if something is damaged: each version that it touches is named. What has a copy is mended.\n\n\b\n"
        "Example:\n  csv_manager csv_history_verify",
        plugin.csv_history_verify,
        params=[path_argument(required=False), format_option()],
    )
