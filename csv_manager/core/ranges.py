"""Parts of a content, and how the parts of two contents belong together."""

import itertools
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from csv_manager.core.plain import Plain, View

#: The bytes of the windows of one side are kept up to so many.
_AT_HAND = 1 << 22
#: Parts of up to so many bytes are decoded together, up to so many at once.
_SMALL, _TOGETHER = 1 << 14, 1 << 16


class Ranges:
    """Parts of a content in their order, from a record's begin to a record's end each.

    A part is (low, high, window): places in bytes, and the number of the window that it belongs to. Of parts that were
    appended, the bytes are at hand as long as they are few, and how many lines end between a part and the one before
    it, or the first row, is known; either all parts of a content are appended or none is.
    """

    def __init__(self, *parts: tuple[int, int]) -> None:
        self._parts = array("q")
        self._lines = array("q")
        self._pieces: list[bytes] = []
        self._at_hand = 0
        for low, high in parts:
            self.add(low, high)

    def add(self, low: int, high: int, window: int = 0) -> None:
        """Add a part behind the last one, or to it."""
        if self._parts and self._parts[-2] == low and self._parts[-1] == window:
            self._parts[-2] = high
        elif low < high:
            self._parts.extend((low, high, window))

    def append(self, low: int, high: int, window: int, lines_between: int, data: bytes | None = None) -> None:
        """Add a part behind the last one, with what is known of it."""
        if low == high:
            return
        self._parts.extend((low, high, window))
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

    @property
    def last(self) -> tuple[int, int]:
        """Where the last part lies."""
        return self._parts[-3], self._parts[-2]

    def pieces(self) -> Iterator[tuple[int, int, int, bytes | None, int | None]]:
        """Each part, its bytes if they are at hand, and how many lines end between the part before and this one."""
        nothing = itertools.repeat(None)
        lows, highs, windows = (self._parts[number::3] for number in range(3))
        return zip(lows, highs, windows, itertools.chain(self._pieces, nothing), self._lines or nothing, strict=False)


class Part(NamedTuple):
    """A part of a content: its place, its window, its bytes (None: many) and how many lines end before it, if known."""

    low: int
    high: int
    window: int
    data: bytes | None
    between: int | None


def grouped(plain: Plain, ranges: Ranges) -> Iterator[list[Part]]:
    """The parts of some ranges: a large one, or many small ones that are decoded together."""
    view = View(plain)
    group: list[Part] = []
    size, last = 0, b""
    for low, high, window, data, between in ranges.pieces():
        is_large = high - low > _SMALL
        # A line feed behind a carriage return would make one line end of two.
        if group and (is_large or size > _TOGETHER or last.endswith(b"\r")):
            yield group
            group, size = [], 0
        if is_large:
            yield [Part(low, high, window, None, between)]
            continue
        last = data or view.read(low, high - low)
        group.append(Part(low, high, window, last, between))
        size += high - low
    if group:
        yield group


class Window(NamedTuple):
    """Where two contents differ, from low to high in the old and the new one, and the bytes if they are at hand."""

    low: int
    high: int
    low_new: int
    high_new: int
    gone: bytes | None = None
    come: bytes | None = None


def paired(old: Ranges, new: Ranges, starts: tuple[int, int]) -> Iterator[Window]:
    """Both sides of each window of a walk; one may be empty."""
    sides: dict[int, list[tuple[int, int, bytes | None] | None]] = {}
    for side, ranges in enumerate((old, new)):
        for low, high, window, data, _ in ranges.pieces():
            sides.setdefault(window, [None, None])[side] = low, high, data
    at_old, at_new = starts
    for window in sorted(sides):
        before, after = sides[window]
        equal = before[0] - at_old if before else after[0] - at_new if after else 0
        low_old, low_new = at_old + equal, at_new + equal
        _, at_old, gone = before or (low_old, low_old, b"")
        _, at_new, come = after or (low_new, low_new, b"")
        yield Window(low_old, at_old, low_new, at_new, gone, come)
