"""Files of zstd frames that can be read one by one: zstd's seekable format.

Each frame is compressed by itself and has a checksum; a table at the end, in a frame that decompressors skip, tells how
long each is, and another one before it holds the digest of the table and of the file's name. So `zstd -d` reads such a
file too. The format is that of contrib/seekable_format of zstd.
"""

import functools
import itertools
import logging
import os
import struct
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from csv_manager.core.digests import digest
from csv_manager.core.errors import ArchiveError, DamagedError

log = logging.getLogger("csv_manager.archive")

_LEVEL = 3
#: What begins the frame with the table, and the frame with its digest; what ends the table.
_SKIPPABLE, _CHECKED, _SEEKABLE = 0x184D2A5E, 0x184D2A50, 0x8F92EAB1
_HEADER = struct.Struct("<II")
_ENTRY = struct.Struct("<II")
_FOOTER = struct.Struct("<IBI")
_DIGEST = 16


def write_frames(file: BinaryIO, frames: Iterable[bytes], name: str) -> None:
    """Write a frame for each of these bytes, and the table at the end, which is good under this name only."""
    import zstandard

    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    entries = []
    for data in frames:
        frame = compressor.compress(data)
        file.write(frame)
        entries.append(_ENTRY.pack(len(frame), len(data)))
    table = b"".join(entries) + _FOOTER.pack(len(entries), 0, _SEEKABLE)
    file.write(_HEADER.pack(_CHECKED, _DIGEST) + _digest(table, name))
    file.write(_HEADER.pack(_SKIPPABLE, len(table)) + table)


class FrameFile:
    """The frames of a file, which is closed with the last reference to this; where it is damaged, those of its copy."""

    def __init__(self, path: Path, name: str, copy: Path | None = None) -> None:
        """Raises `ArchiveError` if neither file is there, complete, and written under this name."""
        import zstandard

        self.path = path
        self._name = name
        self._copy = copy
        self._decompressor = zstandard.ZstdDecompressor()
        try:
            self._open(path)
        except ArchiveError:
            if copy is None or not copy.exists():
                raise
            self._open(copy)
            self._copy = None
            self._tell()

    def read(self, number: int) -> bytes:
        """One frame's content. Raises `ArchiveError` if it is damaged."""
        try:
            return self._read(number)
        except ArchiveError:
            if self._spare is None:
                raise
            return self._spare.read(number)

    def each(self) -> Iterator[bytes]:
        """The content of every frame."""
        return map(self.read, range(len(self.lengths)))

    def _open(self, path: Path) -> None:
        try:
            file = path.open("rb", buffering=0)
        except OSError as error:
            # Where there are no objects at all, the archive is not lost but not there.
            lost = isinstance(error, FileNotFoundError) and path.parent.parent.is_dir()
            raise (DamagedError if lost else ArchiveError)(
                f"The archive lacks a version's content ({error.strerror}): {path}; restore it from a backup."
            ) from error
        weakref.finalize(self, file.close)
        self._descriptor = file.fileno()
        self.size = file.seek(0, 2)
        entries = self._table(file)
        self.lengths = [length for _, length in entries]
        self._sizes = [size for size, _ in entries]
        self._places = list(itertools.accumulate(self._sizes, initial=0))

    def _read(self, number: int) -> bytes:
        import zstandard

        try:
            frame = os.pread(self._descriptor, self._sizes[number], self._places[number])
            data = self._decompressor.decompress(frame, max_output_size=self.lengths[number])
        except zstandard.ZstdError as error:
            raise damaged(self.path) from error
        except OSError as error:
            raise ArchiveError(f"The archive cannot be read ({error.strerror}): {self.path}; try again.") from error
        if len(data) != self.lengths[number]:
            raise damaged(self.path)
        return data

    @functools.cached_property
    def _spare(self) -> "FrameFile | None":
        """The copy, if there is one."""
        if self._copy is None or not self._copy.exists():
            return None
        self._tell()
        try:
            return FrameFile(self._copy, self._name)
        except ArchiveError:
            return None

    def _tell(self) -> None:
        log.warning("%s is damaged; its copy is read. csv_history_verify mends it.", self.path)

    def _table(self, file: BinaryIO) -> list[tuple[int, int]]:
        """Sizes and lengths of the frames."""
        footer_at = self.size - _FOOTER.size
        if footer_at < 0:
            raise damaged(self.path)
        file.seek(footer_at)
        count, _, magic = _FOOTER.unpack(file.read(_FOOTER.size))
        table_at = footer_at - count * _ENTRY.size
        if magic != _SEEKABLE or table_at < _HEADER.size:
            raise damaged(self.path)
        file.seek(table_at)
        table = file.read()
        entries: list[tuple[int, int]] = list(_ENTRY.iter_unpack(table[: -_FOOTER.size]))
        digest_at = table_at - _HEADER.size - _DIGEST
        if sum(size for size, _ in entries) != digest_at - _HEADER.size:
            raise damaged(self.path)
        file.seek(digest_at)
        if file.read(_DIGEST) != _digest(table, self._name):
            raise damaged(self.path)
        return entries


def _digest(table: bytes, name: str) -> bytes:
    return digest(table + name.encode(), 0)


def damaged(path: Path) -> DamagedError:
    """The error that names a damaged file."""
    return DamagedError(f"A version's content in the archive is damaged: {path}; restore it from a backup.")
