"""Row changes between two contents: exact as a multiset, paired by key where there is one."""

import io
from collections.abc import Sequence
from typing import Any

import pytest

from csv_manager.core.changes import ChangeSet, Counts
from csv_manager.core.diff import diff
from csv_manager.core.errors import DuplicateKeyError, UnknownColumnError
from csv_manager.core.keys import check_key
from csv_manager.core.model import ColumnChange, CsvFormat, RowChange
from csv_manager.core.reading import Table


def table(content: str, name: str = "data.csv", **csv_format: Any) -> Table:
    return Table(lambda: io.BytesIO(content.encode()), CsvFormat(**csv_format), name)


def changes(old: str | None, new: str, key: Sequence[str] = (), ignore: Sequence[str] = ()) -> list[RowChange]:
    return list(diff(None if old is None else table(old), table(new), key=key, ignore=ignore))


def told(old: str, new: str, key: Sequence[str] = (), ignore: Sequence[str] = ()) -> list[tuple[str, int]]:
    """What happened, and on which line."""
    return [(change.op, change.line) for change in changes(old, new, key, ignore)]


def inserted(line: int, key: dict[str, str] | None = None, /, **cells: object) -> RowChange:
    return RowChange(op="insert", key=key, before=None, after=cells, line=line)  # type: ignore[arg-type]


def deleted(line: int, key: dict[str, str] | None = None, /, **cells: object) -> RowChange:
    return RowChange(op="delete", key=key, before=cells, after=None, line=line)  # type: ignore[arg-type]


def test_equal_contents_have_no_changes() -> None:
    change_set = diff(table("a,b\n1,2\n1,2\n"), table("a,b\n1,2\n1,2\n"))
    assert (list(change_set), change_set.counts, bool(change_set)) == ([], Counts(), False)


def test_a_first_content_is_all_inserts() -> None:
    assert changes(None, "a,b\n1,2\n\n3\n") == [inserted(2, a="1", b="2"), inserted(4, a="3", b=None)]


def test_a_changed_row_without_key_is_a_delete_and_an_insert() -> None:
    assert changes("a,b\n1,2\n3,4\n", "a,b\n3,5\n1,2\n") == [deleted(3, a="3", b="4"), inserted(2, a="3", b="5")]


def test_duplicates_that_are_added_are_counted_and_the_last_ones_are_told() -> None:
    assert told("a\nx\ny\n", "a\nx\nx\ny\nx\n") == [("insert", 3), ("insert", 5)]


def test_duplicates_that_are_removed_are_counted_and_those_behind_which_no_row_moves_are_told() -> None:
    assert told("a\nx\nx\ny\nx\n", "a\ny\nx\n") == [("delete", 2), ("delete", 3)]
    assert told("a\nx\nx\nx\n", "a\nx\n") == [("delete", 3), ("delete", 4)]


def test_duplicates_added_and_others_removed_do_not_mix() -> None:
    assert told("a\nx\nx\ny\n", "a\nx\ny\ny\ny\nz\nz\n") == [
        ("delete", 3),
        ("insert", 4),
        ("insert", 5),
        ("insert", 6),
        ("insert", 7),
    ]


def test_reordered_rows_are_not_changed() -> None:
    assert changes("a,b\n1,x\n2,y\n2,y\n3,z\n", "a,b\n3,z\n2,y\n1,x\n2,y\n") == []
    assert changes("a,b\n1,x\n2,y\n3,z\n", "a,b\n3,z\n2,y\n1,x\n", key=["a"]) == []


def test_reordered_columns_change_no_row() -> None:
    for key in ((), ["a"]):
        change_set = diff(table("a,b,c\n1,x,7\n2,y,8\n"), table("c,a,b\n7,1,x\n8,2,y\n"), key=key)
        assert (list(change_set), change_set.columns, bool(change_set)) == ([], ColumnChange(), False)


def test_a_change_beside_reordered_columns_is_told_in_the_names_of_each_content() -> None:
    (change,) = changes("a,b\n1,x\n2,y\n", "b,a\nz,2\nx,1\n", key=["a"])
    assert (change.op, change.before, change.after) == ("update", {"a": "2", "b": "y"}, {"b": "z", "a": "2"})


def test_line_ends_are_no_change_of_rows() -> None:
    content = 'a,b\n1,2\n"x,y",3\n'
    for end in ("\r\n", "\r"):
        assert changes(content, content.replace("\n", end)) == []
        assert changes(content.replace("\n", end), content, key=["a"]) == []


def test_formats_are_no_change_of_rows() -> None:
    old = Table(lambda: io.BytesIO("ä;b\n1;x,y\n".encode("cp1252")), CsvFormat(encoding="cp1252", delimiter=";"), "f")
    new = Table(lambda: io.BytesIO('ä,b\n"1","x,y"\n'.encode("utf-16")), CsvFormat(encoding="utf-16"), "f")
    assert not diff(old, new)


def test_a_missing_cell_an_empty_one_and_a_surplus_one_differ() -> None:
    rows = ["1", "1,", "1,,", "1,,,", "1,2,3", "1,2,3,4"]
    for one in rows:
        for other in rows:
            expected = [] if one == other else [("delete", 2), ("insert", 2)]
            assert told(f"a,b\n{one}\n", f"a,b\n{other}\n") == expected, (one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x\x1fy,z", "x,y\x1fz"),
        ("\x1f,", ",\x1f"),
        ("x\x1fy", "x,y"),
        ("x\x1fy,z,w", "x,y\x1fz,w"),
        ("x,\x1f", "x,,"),
    ],
)
def test_a_cell_that_holds_the_separator_of_the_comparison_is_compared_exactly(one: str, other: str) -> None:
    assert told(f"a,b\n{one}\n", f"a,b\n{one}\n") == []
    assert told(f"a,b\n{one}\n", f"a,b\n{other}\n") == [("delete", 2), ("insert", 2)]
    assert told(f"k,a,b\n1,{one}\n", f"k,a,b\n1,{other}\n", key=["k"]) == [("update", 2)]


def test_an_added_column_of_empty_cells_changes_no_row() -> None:
    change_set = diff(table("a,b\n1,2\n3,4\n"), table("a,c,b\n1,,2\n3,,4\n"))
    assert (list(change_set), change_set.columns) == ([], ColumnChange(added=("c",)))
    assert change_set


def test_an_added_column_changes_the_rows_that_have_something_in_it() -> None:
    assert changes("a,b\n1,2\n3,4\n", "a,b,c\n1,2,\n3,4,5\n") == [
        deleted(3, a="3", b="4"),
        inserted(3, a="3", b="4", c="5"),
    ]
    assert told("a,b\n1,2\n3,4\n", "a,b,c\n1,2,\n3,4,5\n", key=["a"]) == [("update", 3)]


@pytest.mark.parametrize("key", [(), ["a"]])
def test_an_added_column_that_rows_are_too_short_for_changes_none_of_them(key: Sequence[str]) -> None:
    assert told("a,b\n1,2\n3,4\n", "a,b,c\n1,2\n3,4\n", key) == []
    assert told("a,b\n1\n3,4\n", "a,b,c\n1\n3,4,\n", key) == []


@pytest.mark.parametrize("key", [(), ["a"]])
def test_a_removed_column_changes_no_row(key: Sequence[str]) -> None:
    change_set = diff(table("a,b,c\n1,2,x\n3,4,y\n"), table("a,c\n1,x\n3,y\n"), key=key)
    assert (list(change_set), change_set.columns) == ([], ColumnChange(removed=("b",)))


@pytest.mark.parametrize("key", [(), ["a"]])
def test_a_removed_column_that_rows_were_too_short_for_changes_none_of_them(key: Sequence[str]) -> None:
    assert told("a,b,c\n1,2\n3,4,5\n", "a,b\n1,2\n3,4\n", key) == []


def test_rows_that_only_a_removed_column_told_apart_are_equal_now() -> None:
    assert told("a,b\n1,x\n1,y\n", "a\n1\n") == [("delete", 3)]


@pytest.mark.parametrize("key", [(), ["id"]])
def test_a_renamed_column_changes_no_row(key: Sequence[str]) -> None:
    change_set = diff(table("id,name\n1,x\n2,y\n"), table("id,title\n1,x\n2,y\n"), key=key)
    assert (list(change_set), change_set.columns) == ([], ColumnChange(renamed={"name": "title"}))
    assert change_set


def test_a_change_beside_a_renamed_column_is_told_in_the_names_of_each_content() -> None:
    old, new = "id,name\n1,x\n2,y\n3,z\n", "id,title\n1,x\n2,q\n3,z\n"
    (change,) = changes(old, new, key=["id"])
    assert (change.before, change.after) == ({"id": "2", "name": "y"}, {"id": "2", "title": "q"})
    assert told(old, new) == [("delete", 3), ("insert", 3)]


def test_a_column_whose_values_are_mostly_others_is_removed_and_added_not_renamed() -> None:
    change_set = diff(table("id,name\n1,x\n2,y\n3,z\n"), table("id,price\n1,x\n2,8\n3,9\n"))
    assert change_set.columns == ColumnChange(added=("price",), removed=("name",))
    assert change_set.counts == Counts(3, 0, 3)


def test_a_key_column_is_never_taken_for_renamed() -> None:
    with pytest.raises(UnknownColumnError, match=r"new\.csv: key column 'id' is not in the header: ident, name\."):
        diff(table("id,name\n1,x\n"), table("ident,name\n1,x\n", "new.csv"), key=["id"])


@pytest.mark.parametrize("key", [(), ["a"]])
def test_ignored_columns_are_not_compared(key: Sequence[str]) -> None:
    assert told("a,b,c\n1,x,7\n2,y,8\n", "a,b,c\n1,z,7\n2,y,8\n", key, ["b"]) == []
    assert told("a,b,c\n1,x,7\n2,y,8\n", "a,b,c\n1,z,9\n2,y,8\n", key, ["b"]) != []


def test_an_ignored_column_stands_in_the_changes() -> None:
    (change,) = changes("a,b,c\n1,x,7\n", "a,b,c\n1,z,9\n", key=["a"], ignore=["b"])
    assert (change.before, change.after) == ({"a": "1", "b": "x", "c": "7"}, {"a": "1", "b": "z", "c": "9"})


@pytest.mark.parametrize("key", [(), ["a"]])
def test_an_ignored_column_may_come_go_or_be_missing_in_a_row(key: Sequence[str]) -> None:
    assert told("a,c\n1,7\n", "a,b,c\n1,x,7\n", key, ["b"]) == []
    assert told("a,b,c\n1,x,7\n", "a,c\n1,7\n", key, ["b"]) == []
    assert told("a,c,b\n1,7\n2,8,x\n", "a,c,b\n1,7,y\n2,8\n", key, ["b"]) == []


def test_with_every_column_ignored_rows_are_counted() -> None:
    assert told("a,b\n1,2\n3,4\n", "a,b\n5,6\n", ignore=["a", "b"]) == [("delete", 3)]


def test_a_key_pairs_rows_into_updates() -> None:
    assert changes("id,v\n1,x\n2,y\n3,z\n", "id,v\n4,w\n3,q\n1,x\n", key=["id"]) == [
        deleted(3, {"id": "2"}, id="2", v="y"),
        inserted(2, {"id": "4"}, id="4", v="w"),
        RowChange(op="update", key={"id": "3"}, before={"id": "3", "v": "z"}, after={"id": "3", "v": "q"}, line=3),
    ]


def test_a_composite_key_pairs_rows_by_all_of_its_columns() -> None:
    old = "a,v,b\n1,x,1\n1,y,2\n2,z,1\n"
    new = "b,a,v\n2,1,Y\n1,1,x\n2,2,w\n"
    assert changes(old, new, key=["a", "b"]) == [
        deleted(4, {"a": "2", "b": "1"}, a="2", v="z", b="1"),
        RowChange(
            op="update",
            key={"a": "1", "b": "2"},
            before={"a": "1", "v": "y", "b": "2"},
            after={"b": "2", "a": "1", "v": "Y"},
            line=2,
        ),
        inserted(4, {"a": "2", "b": "2"}, b="2", a="2", v="w"),
    ]


def test_the_parts_of_a_composite_key_do_not_run_together() -> None:
    assert told("a,b\nxy,z\n", "a,b\nx,yz\n", key=["a", "b"]) == [("delete", 2), ("insert", 2)]
    assert told("a,b\nx\x1fy,z\n", "a,b\nx,y\x1fz\n", key=["a", "b"]) == [("delete", 2), ("insert", 2)]


def test_a_missing_key_cell_is_a_key_of_its_own() -> None:
    assert told("v,id\nx\ny,\n", "v,id\nx\ny,\n", key=["id"]) == []
    (change,) = changes("v,id\nx\ny,\n", "v,id\nz\ny,\n", key=["id"])
    assert (change.op, change.key) == ("update", {"id": None})


def test_key_values_are_text() -> None:
    assert told("id\n1\n", "id\n01\n", key=["id"]) == [("delete", 2), ("insert", 2)]


def test_a_key_that_repeats_names_its_values_and_lines() -> None:
    new = table("id,v\n1,x\n\n2,y\n1,z\n", "new.csv")
    with pytest.raises(DuplicateKeyError, match=r"new\.csv: the key is not unique: id='1' in lines 2 and 5;") as caught:
        diff(table("id,v\n1,x\n"), new, key=["id"])
    assert "--key" in str(caught.value)


def test_a_composite_key_that_repeats_in_the_old_content_is_told_too() -> None:
    old = table("a,b\n1,2\n1,3\n1,2\n", "old.csv")
    with pytest.raises(DuplicateKeyError, match=r"old\.csv: .*: a='1', b='2' in lines 2 and 4;"):
        diff(old, table("a,b\n1,2\n"), key=["a", "b"])


def test_of_many_repeated_keys_three_are_named_and_the_rest_counted() -> None:
    content = "id\n" + "1\n2\n3\n4\n5\n" * 2
    with pytest.raises(DuplicateKeyError) as caught:
        diff(None, table(content), key=["id"])
    assert "id='1' in lines 2 and 7; id='2' in lines 3 and 8; id='3' in lines 4 and 9 and 2 more;" in str(caught.value)


def test_a_key_column_that_is_unknown_names_those_there_are() -> None:
    with pytest.raises(UnknownColumnError, match=r"data\.csv: key column 'nr' is not in the header: id, v\."):
        check_key(table("id,v\n1,x\n"), ["id", "nr"])


def test_no_key_and_an_empty_content_need_no_check() -> None:
    check_key(table("a\n1\n1\n"), [])
    check_key(table(""), ["id"])


@pytest.mark.parametrize("key", [(), ["a"]])
def test_an_emptied_file_deletes_every_row_and_its_return_inserts_them(key: Sequence[str]) -> None:
    content = "a,b\n1,2\n3\n"
    gone, back = diff(table(content), table(""), key=key), diff(table(""), table(content), key=key)
    assert [(change.op, change.before, change.line) for change in gone] == [
        ("delete", {"a": "1", "b": "2"}, 2),
        ("delete", {"a": "3", "b": None}, 3),
    ]
    assert [(change.op, change.after, change.line) for change in back] == [
        ("insert", {"a": "1", "b": "2"}, 2),
        ("insert", {"a": "3", "b": None}, 3),
    ]
    assert not gone.columns
    assert not back.columns


def test_between_an_empty_file_and_a_header_alone_no_row_changes() -> None:
    assert not diff(table(""), table("a,b\n"))
    assert not diff(table("a,b\n"), table(""))
    assert not diff(table(""), table(""))
    assert not diff(None, table(""))


def change_set_of_three() -> ChangeSet:
    return diff(table("id,v\n1,x\n2,y\n3,z\n"), table("id,v\n1,X\n3,z\n4,w\n"), key=["id"])


def test_a_change_set_can_be_iterated_again_and_counts_before_or_after() -> None:
    change_set = change_set_of_three()
    assert change_set.counts == Counts(inserted=1, updated=1, deleted=1)
    first, second = list(change_set), list(change_set)
    assert first == second
    fresh = change_set_of_three()
    assert list(fresh) == first
    assert fresh.counts == change_set.counts
    unkeyed = diff(table("a\nx\nx\ny\n"), table("a\nx\nz\nz\n"))
    assert list(unkeyed) == list(unkeyed)
    assert unkeyed.counts == Counts(2, 0, 2)


def test_an_iteration_that_was_left_early_does_not_miscount() -> None:
    change_set = change_set_of_three()
    assert next(iter(change_set)).op == "delete"
    assert change_set.counts == Counts(1, 1, 1)


def test_a_change_set_gives_each_kind_alone() -> None:
    change_set = change_set_of_three()
    assert [change.key for change in change_set.inserted] == [{"id": "4"}]
    assert [change.key for change in change_set.updated] == [{"id": "1"}]
    assert [change.key for change in change_set.deleted] == [{"id": "2"}]


def test_new_and_missing_rows_are_sequences() -> None:
    new, missing = change_set_of_three().new_rows, change_set_of_three().missing_rows
    after = [{"id": "1", "v": "X"}, {"id": "4", "v": "w"}]
    before = [{"id": "2", "v": "y"}, {"id": "1", "v": "x"}]
    for rows, expected in ((new, after), (missing, before)):
        assert len(rows) == 2
        assert list(rows) == list(rows) == expected
        assert rows == expected
        assert (rows[0], rows[1], rows[-1], rows[-2]) == (*expected, *expected[::-1])
        assert (rows[:1], rows[::-1], rows[5:]) == (expected[:1], expected[::-1], [])
        assert expected[0] in rows
        assert list(reversed(rows)) == expected[::-1]
        for beyond in (2, -3):
            with pytest.raises(IndexError):
                rows[beyond]
        assert repr(rows) == "<2 rows>"


def test_the_length_of_new_rows_is_known_without_their_being_read_again() -> None:
    reads = 0

    def open_raw() -> io.BytesIO:
        nonlocal reads
        reads += 1
        return io.BytesIO(b"a\n1\n2\n")

    change_set = diff(None, Table(open_raw, CsvFormat(), "data.csv"))
    assert change_set.counts.inserted == 2
    before = reads
    assert (len(change_set.new_rows), len(change_set.missing_rows), bool(change_set.missing_rows)) == (2, 0, False)
    assert reads == before


def test_rows_that_two_windows_share_out_otherwise_are_in_order() -> None:
    lines = ['"l\r\n', 'm"\r'] * 30 + ["a\r"] + ['"l\r\n', 'm"\r'] * 30
    old = "".join(lines)
    plain = CsvFormat(quotechar="", header=False)
    tables = [
        Table(lambda data=data: io.BytesIO(data.encode()), plain, "data.csv")
        for data in (old, old.replace("\r\n", "\n"))
    ]
    change_set = diff(*tables)
    assert not any(change_set.counts)
    assert not change_set.reordered
