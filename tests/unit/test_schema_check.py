"""Whether rows are as a schema tells, where frictionless does not say it, or says it otherwise."""

from typing import Any

import pytest
from checking import fields, found, rows, table

from csv_manager.checks.rows import ChangedRows
from csv_manager.checks.schema_check import check_schema
from csv_manager.checks.table_schema import parse_schema
from csv_manager.core.diff import diff


@pytest.mark.parametrize(
    ("match", "header", "codes"),
    [
        ("equal", "a,b", []),
        ("equal", "b,a", []),
        ("exact", "b,a", [("b", "incorrect-label"), ("a", "incorrect-label")]),
        ("equal", "a", [("b", "missing-label")]),
        ("equal", "a,b,c", [("c", "extra-label")]),
        ("subset", "a,b,c", []),
        ("subset", "a,c", [("b", "missing-label")]),
        ("superset", "a", []),
        ("superset", "a,c", [("c", "extra-label")]),
        ("partial", "a,c", []),
        ("partial", "c,d", [(None, "missing-label")]),
    ],
)
def test_columns_are_found_by_their_names(match: str, header: str, codes: list[tuple[str | None, str]]) -> None:
    schema = {**fields(["a", "b"]), "fieldsMatch": match}
    assert found(schema, f"{header}\n") == [(None, column, code) for column, code in codes]


def test_a_lacking_column_of_the_key_is_told_whatever_may_lack() -> None:
    schema = {**fields(["a", "b"]), "fieldsMatch": "superset", "primaryKey": "b"}
    assert found(schema, "a\n1\n") == [(None, "b", "missing-label")]


def test_reordered_columns_are_the_same_columns() -> None:
    schema = {"fields": [{"name": "a", "type": "integer"}, {"name": "b", "type": "string"}]}
    assert found(schema, "b,a\nx,1\n1,x\n") == [(2, "a", "type-error")]


def test_findings_come_in_the_order_of_the_rows_with_lines_and_words() -> None:
    schema = {"fields": [{"name": "n", "type": "number", "constraints": {"minimum": 0, "maximum": 10}}, {"name": "t"}]}
    content = 'n,t\n1,"a\nb"\nx,c\n\n-1,d\n11,e\n'
    told = list(check_schema(rows(content), parse_schema(schema, "s")))
    assert [(each.row, each.message, each.value) for each in told] == [
        (2, "'x' is no number", "x"),
        (3, "'-1' is less than the minimum 0", "-1"),
        (4, "'11' is more than the maximum 10", "11"),
    ]
    assert rows(content).lines(each.row for each in told if each.row) == {2: 4, 3: 6, 4: 7}


@pytest.mark.parametrize("many", [1, 4095, 4096, 9000])
def test_what_is_wrong_is_found_wherever_it_stands(many: int) -> None:
    schema = {"fields": [{"name": "id", "type": "integer"}, {"name": "kind", "constraints": {"required": True}}]}
    good = "".join(f"{number},{'ab'[number % 2]}\n" for number in range(many))
    assert found(schema, f"id,kind\n{good}") == []
    assert found(schema, f"id,kind\n{good}x,a\n1,\n{good}") == [
        (many + 1, "id", "type-error"),
        (many + 2, "kind", "constraint-error"),
    ]


def test_repeated_values_are_told_with_the_row_before() -> None:
    schema = {"fields": [{"name": "n", "type": "integer", "constraints": {"unique": True}}], "primaryKey": ["n"]}
    told = list(check_schema(rows("n\n1\n2\n01\nx\n1\n"), parse_schema(schema, "s")))
    assert [(each.code, each.row, each.message) for each in told] == [
        ("type-error", 4, "'x' is no integer"),
        ("unique-error", 3, "1 is in row 1 already"),
        ("unique-error", 5, "1 is in row 3 already"),
        ("primary-key", 3, "1 is in row 1 already"),
        ("primary-key", 4, "a primary key needs a value, and there is none"),
        ("primary-key", 5, "1 is in row 3 already"),
    ]


@pytest.mark.parametrize(
    ("kind", "form", "good", "bad"),
    [
        ("string", "email", ["a@b.de", "x.y+z@sub.example.org"], ["a", "a@b", "@b.de", "a b@c.de"]),
        ("string", "uri", ["https://a.b/c?d#e", "mailto:a@b.de", "urn:isbn:1"], ["a/b", "http", "1a:b", "http://a b"]),
        ("string", "uuid", ["0b3f1f4c-7a8e-4c39-8f0a-2f6f8a4b8c11"], ["0b3f1f4c", "0b3f1f4c7a8e4c398f0a2f6f8a4b8c11"]),
        ("geopoint", "array", ["[1, 2]"], ["[1]", "1,2", "[181, 0]", "[NaN, 0]"]),
        ("geopoint", "object", ['{"lon": 1, "lat": 2}'], ['{"lon": 1}', "[1, 2]"]),
        ("object", "default", ["{}"], ["[" * 100_000, "[]"]),
    ],
)
def test_texts_of_a_format(kind: str, form: str, good: list[str], bad: list[str]) -> None:
    schema = fields(["a"], type=kind, format=form)
    texts = [*good, *bad]
    lines = "".join('"' + text.replace('"', '""') + '"\n' for text in texts)
    assert [row for row, _, _ in found(schema, f"a\n{lines}")] == [len(good) + 1 + number for number in range(len(bad))]


def test_only_what_changed_is_looked_at() -> None:
    schema: Any = {"fields": [{"name": "id", "type": "integer"}, {"name": "v", "type": "number"}]}
    old, new = table("id,v\n1,x\n2,2\n3,3\n"), table("id,v\n1,x\n\n2,y\n3,3\n4\n")
    changed = ChangedRows(new, old, diff(old, new, key=("id",)))
    told = list(check_schema(changed, parse_schema(schema, "s")))
    assert [(each.row, each.column, each.code) for each in told] == [(1, "v", "type-error"), (2, "v", "missing-cell")]
    assert changed.lines([1, 2]) == {1: 4, 2: 6}
    assert changed.count() == 2
    assert [(dict(row), row.line) for row in changed] == [({"id": "2", "v": "y"}, 4), ({"id": "4", "v": None}, 6)]
