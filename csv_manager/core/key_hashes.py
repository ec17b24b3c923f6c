"""The hashes of a content's keys: they tell whether a key that comes may be there already, without parsing the content.

Hashes are eight bytes, in buckets by their highest bits. A hash that is not there is proof that the key is not; one
that is there proves nothing, and whoever asked has to look at the rows.
"""

import functools
import itertools
from abc import ABC, abstractmethod
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable

#: Hashes with the same highest bits are in one bucket.
BUCKETS = 256
_SHIFT = 56


def key_hash(key: object) -> int:
    """The XXH3-64 hash of a row's key; equal keys have equal hashes, in every process."""
    text = key if isinstance(key, str) else repr(key)
    return _hash()(text.encode("utf-8", "surrogatepass"))


@functools.cache
def _hash() -> Callable[[bytes], int]:
    import xxhash

    return xxhash.xxh3_64_intdigest


class KeyHashes(ABC):
    """The hashes of the keys of a content in which no two rows share their key."""

    @abstractmethod
    def bucket(self, number: int) -> "array[int] | None":
        """The hashes of a bucket, in any order; None if they cannot be had."""

    def may_hold(self, hashes: Iterable[int]) -> bool:
        """Whether one of some hashes is here; True also where that cannot be said."""
        wanted = _in_buckets(hashes)
        for number, some in wanted.items():
            bucket = self.bucket(number)
            if bucket is None or not some.isdisjoint(bucket):
                return True
        return False


class BuiltHashes(KeyHashes):
    """Hashes that were read from a content, row by row."""

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(BUCKETS)]

    def add(self, hashed: int) -> None:
        """Add a row's hash."""
        self._buckets[hashed >> _SHIFT].append(hashed)

    def bucket(self, number: int) -> "array[int]":
        """The hashes of a bucket."""
        return self._buckets[number]

    def repeated(self) -> set[int]:
        """The hashes that are there more than once."""
        found: set[int] = set()
        for bucket in self._buckets:
            if len(set(bucket)) != len(bucket):
                seen: set[int] = set()
                found.update(each for each in bucket if each in seen or seen.add(each))  # type: ignore[func-returns-value]
        return found


class ChangedHashes(KeyHashes):
    """The hashes of a content of which some keys went and others came."""

    def __init__(self, base: KeyHashes, gone: Iterable[int], come: Iterable[int]) -> None:
        self._base = base
        self._gone, self._come = _in_buckets(gone), _in_buckets(come)

    def bucket(self, number: int) -> "array[int] | None":
        """The hashes of a bucket."""
        bucket = self._base.bucket(number)
        if bucket is None or not (number in self._gone or number in self._come):
            return bucket
        gone = self._gone.get(number, set())
        return array("Q", itertools.chain((each for each in bucket if each not in gone), self._come.get(number, ())))


def _in_buckets(hashes: Iterable[int]) -> dict[int, set[int]]:
    found: defaultdict[int, set[int]] = defaultdict(set)
    for each in hashes:
        found[each >> _SHIFT].add(each)
    return found
