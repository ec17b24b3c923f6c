"""A content cut into slots of which the digest is known, so that what did not change is told without its old bytes."""

import bisect
import itertools
import os
from array import array
from collections.abc import Callable, Sequence

#: Slots are about so long, in bytes; one ends with a record.
SLOT = 1 << 16


class Digests:
    """The slots of a content: lengths in bytes, lines that end in each, XXH3-128 digests under a secret seed.

    Each slot begins with a record, as `Records` of the `form` see it. The seed is drawn anew for each content, since
    XXH3 resists no one who knows it.
    """

    def __init__(
        self, form: bytes, seed: int, lengths: Sequence[int], lines: Sequence[int], digests: Sequence[bytes]
    ) -> None:
        self.form = form
        self.seed = seed
        self.lengths, self.lines, self.digests = array("Q", lengths), array("Q", lines), list(digests)
        self.starts = array("Q", itertools.accumulate(self.lengths, initial=0))
        self._ends = array("Q", itertools.accumulate(self.lines, initial=0))

    def at(self, place: int) -> int | None:
        """The number of the slot that begins at a place, if one does."""
        number = bisect.bisect_left(self.starts, place)
        return number if number < len(self.lengths) and self.starts[number] == place else None

    def end(self, place: int) -> int:
        """Where the slot ends that a place is in."""
        return self.starts[min(bisect.bisect_right(self.starts, place), len(self.lengths))]

    def skip(self, number: int, read: Callable[[int, int], bytes], place: int, more: int) -> tuple[int, bytes]:
        """The first slot from one on that another content, read from a place on, has not, and what it has instead.

        That is as many bytes as the slot has, and some `more`; none behind the last slot.
        """
        import xxhash

        digest, seed = xxhash.xxh3_128_digest, self.seed
        for slot, known in enumerate(itertools.islice(self.digests, number, None), number):
            length = self.lengths[slot]
            data = read(place, length + more)
            if digest(memoryview(data)[:length] if more else data, seed) != known or len(data) < length:
                return slot, data
            place += length
        return len(self.digests), b""

    def lines_before(self, place: int) -> tuple[int, int]:
        """The place where the slot begins that a place is in, and the lines that end before it."""
        number = min(bisect.bisect_right(self.starts, place) - 1, len(self.lengths))
        return self.starts[number], self._ends[number]


def digest(data: bytes, seed: int) -> bytes:
    """The XXH3-128 digest of some bytes."""
    import xxhash

    return xxhash.xxh3_128_digest(data, seed)


class DigestsBuilder:
    """The digests of slots that come one after the other; `certain` if each ends with a record."""

    def __init__(self) -> None:
        self._seed = int.from_bytes(os.urandom(8), "little")
        self._lengths: list[int] = []
        self._lines: list[int] = []
        self._digests: list[bytes] = []
        self.certain = True

    def add(self, data: bytes, *, ends_certainly: bool) -> None:
        """Add the next slot."""
        self._lengths.append(len(data))
        self._lines.append(count_line_ends(data))
        self._digests.append(digest(data, self._seed))
        self.certain = self.certain and ends_certainly

    def __len__(self) -> int:
        return len(self._digests)

    def digests(self, form: bytes) -> Digests:
        """The digests, of slots that were cut for `Records` of a form."""
        return Digests(form, self._seed, self._lengths, self._lines, self._digests)


def count_line_ends(data: bytes, low: int = 0, high: int | None = None) -> int:
    """How many lines end between two places, neither of which is within CR LF; that is one end, as is a lone CR."""
    count = data.count(b"\n", low, high)
    if data.find(b"\r", low, high) < 0:
        return count
    return count + data.count(b"\r", low, high) - data.count(b"\r\n", low, high)
