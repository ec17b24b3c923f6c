"""The file that keeps the digests of a content's slots. It can be lost: the next version is a keyframe then."""

import os
import struct
from array import array
from pathlib import Path

from csv_manager.core.digests import Digests, digest

_MAGIC = b"csv_manager slots 1\n"
#: The seed and the number of slots.
_HEAD = struct.Struct("<QQ")
_DIGEST = 16


def store_digests(path: Path, digests: Digests) -> None:
    """Write the digests under a temporary name, and give them theirs."""
    count = len(digests.lengths)
    body = _HEAD.pack(digests.seed, count) + digests.lengths.tobytes() + digests.lines.tobytes()
    body += b"".join(digests.digests)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(_MAGIC + digest(body, 0) + body)
    temporary.replace(path)


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
    seed, count = _HEAD.unpack_from(body)
    ends = [_HEAD.size, _HEAD.size + 8 * count, _HEAD.size + 16 * count, _HEAD.size + 32 * count]
    lengths, lines = array("Q", body[ends[0] : ends[1]]), array("Q", body[ends[1] : ends[2]])
    digests = [body[place : place + _DIGEST] for place in range(ends[2], ends[3], _DIGEST)]
    return Digests(seed, lengths, lines, digests)
