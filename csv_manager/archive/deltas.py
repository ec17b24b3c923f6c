"""What a delta says: how a content comes from the one before it, slot by slot.

A splice deletes bytes of a slot and puts others in their place; where much is put in, it becomes slots of its own. In
the file, the first frame holds the splices, and each further frame one new slot.
"""

import json
import sys
from array import array
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

_FIELDS = 5


@dataclass(frozen=True, kw_only=True)
class Splice:
    """In the slot `number` of the base: `deleted` bytes from `offset` on become `inserted`.

    Splices are in the order of their slots, and of their places; offsets count in the slot as it is in the base.
    `new_slots` new slots come behind this one.
    """

    number: int
    offset: int
    deleted: int
    inserted: bytes
    new_slots: int = 0


@dataclass(frozen=True, kw_only=True)
class Delta:
    """How a content of `size` bytes comes from another, the `base`, which is a SHA-256."""

    base: str
    size: int
    splices: list[Splice] = field(default_factory=list)

    def encode(self) -> bytes:
        """The delta as bytes: a line of JSON, columns of numbers, what is put in."""
        head = json.dumps({"base": self.base, "size": self.size, "splices": len(self.splices)})
        gaps = (after - before for before, after in pairwise((0, *(splice.number for splice in self.splices))))
        columns = (
            gaps,
            (splice.offset for splice in self.splices),
            (splice.deleted for splice in self.splices),
            (len(splice.inserted) for splice in self.splices),
            (splice.new_slots for splice in self.splices),
        )
        texts = b"".join(splice.inserted for splice in self.splices)
        return head.encode() + b"\n" + b"".join(map(_packed, columns)) + texts

    @classmethod
    def decode(cls, data: bytes) -> "Delta":
        """The delta that `encode` gave. Raises ValueError or KeyError for bytes that are none."""
        line, rest = data.split(b"\n", 1)
        head: dict[str, Any] = json.loads(line)
        count = head["splices"]
        width = count * _WIDTH
        gaps, offsets, deleted, lengths, new_slots = (
            _unpacked(rest[column * width : (column + 1) * width]) for column in range(_FIELDS)
        )
        ends = accumulate(lengths, initial=_FIELDS * width)
        splices = [
            Splice(number=number, offset=offset, deleted=gone, inserted=rest[low:high], new_slots=new)
            for number, offset, gone, (low, high), new in zip(
                accumulate(gaps), offsets, deleted, pairwise(ends), new_slots, strict=True
            )
        ]
        return cls(base=head["base"], size=head["size"], splices=splices)


_WIDTH = 4


def _packed(numbers: Any) -> bytes:
    """Numbers as bytes: all lowest bytes, then the next ones, which are mostly zeros and compress well."""
    data = array("I", numbers)
    if sys.byteorder == "big":
        data.byteswap()
    return b"".join(data.tobytes()[place::_WIDTH] for place in range(_WIDTH))


def _unpacked(data: bytes) -> "array[int]":
    count = len(data) // _WIDTH
    mixed = bytearray(len(data))
    for place in range(_WIDTH):
        mixed[place::_WIDTH] = data[place * count : (place + 1) * count]
    numbers = array("I", bytes(mixed))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
