"""The arguments and options of the commands csv_audit_*, and their help."""

from typing import Any

import click

from csv_manager.patterns.csv_commands_pattern import format_option, option

_TIMES = "today, yesterday 17:00, 90m, 12h, 7d, or an ISO time"
_LIMIT = 50


def register(plugin: Any) -> None:
    """Register them."""
    plugin.commands.register(
        "csv_audit_add",
        "Audit tables of a database from now on: each row that anybody inserts, updates or deletes in them.\n\n"
        "Triggers write the entries, with the row before and after, in the transaction of the change itself; seals "
        "chain them. What was done before is not known. A table whose columns changed is audited with these when this "
        "is called again. DATABASE is the name of one of the settings, a URL without a password, or the path of an "
        "SQLite file.\n\n\b\nExamples:\n  csv_manager csv_audit_add shop.db orders customers\n"
        "  csv_manager csv_audit_add reports sales.people --redact sales.people.salary",
        plugin.csv_audit_add,
        params=[
            _database(),
            _tables(),
            option(
                "--redact",
                multiple=True,
                metavar="TABLE.COLUMN",
                help="A column whose values are not to be in the log: only that they changed. May be repeated.",
            ),
            format_option(),
        ],
    )
    plugin.commands.register(
        "csv_audit_delete",
        "Audit tables no longer; what the log has of them stays.\n\n\b\n"
        "Example:\n  csv_manager csv_audit_delete shop.db orders",
        plugin.csv_audit_delete,
        params=[_database(), _tables(), option("-y", "--yes", is_flag=True, help="Ask nothing.")],
    )
    plugin.commands.register(
        "csv_audit_list",
        "List who changed which row, the newest change first.\n\nThe actor is the user, with the host; - where the "
        "database does not tell who another program is. --tables lists the tables that are audited.\n\n\b\n"
        "Examples:\n  csv_manager csv_audit_list shop.db --table orders --since yesterday\n"
        "  csv_manager csv_audit_list shop.db --table orders --key 17\n"
        "  csv_manager csv_audit_list reports --run 12 --format json",
        plugin.csv_audit_list,
        params=[
            _database(),
            *_row_params(),
            option("--since", metavar="TIME", help=f"Only those since then: {_TIMES}."),
            option("--actor", metavar="WHO", help="Only those of a user, a user@host, or a program."),
            option("--run", metavar="RUN", help="Only those of a run of csv_run_list."),
            option("--limit", type=click.IntRange(0), default=_LIMIT, help="So many at most; 0: all."),
            option("--tables", is_flag=True, help="List the tables that are audited instead."),
            format_option(),
        ],
    )
    plugin.commands.register(
        "csv_audit_show",
        "Show an entry of csv_audit_list, or a transaction: who made it, by what, and each value before and after.\n\n"
        "A transaction is told by the begin of its token. What the database tells of another program is shown, such "
        "as its statement on PostgreSQL.\n\n\b\nExamples:\n  csv_manager csv_audit_show shop.db 17\n"
        "  csv_manager csv_audit_show shop.db 3f9c21d07ab4",
        plugin.csv_audit_show,
        params=[_database(), click.Argument(["what"], metavar="ENTRY|TRANSACTION"), format_option()],
    )
    plugin.commands.register(
        "csv_audit_verify",
        "Check that the log is as it was sealed; the exit code is 1 if it is not, and the first broken link is "
        "told.\n\nWho can write to the database could rewrite the whole chain: so keep its newest hash elsewhere, by "
        "--anchor. The file is compared first, and the newest hash is added at its end. Entries that are not sealed "
        "yet are counted: nothing would tell if they were altered.\n\n\b\nExamples:\n"
        "  csv_manager csv_audit_verify shop.db\n  csv_manager csv_audit_verify shop.db "
        "--anchor /mnt/safe/shop.anchors",
        plugin.csv_audit_verify,
        params=[
            _database(),
            option("--anchor", metavar="FILE", help="A file of hashes that were the newest, kept elsewhere."),
            option("--seal", is_flag=True, help="Seal what is not sealed yet, if all else is as it was."),
            option(
                "--rows", is_flag=True, help="Compare the rows, too: what no trigger saw is told, with exit code 1."
            ),
            format_option(),
        ],
    )
    plugin.commands.register(
        "csv_audit_undo",
        "Take changes back: of entries, of transactions, of a run, or of a row.\n\nEach row has to be as the change "
        "left it; where one is not, or where the database would do more by a foreign key or a trigger, these conflicts "
        "are told, nothing is done, and the exit code is 1. The undo is in the log itself, and can be undone.\n\n\b\n"
        "Examples:\n  csv_manager csv_audit_undo shop.db 3f9c21d07ab4 --plan\n"
        "  csv_manager csv_audit_undo shop.db --run 12\n"
        "  csv_manager csv_audit_undo shop.db --table orders --key 17 --since today",
        plugin.csv_audit_undo,
        params=[
            _database(),
            click.Argument(["what"], nargs=-1, metavar="[ENTRY|TRANSACTION]..."),
            option("--run", metavar="RUN", help="What a run did."),
            *_row_params(),
            option("--since", metavar="TIME", help="All changes of the row since then, not the last one alone."),
            option("--plan", is_flag=True, help="Say what would be done, and do nothing."),
            option("-y", "--yes", is_flag=True, help="Ask nothing."),
            format_option(),
        ],
    )
    plugin.commands.register(
        "csv_audit_snapshot",
        "Keep all rows of audited tables as they are now, sealed with the log.\n\ncsv_audit_recover needs none as long "
        "as the tables are there, and nobody changed their rows unseen; --from-snapshots is for when that is not so, "
        "or when their columns changed since. Who writes to the tables waits meanwhile. --list lists those there are."
        "\n\n\b\nExamples:\n  csv_manager csv_audit_snapshot shop.db\n"
        "  csv_manager csv_audit_snapshot shop.db --list",
        plugin.csv_audit_snapshot,
        params=[
            _database(),
            click.Argument(["tables"], nargs=-1, metavar="[TABLE]..."),
            option("--list", "listed", is_flag=True, help="List the snapshots that there are; take none."),
            format_option(),
        ],
    )
    plugin.commands.register(
        "csv_audit_compact",
        "Keep the entries that are sealed compressed; none is lost, and their seals hold.\n\nThey are asked for as "
        "before. csv_manager does it by itself for what it writes to audited tables, once that is much.\n\n\b\n"
        "Example:\n  csv_manager csv_audit_compact shop.db",
        plugin.csv_audit_compact,
        params=[_database()],
    )
    plugin.commands.register(
        "csv_audit_recover",
        "Bring the audited tables back to how they were at a time, in a database of their own.\n\nThe chain is "
        "verified first. The tables are made in NEW, with the rows of now without what came later, each compared with "
        "the log. --from-snapshots begins with the newest ones before instead, and does what came since. A "
        "transaction that still wrote after the time is not in it. --in-place takes back what came later in DATABASE "
        "itself, as csv_audit_undo does.\n\n\b\nExamples:\n"
        "  csv_manager csv_audit_recover shop.db --to 'yesterday 17:00' --into shop-yesterday.db\n"
        "  csv_manager csv_audit_recover reports --to 1200 --into reports_then",
        plugin.csv_audit_recover,
        params=[
            _database(),
            option("--to", required=True, metavar="TIME|ENTRY", help=f"The last entry, or the time: {_TIMES}."),
            option("--into", metavar="NEW", help="A database without these tables; an SQLite file is made."),
            option("--from-snapshots", is_flag=True, help="Begin with snapshots instead of the rows of now."),
            option("--in-place", is_flag=True, help="Change the rows of DATABASE itself."),
            option("--unverified", is_flag=True, help="Do it though the log is not as it was sealed."),
            option("-y", "--yes", is_flag=True, help="Ask nothing."),
            format_option(),
        ],
    )


def _database() -> click.Argument:
    return click.Argument(["database"], metavar="DATABASE")


def _tables() -> click.Argument:
    return click.Argument(["tables"], nargs=-1, required=True, metavar="TABLE...")


def _row_params() -> list[click.Parameter]:
    return [
        option("--table", metavar="[SCHEMA.]T", help="Only changes of this table."),
        option(
            "-k",
            "--key",
            multiple=True,
            metavar="VALUE",
            help="Only changes of the row with this key; COLUMN=VALUE for each column of one that has several.",
        ),
    ]
