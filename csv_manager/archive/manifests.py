"""What the archive keeps beside a head for the next comparison. It can be lost: more is read and stored then."""

import contextlib
import logging
import os
import struct
import threading
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from csv_manager.core.digests import Digests, digest

log = logging.getLogger("csv_manager.archive")

_MAGIC = b"csv_manager slots 2\n"
#: The seed, the number of slots, and how many bytes tell the form of the records.
_HEAD = struct.Struct("<QQQ")
_DIGEST = 16


def store_aid(path: Path, write: Callable[[BinaryIO], bool]) -> None:
    """Let a file be written under a temporary name, and give it its name if `write` says that it is whole.

    One that cannot be written is told of and no more, since it can be spared.
    """
    temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            is_whole = write(file)
        if is_whole:
            temporary.replace(path)
    except OSError as error:
        log.warning("%s cannot be written: %s; the next comparison takes longer.", path, error.strerror)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def store_digests(path: Path, digests: Digests) -> None:
    """Write the digests of a content's slots."""
    count = len(digests.lengths)
    body = _HEAD.pack(digests.seed, count, len(digests.form)) + digests.form
    body += digests.lengths.tobytes() + digests.lines.tobytes() + b"".join(digests.digests)
    store_aid(path, lambda file: file.write(_MAGIC + digest(body, 0) + body) > 0)


def load_digests(path: Path) -> Digests | None:
    """The digests of a file; None if there is none, or if it is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head = len(_MAGIC) + _DIGEST
    body = data[head:]
    if data[:head] != _MAGIC + digest(body, 0):
        return None
    seed, count, size = _HEAD.unpack_from(body)
    begin = _HEAD.size + size
    ends = [begin, begin + 8 * count, begin + 16 * count, begin + 32 * count]
    lengths, lines = array("Q", body[ends[0] : ends[1]]), array("Q", body[ends[1] : ends[2]])
    digests = [body[place : place + _DIGEST] for place in range(ends[2], ends[3], _DIGEST)]
    return Digests(body[_HEAD.size : begin], seed, lengths, lines, digests)
