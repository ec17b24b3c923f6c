"""Numbers of entries, which mostly follow each other."""

import bisect
from collections.abc import Iterable, Sequence
from typing import Self


class Ranges:
    """A set of numbers as the ranges that they are: the first and the last of each."""

    def __init__(self, ranges: Iterable[Sequence[int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(tuple(each) for each in ranges):
            if first > last:
                continue
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(last, self._lasts[-1])
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Self:
        """Those of numbers in their order."""
        found = cls()
        for number in numbers:
            found.add(number)
        return found

    def add(self, number: int) -> None:
        """Add a number behind all others."""
        if self._lasts and number == self._lasts[-1] + 1:
            self._lasts[-1] = number
        else:
            self._firsts.append(number)
            self._lasts.append(number)

    def __contains__(self, number: int) -> bool:
        place = bisect.bisect_right(self._firsts, number) - 1
        return place >= 0 and number <= self._lasts[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment] # it may grow

    def __or__(self, other: Self) -> "Ranges":
        return Ranges([*self.to_json(), *other.to_json()])

    def __ge__(self, other: Self) -> bool:
        return (self | other) == self

    @property
    def first(self) -> int:
        """The lowest number; 0 if there is none."""
        return self._firsts[0] if self._firsts else 0

    @property
    def last(self) -> int:
        """The highest number; 0 if there is none."""
        return self._lasts[-1] if self._lasts else 0

    @property
    def count(self) -> int:
        """How many numbers they are."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def split(self, settled: int) -> tuple[int, "Ranges"]:
        """The number up to which none is to come any more, and those of these that are beyond it."""
        return settled, Ranges([(max(first, settled + 1), last) for first, last in self.to_json()])

    def windows(self, after: int, most: int) -> list[tuple[int, int | None]]:
        """What is not in here behind a number: of each stretch the number before it, and its last; the last is open.

        If there are too many, the last ones are one, which then has some of these too.
        """
        found: list[tuple[int, int | None]] = []
        for first, last in self.to_json():
            if last <= after:
                continue
            if len(found) == most - 1:
                break
            if first - 1 > after:
                found.append((after, first - 1))
            after = last
        return [*found, (after, None)]

    def to_json(self) -> list[list[int]]:
        """The first and the last of each range."""
        return [list(each) for each in zip(self._firsts, self._lasts, strict=True)]
