"""What keeps the event record as it was written, whoever writes to its tables: triggers on each database.

No row is deleted, and none changes but to be completed: a run that is `started`, and a part of it, by the columns that
tell how it went. Who owns the tables may drop the triggers; a user with rights on rows cannot.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Table, bindparam, text

#: What a run is before it is completed; the second is CsvPath's own word.
_OPEN = "('started', 'start')"
_RUN, _PART = "named_paths_group_run", "instance_run"
#: The columns that completing a row sets, by its table; all others stay as they are.
COMPLETING = {
    _RUN: ("time_completed", "status", "all_completed", "all_valid", "error_count", "all_expected_files"),
    _PART: (
        "number_of_files_expected",
        "number_of_files_generated",
        "files_expected",
        "valid",
        "completed",
        "lines_scanned",
        "lines_total",
        "lines_matched",
        "error_count",
    ),
}
_SAID = "the event record is immutable, and this would {what} a row of {table}"
_DELETED, _CHANGED = "delete", "change"
#: One function for all tables of PostgreSQL; the columns that may change are the trigger's arguments.
_GUARD = """
CREATE OR REPLACE FUNCTION csv_event_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $csv_manager$
DECLARE is_open boolean = false; told text[] = TG_ARGV;
BEGIN
IF TG_OP = 'UPDATE' THEN
IF TG_TABLE_NAME = 'named_paths_group_run' THEN
is_open = OLD.status IN ('started', 'start') AND NEW.status NOT IN ('started', 'start');
ELSIF TG_TABLE_NAME = 'instance_run' THEN
EXECUTE format('SELECT status IN (''started'', ''start'') FROM %I.named_paths_group_run WHERE uuid = $1',
TG_TABLE_SCHEMA) INTO is_open USING OLD.group_run_uuid;
is_open = is_open AND OLD.completed = 'N';
END IF;
IF is_open AND to_jsonb(NEW) - told = to_jsonb(OLD) - told THEN RETURN NEW; END IF;
END IF;
RAISE EXCEPTION 'the event record is immutable, and this would % a row of %',
CASE TG_OP WHEN 'UPDATE' THEN 'change' ELSE 'delete' END, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $csv_manager$
"""
_THERE = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name IN :names",
    "postgresql": (
        "SELECT count(*) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
        "WHERE tgname IN :names AND pg_table_is_visible(pg_class.oid)"
    ),
    "mysql": (
        "SELECT count(*) FROM information_schema.triggers WHERE trigger_schema = DATABASE() AND trigger_name IN :names"
    ),
}


def are_there(connection: Connection, tables: Sequence[Table]) -> bool:
    """Whether the triggers are there, as far as who is connected is told of them."""
    kind = _kind(connection.dialect.name)
    names = [name for table in tables for name in _names(kind, table)]
    asked = text(_THERE[kind]).bindparams(bindparam("names", expanding=True))
    return bool(connection.execute(asked, {"names": names}).scalar() == len(names))


def statements(dialect_name: str, tables: Sequence[Table]) -> Iterator[str]:
    """What makes the triggers, on tables that have none of them or some."""
    kind = _kind(dialect_name)
    if kind == "postgresql":
        yield _GUARD.strip()
    for table in tables:
        yield from {"sqlite": _of_sqlite, "postgresql": _of_postgresql, "mysql": _of_mysql}[kind](table)


def _kind(dialect_name: str) -> str:
    return "mysql" if dialect_name == "mariadb" else dialect_name


def _names(kind: str, table: Table) -> list[str]:
    what = {
        "sqlite": ("delete", "update", "insert"),
        "postgresql": ("guard", "truncate"),
        "mysql": ("delete", "update"),
    }
    return [f"csv_{table.name}_{each}" for each in what[kind]]


def _of_sqlite(table: Table) -> Iterator[str]:
    """REPLACE deletes the row that is there without any trigger, so what would be replaced is looked for before."""
    deleted, changed = (_SAID.format(what=what, table=table.name) for what in (_DELETED, _CHANGED))
    on_delete, on_update, on_insert = _names("sqlite", table)
    final = f"SELECT 1 FROM {table.name} AS old WHERE old.uuid = NEW.uuid AND NOT {_is_open(table, 'old')}"  # noqa: S608 - ours
    for name, when, told in (
        (on_delete, "BEFORE DELETE ON {}", deleted),
        (on_update, f"BEFORE UPDATE ON {{}} WHEN NOT {_completes(table, 'IS')}", changed),
        (on_insert, f"BEFORE INSERT ON {{}} WHEN EXISTS ({final})", changed),
    ):
        yield f"CREATE TRIGGER IF NOT EXISTS {name} {when.format(table.name)} BEGIN SELECT RAISE(ABORT, '{told}'); END"


def _of_postgresql(table: Table) -> Iterator[str]:
    told = ", ".join(f"'{name}'" for name in COMPLETING.get(table.name, ()))
    on_row, on_truncate = _names("postgresql", table)
    for name, when, each in (
        (on_row, "BEFORE UPDATE OR DELETE", f"FOR EACH ROW EXECUTE FUNCTION csv_event_guard({told})"),
        (on_truncate, "BEFORE TRUNCATE", "FOR EACH STATEMENT EXECUTE FUNCTION csv_event_guard()"),
    ):
        yield f"CREATE OR REPLACE TRIGGER {name} {when} ON {table.name} {each}"


def _of_mysql(table: Table) -> Iterator[str]:
    deleted, changed = (_SAID.format(what=what, table=table.name) for what in (_DELETED, _CHANGED))
    on_delete, on_update = _names("mysql", table)
    refuse = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{}'"
    yield (
        f"CREATE TRIGGER IF NOT EXISTS {on_delete} BEFORE DELETE ON {table.name} FOR EACH ROW {refuse.format(deleted)}"
    )
    yield (
        f"CREATE TRIGGER IF NOT EXISTS {on_update} BEFORE UPDATE ON {table.name} FOR EACH ROW "
        f"IF NOT {_completes(table, '<=>')} THEN {refuse.format(changed)}; END IF"
    )


def _completes(table: Table, same: str) -> str:
    """Whether an update completes a row, and does nothing else; never NULL."""
    told = COMPLETING.get(table.name, ())
    kept = [f"NEW.{column.name} {same} OLD.{column.name}" for column in table.columns if column.name not in told]
    ends = [f"COALESCE(NEW.status NOT IN {_OPEN}, FALSE)"] if table.name == _RUN else []
    return f"({' AND '.join([_is_open(table, 'OLD'), *ends, *kept])})"


def _is_open(table: Table, row: str) -> str:
    """Whether a row may be completed still; never NULL."""
    if table.name == _RUN:
        return f"COALESCE({row}.status IN {_OPEN}, FALSE)"
    if table.name == _PART:
        run = f"SELECT 1 FROM {_RUN} AS run WHERE run.uuid = {row}.group_run_uuid AND run.status IN {_OPEN}"  # noqa: S608 - ours
        return f"(COALESCE({row}.completed = 'N', FALSE) AND EXISTS ({run}))"
    return "FALSE"
