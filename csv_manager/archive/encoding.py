"""Makes the delta from one content to the next, out of the windows in which they differ."""

import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from csv_manager.archive.contents import Content
from csv_manager.archive.cutting import cut
from csv_manager.archive.deltas import Splice
from csv_manager.core.digests import SLOT
from csv_manager.core.plain import Plain
from csv_manager.core.ranges import Window
from csv_manager.core.records import Records
from csv_manager.core.walking import common_prefix

#: A slot that grows beyond this many bytes is stored anew, as several.
_LONGEST = 2 * SLOT


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """The splices of a delta and the slots that it adds, in their order; `certain` if each slot ends with a record."""

    splices: list[Splice] = field(default_factory=list)
    slots: list[bytes] = field(default_factory=list)
    certain: bool = True


def encode(base: Content, new: Plain, windows: Iterable[Window], records: Records | None, start: int) -> Encoded:
    """How `new`, in which the first of the records begins at `start`, comes from `base`."""
    encoded = Encoded()
    grown = 0
    for first, last, group in _regions(base, windows):
        begin, end = base.starts[first], base.starts[last + 1]
        low_new = begin + grown
        grown += sum((window.high_new - window.low_new) - (window.high - window.low) for window in group)
        if end + grown - low_new <= _LONGEST * (last - first + 1):
            for window in group:
                encoded.splices.extend(_splices(base, new, window))
            continue
        slots = list(cut(new, low_new, end + grown, records, start))
        encoded.slots.extend(data for data, _ in slots)
        for number in range(first, last + 1):
            gone = base.slots[number].length
            added = len(slots) if number == last else 0
            encoded.splices.append(Splice(number=number, offset=0, deleted=gone, inserted=b"", new_slots=added))
        if not all(is_certain for _, is_certain in slots):
            return Encoded(certain=False)
    return encoded


def _regions(base: Content, windows: Iterable[Window]) -> Iterator[tuple[int, int, list[Window]]]:
    """Windows that share slots, with the first and the last of these."""
    group: list[Window] = []
    first = last = -1
    for window in windows:
        begin = _slot_at(base, window.low)
        end = _slot_at(base, window.high - 1) if window.high > window.low else begin
        if group and begin > last:
            yield first, last, group
            group = []
        if not group:
            first = begin
        group.append(window)
        last = end
    if group:
        yield first, last, group


def _slot_at(base: Content, place: int) -> int:
    """The slot that a place is in; the last one for the end."""
    return min(bisect.bisect_right(base.starts, place), len(base.slots)) - 1


def _splices(base: Content, new: Plain, window: Window) -> Iterator[Splice]:
    """The splices of one window: what comes is put into the first of its slots, what goes is taken out of all."""
    low, high = window.low, window.high
    first, last = _slot_at(base, low), _slot_at(base, max(high - 1, low))
    inserted = new.read(window.low_new, window.high_new - window.low_new) if window.come is None else window.come
    if first == last:
        deleted = base.read(low, high - low) if window.gone is None else window.gone
        before = common_prefix(deleted, inserted)
        deleted, inserted, low = deleted[before:], inserted[before:], low + before
        after = common_prefix(deleted[::-1], inserted[::-1])
        inserted, high = inserted[: len(inserted) - after], high - after
        yield Splice(number=first, offset=low - base.starts[first], deleted=high - low, inserted=inserted)
        return
    for number in range(first, last + 1):
        begin, end = max(low, base.starts[number]), min(high, base.starts[number + 1])
        yield Splice(number=number, offset=begin - base.starts[number], deleted=end - begin, inserted=inserted)
        inserted = b""
