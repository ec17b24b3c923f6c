"""The file that keeps the hashes of a content's keys. It can be lost: the next content is read as a whole then."""

import contextlib
import itertools
import os
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from csv_manager.archive.manifests import store_aid
from csv_manager.core.digests import digest
from csv_manager.core.key_hashes import BUCKETS, KeyHashes

_MAGIC = b"csv_manager keys 1\n"
#: Of each bucket the number of hashes, and the digest of their bytes.
_BUCKET = struct.Struct("<Q16s")
_WIDTH = 8


class KeyFile(KeyHashes):
    """The hashes in a file, bucket by bucket."""

    def __init__(self, path: Path, counts: Sequence[int], digests: Sequence[bytes], place: int) -> None:
        self.path = path
        self._digests = digests
        self._places = list(itertools.accumulate((_WIDTH * count for count in counts), initial=place))

    def bucket(self, number: int) -> "array[int] | None":
        """The hashes of a bucket; None if the file is gone or damaged."""
        low, high = self._places[number : number + 2]
        try:
            with self.path.open("rb") as file:
                file.seek(low)
                data = file.read(high - low)
        except OSError:
            return None
        return array("Q", data) if digest(data, 0) == self._digests[number] else None


def store_keys(path: Path, key: Sequence[str], form: str, hashes: KeyHashes) -> None:
    """Write the hashes of the keys of a content that is read in a form; nothing if some are not known."""
    if isinstance(hashes, KeyFile):
        _link(hashes.path, path)
        return

    def write(file: BinaryIO) -> bool:
        file.write(bytes(_head_size(key, form)))
        entries = []
        for number in range(BUCKETS):
            bucket = hashes.bucket(number)
            if bucket is None:
                return False
            data = bucket.tobytes()
            file.write(data)
            entries.append(_BUCKET.pack(len(bucket), digest(data, 0)))
        file.seek(0)
        file.write(_head(key, form, b"".join(entries)))
        return True

    store_aid(path, write)


def load_keys(path: Path, key: Sequence[str], form: str) -> KeyFile | None:
    """The hashes of a file; None if there is none, if it is damaged, or of another key or form."""
    size = _head_size(key, form)
    try:
        with path.open("rb") as file:
            head = file.read(size)
    except OSError:
        return None
    table = head[size - BUCKETS * _BUCKET.size :]
    if head != _head(key, form, table):
        return None
    counts, digests = zip(*_BUCKET.iter_unpack(table), strict=True)
    return KeyFile(path, counts, digests, size)


def _head(key: Sequence[str], form: str, table: bytes) -> bytes:
    """What the file begins with: what it is, of what key read how, its buckets."""
    named = digest(repr((tuple(key), form)).encode(), 0)
    return _MAGIC + digest(named + table, 0) + named + table


def _head_size(key: Sequence[str], form: str) -> int:
    return len(_head(key, form, bytes(BUCKETS * _BUCKET.size)))


def _link(source: Path, target: Path) -> None:
    """The same file under another name too, where that can be done."""
    with contextlib.suppress(OSError):
        target.unlink(missing_ok=True)
        os.link(source, target)
