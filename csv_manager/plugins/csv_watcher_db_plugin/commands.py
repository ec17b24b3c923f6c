"""The command lines of csv_watcher_*: names, help and parameters."""

from typing import Any

from csv_manager.patterns.csv_commands_pattern import format_option, one_path_argument, option, path_argument
from csv_manager.plugins.csv_watcher_db_plugin import options as watcher_options


def register(plugin: Any) -> None:
    """Register every command, each with the plugin's method of its name."""
    plugin.commands.register(
        "csv_watcher_add",
        "Watch files from now on, and record what they hold as version 1.\n\nPATH is a file, a folder (its CSV "
        "files) or a quoted glob; new files in a folder, or that match a glob, are watched as they come. What the "
        "csv format of a file is, is found out and shown; the options say otherwise.\n\n"
        "\b\nExamples:\n  csv_manager csv_watcher_add prices.csv --key id\n"
        "  csv_manager csv_watcher_add /data/exports --recursive --exclude archive/\n"
        "  csv_manager csv_watcher_add log.txt --delimiter ';' --skip-lines 12",
        plugin.csv_watcher_add,
        params=[
            path_argument(),
            *watcher_options.params(interval=10.0),
            option("--missing-ok", is_flag=True, help="Add a file, folder or glob of which nothing exists yet."),
        ],
    )
    plugin.commands.register(
        "csv_watcher_list",
        "List the watchers, with state, version and last change.\n\n"
        "\b\nExample:\n  csv_manager csv_watcher_list --format json",
        plugin.csv_watcher_list,
        params=[format_option()],
    )
    plugin.commands.register(
        "csv_watcher_show",
        "Show everything about one watcher: csv format, state and why, last versions.\n\n"
        "\b\nExample:\n  csv_manager csv_watcher_show prices.csv",
        plugin.csv_watcher_show,
        params=[one_path_argument(), format_option()],
    )
    plugin.commands.register(
        "csv_watcher_set",
        "Change a watcher and keep its history.\n\nOnly the options that are given change; an empty --key, "
        "--ignore, --exclude or --name takes it away.\n\n"
        "\b\nExample:\n  csv_manager csv_watcher_set prices.csv --key id --key day",
        plugin.csv_watcher_set,
        params=[
            path_argument(),
            *watcher_options.params(interval=None),
            option("--no-poll", is_flag=True, help="Ask for file events again."),
            option("--no-recursive", is_flag=True, help="Of a folder, only the files in itself."),
            option("--keep-all", is_flag=True, help="Keep every version."),
        ],
    )
    plugin.commands.register(
        "csv_watcher_delete",
        "Stop watching files. Their history stays, unless --purge.\n\nA file of a watched folder or glob is left out "
        "of it from then on.\n\n"
        "\b\nExample:\n  csv_manager csv_watcher_delete prices.csv",
        plugin.csv_watcher_delete,
        params=[
            path_argument(),
            option("--purge", is_flag=True, help="Delete the history too, every version of it."),
            option("--yes", is_flag=True, help="Do not ask before a purge."),
            option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing."),
        ],
    )
    plugin.commands.register(
        "csv_watcher_pause",
        "Do not look at files until csv_watcher_resume.\n\nWhat a file holds when it is resumed is its next version; "
        "what it held in between is not recorded.\n\n\b\nExample:\n  csv_manager csv_watcher_pause prices.csv",
        plugin.csv_watcher_pause,
        params=[path_argument()],
    )
    plugin.commands.register(
        "csv_watcher_resume",
        "Look at paused files again.\n\n\b\nExample:\n  csv_manager csv_watcher_resume prices.csv",
        plugin.csv_watcher_resume,
        params=[path_argument()],
    )
