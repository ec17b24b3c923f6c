"""Where two contents differ: in as few bytes as changed, and by reading both about once."""

import itertools
import random
from collections.abc import Callable

import pytest
from counting import Counting

from csv_manager.core.ranges import Ranges
from csv_manager.core.records import Records
from csv_manager.core.walking import walk

COMMA = Records(",", '"', "utf-8")
#: How many times the size of both may be read, and how many bytes besides: what stays at hand behind a place.
SHARE, BESIDES = 1.3, 1 << 20
#: The same where differences lie so near to each other that reading ahead is in vain at many of them.
SCATTERED = 2
#: So many bytes are read at once at most.
HELD = 1 << 21
NEW = b'new,"a ""row""",0\n'


def generated(size: int = 2_000_000) -> list[bytes]:
    """The rows of a content of about this many bytes: some quoted, some with a line end within, some twice."""
    source = random.Random(0)
    rows: list[bytes] = []
    total = 0
    while total < size:
        number = len(rows)
        text = source.choice(["plain", '"quoted, once"', '"two\nlines"', '"a ""word"""', ""])
        again = rows and number % 97 == 0
        rows.append(rows[-1] if again else f"{number},{text},{source.randrange(10**9)}\n".encode())
        total += len(rows[-1])
    return rows


ROWS = generated()
OLD = b"".join(ROWS)
MIDDLE = len(ROWS) // 2
assert ROWS[MIDDLE] not in (ROWS[MIDDLE - 1], ROWS[MIDDLE + 1])


def walked(old: bytes, new: bytes, starts: tuple[int, int] = (0, 0), share: float = SHARE) -> tuple[Ranges, Ranges]:
    """The ranges that differ; they are right, and found by reading both so many times."""
    plains = Counting(old), Counting(new)
    ranges = walk(*plains, starts, COMMA)
    one, other = (common(*side) for side in zip((old, new), starts, ranges, strict=True))
    assert one == other
    assert sum(plain.count for plain in plains) <= share * (len(old) + len(new)) + BESIDES
    return ranges


def common(data: bytes, start: int, ranges: Ranges) -> bytes:
    """What stands outside the ranges, each of which is whole records."""
    ends = {start, *itertools.accumulate(map(len, COMMA.split(data[start:])), initial=start)}
    kept, place = [], start
    for low, high, _ in ranges:
        assert place <= low < high <= len(data)
        assert {low, high} <= ends, (low, high)
        kept.append(data[place:low])
        place = high
    return b"".join(kept) + data[place:]


def held(data: bytes, ranges: Ranges) -> list[bytes]:
    """The bytes of each range."""
    return [data[low:high] for low, high, _ in ranges]


@pytest.mark.parametrize("place", [0, 1, MIDDLE, len(ROWS) - 1])
def test_a_row_that_was_edited_is_one_window_of_one_row(place: int) -> None:
    new = b"".join([*ROWS[:place], NEW, *ROWS[place + 1 :]])
    gone, come = walked(OLD, new)
    assert (held(OLD, gone), held(new, come)) == ([ROWS[place]], [NEW])


@pytest.mark.parametrize("place", [0, 1, MIDDLE, len(ROWS)])
def test_a_row_that_came_is_one_window_of_one_row(place: int) -> None:
    new = b"".join([*ROWS[:place], NEW, *ROWS[place:]])
    gone, come = walked(OLD, new)
    assert (held(OLD, gone), held(new, come)) == ([], [NEW])


@pytest.mark.parametrize("place", [0, 1, MIDDLE, len(ROWS) - 1])
def test_a_row_that_has_gone_is_one_window_of_one_row(place: int) -> None:
    new = b"".join([*ROWS[:place], *ROWS[place + 1 :]])
    gone, come = walked(OLD, new)
    assert (held(OLD, gone), held(new, come)) == ([ROWS[place]], [])


@pytest.mark.parametrize("many", [2, 100, 5000])
def test_rows_that_came_in_one_place_are_one_window(many: int) -> None:
    rows = [b"new %d\n" % number for number in range(many)]
    for place in (0, MIDDLE, len(ROWS)):
        new = b"".join([*ROWS[:place], *rows, *ROWS[place:]])
        gone, come = walked(OLD, new)
        assert (held(OLD, gone), held(new, come)) == ([], [b"".join(rows)])


def test_equal_contents_have_no_window() -> None:
    assert [list(side) for side in walked(OLD, OLD)] == [[], []]
    assert [list(side) for side in walked(b"", b"")] == [[], []]


def test_against_nothing_everything_is_one_window() -> None:
    assert [list(side) for side in walked(OLD, b"")] == [[(0, len(OLD), 0)], []]
    assert [list(side) for side in walked(b"", OLD)] == [[], [(0, len(OLD), 0)]]


def edit(row: bytes) -> bytes:
    return b"edited " + row


def drop(_: bytes) -> bytes:
    return b""


def double(row: bytes) -> bytes:
    return row + b"before " + row


@pytest.mark.parametrize("change", [edit, drop, double])
def test_a_hundred_changes_are_at_most_a_hundred_windows_of_their_rows(change: Callable[[bytes], bytes]) -> None:
    rows = list(ROWS)
    places = random.Random(1).sample(range(len(rows)), 100)
    for place in places:
        rows[place] = change(rows[place])
    new = b"".join(rows)
    gone, come = walked(OLD, new, share=SCATTERED)
    assert max(len(gone), len(come)) <= 100
    assert max(window for _, _, window in [*gone, *come]) < 100
    assert gone.size <= sum(len(ROWS[place]) for place in places)
    assert come.size <= sum(len(rows[place]) for place in places)


def test_where_every_row_changed_the_rest_is_one_window() -> None:
    new = b"".join(map(edit, ROWS))
    plains = Counting(OLD), Counting(new)
    gone, come = walk(*plains, (0, 0), COMMA)
    assert (gone.size, come.size) == (len(OLD), len(new))
    assert len(gone) <= 1001
    assert common(OLD, 0, gone) == common(new, 0, come) == b""


def test_behind_too_many_differences_what_both_have_at_their_end_is_kept_out() -> None:
    half = len(ROWS) // 2
    new = b"".join([*map(edit, ROWS[:half]), *ROWS[half:]])
    plains = Counting(OLD), Counting(new)
    gone, _ = walk(*plains, (0, 0), COMMA)
    assert gone.size <= len(b"".join(ROWS[:half])) + (1 << 13)


def test_a_walk_begins_where_it_is_told() -> None:
    old, new = b"a,b\n1,2\n3,4\n", b'"a","b"\n1,2\n3,5\n'
    assert [list(side) for side in walked(old, new, (4, 8))] == [[(8, 12, 0)], [(12, 16, 0)]]


def test_a_change_within_quotes_is_the_whole_record() -> None:
    old, new = (b'0,z\n1,"a\nb\n%b\nd"\n2,x\n' % text for text in (b"c", b"C"))
    gone, come = walked(old, new)
    assert held(old, gone) == [b'1,"a\nb\nc\nd"\n']
    assert held(new, come) == [b'1,"a\nb\nC\nd"\n']


def test_a_quote_that_is_never_closed_takes_all_that_follows_into_its_window() -> None:
    old = b"1,a\n2,b\n3,c\n4,d\n"
    new = b'1,a\n2,"b\n3,c\n4,d\n'
    gone, come = walked(old, new)
    assert (gone.size, come.size) == (12, 13)


def test_a_line_feed_behind_a_carriage_return_belongs_to_it() -> None:
    gone, come = walked(b"1\r2\r3\r", b"1\r\n2\r3\r")
    assert held(b"1\r2\r3\r", gone) == [b"1\r"]
    assert held(b"1\r\n2\r3\r", come) == [b"1\r\n"]


PIECES = ["a", "", '"', '""', ",", "\n", "\n", "\r", "\r\n", '"\n', "1,2\n", '3,"x"\n', '4,"y\nz"\n']


@pytest.mark.parametrize("seed", range(4))
def test_any_two_contents_differ_only_within_their_windows(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With small steps, so that short contents come to every branch."""
    small = {"_LEAST": 1, "_MOST": 8, "_SEARCHES": (4, 16), "_BACK": (4, 16), "_MANY": 3, "_SHARE": 4}
    for name, value in small.items():
        monkeypatch.setattr(f"csv_manager.core.walking.{name}", value)
    source = random.Random(seed)
    for _ in range(1500):
        pieces = source.choices(PIECES, k=source.randrange(40))
        others = [piece for piece in pieces if source.random() > 0.1]
        for _ in range(source.randrange(4)):
            others.insert(source.randrange(len(others) + 1), source.choice(PIECES))
        walked("".join(pieces).encode(), "".join(others).encode())


def test_ranges_that_touch_within_a_window_are_one() -> None:
    ranges = Ranges()
    for part in ((0, 2), (2, 2), (2, 5), (7, 9)):
        ranges.add(*part)
    ranges.add(9, 10, 1)
    assert list(ranges) == [(0, 5, 0), (7, 9, 0), (9, 10, 1)]
    assert (len(ranges), ranges.size) == (3, 8)


@pytest.mark.parametrize("quoted", ["nowhere", "in the first row", "in what changed", "in one that comes"])
@pytest.mark.parametrize("place", [0.5, 1.0])
def test_where_no_quote_tells_where_records_end_little_is_held(quoted: str, place: float) -> None:
    rows = [f"{number},{number * 7919 % 10_007}\n".encode() for number in range(800_000)]
    if quoted == "in the first row":
        rows[0] = b'0,"two\nlines"\n'
    changed = int(place * (len(rows) - 1))
    edited = [*rows[:changed], b"changed,row\n", *rows[changed + 1 :]]
    if quoted == "in what changed":
        rows[changed] = b'1,"two\nlines"\n'
    if quoted == "in one that comes":
        edited = [*rows[:changed], *(b'%d,"two\nlines"\n' % number for number in range(200_000)), *rows[changed:]]
    contents = b"".join(rows), b"".join(edited)
    one, other = map(Counting, contents)
    old, new = walk(one, other, (0, 0), COMMA)
    assert common(contents[0], 0, old) == common(contents[1], 0, new)
    assert max(one.largest, other.largest) <= HELD < len(contents[0]) // 4
    assert max(old.size, new.size - len(contents[1]) + len(contents[0])) < 200
