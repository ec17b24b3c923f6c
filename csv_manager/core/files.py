"""Files that nobody ever sees half of, folders for one user alone, and stdout as long as somebody reads it."""

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

_BLOCK = 1 << 20
#: Names of what is already open; a file that stands behind them must be written through, not replaced.
_OPEN = ("/dev/std", "/dev/fd/", "/proc/")


@contextlib.contextmanager
def writing_to(path: str, before_replacing: Callable[[], None] = lambda: None) -> Iterator[BinaryIO]:
    """A binary file to write `path` with: stdout for `-`, a device or a pipe as it is, else a file that is replaced.

    `before_replacing` is called when all is written and safe; what it raises leaves the file as it is.

    A file that is replaced keeps its mode, and its owner where that is allowed; a link keeps pointing to what it points
    to. Raises OSError; then what was to be replaced is as it was.
    """
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif os.path.abspath(path).startswith(_OPEN) or not _is_replaceable(path):
        with open(path, "wb") as file:
            yield file
    else:
        with _replacing(Path(os.path.realpath(path)), before_replacing) as file:
            yield file


def copy(source: BinaryIO, target: BinaryIO, done: Callable[[int], None]) -> None:
    """Copy what is left of a stream; `done` is told how many more bytes were written, again and again."""
    while block := source.read(_BLOCK):
        target.write(block)
        done(len(block))


def make_private(folder: Path) -> None:
    """Make a folder, and those above it, for their user alone; one that is there stays as it is. Raises OSError."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def give_up_stdout() -> None:
    """Write nothing more to stdout; Python would complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_replaceable(path: str) -> bool:
    """Whether a path names a regular file or nothing yet."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True


@contextlib.contextmanager
def _replacing(target: Path, before_replacing: Callable[[], None]) -> Iterator[BinaryIO]:
    """A temporary file beside the target that takes its place at the end, or is gone after an error."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # the name must not outlive the bytes when the power goes
        if target.exists():
            was = target.stat()
            with contextlib.suppress(PermissionError):
                os.chown(temporary, was.st_uid, was.st_gid)
            shutil.copymode(target, temporary)
        else:
            temporary.chmod(0o666 & ~_umask())
        before_replacing()
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
