"""Cuts a content into slots that end where records do."""

from collections.abc import Iterator

from csv_manager.core.digests import SLOT
from csv_manager.core.plain import Plain
from csv_manager.core.records import Records

#: A slot without a record's end is made longer, up to so many bytes, and then ends anywhere.
_LONGEST = 1 << 20
_BACK = 1 << 12


def cut(plain: Plain, low: int, high: int, records: Records | None) -> Iterator[tuple[bytes, bool]]:
    """The slots between two places, and whether each ends with a record; without `records`, none is known to."""
    size = SLOT
    while low < high:
        data = plain.read(low, min(size, high - low))
        if len(data) < min(size, high - low):
            return  # cut off meanwhile, which `check` tells
        if len(data) == high - low:
            yield data, True
            return
        end = _record_end(data, records) if records else 0
        if records and not end and size < _LONGEST:
            size *= 2
            continue
        size = SLOT
        slot = data[: end or len(data)]
        low += len(slot)
        yield slot, bool(end)


def _record_end(data: bytes, records: Records) -> int:
    """Where the last record ends in data that begin with one; 0 if none ends with a line feed."""
    tail = data[-_BACK:]
    found = records.last_end(tail, proven=False)
    end = found + len(data) - len(tail) if found else records.last_end(data, proven=True) or 0
    return end if data[end - 1 : end] == b"\n" else 0
