"""Row changes are those that csv.DictReader, Counter and dict tell, for any two contents whatever."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from test_reading_laws import CELLS, written

from csv_manager.core.changes import Counts
from csv_manager.core.diff import diff
from csv_manager.core.model import EXTRA, ColumnChange, CsvFormat, RowChange
from csv_manager.core.reading import Table

Mapping = dict[str, Any]
Rows = list[tuple[int, Mapping]]
NAMES = ["a", "b", "c", "d\n,", "é"]


class Content(NamedTuple):
    """One side: its text, its header, its rows as the oracle sees them, each with its line."""

    text: str
    header: list[str]
    rows: Rows

    def table(self) -> Table:
        return Table(lambda: io.BytesIO(self.text.encode()), CsvFormat(), "data.csv")


def content(header: list[str], rows: Sequence[list[str]], end: str = "\n", *, quote_all: bool = False) -> Content:
    text = written([header, *rows], end, quote_all=quote_all)
    reader = csv.reader(io.StringIO(text, newline=""))
    start, lines = 1, []
    for cells in reader:
        lines += [start] if cells else []
        start = reader.line_num + 1
    mappings = csv.DictReader(io.StringIO(text, newline=""), restkey=EXTRA)
    return Content(text, header, list(zip(lines[1:], mappings, strict=True)))


def frozen(value: Any) -> Hashable:
    if isinstance(value, dict):
        return frozenset((name, frozen(cell)) for name, cell in value.items())
    return tuple(value) if isinstance(value, list) else value


def comparable(old: Content, new: Content, ignore: Sequence[str] = ()) -> tuple[Callable[[Mapping], Hashable], ...]:
    """What a row of the old content, and one of the new, is compared by: shared cells, gained ones, surplus."""
    shared = [name for name in new.header if name in old.header and name not in ignore]
    gained = [name for name in new.header if name not in old.header and name not in ignore]

    def of(row: Mapping) -> Hashable:
        cells = [row[name] for name in shared] + [row.get(name) or "" for name in gained]
        return (*cells, tuple(row.get(EXTRA, ())))

    return of, of


def unkeyed(old: Content, new: Content, ignore: Sequence[str] = ()) -> list[RowChange]:
    """The changes by Counter; which of equal rows stay, it cannot tell: here, those in front do."""
    of_old, of_new = comparable(old, new, ignore)
    before, after = Counter(of_old(row) for _, row in old.rows), Counter(of_new(row) for _, row in new.rows)
    expected = []
    for op, rows, of in (("delete", old.rows, of_old), ("insert", new.rows, of_new)):
        stay = before & after
        for line, row in rows:
            if stay[of(row)]:
                stay[of(row)] -= 1
            elif op == "delete":
                expected.append(RowChange(op="delete", key=None, before=row, after=None, line=line))
            else:
                expected.append(RowChange(op="insert", key=None, before=None, after=row, line=line))
    return expected


def assert_told(
    changes: list[RowChange], expected: list[RowChange], old: Content, new: Content, ignore: Sequence[str] = ()
) -> None:
    """The changes are the expected ones, in the files' order; of rows that are compared as equal, any may be told."""
    of_old, of_new = comparable(old, new, ignore)

    def compared(change: RowChange) -> Hashable:
        return of_old(dict(change.before)) if change.before else of_new(dict(change.after or {}))

    ops = [change.op for change in changes]
    assert ops == sorted(ops)
    for op, rows in (("delete", old.rows), ("insert", new.rows)):
        told = [(change.line, change.before or change.after) for change in changes if change.op == op]
        lines = [line for line, _ in told]
        assert lines == sorted(set(lines))
        assert all(pair in rows for pair in told)
    told, right = (Counter((change.op, compared(change)) for change in some) for some in (changes, expected))
    assert told == right


def keyed(old: Content, new: Content, key: Sequence[str], ignore: Sequence[str] = ()) -> list[RowChange]:
    """The changes by dict: deletes as the old content has them, then the rest as the new one has it."""

    def key_of(row: Mapping) -> Hashable:
        return tuple(row[name] for name in key)

    def named(row: Mapping) -> Mapping:
        return {name: row[name] for name in key}

    of_old, of_new = comparable(old, new, ignore)
    before = {key_of(row): row for _, row in old.rows}
    after = {key_of(row): row for _, row in new.rows}
    expected = [
        RowChange(op="delete", key=named(row), before=row, after=None, line=line)
        for line, row in old.rows
        if key_of(row) not in after
    ]
    for line, row in new.rows:
        was = before.get(key_of(row))
        if was is None:
            expected.append(RowChange(op="insert", key=named(row), before=None, after=row, line=line))
        elif of_old(was) != of_new(row):
            expected.append(RowChange(op="update", key=named(row), before=was, after=row, line=line))
    return expected


ROW = st.lists(CELLS, min_size=1, max_size=5)
END = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def rows_of_both(draw: st.DrawFn) -> tuple[list[list[str]], list[list[str]]]:
    """Rows for two contents that share many of them, and repeat some."""
    pool = draw(st.lists(ROW, min_size=1, max_size=5))
    rows = st.lists(st.one_of(st.sampled_from(pool), st.just([]), ROW), max_size=10)
    return draw(rows), draw(rows)


@st.composite
def contents(draw: st.DrawFn, key: Sequence[str] = (), *, columns: str = "same") -> tuple[Content, Content]:
    """Two contents, the new one with the columns of the old in any order, with more of them or with fewer.

    With a key, whose columns both have, each key stands in one row of a content.
    """
    few = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    few = [*key, *(name for name in few if name not in key)]
    many = draw(st.permutations(NAMES if columns != "same" else few))
    headers = (many, few) if columns == "lost" else (few, many)
    sides = []
    for header, rows in zip(headers, draw(rows_of_both()), strict=True):
        once: dict[Hashable, list[str]] = {}
        for row in rows:
            value = tuple(row[place] if (place := header.index(name)) < len(row) else None for name in key)
            once.setdefault(value, row)
        kept = list(once.values()) if key else rows
        sides.append(content(list(header), kept, draw(END), quote_all=draw(st.booleans())))
    return sides[0], sides[1]


ANY_COLUMNS = st.sampled_from(["same", "gained", "lost"])
IGNORE = st.lists(st.sampled_from(NAMES[2:]), max_size=2, unique=True)


@settings(max_examples=300, deadline=None)
@given(contents())
def test_the_unkeyed_changes_are_the_difference_of_two_counters(sides: tuple[Content, Content]) -> None:
    old, new = sides
    change_set = diff(old.table(), new.table())
    changes = list(change_set)
    before = Counter(frozen(row) for _, row in old.rows)
    after = Counter(frozen(row) for _, row in new.rows)
    deleted = Counter(frozen(change.before) for change in changes if change.op == "delete")
    inserted = Counter(frozen(change.after) for change in changes if change.op == "insert")
    assert (deleted, inserted) == (before - after, after - before)
    assert (before - deleted) + inserted == after
    assert_told(changes, unkeyed(old, new), old, new)
    assert list(change_set) == changes
    assert change_set.counts == Counts(inserted.total(), 0, deleted.total())
    assert change_set.columns == ColumnChange()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_keyed_changes_are_those_of_two_dicts(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([["a"], ["a", "b"], ["é", "a"]]))
    old, new = data.draw(contents(key))
    change_set = diff(old.table(), new.table(), key=key)
    changes = list(change_set)
    assert changes == keyed(old, new, key)
    assert list(change_set) == changes
    rows = {frozen(change.key): change for change in changes}
    applied = {frozen({name: row[name] for name in key}): row for _, row in old.rows}
    for value, change in rows.items():
        assert change.before == applied.pop(value, None)
        if change.after is not None:
            applied[value] = dict(change.after)
    assert Counter(map(frozen, applied.values())) == Counter(frozen(row) for _, row in new.rows)
    ops = Counter(change.op for change in changes)
    assert change_set.counts == Counts(ops["insert"], ops["update"], ops["delete"])


@settings(max_examples=300, deadline=None)
@given(st.data(), ANY_COLUMNS, IGNORE)
def test_columns_gained_lost_or_ignored_change_no_row_by_themselves(
    data: st.DataObject, columns: str, ignore: list[str]
) -> None:
    old, new = data.draw(contents(columns=columns))
    change_set = diff(old.table(), new.table(), ignore=ignore)
    assert_told(list(change_set), unkeyed(old, new, ignore), old, new, ignore)
    gained = tuple(name for name in new.header if name not in old.header)
    lost = tuple(name for name in old.header if name not in new.header)
    assert change_set.columns == ColumnChange(added=gained, removed=lost)


@settings(max_examples=300, deadline=None)
@given(st.data(), ANY_COLUMNS, IGNORE)
def test_columns_gained_lost_or_ignored_update_no_row_by_themselves(
    data: st.DataObject, columns: str, ignore: list[str]
) -> None:
    key = data.draw(st.sampled_from([["a"], ["b", "a"]]))
    old, new = data.draw(contents(key, columns=columns))
    assert list(diff(old.table(), new.table(), key=key, ignore=ignore)) == keyed(old, new, key, ignore)


CLOSE = st.lists(st.sampled_from(["", "\x1f", "\x1f\x1f", "x", "x\x1f"]), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(header=st.permutations(NAMES[:3]), rows=st.tuples(st.lists(CLOSE, max_size=8), st.lists(CLOSE, max_size=8)))
def test_rows_that_look_alike_once_joined_are_kept_apart(
    header: list[str], rows: tuple[list[list[str]], list[list[str]]]
) -> None:
    old, new = content(header, rows[0]), content(header, rows[1])
    assert_told(list(diff(old.table(), new.table())), unkeyed(old, new), old, new)


@settings(max_examples=150, deadline=None)
@given(header=st.permutations(NAMES[:3]), rows=st.lists(ROW, max_size=8), ends=st.tuples(END, END), data=st.data())
def test_a_content_has_no_changes_against_itself_however_written_and_ordered(
    header: list[str], rows: list[list[str]], ends: tuple[str, str], data: st.DataObject
) -> None:
    old = content(header, rows, ends[0])
    new = content(header, data.draw(st.permutations(rows)), ends[1], quote_all=True)
    for one, other in ((old, old), (old, new), (new, old)):
        change_set = diff(one.table(), other.table())
        assert not change_set
        assert list(change_set) == []
        assert len(change_set.new_rows) == len(change_set.missing_rows) == 0


@settings(max_examples=150, deadline=None)
@given(contents())
def test_the_changes_back_are_the_changes_forth_turned_round(sides: tuple[Content, Content]) -> None:
    old, new = (side.table() for side in sides)
    forth, back = diff(old, new), diff(new, old)
    assert Counter(map(frozen, forth.new_rows)) == Counter(map(frozen, back.missing_rows))
    assert Counter(map(frozen, forth.missing_rows)) == Counter(map(frozen, back.new_rows))
    assert len(forth.new_rows) == len(list(forth.new_rows)) == forth.counts.inserted


@settings(max_examples=100, deadline=None)
@given(contents())
def test_a_first_content_is_its_rows_in_their_order(sides: tuple[Content, Content]) -> None:
    _, new = sides
    assert [(change.line, change.after) for change in diff(None, new.table())] == new.rows
