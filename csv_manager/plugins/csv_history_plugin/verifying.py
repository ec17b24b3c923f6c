"""Whether a version comes back as it was recorded, while other processes record and prune."""

from collections.abc import Callable
from typing import Any

from csv_manager.core.errors import ArchiveError

_BLOCK = 1 << 20


def find_problem(file: Any, version: Any, done: Callable[[int], None]) -> str | None:
    """Why a version does not come back, or what of it was damaged; `done` is told how many more bytes were read.

    Raises `VersionNotFoundError` if it was pruned meanwhile.
    """
    left = version.size

    def read(count: int) -> None:
        nonlocal left
        done(min(count, left))
        left -= min(count, left)

    try:
        try:
            return _problem(file, version, read)
        except ArchiveError:
            # Another process that prunes may have written anew what the version is made of.
            return _problem(file, version, read)
    except ArchiveError as error:
        file.version(version.number)
        return str(error)
    finally:
        done(left)


def _problem(file: Any, version: Any, read: Callable[[int], None]) -> str | None:
    size = 0
    mended: str | None = file.mend(version.number)
    with file.open(version.number) as content:
        while block := content.read(_BLOCK):
            size += len(block)
            read(len(block))
    if version.clean is not None:
        with file.open_left(version.number) as content:
            while content.read(_BLOCK):
                continue
    return mended if size == version.size else f"{size:,} bytes came back where {version.size:,} were recorded."
