"""Equal values of two sequences are paired, first with first, whatever the pieces in which they come."""

import itertools
import random
from array import array
from collections import Counter

import pytest

from csv_manager.core.matching import Matcher, picked


def left(olds: str, news: str, piece: int = 1000) -> tuple[list[int], list[int], int]:
    """The places that are left of two sequences of letters, given some at a time, and how many were paired."""
    matcher = Matcher()
    for start in range(0, max(len(olds), len(news)), piece):
        matcher.add(list(olds[start : start + piece]), list(news[start : start + piece]))
    gone, come = matcher.left()
    return list(gone), list(come), matcher.matched


def left_by_counting(olds: str, news: str) -> tuple[list[int], list[int], int]:
    """The same by counting: of equal values, the first ones are paired."""
    both = Counter(olds) & Counter(news)
    sides = []
    for values in (olds, news):
        stay = Counter(both)
        places = []
        for place, value in enumerate(values):
            places += [] if stay[value] else [place]
            stay[value] -= 1 if stay[value] else 0
        sides.append(places)
    return sides[0], sides[1], both.total()


@pytest.mark.parametrize(
    ("olds", "news", "told"),
    [
        ("", "", ([], [], 0)),
        ("abc", "abc", ([], [], 3)),
        ("abc", "cab", ([], [], 3)),
        ("abc", "", ([0, 1, 2], [], 0)),
        ("", "ab", ([], [0, 1], 0)),
        ("aab", "abb", ([1], [2], 2)),
        ("aaaa", "aa", ([2, 3], [], 2)),
        ("xay", "zaw", ([0, 2], [0, 2], 1)),
    ],
)
def test_what_has_no_equal_is_left(olds: str, news: str, told: tuple[list[int], list[int], int]) -> None:
    assert left(olds, news) == told


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_the_pieces_make_no_difference(piece: int) -> None:
    source = random.Random(piece)
    for _ in range(500):
        olds, news = ("".join(source.choices("aabc", k=source.randrange(15))) for _ in range(2))
        assert left(olds, news, piece) == left_by_counting(olds, news), (olds, news)


def test_only_what_has_not_met_its_equal_is_held() -> None:
    matcher = Matcher()
    for number in range(1000):
        matcher.add([number, "old" if number == 3 else -number - 1], [number, -number - 1])
        assert len(matcher._olds) + len(matcher._news) <= 2
    assert [list(places) for places in matcher.left()] == [[7], [7]]
    assert matcher.matched == 1999


def test_equal_pieces_are_paired_unseen() -> None:
    class Unseen:
        __hash__ = None  # type: ignore[assignment]

    same = [Unseen()]
    matcher = Matcher()
    matcher.add(same, same)  # type: ignore[arg-type]
    assert matcher.matched == 1


def test_a_text_and_a_tuple_are_never_equal() -> None:
    matcher = Matcher()
    matcher.add([("a",), "b"], ["a", ("b",)])
    assert [list(places) for places in matcher.left()] == [[0, 1], [0, 1]]


def test_values_are_picked_by_their_places() -> None:
    for many in range(5):
        for places in itertools.chain.from_iterable(itertools.combinations(range(many), k) for k in range(many + 1)):
            told = list(picked(range(many), array("q", places)))
            assert told == [(value, value in places) for value in range(many)]
