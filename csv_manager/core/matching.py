"""Pairs the equal values of two sequences, wherever they stand, and tells the places of those that are left.

The first of equal values on one side is paired with the first on the other, so the last ones are left. Both sequences
are given side by side, so that only what has not met its equal yet is held in memory.
"""

from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")
#: Places at which values stand that have not met their equal yet: one, or those of several equal values, behind where
#: in the list the first of them is.
_Waiting = dict[Hashable, "int | list[int]"]


class Matcher:
    """Two sequences that are given piece by piece; places are counted from 0 on each side."""

    def __init__(self) -> None:
        self._olds: _Waiting = {}
        self._news: _Waiting = {}
        self._at_old = self._at_new = 0

    def add(self, olds: Sequence[Hashable], news: Sequence[Hashable]) -> None:
        """Add the next values of both sides."""
        if olds != news or self._olds or self._news:
            met = self._met(olds, news)
            _match(_others(olds, self._at_old, met), self._olds, self._news)
            _match(_others(news, self._at_new, met), self._news, self._olds)
        self._at_old += len(olds)
        self._at_new += len(news)

    def _met(self, olds: Sequence[Hashable], news: Sequence[Hashable]) -> set[Hashable]:
        """Values that meet their equal among these, found at once; none if any of these is repeated, or waits."""
        old, new = set(olds), set(news)
        met = old & new
        is_single = len(old) == len(olds) and len(new) == len(news)
        is_first = self._olds.keys().isdisjoint(met) and self._news.keys().isdisjoint(met)
        return met if is_single and is_first else set()

    @property
    def matched(self) -> int:
        """How many pairs of equal values there are."""
        left = (len(found) - found[0] if isinstance(found, list) else 1 for found in self._olds.values())
        return self._at_old - sum(left)

    def left(self) -> "tuple[array[int], array[int]]":
        """The places of the values without an equal, in their order, on both sides."""
        return _places(self._olds), _places(self._news)


def _others(values: Sequence[Hashable], begin: int, met: set[Hashable]) -> Iterable[tuple[int, Hashable]]:
    """The values that are not among some, with their places."""
    placed = enumerate(values, begin)
    return [(place, value) for place, value in placed if value not in met] if met else placed


def _match(values: Iterable[tuple[int, Hashable]], mine: _Waiting, others: _Waiting) -> None:
    """Take each value's first equal out of those that wait on the other side, or let it wait."""
    for place, value in values:
        found = others.get(value)
        if found is None:
            was = mine.get(value)
            if was is None:
                mine[value] = place
            elif isinstance(was, list):
                was.append(place)
            else:
                mine[value] = [1, was, place]
        elif isinstance(found, list) and len(found) - found[0] > 1:
            found[0] += 1
        else:
            del others[value]


def _places(waiting: _Waiting) -> "array[int]":
    places = array("q")
    for found in waiting.values():
        if isinstance(found, list):
            places.extend(found[found[0] :])
        else:
            places.append(found)
    return array("q", sorted(places))


def picked(values: Iterable[_T], places: "array[int]") -> Iterator[tuple[_T, bool]]:
    """Each value, and whether its place is among some, which are in their order."""
    wanted = iter(places)
    nearest = next(wanted, -1)
    for place, value in enumerate(values):
        is_wanted = place == nearest
        if is_wanted:
            nearest = next(wanted, -1)
        yield value, is_wanted
