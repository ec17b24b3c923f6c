"""Where certain rows of a content are: by their numbers, or by the physical lines that they begin on."""

import bisect
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from csv_manager.core.digests import count_line_ends
from csv_manager.core.reading import Table

#: Records that are no rows.
_CR = b"\r"
_BLANK = (b"\n", b"\r\n", _CR)


class FoundRecord(NamedTuple):
    """The record of a row: its number and the physical line that it begins on, counted from 1; its begin and end.

    So many lines end in it; it is `after_cr` if the line before ends with a carriage return alone.
    """

    row: int
    line: int
    low: int
    high: int
    line_ends: int
    after_cr: bool


def find_records(table: Table, *, lines: Collection[int] = (), rows: Collection[int] = ()) -> Iterator[FoundRecord]:
    """The records of rows that begin on these physical lines, or have these numbers, in their order.

    Nothing is parsed, and of most records nothing but their line ends is looked at.
    """
    by_row = not lines
    wanted = sorted(set(lines or rows))
    row, line, place = 0, table.lines_before + 1, table.start
    after_cr = place > 0 and table.plain.read(place - 1, 1) == _CR
    for batch in table.records.batches(table.plain, place, table.plain.size):
        data = b"".join(batch)
        last_row, after = row + len(batch) - sum(map(batch.count, _BLANK)), line + count_line_ends(data)
        low = bisect.bisect_left(wanted, row + 1 if by_row else line)
        high = bisect.bisect_right(wanted, last_row if by_row else after)
        if low == len(wanted):
            return
        if low < high:
            mine = frozenset(wanted[low:high])
            for found in _each(batch, row, line, place, after_cr=after_cr):
                if (found.row if by_row else found.line) in mine:
                    yield found
        row, line, place, after_cr = last_row, after, place + len(data), data.endswith(_CR)


def _each(batch: Iterable[bytes], row: int, line: int, place: int, *, after_cr: bool) -> Iterator[FoundRecord]:
    """The records of rows in a batch, before which so many rows, lines and bytes are."""
    for record in batch:
        line_ends = count_line_ends(record)
        if record not in _BLANK:
            row += 1
            yield FoundRecord(row, line, place, place + len(record), line_ends, after_cr)
        line += line_ends
        place += len(record)
        after_cr = record.endswith(_CR)
