"""Cuts a content into slots that end where records do."""

from collections.abc import Iterable, Iterator

from csv_manager.core.digests import SLOT
from csv_manager.core.plain import Plain
from csv_manager.core.records import Records

#: A slot without a record's end is made longer, up to so many bytes, and then ends anywhere.
_LONGEST = 1 << 20
_BACK = 1 << 12


def cut(plain: Plain, low: int, high: int, records: Records | None, start: int) -> Iterator[tuple[bytes, bool]]:
    """The slots between two places, and whether each ends with a record; without `records`, none is known to.

    The first record of the content begins at `start`; from `low` on, or from there, there are whole records.
    """
    size = SLOT
    while low < high:
        data = plain.read(low, min(size, high - low))
        if len(data) < min(size, high - low):
            return  # cut off meanwhile, which `check` tells
        if len(data) == high - low:
            yield data, True
            return
        end = _record_end(data, records, max(start - low, 0)) if records else 0
        if records and not end and size < _LONGEST:
            size *= 2
            continue
        size = SLOT
        slot = data[: end or len(data)]
        low += len(slot)
        yield slot, bool(end)


def recut(plain: Plain, lengths: Iterable[int], records: Records | None, start: int) -> Iterator[tuple[bytes, bool]]:
    """Slots of these lengths, and whether each is known to end with a record; the first record begins at `start`."""
    place = 0
    for length in lengths:
        data, begin = plain.read(place, length), max(start - place, 0)
        place += length
        ends = place == plain.size or (
            records is not None and records.last_end(data[begin:], proven=True) == len(data) - begin
        )
        yield data, ends and begin < len(data)


def _record_end(data: bytes, records: Records, begin: int) -> int:
    """Where the last record ends in data in which one begins at a place; 0 if none ends behind it with a line feed."""
    low = max(begin, len(data) - _BACK)
    end = records.last_end(data[low:], proven=False)
    if not end:
        low, end = begin, records.last_end(data[begin:], proven=True)
    return low + end if end and data[low + end - 1 : low + end] == b"\n" else 0
