"""A content without its bad rows: what is left, and what is told of the rows that are not."""

import itertools
from collections.abc import Iterator, Mapping

from csv_manager.core.finding_records import find_records
from csv_manager.core.findings import Finding, QuarantinedRow
from csv_manager.core.omitting import Omitting, without
from csv_manager.core.reading import Table
from csv_manager.pipeline.new_versions import Takes, is_kept

#: The most characters of the cells of a version's quarantined rows that are kept in SQL.
_MOST = 1 << 26
_LINE_ENDS = (b"\n", b"\r")


class Left:
    """What is left of a content: `table` are the rows, `plain` the bytes.

    `bad` are the physical lines of the rows that are not, each with what was found in the row.
    """

    def __init__(self, whole: Table, bad: Mapping[int, tuple[Finding, ...]]) -> None:
        self._whole, self.bad = whole, bad
        self.plain = Omitting(whole.plain, find_records(whole, lines=bad.keys()))
        self.table = without(whole, self.plain)

    def rows(self, limit: int, takes: Takes) -> Iterator[QuarantinedRow]:
        """The rows that were left out, at most so many; with their cells as far as the store takes these."""
        size = 0
        for record in itertools.islice(find_records(self._whole, lines=self.bad.keys()), limit):
            size += record.high - record.low
            cells = None
            if size <= _MOST:
                told = self._whole.mapping(self._whole.parse(self._bytes(record.low, record.high)))
                cells = told if is_kept(told, record.high - record.low, takes) else None
            yield QuarantinedRow(line=record.line, cells=cells, findings=self.bad[record.line])

    def blocks(self) -> Iterator[bytes]:
        """A content of the rows that were left out, which is read as the whole one: its beginning, then their bytes."""
        yield self._bytes(0, self._whole.start)
        for record in find_records(self._whole, lines=self.bad.keys()):
            data = self._bytes(record.low, record.high)
            yield data if data.endswith(_LINE_ENDS) else data + b"\n"

    def _bytes(self, low: int, high: int) -> bytes:
        return self._whole.plain.read(low, high - low)
