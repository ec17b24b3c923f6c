"""What becomes of held versions: somebody lets them through, or closes them."""

from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, delete, insert, update

from csv_manager.core import clock
from csv_manager.core.errors import LostRaceError
from csv_manager.core.hosts import user
from csv_manager.core.model import Version
from csv_manager.store import counters
from csv_manager.store.engine import writing
from csv_manager.store.records import FileRecord, NewVersion, change_values
from csv_manager.store.schema import changes, files, outbox, versions


class Decisions:
    """The columns of csv_versions and csv_files that tell what became of held versions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def accept(self, file: FileRecord, version: Version, new: NewVersion) -> None:
        """Let a held version through: it is the head from now on, as `new` tells its changes against the head of now.

        Raises `LostRaceError`, and nothing is written, if it is not held any more, or the file has another head.
        """
        told = new.inserted + new.updated + new.deleted
        with writing(self._engine) as connection:
            moved: dict[str, Any] = {"head": version.number, "last_change": clock.now()}
            if version.number == file.latest:
                moved |= {"state": "ok", "reason": None}
            head = update(files).where(files.c.id == file.id, files.c.head == file.head, files.c.latest == file.latest)
            _refuse_other(connection.execute(head.values(**moved)), file)
            position = counters.take(connection, "position", max(told, 1))
            connection.execute(delete(outbox).where(outbox.c.file_id == file.id, outbox.c.version == version.number))
            values = {
                "status": "accepted",
                "base": new.base,
                "inserted": new.inserted,
                "updated": new.updated,
                "deleted": new.deleted,
                "column_change": new.column_change.to_json() if new.column_change else None,
                "stored": new.changes is not None,
                "position": position,
            }
            _decide(connection, file, version, values)
            if new.changes:
                connection.execute(insert(changes), change_values(new.changes, file.id, version.number, position))
            entry = {"position": position, "file_id": file.id, "version": version.number, "kind": "accepted"}
            connection.execute(insert(outbox), {**entry, "positions": max(told, 1)})

    def reject(self, file: FileRecord, version: Version) -> None:
        """Close a held version. Raises `LostRaceError` if it is not held any more."""
        with writing(self._engine) as connection:
            _decide(connection, file, version, {"status": "rejected"})
            if version.number == file.latest:
                mine = files.c.id == file.id, files.c.latest == file.latest
                connection.execute(update(files).where(*mine).values(state="ok", reason=None))


def _decide(connection: Connection, file: FileRecord, version: Version, values: dict[str, Any]) -> None:
    """Note what became of a held version, when, and by whom. Raises `LostRaceError` if it is not held any more."""
    mine = versions.c.file_id == file.id, versions.c.number == version.number, versions.c.status == "held"
    told = {**values, "decided": clock.now(), "decided_by": user()}
    _refuse_other(connection.execute(update(versions).where(*mine).values(**told)), file)


def _refuse_other(changed: CursorResult[Any], file: FileRecord) -> None:
    if changed.rowcount != 1:
        raise LostRaceError(f"{file.path}: somebody else recorded a version of it, or decided; look again.")
