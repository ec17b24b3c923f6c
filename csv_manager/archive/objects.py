"""The files of the archive, each under its content's SHA-256; those that others may be made of are there twice."""

import contextlib
import errno
import filecmp
import itertools
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from csv_manager.archive.frames import FrameFile, write_frames
from csv_manager.core import clock
from csv_manager.core.errors import ArchiveError
from csv_manager.core.files import make_private

#: A temporary file that lies there for so long has lost its process.
_STALE_SECONDS = 3600
#: What is kept beside a content to compare the next one with it.
_AIDS = ("slots", "keys")
#: A keyframe, and a delta. Where there are both, the delta was made a keyframe by a process that was killed.
_STORED = ("zst", "delta")
#: Where files and copies are written before they get their names.
_INCOMING = ("incoming", "copies/incoming")


class Objects:
    """The files in a folder: `objects` and, of those that other contents may be made of, `copies`.

    `copies` may be a link to a folder on another disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str, suffix: str) -> Path:
        """Where a file of a content lies, or would."""
        return self.folder.joinpath("objects", sha256[:2], f"{sha256[2:]}.{suffix}")

    def stored(self, sha256: str) -> Path:
        """The file that holds a content, or would; it may be lost, and its copy be there."""
        paths = [self.path(sha256, suffix) for suffix in _STORED]
        return next(filter(self._is_stored, paths), paths[0])

    def is_stored(self, sha256: str) -> bool:
        """Whether a content is there, as far as names tell."""
        return any(self._is_stored(self.path(sha256, suffix)) for suffix in _STORED)

    def copy_of(self, path: Path) -> Path:
        """Where the copy of a file lies, or would."""
        return self.folder.joinpath("copies", path.parent.name, path.name)

    def frames(self, path: Path) -> FrameFile:
        """The frames of a file; where they are damaged, those of its copy. Raises `ArchiveError`."""
        return FrameFile(path, _name(path), self.copy_of(path))

    def contents(self) -> set[str]:
        """The SHA-256 of everything that is stored."""
        return {_name(path) for path in self._all() if path.suffix[1:] in _STORED}

    def copy(self, path: Path) -> None:
        """Have a file that was just written twice."""
        copy = self.copy_of(path)
        with path.open("rb") as source, self._temporary(_INCOMING[1]) as (file, incoming):
            shutil.copyfileobj(source, file, 1 << 20)
            _sync(file)
            move(incoming, copy)

    def ensure_copy(self, path: Path) -> None:
        """Have a file twice. Raises `ArchiveError` if it is not yet, and damaged."""
        if not self.copy_of(path).exists():
            for _ in FrameFile(path, _name(path)).each():
                continue
            self.copy(path)

    def is_like_its_copy(self, path: Path) -> bool:
        """Whether a file has no copy, or one of the same bytes."""
        copy = self.copy_of(path)
        filecmp.clear_cache()
        try:
            return not copy.exists() or filecmp.cmp(path, copy, shallow=False)
        except OSError:
            return False

    def remove(self, sha256: str, suffixes: Iterable[str] = (*_STORED, *_AIDS)) -> None:
        """Remove what there is of a content; a copy before its file, so that what is left is not taken for damage."""
        for suffix in suffixes:
            path = self.path(sha256, suffix)
            self.copy_of(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)

    def remove_aids(self, sha256: str) -> None:
        """Remove what was kept beside a content to compare the next one with it."""
        self.remove(sha256, _AIDS)

    def has_aids(self, sha256: str) -> bool:
        """Whether anything is kept beside a content."""
        return any(os.path.exists(self.path(sha256, suffix)) for suffix in _AIDS)

    def remove_left(self, live: Collection[str]) -> None:
        """Remove what killed processes left, and what stands beside contents that are gone."""
        for path in self._all():
            suffix, sha256 = path.suffix[1:], _name(path)
            rewritten = suffix == "delta" and self._is_stored(self.path(sha256, "zst"))
            if suffix == "tmp" or rewritten or (suffix in _AIDS and sha256 not in live):
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def incoming(self, frames: Iterable[bytes], sha256: str) -> Iterator[Path]:
        """A synced temporary file of these frames, gone at the end unless it got a name."""
        with self._temporary(_INCOMING[0]) as (file, path):
            write_frames(file, frames, sha256)
            _sync(file)
            yield path

    def clean(self) -> None:
        """Remove what a killed process left behind on its way in."""
        since = clock.now().timestamp() - _STALE_SECONDS
        for path in itertools.chain.from_iterable((self.folder / place).glob("*") for place in _INCOMING):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < since:
                    path.unlink()

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """Raises `ArchiveError` for what the operating system refuses."""
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            what = "the disk is full" if full else error.strerror
            step = "free some space and try again" if full else "check the folder's rights, or set ARCHIVE_PATH"
            raise ArchiveError(
                f"The archive {self.folder} cannot be written: {what}; {step}. Nothing was recorded."
            ) from error

    def _is_stored(self, path: Path) -> bool:
        return path.exists() or self.copy_of(path).exists()

    def _all(self) -> Iterator[Path]:
        """Every file and every copy."""
        for folder in ("objects", "copies"):
            yield from (self.folder / folder).glob("*/*")

    @contextlib.contextmanager
    def _temporary(self, place: str) -> Iterator[tuple[BinaryIO, Path]]:
        """An open temporary file, gone at the end unless it got a name."""
        folder = self.folder / place
        make_private(folder)
        descriptor, name = tempfile.mkstemp(dir=folder)
        try:
            with open(descriptor, "wb") as file:
                yield file, Path(name)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def move(incoming: Path, target: Path) -> None:
    """Give a file its name, and make the name safe."""
    if not target.parent.exists():
        make_private(target.parent)
        _sync_folder(target.parent.parent)
    os.replace(incoming, target)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder safe."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(path: Path) -> str:
    """The SHA-256 under which a file lies."""
    return path.parent.name + path.stem


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
