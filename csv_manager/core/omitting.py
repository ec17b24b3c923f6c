"""A content without some of its records: they leave blank lines, so that every other record stays on its line."""

import bisect
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO

from csv_manager.core.finding_records import FoundRecord
from csv_manager.core.model import Compared, CsvFormat
from csv_manager.core.plain import Plain, PlainStream, View, is_ascii_superset
from csv_manager.core.reading import Table

_CR_LF, _LF = b"\r\n", b"\n"


class Omitting(Plain):
    """A content without some records, which are given in their order; they leave as many lines as they had."""

    def __init__(self, plain: Plain, records: Iterable[FoundRecord]) -> None:
        self._whole, self._plain = plain, View(plain)
        #: Where each part that is left begins here, and there, and ends there; and what stands behind it.
        self._starts, self._lows, self._highs = array("q", [0]), array("q", [0]), array("q")
        self._fills: list[_Fill] = []
        for record in records:
            self._omit(record)
        self._highs.append(plain.size)
        self.size = self._starts[-1] + plain.size - self._lows[-1]

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""
        end = min(offset + size, self.size)
        number = bisect.bisect_right(self._starts, offset) - 1
        parts = []
        while offset < end:
            low, high = self._lows[number], self._highs[number]
            behind = offset - self._starts[number] - (high - low)
            if behind < 0:
                part = self._plain.read(high + behind, min(-behind, end - offset))
                if not part:
                    break  # cut off meanwhile, which `check` tells
            else:
                part = self._fills[number].read(behind, end - offset)
                number += 1
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def check(self) -> None:
        """As the content."""
        self._whole.check()

    def _omit(self, record: FoundRecord) -> None:
        if not self._fills or record.low > self._lows[-1]:  # something is left before it
            self._highs.append(record.low)
            # A line feed behind a carriage return would be the same end of a line.
            self._fills.append(_Fill(_CR_LF if record.after_cr else _LF, 0))
            self._starts.append(self._starts[-1] + record.low - self._lows[-1])
            self._lows.append(record.low)
        fill = self._fills[-1]
        fill.count += record.line_ends
        self._starts[-1] += len(fill.end) * record.line_ends
        self._lows[-1] = record.high


@dataclass(slots=True)
class _Fill:
    """So many ends of lines."""

    end: bytes
    count: int

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` of their bytes from `offset` on."""
        whole = len(self.end) * self.count
        skipped = offset % len(self.end)
        return (self.end * (size // len(self.end) + 2))[skipped : skipped + min(size, whole - offset)]


def table_of(version: Compared, open_content: Callable[[], BinaryIO], csv_file: str) -> Table:
    """The rows of a version, out of its content: that of its file, or what is left of it without quarantined rows."""
    if version.clean is None:
        return Table(open_content, version.csv_format, csv_file)
    return Table(open_content, left_format(version.csv_format, version.columns), csv_file)


def without(table: Table, plain: Plain) -> Table:
    """The rows of what is left of a table's content."""
    return Table(lambda: PlainStream(plain), left_format(table.csv_format, table.columns), table.csv_file)


def left_format(csv_format: CsvFormat, columns: tuple[str, ...]) -> CsvFormat:
    """How what is left of a content is read: as the rows were read from it, decompressed and in its encoding there."""
    return replace(
        csv_format,
        compression=None,
        encoding=csv_format.encoding if is_ascii_superset(csv_format.encoding) else "utf-8",
        names=csv_format.names if csv_format.header or csv_format.names else columns or None,
    )
