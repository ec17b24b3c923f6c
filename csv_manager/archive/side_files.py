"""Files with the rows that versions were recorded without, for people to mend and send again."""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from csv_manager.core.errors import ArchiveError
from csv_manager.core.files import make_private, writing_to
from csv_manager.core.paths import os_reason

#: A folder's name has the file's name, up to so many bytes, and so many digits of what its path is known by.
_MOST_BYTES, _DIGITS = 100, 8


class SideFiles:
    """One file for each version with quarantined rows: `prices.csv-1f3a9c20/7.csv` is that of version 7."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, path: str, number: int) -> Path:
        """Where the file of a version is, or would be."""
        return self._of(path) / f"{number}.csv"

    def write(self, path: str, number: int, blocks: Iterable[bytes]) -> None:
        """Write the file of a version, at once or not at all. Raises `ArchiveError`."""
        place = self.place(path, number)
        try:
            make_private(place.parent)
            with writing_to(str(place)) as file:
                file.writelines(blocks)
        except OSError as error:
            raise ArchiveError(
                f"{path}: its quarantined rows cannot be written to {place} ({os_reason(error)}); mend that, or set "
                "QUARANTINE_PATH to another folder."
            ) from error

    def remove(self, path: str, numbers: Collection[int] | None = None) -> None:
        """Remove the files of some versions, or of all, if there are any."""
        if numbers is None:
            shutil.rmtree(self._of(path), ignore_errors=True)
            return
        for number in numbers:
            try:
                os.unlink(self.place(path, number))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise ArchiveError(f"{self.place(path, number)} cannot be removed ({os_reason(error)}).") from error

    def _of(self, path: str) -> Path:
        told = os.fsencode(path)
        name = os.fsdecode(os.path.basename(told)[:_MOST_BYTES])
        return self._folder.absolute() / f"{name}-{hashlib.sha256(told).hexdigest()[:_DIGITS]}"
