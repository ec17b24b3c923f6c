"""The files of a series that were taken: each became a version of one dataset."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, delete, insert, select, update

from csv_manager.core.model import THROUGH, Signature
from csv_manager.core.sightings import Member, Taken
from csv_manager.store.columns import path_sha
from csv_manager.store.engine import reading, writing
from csv_manager.store.schema import files, series, versions


class Series:
    """The table csv_series."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def taken(self, path: str) -> dict[str, Taken]:
        """The files of a dataset that were taken, by their paths in that order."""
        with reading(self._engine) as connection:
            rows = connection.execute(_taken(path).order_by(series.c.path))
            return {row.path: _to_taken(row) for row in rows}

    def find(self, path: str, place: str) -> Taken | None:
        """What became of one file of a dataset."""
        with reading(self._engine) as connection:
            row = connection.execute(_taken(path).where(series.c.path_sha == path_sha(place))).first()
        return _to_taken(row) if row else None

    def newest(self, path: str, wants: Callable[[str], bool]) -> str:
        """The file that the dataset stands at, of those that are wanted; empty if there is none.

        Of files with the same content, which are one version, it is the last one.
        """
        query = _taken(path).where(versions.c.status.in_(THROUGH)).order_by(series.c.version.desc())
        newest, version = "", 0
        with reading(self._engine) as connection:
            for row in connection.execute(query.execution_options(yield_per=100)):
                if newest and row.version != version:
                    break
                if wants(row.path):
                    newest, version = max(newest, row.path), row.version
        return newest

    def take(self, path: str, member: Member, version: int) -> None:
        """Note that a file holds what a version of the dataset holds already."""
        with writing(self._engine) as connection:
            file_id = connection.execute(select(files.c.id).where(files.c.path_sha == path_sha(path))).scalar_one()
            take(connection, file_id, member, version)


def _taken(path: str) -> Select[Any]:
    return (
        select(series, versions.c.status)
        .join(files, files.c.id == series.c.file_id)
        .outerjoin(versions, (versions.c.file_id == files.c.id) & (versions.c.number == series.c.version))
        .where(files.c.path_sha == path_sha(path))
    )


def _to_taken(row: Row[Any]) -> Taken:
    signature = Signature.parse(row.signature) if row.signature else None
    return Taken(signature=signature, version=row.version, is_held=row.status == "held")


def take(connection: Connection, file_id: int, member: Member, version: int) -> None:
    """Note inside the caller's transaction which version a file became."""
    sha = path_sha(member.path)
    connection.execute(delete(series).where(series.c.file_id == file_id, series.c.path_sha == sha))
    connection.execute(
        insert(series).values(
            file_id=file_id, path_sha=sha, path=member.path, signature=str(member.signature or ""), version=version
        )
    )


def reread_held(connection: Connection, file_id: int) -> None:
    """Have the held files of a dataset read again, inside the caller's transaction."""
    held = select(versions.c.number).where(versions.c.file_id == file_id, versions.c.status == "held")
    mine = series.c.file_id == file_id, series.c.version.in_(held)
    connection.execute(update(series).where(*mine).values(signature=""))
