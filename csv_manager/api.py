"""What `import csv_manager` offers: row changes between two contents, and the store's history."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported when they are needed: `import csv_manager` is nearly free
    from csv_manager.core.changes import ChangeSet
    from csv_manager.core.comparing import Source
    from csv_manager.pipeline.database import AsyncDatabase, Database
    from csv_manager.pipeline.store import Store


def diff(
    old: "Source",
    new: "Source",
    key: str | Sequence[str] | None = None,
    *,
    ignore: str | Sequence[str] = (),
    encoding: str | None = None,
    delimiter: str | None = None,
    quotechar: str | None = None,
    header: bool | str | Sequence[str] | None = None,
    skip_lines: int | None = None,
) -> "ChangeSet":
    """The row changes that turn `old` into `new`; each is a path, bytes, or a file object.

    With `key` columns, rows are paired by them and updates are told. The csv format is found out as far as it is not
    said; `header` may be False, or the columns' names. The change set is lazy: each iteration reads anew what differs,
    so the files must stay as they are while it is in use.

    Raises `PathNotFoundError`, `UnreadableError`, `NotCsvError`, `UnknownColumnError`, `DuplicateKeyError`,
    `OptionError`, `TornReadError`, all of them a `CsvManagerError`.
    """
    from csv_manager.core.comparing import compare
    from csv_manager.core.model import FormatOptions

    names = None if header is None or isinstance(header, bool) else _names(header)
    options = FormatOptions(
        encoding=encoding,
        delimiter=delimiter,
        quotechar=quotechar,
        header=header if isinstance(header, bool) else None,
        names=names,
        skip_lines=skip_lines,
    )
    return compare(old, new, key=_names(key or ()), ignore=_names(ignore), options=options).change_set


def open_database(url: str, admin: str | None = None) -> "Database":
    """A database with its tables, by a URL of SQLAlchemy's; `admin` is that of who owns tables, if it is another user.

    May be used in a with statement, which closes it. Raises `ConfigurationError`; nothing is connected to yet.
    """
    from csv_manager.pipeline.database import Database

    return Database(url, admin)


def open_async_database(url: str, admin: str | None = None) -> "AsyncDatabase":
    """As `open_database`, for asynchronous code: to be used in an `async with` statement."""
    from csv_manager.pipeline.database import AsyncDatabase

    return AsyncDatabase(url, admin)


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    """One name or several."""
    return (names,) if isinstance(names, str) else tuple(names)


def open_store(*config: str | os.PathLike[str]) -> "Store":
    """The store that the command line would use, by the same settings; `config` are files as --config names them.

    `open_store().file(path)` is a file's history: `versions()`, `open(version)`, `table(version)`, `changes(version)`.
    May be used in a with statement, which closes it. Raises `ConfigurationError` and `StoreError`.
    """
    from csv_manager.core.binds import DEFAULT
    from csv_manager.framework.bind_settings import binds_of
    from csv_manager.framework.settings import load
    from csv_manager.pipeline.store import Store

    settings = load([os.fspath(file) for file in config])
    return Store.of(settings, binds_of(settings)[DEFAULT])
