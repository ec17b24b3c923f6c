"""Takes away, as bytes, the records that two contents have in common wherever they stand.

For what the walk left as large windows: rows that stand in another order, or a file of which every second row changed.
"""

import bisect
import itertools
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from csv_manager.core.matching import Matcher
from csv_manager.core.plain import Plain
from csv_manager.core.ranges import Ranges
from csv_manager.core.records import Records

if TYPE_CHECKING:
    from array import array

_LINE_END = b"\r\n"
_Side = tuple[Plain, Ranges]


class _Batch(NamedTuple):
    """Some records as they stand, and without their line ends; where the first begins, and in which window."""

    lines: list[bytes]
    rows: list[bytes]
    place: int
    window: int


def cancel(old: _Side, new: _Side, records: Records) -> tuple[Ranges, Ranges, bool]:
    """What is left of the ranges of both, and whether what was taken away stood in another order."""
    matcher = Matcher()
    nothing = _Batch([], [], 0, 0)
    for olds, news in itertools.zip_longest(_batches(*old, records), _batches(*new, records), fillvalue=nothing):
        matcher.add(olds.rows, news.rows)
    (old_ranges, old_order), (new_ranges, new_order) = (
        _left(side, records, places) for side, places in zip((old, new), matcher.left(), strict=True)
    )
    return old_ranges, new_ranges, old_order != new_order


def _left(side: _Side, records: Records, places: "array[int]") -> tuple[Ranges, int]:
    """The ranges of the rows that are left on one side, and a checksum of the others in their order."""
    left, order = Ranges(), 0
    at = current = 0
    for lines, rows, place, window in _batches(*side, records):
        first, last = bisect.bisect_left(places, at), bisect.bisect_left(places, at + len(rows))
        gone = {number - at for number in places[first:last]}
        at += len(rows)
        kept = [row for number, row in enumerate(rows) if row and number not in gone]
        if kept:
            between = b"" if window == current else b"%d\r" % window
            order, current = zlib.crc32(between + b"\n".join(kept) + b"\n", order), window
        if gone:
            ends = itertools.accumulate(map(len, lines), initial=place)
            for number, (low, high) in enumerate(itertools.pairwise(ends)):
                if number in gone:
                    left.add(low, high, window)
    return left, order


def _batches(plain: Plain, ranges: Ranges, records: Records) -> Iterator[_Batch]:
    """The records of some ranges, some at a time."""
    for low, high, window in ranges:
        place = low
        for lines in records.batches(plain, low, high):
            rows = [line.rstrip(_LINE_END) for line in lines]
            begin, place = place, place + sum(map(len, lines))
            if place == plain.size and records.has_quote(plain, place - len(lines[-1]), place):
                rows[-1] = lines[-1]  # which may end within quotes
            yield _Batch(lines, rows, begin, window)
