"""Targets: tables of databases that follow the versions of a file."""

from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from csv_manager.core.errors import OptionError

#: `mirror`: the table has the rows of the head version. `upsert`: as mirror, and no row is deleted. `append`: every row
#: that a version inserted, once. `history`: each state of each row, with the versions from and to which it held.
Mode = Literal["mirror", "upsert", "append", "history"]
MODES: tuple[Mode, ...] = get_args(Mode)

#: What becomes of a version with a new column, or with a value that does not fit the type of its column: the table
#: changes; the version is refused; or the rows that have such a value are left out, or these values alone.
Evolution = Literal["evolve", "freeze", "discard_row", "discard_value"]
EVOLUTIONS: tuple[Evolution, ...] = get_args(Evolution)

#: Columns that a table has beside those of the file.
FILE, VERSION, LOADED = "_csv_file", "_csv_version", "_loaded_at"
ROW, COPY = "_csv_row", "_csv_copy"
FROM_VERSION, FROM_TIME = "valid_from_version", "valid_from_time"
TO_VERSION, TO_TIME = "valid_to_version", "valid_to_time"


def schema_and_name(table: str) -> tuple[str | None, str]:
    """The schema, if one is told, and the name of a table. Raises `OptionError`."""
    schema, _, name = table.rpartition(".")
    if not name or (not schema and "." in table):
        raise OptionError(f"{table!r} is no name of a table; it is [SCHEMA.]TABLE.")
    return schema or None, name


@dataclass(frozen=True, kw_only=True)
class Target:
    """A table of a database, and how it follows a file, or the files of a folder.

    `database` is the name of one of the settings, or a URL without a password. Without `key` columns a row is known by
    its content, and by which of its equals it is. In a `shared` table each file has rows of its own. `meta`: each row
    tells its file, its version and when it was loaded. An `adopted` table may have been there, with rows of others.
    `types` are the columns whose types were told, with these as people write them; `renames` the columns that came
    under another name, old and new.
    """

    id: str
    database: str
    table: str
    schema: str | None = None
    mode: Mode = "mirror"
    key: tuple[str, ...] = ()
    meta: bool = False
    shared: bool = False
    evolution: Evolution = "evolve"
    adopted: bool = False
    types: tuple[tuple[str, str], ...] = ()
    renames: tuple[tuple[str, str], ...] = ()

    @property
    def discards(self) -> bool:
        """Whether rows or values are left out that the table has no place for."""
        return self.evolution in ("discard_row", "discard_value")

    @property
    def name(self) -> str:
        """What it is called: its database and table."""
        return f"{self.database}: {self.table_name}"

    @property
    def table_name(self) -> str:
        """The table, with its schema if one was told."""
        return f"{self.schema}.{self.table}" if self.schema else self.table

    @property
    def has_keys(self) -> bool:
        """Whether a row of the table is known by anything: appended ones are not."""
        return self.mode != "append"

    @property
    def deletes(self) -> bool:
        """Whether rows go that the file has no more."""
        return self.mode in ("mirror", "history")

    @property
    def entity(self) -> tuple[str, ...]:
        """The columns by which a row is the same one in two versions."""
        own = self.key or (ROW, COPY)
        return (FILE, *own) if self.shared else own

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The columns of the table's primary key."""
        if not self.has_keys:
            return ()
        return (*self.entity, FROM_VERSION) if self.mode == "history" else self.entity

    @property
    def stamps(self) -> tuple[str, ...]:
        """The columns that tell of a row's version, and are written whenever the row is."""
        validity = (FROM_VERSION, FROM_TIME) if self.mode == "history" else ()
        return (*validity, *((VERSION, LOADED) if self.meta else ()))

    @property
    def added(self) -> tuple[str, ...]:
        """The columns that each row is given, beside those of the file."""
        identity = (ROW, COPY) if self.has_keys and not self.key else ()
        file = (FILE,) if self.meta or self.shared else ()
        return (*identity, *file, *self.stamps)

    @property
    def own_columns(self) -> tuple[str, ...]:
        """All columns of the table that no file may have."""
        return (*self.added, *((TO_VERSION, TO_TIME) if self.mode == "history" else ()))

    def to_json(self) -> dict[str, Any]:
        """What is kept of it beside its id and where it is."""
        return {
            "key": list(self.key),
            "meta": self.meta,
            "shared": self.shared,
            "evolution": self.evolution,
            "adopted": self.adopted,
            "types": dict(self.types),
            "renames": dict(self.renames),
        }

    @classmethod
    def from_json(cls, told: dict[str, Any], **place: Any) -> Self:
        """A target as it was kept."""
        pairs = {name: tuple(told.get(name, {}).items()) for name in ("types", "renames")}
        return cls(**{**told, **pairs, "key": tuple(told["key"])}, **place)

    def check_columns(self, csv_file: str, columns: tuple[str, ...]) -> None:
        """Raise `OptionError` for a column of a file that the table has for itself."""
        taken = [name for name in columns if name.casefold() in {own.casefold() for own in self.own_columns}]
        if taken:
            raise OptionError(
                f"{csv_file} has a column {taken[0]!r}, which the table has for itself; csv_watcher_set --ignore "
                "leaves it out of what is compared and loaded."
            )
