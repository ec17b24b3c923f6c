"""The commands database_*: which databases there are, whether they work, and their tables."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from csv_manager.core.errors import OptionError
from csv_manager.core.model import FormatOptions
from csv_manager.patterns import CsvCommandsPattern, CsvDatabasesPattern, CsvWatcherPattern
from csv_manager.patterns.csv_commands_pattern import format_option, one_path_argument, option
from csv_manager.patterns.format_options import format_params, parse_format

_COLUMNS = ("name", "dialect", "address", "database", "user", "admin", "state", "schema", "reason")
#: What the tables hold that people count.
_COUNTED = {"csv_files": "file", "csv_versions": "version", "csv_watchers": "watcher", "csv_runs": "run"}
_TABLE_COLUMNS = ("table", "kind", "columns", "key", "comment")
_COLUMN_COLUMNS = ("column", "type", "nullable", "key", "default", "references", "comment")
_TYPE_COLUMNS = ("column", "type", "nullable", "line", "cell", "reason")
_SQL_DIALECTS = ("sqlite", "postgresql", "mysql", "mariadb")
_DIFFERENCE_COLUMNS = ("table", "state", "change", "drop")
_CHECK_COLUMNS = ("name", "role", "check", "result", "reason")


class CsvDatabasePlugin(CsvCommandsPattern, CsvDatabasesPattern, CsvWatcherPattern):
    """Lists, checks and upgrades the databases of the settings."""

    def activate(self) -> None:
        """Register the commands."""
        self.commands.register(
            "database_list",
            "List the databases of the settings, and how they are.\n\n`default` is the store's. The state is ok; empty "
            "or behind, which csv_manager database_upgrade mends; missing, if there is no such file; newer, if a newer "
            "csv_manager upgraded it; broken, if the migrations of a plugin cannot be used; or "
            "unreachable.\n\n\b\nExample:\n  csv_manager database_list --format json",
            self.database_list,
            params=[format_option()],
        )
        self.commands.register(
            "database_check",
            "Check that databases can be reached, with the rights that are needed and the tables that are known.\n\n"
            "Nothing is changed. The exit code is 1 if anything is wrong. A `user` that may do to tables what only "
            "`admin` has to is a warning on stderr. Without NAME, all are checked.\n\n\b\n"
            "Example:\n  csv_manager database_check default",
            self.database_check,
            params=[_name_argument(), format_option()],
        )
        self.commands.register(
            "database_upgrade",
            "Make the tables of databases, or bring them to the newest version, as the user `admin`.\n\nThat one owns "
            "them then; `user` may read and write their rows, and nothing else. Without NAME, all are upgraded.\n\n\b\n"
            "Examples:\n  csv_manager database_upgrade\n  csv_manager database_upgrade default --sql > upgrade.sql",
            self.database_upgrade,
            params=[_name_argument(), option("--sql", is_flag=True, help="Print the statements; execute none.")],
        )

        self.commands.register(
            "database_copy",
            "Copy the store that is in the database FROM into the store, which has to be empty.\n\nWatchers, "
            "versions, row changes, runs and what plugins keep there go with it. The archive is no database, and stays "
            "where it is. Nothing is changed in FROM. Stop what watches first.\n\n\b\n"
            "Example:\n  csv_manager database_copy laptop",
            self.database_copy,
            params=[click.Argument(["source"], metavar="FROM")],
        )

        self.commands.register(
            "database_tables",
            "List the tables and views of a database, or the columns of one of them.\n\nThey are those that its user "
            "can see, whoever made them. NAME is one of the settings, or a URL without a password.\n\n\b\n"
            "Examples:\n  csv_manager database_tables reports\n  csv_manager database_tables reports orders\n"
            "  csv_manager database_tables sqlite:///shop.db --code > tables.py",
            self.database_tables,
            params=[
                click.Argument(["name"], metavar="NAME"),
                click.Argument(["table"], required=False, metavar="[TABLE]"),
                option("--schema", metavar="S", help="The schema to look into; the usual one by default."),
                option("--code", is_flag=True, help="Print dataclasses that declare the tables, as Python code."),
                format_option(),
            ],
        )
        self.commands.register(
            "database_diff",
            "Show how the tables of the database NAME differ from those that MODULE declares.\n\nMODULE is a Python "
            "file, or the dotted name of a module, whose dataclasses declare tables; its code is executed. No other "
            "tables are looked at. With --apply, the tables are changed, in one transaction where the database undoes "
            "such changes. What is there and not declared is kept, unless --drop names it. NAME is one of the "
            "settings, or a URL without a password.\n\n\b\nExamples:\n"
            "  csv_manager database_diff reports tables.py\n  csv_manager database_diff reports tables.py --sql\n"
            "  csv_manager database_diff reports tables.py --apply --drop orders.remark",
            self.database_diff,
            params=[
                click.Argument(["name"], metavar="NAME"),
                click.Argument(["module"], metavar="MODULE"),
                option("--apply", is_flag=True, help="Change the tables."),
                option("--sql", is_flag=True, help="Print the statements; change nothing."),
                option(
                    "--drop",
                    multiple=True,
                    metavar="TABLE[.COLUMN]",
                    help="What is to go: a table, or a column or constraint of one. May be repeated.",
                ),
                format_option(),
            ],
        )
        self.commands.register(
            "database_ddl",
            "Print the statements that make a table for a file, or the tables that a module declares.\n\nFor a file, "
            "each column has the narrowest type that every cell fits without a loss: 007 is no number. --types tells "
            "the cell that decided instead. A module is a Python file (.py), or the dotted name of one, whose "
            "dataclasses declare tables; its code is executed. No store and no database is needed, and nothing is "
            "executed there.\n\n\b\nExamples:\n"
            "  csv_manager database_ddl prices.csv --dialect postgresql --key id\n"
            "  csv_manager database_ddl prices.csv --dialect sqlite --types\n"
            "  csv_manager database_ddl tables.py --dialect mariadb",
            self.database_ddl,
            params=[
                one_path_argument("file", "FILE|MODULE"),
                option("--dialect", type=click.Choice(_SQL_DIALECTS), required=True, help="Whose SQL it is."),
                option("--table", metavar="T", help="The name of the table; that of the file by default."),
                option("-k", "--key", multiple=True, metavar="COLUMN", help="A column of the key. May be repeated."),
                option("--ignore", multiple=True, metavar="COLUMN", help="A column to leave out. May be repeated."),
                option("--types", is_flag=True, help="List the types of the columns, and why they are these."),
                *format_params(),
                format_option(),
            ],
        )

    def database_list(self, form: str = "table") -> None:
        """Write each database with its state."""
        self.answer((vars(self.databases.state(name)) for name in self.databases.binds), _COLUMNS, form)

    def database_check(self, name: str | None = None, form: str = "table") -> int:
        """Write what was checked; the exit code: 1 if anything is wrong."""
        rows = []
        for known in [name] if name else list(self.databases.binds):
            for check in self.databases.check(known):
                told = {**vars(check), "result": "ok" if check.reason is None else "wrong"}
                rows.append({column: told[column] for column in _CHECK_COLUMNS})
                if check.warning is not None:
                    self.say(f"Warning: {check.name}: {check.warning}")
        self.answer(rows, _CHECK_COLUMNS, form)
        return 1 if any(row["result"] != "ok" for row in rows) else 0

    def database_upgrade(self, name: str | None = None, sql: bool = False) -> None:
        """Make or upgrade tables, or write the statements that would."""
        for known in [name] if name else list(self.databases.binds):
            if sql:
                click.echo(self.databases.sql(known).rstrip() or f"-- {known} is up to date.")
                continue
            with self.progress(f"Upgrading {known}"):
                done = self.databases.upgrade(known)
            click.echo(f"{known}: {', '.join(done) if done else 'up to date'}.")

    def database_copy(self, source: str) -> None:
        """Copy a store into the store."""
        copied = self.databases.copy(source, self.progress)
        told = [f"{copied[name]:,} {noun}{'' if copied[name] == 1 else 's'}" for name, noun in _COUNTED.items()]
        click.echo(f"Copied {source} to default: {', '.join(told)}.")
        store, archive = self.csv_watcher.store, self.csv_watcher.settings()["ARCHIVE_PATH"]
        lacking = len(store.catalog.history.contents() - store.archive.contents())
        if lacking:
            mend = f"copy that of {source} there, or set ARCHIVE_PATH"
            self.say(f"The archive {archive} lacks {lacking:,} of the contents; {mend}.")
        self.say("`csv_manager csv_history_verify` reads every version back from the archive.")

    def database_tables(
        self,
        name: str,
        table: str | None = None,
        schema: str | None = None,
        code: bool = False,
        form: str = "table",
    ) -> None:
        """Write the tables of a database, or the columns of one, or code that declares them."""
        found = {known.name: known for known in self.databases.tables(name, schema)}
        if table is not None and table not in found:
            close = difflib.get_close_matches(table, found, 1)
            lists = f"csv_manager database_tables {name} lists those there are."
            mend = f"did you mean {close[0]}?" if close else lists
            raise OptionError(f"There is no table {table!r} in {name}; {mend}")
        if code:
            from csv_manager.sync import code_of

            click.echo(code_of(list(found.values()) if table is None else [found[table]], name), nl=False)
            return
        if table is None:
            rows = (
                {
                    "table": known.name,
                    "kind": "view" if known.is_view else "table",
                    "columns": len(known.columns),
                    "key": list(known.key),
                    "comment": known.comment,
                }
                for known in found.values()
            )
            self.answer(rows, _TABLE_COLUMNS, form, empty=f"There is no table in {name}.", spare=("comment",))
            return
        self.answer(_columns_of(found[table]), _COLUMN_COLUMNS, form, spare=("comment", "default"))

    def database_diff(
        self,
        name: str,
        module: str,
        apply: bool = False,
        sql: bool = False,
        drop: Sequence[str] = (),
        form: str = "table",
    ) -> None:
        """Write what would have tables be as they are declared, and do it if that is asked."""
        from csv_manager.sync import tables_of

        if apply and sql:
            raise OptionError("--sql changes nothing, and --apply does; give one of them.")
        wanted = tables_of(module)
        with self.databases.open(name, make=apply) as database:
            if sql:
                click.echo("".join(f"{statement};\n" for statement in database.sql(wanted, drop=drop)), nl=False)
                return
            found = database.apply(wanted, drop=drop) if apply else database.compare(wanted, drop=drop)
        state = "done" if apply else "to do"
        told = [*((state, step) for step in found.steps), *(("kept", step) for step in found.kept)]
        rows = [{"table": step.table, "state": how, "change": step.told, "drop": step.drops} for how, step in told]
        empty = f"The tables in {name} are as {module} declares them."
        self.answer(rows, _DIFFERENCE_COLUMNS, form, empty=empty, spare=("drop",))
        if found.kept:
            self.say("What is kept goes if --drop names it.")
        if found.steps and not apply:
            self.say("Nothing was changed; --apply does it, --sql prints the statements.")

    def database_ddl(
        self,
        file: str,
        dialect: str,
        table: str | None = None,
        key: Sequence[str] = (),
        ignore: Sequence[str] = (),
        types: bool = False,
        form: str = "table",
        **given: Any,
    ) -> None:
        """Write the statement that makes a table for a file, or the types of its columns."""
        from csv_manager import sync
        from csv_manager.core.sources import open_table

        sql_dialect = sync.sql_dialect_named(dialect)
        if sync.is_module(file):
            if table or key or ignore or types:
                raise OptionError("--table, --key, --ignore and --types are for a file; a module declares its tables.")
            self._answer_ddl({told.name: sync.statements(told, sql_dialect) for told in sync.tables_of(file)}, form)
            return
        with self.progress(f"Reading {file}"):
            content = open_table(file, parse_format(FormatOptions(), given))
            inferred = sync.infer(content)
        formed = sync.form(content, sql_dialect, name=table, key=key, ignore=ignore, inferred=inferred)
        if not types:
            self._answer_ddl({formed.name: [sync.ddl(formed, sql_dialect)]}, form)
            return
        why = {column.name: column for column in inferred}
        rows = (
            {
                "column": column.name,
                "type": str(column.type),
                "nullable": column.nullable,
                "line": why[column.name].line,
                "cell": why[column.name].cell,
                "reason": why[column.name].reason,
            }
            for column in formed.columns
        )
        self.answer(rows, _TYPE_COLUMNS, form, spare=("cell", "line"))

    def _answer_ddl(self, told: Mapping[str, Sequence[str]], form: str) -> None:
        """Write the statements that make tables, as SQL for people."""
        if form != "table":
            rows = [{"table": name, "sql": statement} for name, statements in told.items() for statement in statements]
            self.answer(rows, ("table", "sql"), form)
            return
        for statements in told.values():
            click.echo("".join(f"{statement};\n" for statement in statements), nl=False)


def _columns_of(table: Any) -> Iterator[dict[str, Any]]:
    """The columns of a table, each with what it refers to."""
    refers = {
        column: f"{key.table}.{referred}"
        for key in table.foreign_keys
        for column, referred in zip(key.columns, key.referred, strict=True)
    }
    for column in table.columns:
        yield {
            "column": column.name,
            "type": str(column.type),
            "nullable": column.nullable,
            "key": column.name in table.key,
            "default": column.default,
            "references": refers.get(column.name),
            "comment": column.comment,
        }


def _name_argument() -> click.Argument:
    return click.Argument(["name"], required=False, metavar="[NAME]")
