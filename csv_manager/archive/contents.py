"""A content of the archive: the slots of a keyframe and the deltas since, read at any place without the rest."""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from csv_manager.archive.deltas import Delta, Splice
from csv_manager.archive.frames import FrameFile, damaged
from csv_manager.core.digests import SLOT, Digests
from csv_manager.core.plain import Plain

#: So many slots are at hand decompressed.
_AT_HAND = 4


class Slot(NamedTuple):
    """One slot: the frame that it began as, its length now, and the splices of each delta since."""

    file: FrameFile
    frame: int
    length: int
    splices: tuple[Sequence[Splice], ...] = ()

    @property
    def state(self) -> tuple[int, int, int]:
        """What two slots of contents of the same steps have in common if no delta lies between them."""
        return id(self.file), self.frame, len(self.splices)

    def read(self) -> bytes:
        """The bytes of the slot as it is now. Raises `ArchiveError` if the frame is damaged."""
        frame = self.file.read(self.frame)
        if not self.splices:
            return frame
        data = bytearray(frame)
        for splices in self.splices:
            for splice in reversed(splices):
                data[splice.offset : splice.offset + splice.deleted] = splice.inserted
        if len(data) != self.length:
            raise damaged(self.file.path)
        return bytes(data)


class Step(NamedTuple):
    """A file of the archive; its delta, if it is no keyframe."""

    file: FrameFile
    delta: Delta | None


class Content(Plain):
    """The bytes of a content, which is made of a keyframe and the deltas that follow it."""

    def __init__(self, steps: Sequence[Step], digests: Digests | None = None) -> None:
        keyframe, *deltas = steps
        self.steps = steps
        lengths = keyframe.file.lengths
        slots = list(map(Slot, itertools.repeat(keyframe.file), range(len(lengths)), lengths))
        for file, delta in deltas:
            slots = _applied(slots, file, delta) if delta else slots
        self.slots = slots
        self.starts = list(itertools.accumulate((slot.length for slot in slots), initial=0))
        self.size = self.starts[-1]
        fits = digests is not None and list(digests.lengths) == [slot.length for slot in slots]
        self.digests = digests if fits else None
        self._at_hand: dict[int, bytes] = {}
        #: The slot that was read last, and where it begins.
        self._low, self._last = 0, b""

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on. Raises `ArchiveError` if what they are made of is damaged."""
        low = offset - self._low
        if low >= 0 and low + size <= len(self._last):
            return self._last[low : low + size]
        parts = []
        while size > 0 and offset < self.size:
            number = bisect.bisect_right(self.starts, offset) - 1
            self._low, self._last = self.starts[number], self.slot(number)
            low = offset - self._low
            part = self._last[low : low + size]
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def slot(self, number: int) -> bytes:
        """The bytes of a slot."""
        found = self._at_hand.get(number)
        if found is None:
            found = self.slots[number].read()
            if len(self._at_hand) >= _AT_HAND:
                del self._at_hand[next(iter(self._at_hand))]
            self._at_hand[number] = found
        return found

    def each_slot(self) -> Iterator[bytes]:
        """The bytes of all slots."""
        return (slot.read() for slot in self.slots)

    def count_lines(self, low: int, high: int) -> int:
        """How many lines end between two places; where the lines of the slots are known, they are not read."""
        if self.digests is None or high - low <= SLOT:
            return super().count_lines(low, high)
        (begin, before), (end, until) = self.digests.lines_before(low), self.digests.lines_before(high)
        return until - before + super().count_lines(end, high) - super().count_lines(begin, low)


def _applied(slots: Sequence[Slot], file: FrameFile, delta: Delta) -> list[Slot]:
    """The slots as they are after a delta."""
    result: list[Slot] = []
    done, frame = 0, 1
    for number, group in itertools.groupby(delta.splices, lambda splice: splice.number):
        splices = tuple(group)
        if number >= len(slots):
            raise damaged(file.path)
        result.extend(slots[done:number])
        done = number + 1
        slot = slots[number]
        length = slot.length + sum(len(splice.inserted) - splice.deleted for splice in splices)
        if length:
            result.append(Slot(slot.file, slot.frame, length, (*slot.splices, splices)))
        for new in range(frame, frame + sum(splice.new_slots for splice in splices)):
            result.append(Slot(file, new, file.lengths[new]))
            frame = new + 1
    result.extend(slots[done:])
    return result
