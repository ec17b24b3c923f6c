"""What is done with the databases of the settings: asking how they are, checking rights, upgrading tables."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csv_manager.core.binds import DEFAULT, Bind
from csv_manager.core.errors import ConfigurationError, CsvManagerError, PluginError, StoreError
from csv_manager.framework.databases import Databases
from csv_manager.framework.plugin_migrations import check_line, telling

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from csv_manager.pipeline.auditing import Auditing
    from csv_manager.pipeline.database import Database
    from csv_manager.store.copying import Progress
    from csv_manager.store.urls import Role
    from csv_manager.sync import Table


@dataclass(frozen=True, kw_only=True)
class BindState:
    """How a database is, and where: no password.

    `state` is `ok`, `empty`, `missing` (an SQLite file that nothing will make), `behind`, `newer`, `broken` or
    `unreachable`, with the `reason`. `schema` is the revision of a store's tables, and of each plugin's that has some
    there. `database` is the path of an SQLite file.
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
    """One thing that was checked of a database; `reason` is None if it is right.

    It may be right with a `warning`.
    """

    name: str
    role: str
    check: str
    reason: str | None
    warning: str | None = None


#: The line of migrations that is csv_manager's own.
_OWN = "csv_manager"
#: What gives a user the rights that it lacks.
_MEND = "csv_manager database_upgrade grants it"
#: What is said of the statements for a server of which the settings tell one user.
_NO_GRANTS = (
    "-- Whoever executes this owns the tables. Where `user` of the settings is another one, set `admin` there, too:\n"
    "-- then the statements that grant `user` its rights follow here."
)
#: The states of a database whose tables are still to be made.
_UNMADE = ("empty", "behind")


class Upkeep:
    """Looks after the binds of `databases`."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    def state(self, name: str) -> BindState:
        """How a database is. Raises nothing but `ConfigurationError` for an unknown one."""
        from csv_manager.store.roles import tables_there
        from csv_manager.store.upgrade import CORE, state_of

        bind = self._databases.known(name)
        place = _place(bind)
        if _is_missing(bind):
            if self._is_used(name):
                return BindState(**place, state="empty", reason="there is no such file yet")
            return BindState(**place, state="missing", reason="there is no such file")
        try:
            with self._engine(bind) as engine:
                seen = tables_there(engine)
                missing = [table for table in self._mapped(name) if table not in seen]
                states = {line.name: state_of(engine, line) for line in self._lines(name)}
                store = None
                if CORE.version_table in seen:
                    with contextlib.suppress(StoreError):  # somebody else's, which this user may not read
                        store = state_of(engine, CORE).found
        except CsvManagerError as error:
            state = "broken" if isinstance(error, PluginError) else "unreachable"
            return BindState(**place, state=state, reason=str(error))
        wrong = next((told for told in states.values() if told.state != "ok"), None)
        there = {_OWN: store} if store else {}  # also that of a store which is not this one's
        there |= {line: told.found for line, told in states.items() if told.found}
        schema = ", ".join(found if line == _OWN else f"{line} {found}" for line, found in there.items())
        reason = None if wrong is None else f"it has {wrong.found or 'no tables'}, and {wrong.newest} is known here"
        state = wrong.state if wrong else "ok"
        if missing and wrong is None:
            state, reason = "behind", f"it lacks the tables of plugins: {', '.join(missing)}"
        elif not there and not self._is_used(name):
            reason = "nothing of csv_manager is in it"
        return BindState(**place, state=state, schema=schema or None, reason=reason)

    def upgrade(self, name: str) -> list[str]:
        """Make or upgrade the tables of a database, as its administrator; what was done, in words."""
        from csv_manager.store import roles
        from csv_manager.store.upgrade import state_of, upgrade_as
        from csv_manager.store.urls import url_of

        bind = self._databases.known(name)
        user, admin = url_of(bind), url_of(bind, "admin")
        if _is_missing(bind) and not self._is_used(name):
            return []  # whoever looked would make a file
        done = []
        # Who reads and writes rows may have no rights yet, and then cannot even look.
        with self._engine(bind, make=True) as engine, self._engine(bind, "admin", make=True) as administrators:
            lacked = roles.are_two(admin, user) and self._lacking(bind, engine)
            for line in self._lines(name):
                with telling(line):
                    changed = upgrade_as(engine, admin, line)
                done += [f"{line.name} to {state_of(administrators, line).newest}"] if changed else []
            missing = roles.missing_tables(administrators, self._mapped(name))
            if self._mapped(name):
                self._databases.bind(name).create_all()
            elif lacked and not list(self._lines(name)):
                roles.let_in(administrators, user)
            if lacked and (
                still := self._lacking(bind, engine, mend=f"{admin.username} could not grant it; its owner can")
            ):
                raise StoreError(still)
        done += [f"made {table}" for table in missing]
        return done or ([f"granted {user.username} its rights"] if lacked else [])

    def sql(self, name: str) -> str:
        """The statements that `upgrade` would execute; empty if nothing is missing."""
        from csv_manager.store import roles, upgrade
        from csv_manager.store.urls import url_of

        bind = self._databases.known(name)
        with self._engine(bind) as engine, self._engine(bind, "admin") as administrators:
            written = []
            for line in self._lines(name):
                with telling(line):
                    written.append(upgrade.sql_of(administrators, line).strip())
            there = upgrade.after("\n".join(written), administrators, roles.tables_there(administrators))
            missing = [table for table in self._databases.mapped(name) if table.name not in there]
            written.append(upgrade.sql_of_tables(administrators, missing))
            if not roles.are_two(url_of(bind, "admin"), url_of(bind)):
                written += [_NO_GRANTS] if any(written) and bind.sql_dialect != "sqlite" else []
            elif any(written) or self._lacking(bind, engine):
                there |= {table.name for table in missing}
                tables = upgrade.within(self._tables(name, administrators), there)
                written.append(upgrade.sql_of_grants(administrators, url_of(bind), tables))
        return "\n\n".join(filter(None, written))

    def tables(self, name: str, schema: str | None = None) -> tuple["Table", ...]:
        """The tables and views of a database, whoever made them. Raises `StoreError`."""
        from csv_manager.store.engine import reading
        from csv_manager.sync import discover

        with self._engine(self._databases.known_or_at(name)) as engine, reading(engine) as connection:
            return discover(connection, schema)

    def open(self, name: str, *, make: bool = False) -> "Database":
        """A database with its tables, for who changes them; a file that is not there is made only with `make`."""
        from csv_manager.pipeline.database import Database
        from csv_manager.store.urls import url_of

        bind = self._databases.known_or_at(name)
        if _is_missing(bind) and not make:
            return Database("sqlite://")
        return Database(url_of(bind), url_of(bind, "admin"))

    @contextlib.contextmanager
    def audit(self, name: str) -> Iterator["Auditing"]:
        """The audit log of a database, as who owns its tables.

        Raises `ConfigurationError` for an SQLite file that is not there.
        """
        from csv_manager.pipeline.auditing import Auditing

        bind = self._databases.known_or_at(name)
        if _is_missing(bind):
            raise ConfigurationError(f"There is no database {name}: {_place(bind)['database']} is not there.")
        with self._engine(bind, "admin") as engine:
            yield Auditing(engine, name)

    @contextlib.contextmanager
    def engine(self, name: str) -> Iterator["Engine"]:
        """An engine for who makes tables in a database; an SQLite file that is made, and fails, is removed again."""
        from csv_manager.store.urls import url_of

        bind = self._databases.known_or_at(name)
        is_new = _is_missing(bind)
        try:
            with self._engine(bind, "admin", make=True) as engine:
                yield engine
        except BaseException:
            if is_new:
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{url_of(bind).database}{suffix}").unlink(missing_ok=True)
            raise

    def copy(self, name: str, progress: "Progress") -> dict[str, int]:
        """Copy the store that is in a database into the store, which has to be empty; the rows of each table.

        Raises `ConfigurationError`, `StoreError`, and nothing was copied then.
        """
        from csv_manager.store.copying import copy_store
        from csv_manager.store.schema import metadata

        source, target = self._databases.known(name), self._databases.known(DEFAULT)
        if name == DEFAULT:
            raise ConfigurationError(f"{DEFAULT} is the store itself; name the database that its content is in.")
        for bind in (source, target):
            self._refuse_other(bind)
        tables = [*metadata.tables.values(), *self._databases.mapped(DEFAULT)]
        with self._engine(source) as old, self._engine(target, "admin") as new:
            return copy_store(old, new, tables, progress)

    def _refuse_other(self, bind: Bind) -> None:
        """Raise for a database that has no store, or one of other tables than those that are known here."""
        from csv_manager.store.upgrade import CORE, state_of

        told = None
        if not _is_missing(bind):
            with self._engine(bind) as engine:
                told = state_of(engine, CORE)
        if told is None or told.state == "empty":
            where = _place(bind)
            mend = f"; csv_manager database_upgrade {DEFAULT} makes one" if bind.name == DEFAULT else ""
            raise StoreError(f"There is no store in {bind.name} ({where['address'] or where['database']}){mend}.")
        if told.state != "ok":
            raise StoreError(
                f"The store in {bind.name} has schema {told.found}, and {told.newest} is known here; where it is the "
                "store, csv_manager database_upgrade upgrades it."
            )

    def check(self, name: str) -> Iterator[Check]:
        """Whether a database can be reached, by whom, with what rights, and has the tables that are known here."""
        bind = self._databases.known(name)
        told = self.state(name)
        logins: tuple[Role, ...] = ("user", "admin") if bind.has_admin else ("user",)
        for role in () if _is_missing(bind) else logins:
            unreachable, missing, more = self._refusals(bind, role, told)
            yield Check(name=name, role=role, check="reachable", reason=unreachable)
            if unreachable is None:
                yield Check(name=name, role=role, check="rights", reason=missing, warning=more)
        if told.state != "unreachable":
            yield Check(name=name, role="user", check="schema", reason=self._apart(bind) or _wrong(told))

    def _refusals(self, bind: Bind, role: "Role", told: BindState) -> tuple[str | None, str | None, str | None]:
        """Why a role cannot log in, what rights it lacks, and which it has that it does not need."""
        from csv_manager.store import roles

        try:
            with self._engine(bind, role) as engine:
                unreachable = roles.refusal(engine)
                if unreachable is not None:
                    return unreachable, None, None
                if told.state == "broken":  # the migrations do not tell which tables there are
                    return None, None, None
                makes = role == "admin" or (not bind.has_admin and told.state in _UNMADE)
                needs_less = bind.has_admin and role == "user"
                more = roles.excess(engine, self._tables(bind.name, engine).all) if needs_less else None
                return None, self._lacking(bind, engine, makes=makes), more
        except ConfigurationError as error:
            return str(error), None, None

    def refuse_unusable(self) -> None:
        """Raise `StoreError` for a database in which plugins have tables, and that cannot be used as it is."""
        for name in self._databases.used():
            wrong = _wrong(self.state(name))
            if wrong is not None:
                raise StoreError(f"The database {name}: {wrong}")

    def _lacking(self, bind: Bind, engine: Any, *, makes: bool = False, mend: str = _MEND) -> str | None:
        """What who logs in may not do with a database, and what mends that; `makes` if it is to make tables."""
        from csv_manager.store import roles
        from csv_manager.store.urls import url_of

        user, admin = url_of(bind), url_of(bind, "admin")
        if (unreachable := roles.refusal(engine)) is not None:
            return unreachable
        tables, there = self._tables(bind.name, engine), None
        if roles.are_two(admin, user):
            with self._engine(bind, "admin") as administrators:
                # Some servers show a user only the tables that it has rights on.
                there = roles.tables_there(administrators) if roles.refusal(administrators) is None else None
        if makes and (refused := roles.uncreatable(engine)):
            return refused
        missing = roles.missing_rights(engine, tables.written, read=tables.read, there=there)
        if missing is not None:
            return f"{missing}; {mend}."
        return roles.ungrantable(engine, user) if makes and roles.are_two(admin, user) else None

    def _apart(self, bind: Bind) -> str | None:
        """Why the user would not find what the administrator makes, where both can log in."""
        from csv_manager.store import roles
        from csv_manager.store.urls import url_of

        user, admin = url_of(bind), url_of(bind, "admin")
        if not roles.are_two(admin, user):
            return None
        with self._engine(bind, "admin") as administrators:
            return roles.apart(administrators, user) if roles.refusal(administrators) is None else None

    def _tables(self, name: str, engine: Any) -> Any:
        """The tables that are known of a database, as its user needs them."""
        from csv_manager.store.sql_dialects import UserTables
        from csv_manager.store.upgrade import tables_of

        lines = [tables_of(engine, line) for line in self._lines(name, broken=False)]
        written = [*(table for line in lines for table in line.written), *self._mapped(name)]
        read = tuple(table for line in lines for table in line.read)
        return UserTables(written=tuple(dict.fromkeys(written)), read=read)

    def _is_used(self, name: str) -> bool:
        """Whether a database is to have tables: the store's or a plugin's."""
        return name == DEFAULT or name in self._databases.used()

    def _mapped(self, name: str) -> list[str]:
        return [str(table.name) for table in self._databases.mapped(name)]

    def _lines(self, name: str, *, broken: bool = True) -> Iterator[Any]:
        """The lines of migrations of a database; those that cannot be used raise `PluginError`, or are left out."""
        from csv_manager.store.upgrade import CORE

        yield from [CORE] if name == DEFAULT else []
        for line in self._databases.lines(name):
            try:
                check_line(line)
            except PluginError:
                if broken:
                    raise
                continue
            yield line

    def _engine(self, bind: Bind, role: Any = "user", *, make: bool = False) -> Any:
        """An engine; of a file that is not there, whoever looks finds it empty, and only `make` makes it."""
        from csv_manager.store.engine import using
        from csv_manager.store.urls import is_in_memory, url_of

        if _is_missing(bind) and not make:
            return using("sqlite://")
        if is_in_memory(bind):  # another engine would have another database
            return contextlib.nullcontext(self._databases.bind(bind.name).engine)
        return using(url_of(bind, role))


def _wrong(told: BindState) -> str | None:
    """Why a database cannot be used, as a sentence, and what mends that; None if it can."""
    match told.state:
        case "ok":
            return None
        case "unreachable" | "broken":
            return told.reason
        case "missing":
            return f"{told.reason}; check its path."
        case "newer":
            return f"{told.reason}; upgrade csv_manager."
        case _:
            return f"{told.reason}; csv_manager database_upgrade {told.name} mends it."


def _is_missing(bind: Bind) -> bool:
    """Whether a database is an SQLite file that is not there; whoever looks into it would make it."""
    from csv_manager.store.urls import url_of

    path = url_of(bind).database if bind.sql_dialect == "sqlite" else None
    return path not in (None, "", ":memory:") and not str(path).startswith("file:") and not os.path.exists(str(path))


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
        "admin": url_of(bind, "admin").username if bind.has_admin else None,
    }
