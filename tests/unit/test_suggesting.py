"""The key that is suggested: one that both contents allow, and that makes updates of most changes."""

import io
from collections.abc import Sequence

import pytest

from csv_manager.core.diff import diff
from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table
from csv_manager.core.suggesting import suggest_key

Told = tuple[tuple[str, ...], int | None] | None


def table(content: str) -> Table:
    return Table(lambda: io.BytesIO(content.encode()), CsvFormat(), "data.csv")


def lines(header: str, rows: Sequence[str]) -> str:
    return "\n".join([header, *rows, ""])


def suggested(old: str, new: str) -> Told:
    tables = table(old), table(new)
    told = suggest_key(*tables, diff(*tables))
    if told is not None:
        # What is suggested is told by the diff with that key.
        assert diff(*tables, key=told.key).counts.updated == told.updates
        assert told.is_proven
    return told[:2] if told else None


OLD = "id,shop,v\n1,x,a\n2,x,b\n3,y,c\n"


def test_a_column_that_tells_rows_apart_and_stayed_is_the_key() -> None:
    assert suggested(OLD, OLD.replace("b", "B")) == (("id",), 1)
    assert suggested(OLD, OLD.replace("a\n", "A\n").replace("b\n", "B\n")) == (("id",), 2)


def test_the_first_of_several_columns_is_the_key() -> None:
    old = "v,id,code\n1,a,x\n2,b,y\n3,c,z\n"
    assert suggested(old, old.replace("1,", "9,")) == (("id",), 1)


def test_two_columns_are_the_key_where_one_does_not_do() -> None:
    old = "shop,day,v\na,1,p\na,2,q\nb,1,r\nb,2,s\n"
    assert suggested(old, old.replace("q", "Q")) == (("shop", "day"), 1)
    assert suggested(old, old.replace("q", "Q").replace("r", "R")) == (("shop", "day"), 2)


def test_a_column_is_preferred_to_two() -> None:
    old = "shop,day,nr,v\na,1,1,p\na,2,2,q\nb,1,3,r\n"
    assert suggested(old, old.replace("q", "Q")) == (("nr",), 1)


@pytest.mark.parametrize(
    "new",
    [OLD, OLD + "4,z,d\n", OLD.replace("2,x,b\n", ""), OLD.replace("2,x,b\n3,y,c", "3,y,c\n2,x,b")],
    ids=["equal", "only inserts", "only deletes", "reordered"],
)
def test_where_nothing_can_become_an_update_there_is_no_suggestion(new: str) -> None:
    assert suggested(OLD, new) is None


def test_rows_that_went_and_others_that_came_have_no_key() -> None:
    assert suggested("id,v\n1,a\n2,b\n", "id,v\n1,a\n3,c\n") is None


@pytest.mark.parametrize("twice", ["4,y,d\n4,z,e\n", "1,q,q\n"])
def test_a_column_that_repeats_among_the_rows_that_did_not_change_is_no_key(twice: str) -> None:
    told = suggested(OLD + twice, OLD.replace("a", "A") + twice)
    assert told is None or told[0] != ("id",)


def test_a_column_that_repeats_in_the_old_content_alone_is_no_key() -> None:
    old = "id,v\n1,a\n2,b\n3,c\n4,d\n"
    new = "id,v\n1,A\n2,b\n3,C\n4,D\n"
    assert suggested(old, new) == (("id",), 3)
    assert suggested(old + "2,e\n", new) is None


def test_an_empty_cell_is_no_key() -> None:
    assert suggested("id,v\n,a\n2,b\n", "id,v\n,A\n2,b\n") is None


def test_a_key_that_pairs_only_half_of_the_changes_or_less_is_not_worth_it() -> None:
    rows = [f"{number},x{number}" for number in range(10)]
    half = [f"{number},y{number}" for number in range(5)] + [f"{number},z{number}" for number in range(20, 25)]
    most = [f"{number},y{number}" for number in range(6)] + [f"{number},z{number}" for number in range(20, 24)]
    assert suggested(lines("id,v", rows), lines("id,v", half)) is None
    assert suggested(lines("id,v", rows), lines("id,v", most)) == (("id",), 6)


def test_only_a_column_that_both_contents_have_is_a_key() -> None:
    assert suggested("id,v\n1,a\n2,b\n", "nr,v\n1,A\n2,b\n") is None
    assert suggested("id,v\n1,a\n2,b\n", "v,id,w\nA,1,x\nb,2,\n") == (("id",), 1)


def test_no_more_than_the_first_eight_columns_are_tried_in_pairs() -> None:
    header = [f"c{number}" for number in range(10)]
    rows = [["k"] * 8 + [shop, day] for shop in "ab" for day in "12"]
    old = lines(",".join([*header, "v"]), [",".join([*row, "x"]) for row in rows])
    assert suggested(old, old.replace("a,1,x", "a,1,y")) is None


def test_a_large_content_is_believed_by_its_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{number},{'x' * 50}" for number in range(2000)]
    old = lines("id,v", [*rows, "7,again"])
    new = old.replace("5,xx", "5,yx", 1)
    assert suggested(old, new) is None
    monkeypatch.setattr("csv_manager.core.suggesting._PROVABLE", 1 << 10)
    tables = table(old), table(new)
    assert suggest_key(*tables, diff(*tables)) == (("id",), 1, False)


def test_beyond_very_many_deletes_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csv_manager.core.suggesting._DELETES", 1)
    assert suggested(OLD, OLD.replace("b", "B")) == (("id",), 1)
    assert suggested(OLD, OLD.replace("b", "B").replace("c", "C")) is None
