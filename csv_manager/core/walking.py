"""Compares two contents byte by byte, and tells the ranges of whole records in which they differ.

One pass over both with a greedy search for the next common record wherever they differ, as a merge does it: the cost is
that of reading both, and a few microseconds for each difference. Where too much differs, the rest is one window.
Removing a common part from both sides leaves the difference of the rows as it was, so that a clumsy window costs time,
never correctness.
"""

import itertools
import operator

from csv_manager.core.digests import count_line_ends
from csv_manager.core.plain import Plain, View
from csv_manager.core.ranges import Ranges
from csv_manager.core.records import Records

#: Blocks of both contents are at hand up to so many bytes.
_MOST = 1 << 16
#: So many bytes more of the new content than of a slot: rows may have grown.
_MORE = 1 << 11
#: Bytes that are compared at once: few after a difference, since the next may be near, then twice as many each time.
_LEAST = 1 << 11
#: How far is looked for the next common record, in bytes, one after the other.
_SEARCHES = (1 << 10, 1 << 13, 1 << 17, 1 << 21)
#: How far is looked back for the end of a record that is certain, in bytes.
_BACK = (1 << 12, 1 << 15, 1 << 18, 1 << 20)
#: Where nothing is certain there, all that is not known yet is looked through, so many bytes at once.
_AHEAD = 1 << 20
#: After so many windows, walking goes on only while they make up at most this share of what was walked.
_MANY, _SHARE = 1000, 16
#: The first byte that differs is looked for by halves, among the last so many bytes by their XOR.
_FEW = 64


def walk(old: Plain, new: Plain, starts: tuple[int, int], records: Records) -> tuple[Ranges, Ranges]:
    """Where the two contents differ, from two places on at which a record begins in each."""
    walker = _Walker(old, new, starts, records)
    walker.run()
    return walker.old_ranges, walker.new_ranges


class _Walker:
    """Where the walk is: at `old` and `new`, with equal bytes since a record's begin at `known`, which is in old."""

    def __init__(self, old: Plain, new: Plain, starts: tuple[int, int], records: Records) -> None:
        self._direct = new
        # Slots of records that were seen in another way do not tell where these end.
        self._digests = old.digests if old.digests and old.digests.form == records.form else None
        # Slots are at hand by themselves.
        self._old, self._new = old if old.digests else View(old), View(new)
        self._at_old, self._at_new = starts
        self._known = self._counted = starts[0]
        #: The lines since the last window of each side, as far as they were counted.
        self._lines = 0, 0
        self._records = records
        self._run = self._walked = self._differing = self._windows = 0
        self.old_ranges, self.new_ranges = Ranges(), Ranges()

    def run(self) -> None:
        """Walk to the end of both."""
        while True:
            one, other = self._blocks()
            if not one and not other:
                return
            if self._walk_blocks(one, other):
                continue
            self._step_back()
            if not (self._is_worthwhile() and self._find_common()):
                self._finish()
                return

    def _blocks(self) -> tuple[bytes, bytes]:
        """What comes next in both: of old to the end of its slot, if it has slots; those that both have are skipped."""
        digests = self._digests
        if digests is None or self._at_old == self._old.size:
            return self._old.read(self._at_old, _MOST), self._new.read(self._at_new, _MOST)
        number = digests.at(self._at_old)
        if number is None:
            size = digests.end(self._at_old) - self._at_old
            return self._old.read(self._at_old, size), self._direct.read(self._at_new, size + _MORE)
        slot, data = digests.skip(number, self._direct.read, self._at_new, _MORE if self._windows else 0)
        self._at_new += digests.starts[slot] - self._at_old
        self._at_old = digests.starts[slot]
        # A slot begins with a record, and with the same bytes before it, it does so in both. The last may end anywhere.
        known = digests.starts[min(slot, len(digests.lengths) - 1)]
        self._walked += known - self._known
        self._known = known
        if slot == len(digests.lengths):
            return b"", self._new.read(self._at_new, _MOST)
        return self._old.read(self._at_old, digests.lengths[slot]), data

    def _walk_blocks(self, one: bytes, other: bytes) -> bool:
        """Walk as far as these bytes reach; False if they do not show how the contents go on behind a difference."""
        base, base_new = self._at_old, self._at_new
        place = place_new = 0
        step = _MOST
        while True:
            size = min(step, len(one) - place, len(other) - place_new)
            if not size:
                break
            if other.startswith(one[place : place + size], place_new):
                place += size
                place_new += size
                step *= 2
                continue
            if step > size > _LEAST:
                step = _LEAST
                continue
            same = _first_difference(one, place, other, place_new, size)
            found = self._near(one, other, (place + same, place_new + same), base) if self._is_worthwhile() else None
            if found is None:
                self._at_old, self._at_new = base + place + same, base_new + place_new + same
                return False
            begin, begin_new, end, end_new = found
            self._at_old, self._at_new = base + begin, base_new + begin_new
            self._run = self._at_old - self._known
            self._walked += self._run
            if base <= self._counted:
                lines = count_line_ends(one, self._counted - base, begin)
                self._lines = self._lines[0] + lines, self._lines[1] + lines
                self._counted = self._at_old
            self._add_window(end - begin, end_new - begin_new, one[begin:end], other[begin_new:end_new])
            place, place_new = end, end_new
            step = _LEAST
        self._at_old, self._at_new = base + place, base_new + place_new
        return bool(place or place_new)

    def _near(self, one: bytes, other: bytes, places: tuple[int, int], base: int) -> tuple[int, int, int, int] | None:
        """The record that changed, came or went where two blocks differ: its begin in both, its end in both.

        None if that is not certain by the bytes at hand, or something else happened.
        """
        place, place_new = places
        records = self._records
        known = self._known - base
        begin = records.begin_before(one, place, max(known, 0), proven=known >= 0)
        if begin is None:
            return None
        # Behind it, both have to go on alike for two records.
        ends, begin_new = records.next_three(one, begin), place_new - place + begin
        if ends is None or ends[0] <= place:
            return None
        end, first, second = ends
        end_new = records.end(other, begin_new)
        if end_new is not None and other.startswith(one[end:second], end_new):
            return begin, begin_new, end, end_new
        if other.startswith(one[end:second], begin_new):
            return begin, begin_new, end, begin_new
        if end_new is not None and other.startswith(one[begin:first], end_new):
            return begin, begin_new, begin, end_new
        return None

    def _step_back(self) -> None:
        """Go back to where a record ends in both; what was equal until here tells where."""
        for back in _BACK:
            low = max(self._known, self._at_old - back)
            proven = low == self._known
            end = self._records.last_end(self._old.read(low, self._at_old - low), proven=proven)
            if end is not None:
                break
        else:
            low, end = self._last_end(), 0
        step = self._at_old - low - (end or 0)
        self._at_old -= step
        self._at_new -= step
        self._run = self._at_old - self._known
        self._walked += self._run
        self._known = self._at_old

    def _last_end(self) -> int:
        """Where the last record before this place ends, seen from the last one that is known on, block by block."""
        place, size = self._known, _AHEAD
        while place < self._at_old:
            end = self._records.last_end(self._old.read(place, min(size, self._at_old - place)), proven=True) or 0
            if not end and place + size >= self._at_old:
                break
            place, size = place + end, size if end else 2 * size
        return place

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
                gone, come = b"".join(one[: found[0]]), b"".join(other[: found[1]])
                self._add_window(len(gone), len(come), gone, come)
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
        for ahead in _BACK:
            data = self._old.read(self._old.size - tail, min(ahead, tail))
            begin = self._records.first_end(data, proven=proven)
            if begin is not None:
                break
        else:
            begin = self._common_end(tail)
        kept = tail - begin
        sizes = self._old.size - self._at_old - kept, self._new.size - self._at_new - kept
        self._add_window(*sizes)

    def _common_end(self, tail: int) -> int:
        """Where in the last so many bytes a record ends in both, seen from here on, which is worth it for many."""
        if tail < max(self._old.size - self._at_old, self._new.size - self._at_new) - tail:
            return tail
        one, other = self._first_end(self._old, self._at_old, tail), self._first_end(self._new, self._at_new, tail)
        return one if one == other else tail

    def _first_end(self, plain: Plain, place: int, tail: int) -> int:
        """How far into the last so many bytes the record goes that is there at their begin; from a record's on."""
        begin = plain.size - tail
        for batch in self._records.batches(plain, place, plain.size):
            for record in batch:
                if place >= begin:
                    return place - begin
                place += len(record)
        return tail

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

    def _add_window(self, old: int, new: int, gone: bytes | None = None, come: bytes | None = None) -> None:
        """Add a window of so many bytes, and stand behind it."""
        at_old, at_new, window = self._at_old, self._at_new, self._windows
        lines_old, lines_new = self._lines
        if self._counted < at_old:
            lines = self._old.count_lines(self._counted, at_old)
            lines_old, lines_new = lines_old + lines, lines_new + lines
        self.old_ranges.append(at_old, at_old + old, window, lines_old, gone)
        self.new_ranges.append(at_new, at_new + new, window, lines_new, come)
        self._lines = 0 if old else lines_old, 0 if new else lines_new
        self._at_old = self._known = self._counted = at_old + old
        self._at_new = at_new + new
        self._windows += 1
        self._differing += old + new


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
    size = min(len(one), len(other))
    return size if one[:size] == other[:size] else _first_difference(one, 0, other, 0, size)


def _first_difference(one: bytes, place: int, other: bytes, place_other: int, size: int) -> int:
    """How many of so many bytes from two places on, of which one differs, are equal before it does."""
    begin = place
    while size > _FEW:
        half = size >> 1
        if other.startswith(one[place : place + half], place_other):
            place += half
            place_other += half
            size -= half
        else:
            size = half
    differing = int.from_bytes(one[place : place + size]) ^ int.from_bytes(other[place_other : place_other + size])
    return place - begin + size - (differing.bit_length() + 7) // 8
