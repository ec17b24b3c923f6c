"""The bytes of every version, compressed by zstd, under the SHA-256 of what they were before."""

import contextlib
import errno
import hashlib
import io
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from csv_manager.core.errors import ArchiveError, PathNotFoundError, TornReadError, UnreadableError
from csv_manager.core.model import Signature
from csv_manager.core.paths import os_reason, stat_regular

_BLOCK = 1 << 20
_BUFFER = 1 << 17
_LEVEL = 3
#: A snapshot that lies there for so long has lost its process.
_STALE_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A content on its way into the archive: SHA-256, size (bytes) as it came, the file's signature then.

    `incoming` is where it lies, compressed, until it is kept, and then lies in `target`, or is forgotten.
    """

    sha256: str
    size: int
    signature: Signature
    incoming: Path
    target: Path

    def open(self) -> BinaryIO:
        """The bytes as they came."""
        import zstandard

        path = self.incoming if self.incoming.exists() else self.target
        reader = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True, closefd=True)
        return io.BufferedReader(_Checked(reader, self.sha256, path), _BUFFER)


def signature_of(path: str) -> Signature:
    """The file's signature; raises OSError as os.stat does, and for what is no regular file."""
    return _signature(stat_regular(path))


def _signature(stat: os.stat_result) -> Signature:
    return Signature(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class Archive:
    """Contents in a folder, `objects/ab/cdef….zst`; each is written once, under a temporary name first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def taking(self, path: str) -> Iterator[Snapshot]:
        """Read the file once, from its start to its end, into a snapshot that is forgotten at the end unless kept.

        Raises `TornReadError` if the file changed meanwhile, `PathNotFoundError`, `UnreadableError`, or
        `ArchiveError`.
        """
        with self._incoming() as incoming:
            try:
                stat_regular(path)  # a pipe would wait to be opened
                with open(path, "rb", buffering=0) as file:
                    before = _signature(os.fstat(file.fileno()))
                    sha256, size = self._compress(path, file, incoming)
                    after = _signature(os.fstat(file.fileno()))
                now = signature_of(path)
            except FileNotFoundError:
                raise PathNotFoundError(f"{path}: no such file.") from None
            except OSError as error:
                raise _unreadable(path, error) from error
            if not before == after == now or size != now.size:
                raise TornReadError(f"{path} changed while it was read; it is read again once it rests.")
            target = self._target(sha256)
            yield Snapshot(sha256=sha256, size=size, signature=now, incoming=incoming, target=target)

    def keep(self, snapshot: Snapshot) -> None:
        """Make a snapshot safe under its content's name, before the version that refers to it is committed."""
        if snapshot.target.exists():
            return
        with self._telling():
            snapshot.target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(snapshot.incoming, snapshot.target)
            _sync_folder(snapshot.target.parent)

    def clean(self) -> None:
        """Remove what a killed process left behind on its way in."""
        since = time.time() - _STALE_SECONDS
        for path in (self.folder / "incoming").glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < since:
                    path.unlink()

    def open(self, sha256: str) -> BinaryIO:
        """The bytes of a content; damage raises `ArchiveError` while they are read, at the latest at their end."""
        import zstandard

        target = self._target(sha256)
        try:
            raw = target.open("rb")
        except OSError as error:
            raise ArchiveError(
                f"The archive lacks a version's content ({error.strerror}): {target}; restore it from a backup."
            ) from error
        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=True)
        return io.BufferedReader(_Checked(reader, sha256, target), _BUFFER)

    def remove(self, contents: Iterable[str]) -> None:
        """Remove contents that no version refers to."""
        for sha256 in contents:
            self._target(sha256).unlink(missing_ok=True)

    def _target(self, sha256: str) -> Path:
        return self.folder / "objects" / sha256[:2] / f"{sha256[2:]}.zst"

    def _compress(self, path: str, file: BinaryIO, incoming: Path) -> tuple[str, int]:
        """SHA-256 and size of what was read, once it lies compressed and synced in `incoming`."""
        import zstandard

        digest = hashlib.sha256()
        size = 0
        with self._telling(), incoming.open("wb") as temporary:
            writer = zstandard.ZstdCompressor(level=_LEVEL).stream_writer(temporary, closefd=False)
            for block in _blocks(path, file):
                digest.update(block)
                size += len(block)
                writer.write(block)
            writer.flush(zstandard.FLUSH_FRAME)
            temporary.flush()
            os.fsync(temporary.fileno())
        return digest.hexdigest(), size

    @contextlib.contextmanager
    def _incoming(self) -> Iterator[Path]:
        """The name of a temporary file of the archive, gone at the end."""
        folder = self.folder / "incoming"
        with self._telling():
            folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=folder)
            os.close(descriptor)
        try:
            yield Path(name)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> ArchiveError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else error.strerror
        step = "free some space and try again" if full else "check the folder's rights, or set ARCHIVE_PATH"
        return ArchiveError(f"The archive {self.folder} cannot be written: {what}; {step}. Nothing was recorded.")


class _Checked(io.RawIOBase):
    """The bytes behind a decompressor, compared with the name of the content when their end is reached."""

    def __init__(self, reader: BinaryIO, sha256: str, target: Path) -> None:
        self._reader = reader
        self._sha256 = sha256
        self._target = target
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        """Fill the buffer from the decompressor."""
        import zstandard

        try:
            block = self._reader.read(len(buffer))
        except (zstandard.ZstdError, OSError) as error:
            raise self._damaged() from error
        if not block and self._digest.hexdigest() != self._sha256:
            raise self._damaged()
        self._digest.update(block)
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Close the file underneath."""
        if not self.closed:
            self._reader.close()
        super().close()

    def _damaged(self) -> ArchiveError:
        return ArchiveError(f"A version's content in the archive is damaged: {self._target}; restore it from a backup.")


def _blocks(path: str, file: BinaryIO) -> Iterator[bytes]:
    """The content of a file; a failure to read it is no failure of the archive."""
    try:
        while block := file.read(_BLOCK):
            yield block
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> UnreadableError:
    return UnreadableError(f"{path}: {os_reason(error)}.")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
