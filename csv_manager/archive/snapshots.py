"""A settled file while it is recorded: its signature, its bytes, their SHA-256."""

import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Iterator
from typing import BinaryIO

from csv_manager.core.errors import PathNotFoundError, TornReadError, UnreadableError
from csv_manager.core.leases import is_written_to
from csv_manager.core.model import Signature
from csv_manager.core.paths import os_reason, stat_regular
from csv_manager.core.plain import BytesPlain, FilePlain, Plain, PlainStream

_BLOCK = 1 << 20
#: A file up to so many bytes is read into memory once, so that everything told of it is of the same moment.
_IN_MEMORY = 1 << 22


class Snapshot:
    """A settled file that is being recorded: the signature of then, its bytes, and their SHA-256.

    `is_open` tells that a program has it open, or mapped, for writing: what it writes to a page that it has written to
    before need not move the file's times.
    A small file is read once, into memory; a large one is read where it lies, and `check` tells whether it changed.
    """

    def __init__(self, path: str, file: io.FileIO) -> None:
        self.path = path
        self._file = file
        self.signature = Signature.of(os.fstat(file.fileno()))
        self.is_open = is_written_to(file.fileno(), path)
        self.size = self.signature.size
        self.plain: Plain = FilePlain(os.fdopen(os.dup(file.fileno()), "rb"), path)
        self._hashing: _Hashing | None = None
        if self.size <= _IN_MEMORY:
            data = self.plain.read(0, self.size + 1)
            self.plain = BytesPlain(data)
            self.check()
            self._sha256 = hashlib.sha256(data).hexdigest()
        else:
            self._hashing = _Hashing(self.plain)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes; it is computed while the file is compared."""
        if self._hashing is not None:
            self._sha256 = self._hashing.result()
            self._hashing = None
            self.check()
        return self._sha256

    def open(self) -> BinaryIO:
        """The bytes."""
        return PlainStream(self.plain)

    def check(self) -> None:
        """Raise `TornReadError` if the file was written to or replaced since it was opened, or what tells its end."""
        try:
            now = signature_of(self.path), Signature.of(os.fstat(self._file.fileno()))
        except (FileNotFoundError, NotADirectoryError):
            raise PathNotFoundError(f"{self.path}: no such file.") from None
        except OSError as error:
            raise _unreadable(self.path, error) from error
        if set(now) != {self.signature} or self.plain.size != self.size:
            raise TornReadError(f"{self.path} changed while it was read; it is read again once it rests.")

    def close(self) -> None:
        """Stop reading."""
        if self._hashing is not None:
            self._hashing.stop()


class Derived:
    """What is made of a snapshot, to be kept as the snapshot is: bytes that are read through it, and their SHA-256."""

    def __init__(self, snapshot: Snapshot, plain: Plain) -> None:
        self.path = snapshot.path
        self.plain = plain
        self.size = plain.size
        self._snapshot = snapshot
        digest = hashlib.sha256()
        for place in range(0, plain.size, _BLOCK):
            digest.update(plain.read(place, _BLOCK))
        self.sha256 = digest.hexdigest()

    def check(self) -> None:
        """As the snapshot."""
        self._snapshot.check()
        self.plain.check()


#: What the archive keeps.
Keepable = Snapshot | Derived


class _Hashing(threading.Thread):
    """Computes the SHA-256 of a content beside what else is done with it; hashlib lets go of the interpreter."""

    def __init__(self, plain: Plain) -> None:
        super().__init__(name="csv_manager-hashing", daemon=True)
        self._plain = plain
        self._digest = hashlib.sha256()
        self._stopped = False
        self._error: UnreadableError | None = None
        self.start()

    def run(self) -> None:
        """Hash block by block."""
        try:
            for place in range(0, self._plain.size, _BLOCK):
                if self._stopped:
                    return
                self._digest.update(self._plain.read(place, _BLOCK))
        except UnreadableError as error:
            self._error = error

    def result(self) -> str:
        """The digest, in hexadecimal digits. Raises what reading raised."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._digest.hexdigest()

    def stop(self) -> None:
        """Hash no more."""
        self._stopped = True
        self.join()


def signature_of(path: str) -> Signature:
    """The file's signature; raises OSError as os.stat does, and for what is no regular file."""
    return Signature.of(stat_regular(path))


@contextlib.contextmanager
def open_snapshot(path: str) -> Iterator[Snapshot]:
    """A snapshot of a file, whose bytes can be read until its end.

    Raises `TornReadError` if the file changes meanwhile, `PathNotFoundError`, `UnreadableError`.
    """
    try:
        stat_regular(path)  # a pipe would wait to be opened
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed below
    except (FileNotFoundError, NotADirectoryError):
        raise PathNotFoundError(f"{path}: no such file.") from None
    except OSError as error:
        raise _unreadable(path, error) from error
    with file, contextlib.closing(Snapshot(path, file)) as snapshot:
        yield snapshot


def _unreadable(path: str, error: OSError) -> UnreadableError:
    return UnreadableError(f"{path}: {os_reason(error)}.")
