"""The arguments and options of the commands csv_sync_* and csv_load, and their help."""

from typing import Any

import click

from csv_manager.core.targets import EVOLUTIONS, MODES
from csv_manager.patterns.csv_commands_pattern import format_option, one_path_argument, option, path_argument
from csv_manager.patterns.format_options import format_params

_DATABASE = "The name of a database of the settings, or an SQLAlchemy URL without a password."


def register(plugin: Any) -> None:
    """Register them."""
    plugin.commands.register(
        "csv_sync_add",
        "Have a table of a database follow a watched file, and load its newest version now.\n\nThe statement that "
        "makes the table is shown before it is executed; the types of its columns fit every cell. Of a folder, the "
        "files share one table, in which each has rows of its own. The key is that of the watcher, unless --key tells "
        "one; without any, rows are known by what they are.\n\n\b\nExamples:\n"
        "  csv_manager csv_sync_add prices.csv --database sqlite:////home/you/reports.db\n"
        "  csv_manager csv_sync_add orders/ --database reports --table sales.orders --key id --mode history",
        plugin.csv_sync_add,
        params=[
            one_path_argument(),
            option("--database", required=True, metavar="NAME|URL", help=_DATABASE),
            *_table_params(),
            option(
                "--mode",
                type=click.Choice(MODES),
                default="mirror",
                help="mirror: the rows of the newest version; upsert: the same, and none is deleted; append: every "
                "inserted row, once; history: every state of every row, with the versions from and to which it held.",
            ),
            option("--meta", is_flag=True, help="Columns that tell the file, version and time of each row."),
            option("--shared", is_flag=True, help="Other files have rows in the table, too."),
            option(
                "--evolution",
                type=click.Choice(EVOLUTIONS),
                default="evolve",
                help="evolve: a new column is added, and a type becomes wider; freeze: a version that needs that is "
                "refused; discard_row: rows with a value that has no place are left out; discard_value: these values.",
            ),
            _type_option(),
            _rename_option("A column that has another name in the file now, or will have."),
            option("--adopt", is_flag=True, help="Take over a table that is there, with its rows."),
            option("--no-run", is_flag=True, help="Load nothing now; csv_sync_run or the service does."),
            format_option(),
        ],
    )
    plugin.commands.register(
        "csv_sync_list",
        "List the tables that follow files: each with its file, the version that it has, and why it is behind.\n\nThe "
        "state is ok, behind, failed, pinned (after csv_sync_rollback) or waiting (for a first version).\n\n\b\n"
        "Example:\n  csv_manager csv_sync_list --format json",
        plugin.csv_sync_list,
        params=[path_argument(required=False), format_option()],
    )
    plugin.commands.register(
        "csv_sync_run",
        "Bring tables to the newest versions of their files now, also those that were rolled back.\n\n--plan says what "
        "would be done, and does nothing. --verify compares each table with its version, row by row, and --repair "
        "mends what others changed in it. Without PATH, all are meant. The exit code is 1 if a table could not be "
        "brought to its version, or is not as it should be.\n\n\b\nExamples:\n  csv_manager csv_sync_run\n"
        "  csv_manager csv_sync_run prices.csv --verify",
        plugin.csv_sync_run,
        params=[
            path_argument(required=False),
            *_which_params(),
            option("--plan", is_flag=True, help="Say what would be done, and do nothing."),
            option("--verify", is_flag=True, help="Compare, and change nothing."),
            option("--repair", is_flag=True, help="Mend what others changed."),
            _rename_option("A column of the table that has another name in the file now."),
            format_option(),
        ],
    )
    plugin.commands.register(
        "csv_sync_rollback",
        "Bring tables back to an older version of a file, and keep them there until csv_sync_run.\n\nThe file and its "
        "history stay as they are. VERSION is a number, head~N, or an ISO time.\n\n\b\nExample:\n"
        "  csv_manager csv_sync_rollback prices.csv --to head~1",
        plugin.csv_sync_rollback,
        params=[
            one_path_argument(),
            option("--to", "version", required=True, metavar="VERSION", help="The version to go back to."),
            *_which_params(),
            option("-y", "--yes", is_flag=True, help="Ask nothing."),
            format_option(),
        ],
    )
    plugin.commands.register(
        "csv_sync_delete",
        "Have tables follow a file no longer; the tables stay, unless --drop.\n\n\b\nExample:\n"
        "  csv_manager csv_sync_delete prices.csv --database reports",
        plugin.csv_sync_delete,
        params=[
            one_path_argument(),
            *_which_params(),
            option("--drop", is_flag=True, help="Drop the tables with all of their rows."),
            option("-y", "--yes", is_flag=True, help="Ask nothing."),
        ],
    )
    plugin.commands.register(
        "csv_load",
        "Load a file into a table once; no watcher is needed, and nothing is remembered.\n\nA table that is not there "
        "is made, with types that fit every cell. Into one that is there rows are merged by the key, and the table "
        "itself is not changed. Nothing is loaded if anything is wrong.\n\n\b\nExamples:\n"
        "  csv_manager csv_load prices.csv --database sqlite:////home/you/reports.db\n"
        "  csv_manager csv_load prices.csv --database reports --table sales.prices --key id",
        plugin.csv_load,
        params=[
            one_path_argument("file", "FILE"),
            option("--database", required=True, metavar="NAME|URL", help=_DATABASE),
            *_table_params(),
            option(
                "--mode",
                type=click.Choice(("upsert", "append", "mirror")),
                help="upsert: merge by the key; append: insert all rows; mirror: as upsert, and other rows are "
                "deleted. By default upsert if there is a key, else append to a table without rows.",
            ),
            option("--ignore", multiple=True, metavar="COLUMN", help="A column that is not loaded. May be repeated."),
            _type_option(),
            *format_params(),
            format_option(),
        ],
    )


def _table_params() -> list[click.Parameter]:
    return [
        option("--table", metavar="[SCHEMA.]T", help="The table; the name of the file by default."),
        option("-k", "--key", multiple=True, metavar="COLUMN", help="A column of the key. May be repeated."),
    ]


def _type_option() -> click.Option:
    return option(
        "--type",
        "types",
        multiple=True,
        metavar="COLUMN=TYPE",
        help="The type of a column, such as 'price=decimal(10, 2) not null'; it never changes. May be repeated.",
    )


def _rename_option(what: str) -> click.Option:
    return option("--rename", multiple=True, metavar="OLD=NEW", help=f"{what} May be repeated.")


def _which_params() -> list[click.Parameter]:
    return [
        option("--database", metavar="NAME|URL", help="Only targets in this database."),
        option("--table", metavar="[SCHEMA.]T", help="Only this table."),
    ]
