"""What is done with the databases of the settings: asking how they are, checking rights, upgrading tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csv_manager.core.binds import DEFAULT, Bind
from csv_manager.core.errors import CsvManagerError
from csv_manager.framework.databases import Databases


@dataclass(frozen=True, kw_only=True)
class BindState:
    """How a database is, and where: no password.

    `state` is `ok`, `empty`, `behind`, `newer` or `unreachable`, with the `reason`. `schema` is the revision of the
    store's tables, and of each plugin's that has some there. `database` is the path of an SQLite file.
    """

    name: str
    dialect: str
    address: str | None
    database: str | None
    user: str | None
    admin: str | None
    state: str
    schema: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was checked of a database; `reason` is None if it is right."""

    name: str
    role: str
    check: str
    reason: str | None


#: The line of migrations that is csv_manager's own.
_OWN = "csv_manager"


class Upkeep:
    """Looks after the binds of `databases`."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    def state(self, name: str) -> BindState:
        """How a database is. Raises nothing but `ConfigurationError` for an unknown one."""
        from csv_manager.store.roles import missing_tables
        from csv_manager.store.upgrade import state_of

        bind = self._databases.known(name)
        place = _place(bind)
        try:
            with self._engine(bind) as engine:
                missing = missing_tables(engine, self._databases.tables_of(name))
                states = {line.name: state_of(engine, line) for line in self._lines(name)}
        except CsvManagerError as error:
            return BindState(**place, state="unreachable", reason=str(error))
        wrong = next((told for told in states.values() if told.state != "ok"), None)
        there = {line: told.found for line, told in states.items() if told.found}
        schema = ", ".join(found if line == _OWN else f"{line} {found}" for line, found in there.items())
        reason = None if wrong is None else f"it has {wrong.found or 'no tables'}, and {wrong.newest} is known here"
        state = wrong.state if wrong else "ok"
        if missing and wrong is None:
            state, reason = "behind", f"it lacks the tables of plugins: {', '.join(missing)}"
        return BindState(**place, state=state, schema=schema or None, reason=reason)

    def upgrade(self, name: str) -> list[str]:
        """Make or upgrade the tables of a database, as its administrator; what was done, in words."""
        from csv_manager.store.roles import missing_tables
        from csv_manager.store.upgrade import state_of, upgrade_as
        from csv_manager.store.urls import url_of

        bind = self._databases.known(name)
        done = []
        # Who reads and writes rows may have no rights yet, and then cannot even look.
        with self._engine(bind) as engine, self._engine(bind, "admin") as administrators:
            for line in self._lines(name):
                changed = upgrade_as(engine, url_of(bind, "admin"), line)
                done += [f"{line.name} to {state_of(administrators, line).newest}"] if changed else []
            missing = missing_tables(administrators, self._databases.tables_of(name))
        if self._databases.tables_of(name):
            self._databases.bind(name).create_all()
        return done + [f"made {table}" for table in missing]

    def sql(self, name: str) -> str:
        """The statements that `upgrade` would execute for migrations."""
        from csv_manager.store.upgrade import sql_of

        bind = self._databases.known(name)
        with self._engine(bind, "admin") as engine:
            return "\n".join(filter(None, (sql_of(engine, line) for line in self._lines(name))))

    def check(self, name: str) -> Iterator[Check]:
        """Whether a database can be reached, by whom, with what rights, and has the tables that are known here."""
        from csv_manager.store import roles

        bind = self._databases.known(name)
        for role in ("user", "admin") if bind.admin not in (None, bind.user) else ("user",):
            with self._engine(bind, role) as engine:
                unreachable = roles.refusal(engine)
                yield Check(name=name, role=role, check="reachable", reason=unreachable)
                if unreachable is None:
                    tables = self._tables(name)
                    missing = roles.missing_rights(engine, tables, is_admin=role == "admin")
                    yield Check(name=name, role=role, check="rights", reason=missing)
        told = self.state(name)
        if told.state != "unreachable":
            mend = f"csv_manager database_upgrade {name} mends it" if told.state != "newer" else "upgrade csv_manager"
            reason = None if told.state == "ok" else f"{told.reason}; {mend}."
            yield Check(name=name, role="user", check="schema", reason=reason)

    def _tables(self, name: str) -> list[str]:
        from csv_manager.store.schema import VERSION_TABLE, metadata

        own = [VERSION_TABLE, *metadata.tables] if name == DEFAULT else []
        return own + self._databases.tables_of(name)

    def _lines(self, name: str) -> list[Any]:
        from csv_manager.store.upgrade import CORE

        return [*([CORE] if name == DEFAULT else []), *self._databases.lines(name)]

    def _engine(self, bind: Bind, role: Any = "user") -> Any:
        from csv_manager.store.engine import using
        from csv_manager.store.urls import url_of

        return using(url_of(bind, role))


def _place(bind: Bind) -> dict[str, Any]:
    """Where a database is, and who logs in."""
    from csv_manager.store.urls import url_of

    url = url_of(bind)
    host = url.host or url.query.get("host")
    return {
        "name": bind.name,
        "dialect": bind.sql_dialect,
        "address": f"{host}:{url.port}" if url.port else host,
        "database": url.database,
        "user": url.username,
        "admin": url_of(bind, "admin").username,
    }


def line_of_plugin(plugin: Any, folder: str) -> Any:
    """The line of migrations of a plugin, whose modules are in a folder."""
    from csv_manager.store.upgrade import Migrations

    return Migrations(name=plugin.name, folder=Path(folder), version_table=f"csv_schema_of_{plugin.name.lower()}"[:60])
