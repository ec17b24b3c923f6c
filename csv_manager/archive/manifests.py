"""What the archive keeps beside a head for the next comparison. It can be lost: more is read and stored then."""

import contextlib
import os
import struct
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from csv_manager.core.digests import Digests, digest

_MAGIC = b"csv_manager slots 2\n"
#: The seed, the number of slots, and how many bytes tell the form of the records.
_HEAD = struct.Struct("<QQQ")
_DIGEST = 16


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file under a temporary name, which takes the place of another unless something is raised."""
    temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def store_digests(path: Path, digests: Digests) -> None:
    """Write the digests of a content's slots."""
    count = len(digests.lengths)
    body = _HEAD.pack(digests.seed, count, len(digests.form)) + digests.form
    body += digests.lengths.tobytes() + digests.lines.tobytes() + b"".join(digests.digests)
    with replacing(path) as file:
        file.write(_MAGIC + digest(body, 0) + body)


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
