"""Descriptors of Frictionless Table Schema: what they say, and what is refused in them."""

from typing import Any

import pytest

from csv_manager.checks.table_schema import parse_schema
from csv_manager.core.errors import RuleError


def field(**told: Any) -> dict[str, Any]:
    return {"fields": [{"name": "a", **told}]}


@pytest.mark.parametrize(
    ("descriptor", "said"),
    [
        ([], "s: it is no object."),
        ({}, "s: it has no list of fields."),
        ({"fields": []}, "s: it has no list of fields."),
        ({"fields": ["a"]}, "s: fields[0]: it is no object."),
        ({"fields": [{}]}, "s: fields[0]: it has no name."),
        ({"fields": [{"name": "a"}, {"name": "a"}]}, "s: two fields are called 'a'."),
        ({**field(), "feilds": 1}, "s: the key 'feilds' is not known; 'fields' is."),
        ({**field(), "primaryKey": "b"}, "s: primaryKey names 'b', which is no field."),
        ({**field(), "primaryKey": 4}, "s: primaryKey is no list of texts."),
        ({**field(), "missingValues": [1]}, "s: missingValues is no list of texts."),
        ({**field(), "fieldsMatch": "some"}, "s: fieldsMatch is 'some'; it is one of equal, exact, subset,"),
        ({**field(), "foreignKeys": []}, "s: 'foreignKeys' is not checked: csv_manager checks one file by itself"),
        (field(requird=True), "s: fields[0]: the key 'requird' is not known."),
        (field(type="integr"), "s: fields[0]: the type 'integr' is not known; 'integer' is; there are any, string"),
        (field(type="integer", decimalChar=","), "s: fields[0]: the key 'decimalChar' is not known."),
        (field(type="integer", bareNumber="no"), "s: fields[0]: bareNumber is 'no', and has to be true or false."),
        (field(type="date", format="any"), "s: fields[0]: the format 'any' is not known of date; it is default, or"),
        (field(type="string", format="wkt"), "s: fields[0]: the format 'wkt' is not known of string; it is default"),
        (field(constraints=[]), "s: fields[0].constraints: it is no object."),
        (
            field(constraints={"requird": True}),
            "s: fields[0].constraints: the key 'requird' is not known; 'required' is.",
        ),
        (
            field(type="string", constraints={"minimum": 1}),
            "s: fields[0].constraints: a field of type string has no minimum;",
        ),
        (
            field(constraints={"required": "yes"}),
            "s: fields[0].constraints: required is 'yes', and has to be true or false.",
        ),
        (
            field(type="string", constraints={"minLength": True}),
            "s: fields[0].constraints: minLength is True, and has to be a whole number.",
        ),
        (
            field(type="string", constraints={"pattern": "("}),
            "s: fields[0].constraints: pattern '(' is no regular expression:",
        ),
        (
            field(type="integer", constraints={"minimum": "x"}),
            "s: fields[0].constraints: minimum has 'x', which is no integer.",
        ),
        (field(type="string", constraints={"enum": [1]}), "s: fields[0].constraints: enum has 1, which is no string."),
        (
            field(type="boolean", constraints={"enum": ["maybe"]}),
            "s: fields[0].constraints: enum has 'maybe', which is no boolean.",
        ),
    ],
)
def test_what_cannot_be_checked_is_refused_with_its_place(descriptor: Any, said: str) -> None:
    with pytest.raises(RuleError) as error:
        parse_schema(descriptor, "s")
    assert str(error.value).startswith(said)
    assert str(error.value).endswith(".")


def test_what_is_about_the_schema_changes_nothing() -> None:
    told = field(type="integer", title="A", description="…", rdfType="x", example="1")
    schema = parse_schema(
        {**told, "name": "s", "$schema": "https://datapackage.org/profiles/2.0/tableschema.json"}, "s"
    )
    assert [each.name for each in schema.fields] == ["a"]
    assert schema.match == "equal"
    assert not schema.has_uniques


def test_keys_and_missing_values_are_told_in_several_ways() -> None:
    schema = parse_schema(
        {
            "fields": [{"name": "a", "missingValues": [{"value": "-", "label": "none"}]}, {"name": "b"}],
            "primaryKey": "a",
            "missingValues": ["", "NA"],
            "fieldsMatch": ["subset"],
        },
        "s",
    )
    assert schema.primary_key == ("a",)
    assert schema.has_uniques
    assert schema.match == "subset"
    assert [each.missing for each in schema.fields] == [{"-"}, {"", "NA"}]
