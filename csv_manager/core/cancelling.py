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

_LINE_END, _LINE_FEED = b"\r\n", b"\n"
#: Rows of each side that are looked at together.
_TOGETHER = 2_000
_Side = tuple[Plain, Ranges]


class _Batch(NamedTuple):
    """Some records as they stand, and with line feeds for line ends; where the first begins, and in which window."""

    lines: list[bytes]
    rows: list[bytes]
    place: int
    window: int


def cancel(old: _Side, new: _Side, records: Records) -> tuple[Ranges, Ranges, bool]:
    """What is left of the ranges of both, and whether what was taken away stood in another order."""
    matcher = Matcher()
    sides = (_rows(*side, records) for side in (old, new))
    for olds, news in itertools.zip_longest(*sides, fillvalue=[]):
        matcher.add(olds, news)
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
        gone = [number - at for number in places[first:last]]
        at += len(rows)
        kept = _without(rows, gone)
        if kept:
            between = b"" if window == current else b"%d\r" % window
            order, current = zlib.crc32(between + b"".join(kept), order), window
        if gone:
            ends = list(itertools.accumulate(map(len, lines), initial=place))
            for number in gone:
                left.add(ends[number], ends[number + 1], window)
    return left, order


def _without(rows: list[bytes], gone: list[int]) -> list[bytes]:
    """The rows but for those at some places, and but for blank lines."""
    kept = list(
        itertools.chain.from_iterable(rows[low + 1 : high] for low, high in itertools.pairwise([-1, *gone, len(rows)]))
    )
    return [row for row in kept if row != _LINE_FEED] if _LINE_FEED in kept else kept


def _rows(plain: Plain, ranges: Ranges, records: Records) -> Iterator[list[bytes]]:
    """The rows of some ranges, as many at a time on either side: else those of one would wait for the other's."""
    rows = itertools.chain.from_iterable(batch.rows for batch in _batches(plain, ranges, records))
    while chunk := list(itertools.islice(rows, _TOGETHER)):
        yield chunk


def _batches(plain: Plain, ranges: Ranges, records: Records) -> Iterator[_Batch]:
    """The records of some ranges, some at a time."""
    for low, high, window in ranges:
        place = low
        for lines in records.batches(plain, low, high):
            data = b"".join(lines)
            rows = [line.rstrip(_LINE_END) + _LINE_FEED for line in lines] if b"\r" in data else lines
            begin, place = place, place + len(data)
            if place == plain.size:
                last = lines[-1]
                may_be_open = records.has_quote(plain, place - len(last), place)
                rows = [*rows[:-1], last if may_be_open else last.rstrip(_LINE_END) + _LINE_FEED]
            yield _Batch(lines, rows, begin, window)
