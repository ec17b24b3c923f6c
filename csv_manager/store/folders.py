"""When the files of whole folders were last looked at: one row for a folder, however many files it has."""

import contextlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from csv_manager.core.sightings import FolderCheck
from csv_manager.store.columns import path_sha
from csv_manager.store.engine import reading, writing
from csv_manager.store.schema import folders

_TOLD = ("last_check", "polled", "reason")


class Folders:
    """The table csv_folders."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def checked(self, checks: Mapping[str, FolderCheck]) -> None:
        """Note what scans found, many at once."""
        rows = [{"path_sha": path_sha(path), "path": path, **vars(told)} for path, told in checks.items()]
        with writing(self._engine) as connection:
            known = set(connection.execute(select(folders.c.path_sha)).scalars())
            for row in rows:
                if row["path_sha"] not in known:
                    # Another service may be here with the same folder.
                    with contextlib.suppress(IntegrityError), connection.begin_nested():
                        connection.execute(insert(folders).values(**row))
            old = [{f"the_{name}": value for name, value in row.items()} for row in rows if row["path_sha"] in known]
            if old:
                values: dict[str, Any] = {name: bindparam(f"the_{name}") for name in _TOLD}
                mine = folders.c.path_sha == bindparam("the_path_sha")
                connection.execute(update(folders).where(mine).values(**values), old)

    def all(self) -> dict[str, FolderCheck]:
        """Every folder that was scanned, by its path."""
        with reading(self._engine) as connection:
            return {
                row.path: FolderCheck(**{name: getattr(row, name) for name in _TOLD})
                for row in connection.execute(select(folders))
            }
