"""Compares two contents byte by byte, and tells the ranges of whole records in which they differ.

One pass over both with a greedy search for the next common record wherever they differ, as a merge does it: the cost is
that of reading both, and a few microseconds for each difference. Where too much differs, the rest is one window.
Removing a common part from both sides leaves the difference of the rows as it was, so that a clumsy window costs time,
never correctness.
"""

import itertools
import operator
from array import array
from collections.abc import Iterator

from csv_manager.core.plain import Plain, View
from csv_manager.core.records import Records

#: Bytes that are compared at once: few after a difference, since the next may be near, then twice as many each time.
_LEAST, _MOST = 1 << 11, 1 << 16
#: How far is looked for the next common record, in bytes, one after the other.
_SEARCHES = (1 << 10, 1 << 13, 1 << 17, 1 << 21)
#: How far is looked back for the end of a record that is certain, in bytes.
_BACK = (1 << 12, 1 << 15, 1 << 18, 1 << 22)
#: After so many windows, walking goes on only while they make up at most this share of what was walked.
_MANY, _SHARE = 1000, 16
#: The bytes of the windows of one side are kept up to so many.
_AT_HAND = 1 << 22


class Ranges:
    """Parts of a content in their order, from a record's begin to a record's end each.

    A part is (low, high, window): places in bytes, and the number of the window that it belongs to. The bytes of the
    parts are at hand as long as they are few, and how many lines end between a part and the one before it, or the first
    row, is known if it was told for each.
    """

    def __init__(self, *parts: tuple[int, int]) -> None:
        self._parts = array("q")
        self._lines = array("q")
        self._pieces: list[bytes] = []
        self._at_hand = 0
        for low, high in parts:
            self.add(low, high)

    def add(
        self, low: int, high: int, window: int = 0, *, data: bytes | None = None, lines_between: int | None = None
    ) -> None:
        """Add a part behind the last one."""
        if low == high:
            return
        if data is None and self._parts and self._parts[-2] == low and self._parts[-1] == window:
            self._parts[-2] = high
            return
        self._parts.extend((low, high, window))
        if lines_between is not None:
            self._lines.append(lines_between)
        self._at_hand += high - low
        if data is not None and self._at_hand <= _AT_HAND:
            self._pieces.append(data)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        parts = iter(self._parts)
        return zip(parts, parts, parts, strict=True)

    def __len__(self) -> int:
        return len(self._parts) // 3

    @property
    def size(self) -> int:
        """The number of bytes in them."""
        return sum(self._parts[1::3]) - sum(self._parts[::3])

    def data(self, part: int) -> bytes | None:
        """The bytes of a part, if they are at hand."""
        return self._pieces[part] if part < len(self._pieces) else None

    def lines_between(self, part: int) -> int | None:
        """How many lines end between a part and the one before it, if that is known."""
        return self._lines[part] if len(self._lines) == len(self) else None


def walk(old: Plain, new: Plain, starts: tuple[int, int], records: Records) -> tuple[Ranges, Ranges]:
    """Where the two contents differ, from two places on at which a record begins in each."""
    walker = _Walker(old, new, starts, records)
    walker.run()
    return walker.old_ranges, walker.new_ranges


def paired(old: Ranges, new: Ranges, starts: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Both sides of each window of a walk: low and high in old, low and high in new; one may be empty."""
    sides: dict[int, list[tuple[int, int] | None]] = {}
    for side, ranges in enumerate((old, new)):
        for low, high, window in ranges:
            sides.setdefault(window, [None, None])[side] = low, high
    at_old, at_new = starts
    for window in sorted(sides):
        before, after = sides[window]
        equal = before[0] - at_old if before else after[0] - at_new if after else 0
        low_old, low_new = at_old + equal, at_new + equal
        at_old, at_new = before[1] if before else low_old, after[1] if after else low_new
        yield low_old, at_old, low_new, at_new


class _Walker:
    """Where the walk is: at `old` and `new`, with equal bytes since a record's begin at `known`, which is in old."""

    def __init__(self, old: Plain, new: Plain, starts: tuple[int, int], records: Records) -> None:
        self._direct = new
        self._digests = old.digests
        # Slots are at hand by themselves.
        self._old, self._new = old if old.digests else View(old), View(new)
        self._at_old, self._at_new = starts
        self._known = self._counted = starts[0]
        self._lines = [0, 0]
        self._records = records
        self._run = self._walked = self._differing = self._windows = 0
        self.old_ranges, self.new_ranges = Ranges(), Ranges()

    def run(self) -> None:
        """Walk to the end of both."""
        step = _MOST
        while self._skip_equal(step):
            self._step_back()
            if not (self._is_worthwhile() and self._find_common()):
                self._finish()
                return
            step = min(max(_LEAST, self._run), _MOST)

    def _skip_equal(self, step: int) -> bool:
        """Go on to the first byte that differs, or to the end of one; False if both are at their end."""
        while True:
            self._skip_slots()
            if self._digests:
                step = min(step, self._digests.end(self._at_old) - self._at_old) or step
            one, other = self._old.read(self._at_old, step), self._new.read(self._at_new, step)
            if one != other:
                same = common_prefix(one, other)
                self._at_old += same
                self._at_new += same
                return True
            if not one:
                return False
            self._at_old += len(one)
            self._at_new += len(one)
            step = min(step * 2, _MOST)

    def _skip_slots(self) -> None:
        """Go on over slots that both have, as their digests tell."""
        digests = self._digests
        number = digests.at(self._at_old) if digests else None
        if digests is None or number is None:
            return
        for slot in range(number, len(digests.lengths)):
            # A slot begins with a record, and with the same bytes before it, it does so in both.
            self._walked += self._at_old - self._known
            self._known = self._at_old
            if not digests.is_slot(slot, self._direct.read(self._at_new, digests.lengths[slot])):
                return
            self._at_old += digests.lengths[slot]
            self._at_new += digests.lengths[slot]

    def _step_back(self) -> None:
        """Go back to where a record ends in both; what was equal until here tells where."""
        for back in (*_BACK, self._at_old):
            low = max(self._known, self._at_old - back)
            proven = low == self._known
            end = self._records.last_end(self._old.read(low, self._at_old - low), proven=proven)
            if end is not None:
                break
        step = self._at_old - low - (end or 0)
        self._at_old -= step
        self._at_new -= step
        self._run = self._at_old - self._known
        self._walked += self._run
        self._known = self._at_old

    def _is_worthwhile(self) -> bool:
        return self._windows < _MANY or self._differing * _SHARE < self._walked

    def _find_common(self) -> bool:
        """Step over the records that differ to the next that both have; False if none is near."""
        if self._at_old == self._old.size or self._at_new == self._new.size:
            return False
        for search in _SEARCHES:
            ends = self._at_old + search >= self._old.size, self._at_new + search >= self._new.size
            one = self._split(self._old.read(self._at_old, search), final=ends[0])
            other = self._split(self._new.read(self._at_new, search), final=ends[1])
            if one and other and one[0] == other[0]:
                # The walk went back further than it had to.
                equal = sum(1 for _ in itertools.takewhile(bool, map(operator.eq, one, other)))
                self._step_over(sum(map(len, one[:equal])))
                one, other = one[equal:], other[equal:]
            found = _alignment(one, other)
            if found is not None:
                self._add(b"".join(one[: found[0]]), b"".join(other[: found[1]]))
                return True
            if all(ends):
                break
        return False

    def _step_over(self, size: int) -> None:
        """Stand behind so many bytes that both have, at the end of a record."""
        self._at_old += size
        self._at_new += size
        self._known = self._at_old

    def _split(self, data: bytes, *, final: bool) -> list[bytes]:
        """The records of which the end is seen."""
        records = self._records.split(data)
        return records if final else records[:-1]

    def _finish(self) -> None:
        """What is left is one window, but for the records that both have at their end."""
        tail = self._common_tail()
        proven = self._has_no_quote(tail)
        for ahead in (*_BACK, tail):
            data = self._old.read(self._old.size - tail, min(ahead, tail))
            begin = self._records.first_end(data, proven=proven)
            if begin is not None:
                break
        else:
            begin = tail
        kept = tail - begin
        sizes = self._old.size - self._at_old - kept, self._new.size - self._at_new - kept
        self._add_window(*sizes)

    def _common_tail(self) -> int:
        """How many bytes both have in common at their end."""
        tail, step = 0, _LEAST
        most = min(self._old.size - self._at_old, self._new.size - self._at_new)
        while tail < most:
            size = min(step, most - tail)
            one = self._old.read(self._old.size - tail - size, size)
            if one != self._new.read(self._new.size - tail - size, size):
                return tail
            tail += size
            step = min(step * 2, _MOST)
        return tail

    def _has_no_quote(self, tail: int) -> bool:
        """Whether no quote stands in what both do not have in common, so that no record goes on into the tail."""
        return not any(
            self._records.has_quote(plain, start, plain.size - tail)
            for plain, start in ((self._old, self._at_old), (self._new, self._at_new))
        )

    def _add(self, old: bytes, new: bytes) -> None:
        """Add a window with these bytes, and stand behind it."""
        self._add_window(len(old), len(new), old, new)

    def _add_window(self, old: int, new: int, old_data: bytes | None = None, new_data: bytes | None = None) -> None:
        """Add a window of so many bytes, and stand behind it."""
        old_lines, new_lines = self._count_lines()
        self.old_ranges.add(self._at_old, self._at_old + old, self._windows, data=old_data, lines_between=old_lines)
        self.new_ranges.add(self._at_new, self._at_new + new, self._windows, data=new_data, lines_between=new_lines)
        self._lines = [0 if old else self._lines[0], 0 if new else self._lines[1]]
        self._at_old += old
        self._at_new += new
        self._known = self._counted = self._at_old
        self._windows += 1
        self._differing += old + new

    def _count_lines(self) -> tuple[int, int] | tuple[None, None]:
        """The lines since the last window of each side, counted now if slots tell most of them."""
        if self._digests is None:
            return None, None
        lines = self._old.count_lines(self._counted, self._at_old)
        self._lines = [before + lines for before in self._lines]
        return self._lines[0], self._lines[1]


def _alignment(one: list[bytes], other: list[bytes]) -> tuple[int, int] | None:
    """The places of the nearest record that both have, and behind which they go on alike; None if there is none."""

    def alike(place: int, other_place: int) -> bool:
        return one[place : place + 2] == other[other_place : other_place + 2]

    for place, other_place in ((1, 1), (1, 0), (0, 1)):
        if place < len(one) and other_place < len(other) and alike(place, other_place):
            return place, other_place
    places: dict[bytes, int] = {}
    for other_place, record in enumerate(other):
        places.setdefault(record, other_place)
    best, nearest = None, len(one) + len(other)
    for place, record in enumerate(one):
        if place >= nearest:
            break
        found = places.get(record)
        if found is not None and place + found < nearest and alike(place, found):
            best, nearest = (place, found), place + found
    return best


def common_prefix(one: bytes, other: bytes) -> int:
    """The number of bytes at the start of both that are equal."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
