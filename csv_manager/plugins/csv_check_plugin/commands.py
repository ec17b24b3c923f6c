"""The command lines of csv_check_*: names, help and parameters."""

from typing import Any

import click

from csv_manager.core.rules import LEVELS, ON_BAD
from csv_manager.patterns.csv_commands_pattern import format_option, one_path_argument, option, path_argument


def register(plugin: Any) -> None:
    """Register every command, each with the plugin's method of its name."""
    plugin.commands.register(
        "csv_check_add",
        "Have the versions of a file be checked by more rules, and held if they are not as these say.\n\nA rule is a "
        "schema in the shape of Frictionless Table Schema, an SQL condition that each row is to meet, an SQL query "
        "that returns bad rows, or a check of a plugin. In SQL, the version is the table `current`, and the head "
        "before it `previous`; `_row` is the number of a row. A condition whose value is unknown, since a cell is "
        "empty, is met. Of the rules of a folder, each of its files is checked by itself.\n\n\b\nExamples:\n"
        "  csv_manager csv_check_add prices.csv --schema prices.schema.json\n"
        "  csv_manager csv_check_add prices.csv --rule 'price > 0' --max-deleted 20%\n"
        "  csv_manager csv_check_add prices.csv --query 'SELECT c.* FROM current c JOIN previous p USING (id)\n"
        "    WHERE c.price < p.price / 2' --name halved --level warning",
        plugin.csv_check_add,
        params=[
            one_path_argument(),
            *_rule_params(),
            option("--name", metavar="N", help="What the rule is called."),
            option(
                "--max-bad",
                metavar="N|P%",
                help="Hold a version with errors in more rows than these; by default, with any error.",
            ),
            option(
                "--max-deleted",
                metavar="P%",
                help="Hold a version that lacks more than this share of the rows; 100% lets each through. By default "
                "50% if a table follows the file.",
            ),
            option(
                "--on-bad",
                type=click.Choice(ON_BAD),
                help="hold: the version waits until it is accepted or replaced; quarantine-rows: it goes through "
                "without its bad rows, which are put aside; warn: it goes through, and is told.",
            ),
        ],
    )
    plugin.commands.register(
        "csv_check_list",
        "List the rules and gates of watchers.\n\n\b\nExample:\n  csv_manager csv_check_list --format json",
        plugin.csv_check_list,
        params=[path_argument(required=False), format_option()],
    )
    plugin.commands.register(
        "csv_check_delete",
        "Have the versions of a file be checked by fewer rules.\n\nWithout NAME, by none, and without a gate.\n\n\b\n"
        "Example:\n  csv_manager csv_check_delete prices.csv rule-1",
        plugin.csv_check_delete,
        params=[
            one_path_argument(),
            click.Argument(["names"], nargs=-1, required=False, metavar="[NAME]..."),
            option("--gate", is_flag=True, help="Only --max-bad, --max-deleted and --on-bad."),
        ],
    )
    plugin.commands.register(
        "csv_check_run",
        "Check what a file holds now, or one of its versions, and change nothing.\n\nIt is checked by the rules of its "
        "watcher, and by those that are given. FILE need not be watched. The exit code is 1 if there are errors, or "
        "the gate would hold it; warnings alone leave it at 0.\n\n\b\nExamples:\n"
        "  csv_manager csv_check_run prices.csv\n"
        "  csv_manager csv_check_run new.csv --schema prices.schema.json --format json",
        plugin.csv_check_run,
        params=[
            one_path_argument("csv_file", "PATH|FILE"),
            option("--version", metavar="VERSION", help="A version, instead of what the file holds now."),
            *_rule_params(),
            format_option(),
        ],
    )
    plugin.commands.register(
        "csv_check_suggest",
        "Print a schema that each version of a file so far is as it tells, to start from.\n\n\b\nExample:\n"
        "  csv_manager csv_check_suggest prices.csv > prices.schema.json",
        plugin.csv_check_suggest,
        params=[one_path_argument()],
    )


def _rule_params() -> list[click.Parameter]:
    return [
        option(
            "--schema", "schemas", multiple=True, metavar="F", help="A descriptor in JSON or YAML. May be repeated."
        ),
        option("--rule", "conditions", multiple=True, metavar="SQL", help="A condition of each row. May be repeated."),
        option("--query", "queries", multiple=True, metavar="SQL", help="A SELECT of bad rows. May be repeated."),
        option("--check", "checks", multiple=True, metavar="NAME", help="A check of a plugin. May be repeated."),
        option("--option", "options", multiple=True, metavar="K=V", help="An option of that check. May be repeated."),
        option("--level", type=click.Choice(LEVELS), default="error", help="What a finding weighs; only errors hold."),
    ]
