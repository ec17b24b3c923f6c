"""Row changes in words, for people: aligned where that fits, and never more than one line each."""

import io
import os
import shlex
from collections.abc import Mapping

import click
import pytest

from csv_manager.core.comparing import Comparison
from csv_manager.core.diff import diff
from csv_manager.core.model import Cells, CsvFormat, RowChange
from csv_manager.core.reading import Table
from csv_manager.patterns.describe import hint, row_lines, short_path, summary_line, typed_path


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colours, as where stdout is no terminal."""
    monkeypatch.setenv("NO_COLOR", "1")


def table(content: str) -> Table:
    return Table(lambda: io.BytesIO(content.encode()), CsvFormat(), "data.csv")


def inserted(**cells: object) -> RowChange:
    return RowChange(op="insert", key=None, before=None, after=cells, line=2)  # type: ignore[arg-type]


def deleted(**cells: object) -> RowChange:
    return RowChange(op="delete", key=None, before=cells, after=None, line=2)  # type: ignore[arg-type]


def updated(key: Cells, before: Mapping[str, object], after: Mapping[str, object]) -> RowChange:
    return RowChange(op="update", key=key, before=before, after=after, line=2)  # type: ignore[arg-type]


def summary(old: str, new: str, *key: str) -> str:
    return summary_line(diff(table(old), table(new), key=key))


def test_a_line_has_a_sign_and_the_cells() -> None:
    changes = [deleted(id="1", v="x"), updated({"id": "2"}, {"id": "2", "v": "y"}, {"id": "2", "v": "z"})]
    assert list(row_lines(changes)) == ["  - id=1  v=x", "  ~ id=2  v y → z"]


def test_cells_of_one_column_stand_one_below_the_other() -> None:
    assert list(row_lines([inserted(id="1", v="long", w="a"), inserted(id="1000", v="x", w="b")])) == [
        "  + id=1     v=long  w=a",
        "  + id=1000  v=x     w=b",
    ]


def test_updates_are_aligned_apart_from_other_rows() -> None:
    changes = [
        inserted(id="1", a="a very long cell", b="y"),
        updated({"id": "2"}, {"id": "2", "a": "1", "b": "1"}, {"id": "2", "a": "1", "b": "22"}),
        updated({"id": "300"}, {"id": "300", "a": "1", "b": "1"}, {"id": "300", "a": "9", "b": "8"}),
    ]
    assert list(row_lines(changes)) == [
        "  + id=1  a=a very long cell  b=y",
        "  ~ id=2    b 1 → 22",
        "  ~ id=300  b 1 → 8   a 1 → 9",
    ]


def test_what_is_wider_than_a_line_is_not_aligned() -> None:
    changes = [inserted(a="x" * 59, b="y" * 59, c="z"), inserted(a="x", b="y", c="z")]
    assert list(row_lines(changes)) == [f"  + a={'x' * 59}  b={'y' * 59}  c=z", "  + a=x  b=y  c=z"]


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    lines = list(row_lines([inserted(a="表", b="1"), inserted(a="abc", b="1"), inserted(a="e\u0301", b="1")]))
    assert lines == ["  + a=表   b=1", "  + a=abc  b=1", "  + a=e\u0301    b=1"]


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("a.csv", "a.csv"),
        ("in/a.csv", "in/a.csv"),
        ("/elsewhere/a.csv", "/elsewhere/a.csv"),
        ("-d.csv", "./-d.csv"),
        ("-d e.csv", "'./-d e.csv'"),
        ("two words.csv", "'two words.csv'"),
        ("it's.csv", "'it'\"'\"'s.csv'"),
        ("in/*.csv", "'in/*.csv'"),
        ("ü.csv", "'ü.csv'"),
        ("new\nline.csv", r"$'new\nline.csv'"),
        ("-\t'\\.csv", r"$'./-\t\'\\.csv'"),
        ("\x1b[1m\x7f9.csv", r"$'\033[1m\1779.csv'"),
        ("zero\u200bwidth", r"$'zero\342\200\213width'"),
    ],
)
def test_a_path_is_typed_so_that_a_shell_and_click_take_it(path: str, typed: str) -> None:
    assert typed_path(os.path.abspath(path)) == typed
    assert typed.isprintable()
    if "$'" not in typed:
        assert shlex.split(typed) == [f"./{path}" if path.startswith("-") else path]


def test_a_path_to_be_read_is_not_quoted() -> None:
    assert short_path(os.path.abspath("-two\nwords.csv")) == r"-two\nwords.csv"


def test_no_line_ends_with_blanks() -> None:
    assert list(row_lines([inserted(a="1", b="long"), inserted(a="1", b="x")])) == ["  + a=1  b=long", "  + a=1  b=x"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", "''"),
        ("  ", "'  '"),
        (None, "(missing)"),
        (["x", "y"], "['x', 'y']"),
        ("two\nlines\x1b[31m", r"two\nlines\x1b[31m"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
    ],
)
def test_a_cell_is_shown_so_that_it_breaks_no_line(value: object, shown: str) -> None:
    assert list(row_lines([inserted(v=value)])) == [f"  + v={shown}"]


def test_a_columns_name_breaks_no_line() -> None:
    assert list(row_lines([inserted(**{"a\nb": "1"})])) == [r"  + a\nb=1"]


def test_of_an_update_only_what_changed_is_shown() -> None:
    change = updated({"id": "1"}, {"id": "1", "a": "x", "b": "y"}, {"id": "1", "a": "x", "b": "Y"})
    assert list(row_lines([change])) == ["  ~ id=1  b y → Y"]


def test_a_cell_that_came_or_went_with_an_update_is_shown() -> None:
    gained = updated({"id": "1"}, {"id": "1"}, {"id": "1", "unit": "kg", "shelf": ""})
    assert list(row_lines([gained])) == ["  ~ id=1  unit '' → kg"]
    surplus = updated({"id": "1"}, {"id": "1"}, {"id": "1", "_extra": ["x"]})
    assert list(row_lines([surplus])) == ["  ~ id=1  _extra (missing) → ['x']"]
    missing = updated({"id": "1"}, {"id": "1", "v": "x"}, {"id": "1", "v": None})
    assert list(row_lines([missing])) == ["  ~ id=1  v x → (missing)"]


def test_a_cell_of_a_renamed_column_is_told_with_what_it_was() -> None:
    change_set = diff(table("id,n,v\n1,a,x\n2,b,y\n3,c,z\n"), table("id,name,v\n1,a,x\n2,q,y\n3,c,z\n"), key=["id"])
    assert list(row_lines(change_set, change_set.columns)) == ["  ~ id=2  name b → q"]


def test_a_key_column_that_is_called_as_if_another_one_changed_is_shown() -> None:
    change = updated({"v changed": "k"}, {"v changed": "k", "v": "1"}, {"v changed": "k", "v": "2"})
    assert list(row_lines([change])) == ["  ~ v changed=k  v 1 → 2"]


def test_colours_do_not_count_as_width(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [inserted(a="1", b="x"), inserted(a="1000", b="y")]
    told = list(row_lines(changes))
    monkeypatch.delenv("NO_COLOR")
    coloured = list(row_lines(changes))
    assert coloured != told
    assert [click.unstyle(line) for line in coloured] == told


def test_what_is_beyond_the_limit_is_counted() -> None:
    changes = [inserted(id=str(number)) for number in range(5)]
    assert list(row_lines(changes, limit=2, total=5)) == ["  + id=0", "  + id=1", "  … and 3 more"]
    assert len(list(row_lines(changes, limit=5, total=5))) == 5
    assert len(list(row_lines(changes, limit=0, total=5))) == 5
    assert list(row_lines(changes, limit=1, total=12_346))[-1] == "  … and 12,345 more"


def test_no_more_changes_are_made_than_are_shown() -> None:
    made = iter([inserted(id=str(number)) for number in range(1000)])
    assert len(list(row_lines(made, limit=201, total=1000))) == 202
    assert len(list(made)) == 1000 - 201


def test_many_rows_are_aligned_some_at_a_time() -> None:
    changes = [inserted(a=str(number), b="x") for number in (*range(200), 12345)]
    lines = list(row_lines(changes))
    assert (lines[0], lines[199], lines[200]) == ("  + a=0    b=x", "  + a=199  b=x", "  + a=12345  b=x")


def test_a_summary_counts_rows_and_names_columns_and_order() -> None:
    assert summary("id,v\n1,x\n2,y\n", "id,v\n1,X\n3,z\n", "id") == "+1 ~1 -1"
    assert summary("a\n1\n", "a\n1\n") == "no row differs"
    assert summary("a\n1\n2\n", "a\n2\n1\n") == "no row differs  rows reordered"
    assert summary("a,b\n1,2\n", "a,c\n1,2\n") == "no row differs  columns renamed: b to c"
    assert summary("a\n1\n2\n", "a\n2\n1\n3\n") == "+1 ~0 -0  rows reordered"
    assert summary("a\n", "a\n" + "".join(f"{number}\n" for number in range(1234))) == "+1,234 ~0 -0"


def test_a_hint_names_the_options_of_the_key() -> None:
    def told(old: str, new: str) -> str | None:
        before, after = table(old), table(new)
        return hint(Comparison(old=before, new=after, change_set=diff(before, after)))

    assert told("id,v\n1,x\n2,y\n", "id,v\n1,X\n2,y\n") == "Hint: --key id would tell 1 of these changes as updates."
    old = "the shop,day,v\na,1,x\na,2,x\nb,1,x\n"
    options = "--key 'the shop' --key day"
    assert told(old, old.replace("2,x", "2,X")) == f"Hint: {options} would tell 1 of these changes as updates."
    assert told("id\n1\n", "id\n1\n2\n") is None
