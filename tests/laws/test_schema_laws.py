"""What a schema finds is what the frictionless library finds, on files made of nasty cells."""

import csv
import io
import random
from pathlib import Path
from typing import Any

import frictionless
import pytest
from checking import found

from csv_manager.core.errors import RuleError

#: Texts for each type: values, and what looks like some.
TEXTS = {
    "integer": [
        "1", "-5", "007", "+3", " 4 ", "1_0", "1.0", "abc", "", "1e3", "٣", "9" * 30, "$5", "5 EUR", "-",
        "--1",
    ],
    "number": [
        "1", "1.5", "-0", "1e400", "NaN", "inf", "-Infinity", "1_0.5", " 3", "abc", "", "1,5", "0.1",
        "0.10", "1e-3", "$5.5", "5,5 EUR", ".",
    ],
    "boolean": [
        "true", "True", "TRUE", "1", "0", "false", "FALSE", "False", "yes", "tRUE", "", " true",
    ],
    "string": [
        "a", "abc", "", "  ", "a\nb", "ä", "x" * 50, "B2", "NULL", "-",
    ],
    "date": [
        "2020-01-01", "2020-1-5", "2020-02-30", "20200101", "2020-W01-1", "", "2020-01-01 ", "01.02.2020",
        "0001-01-01", "9999-12-31", "2021-06-07",
    ],
    "datetime": [
        "2020-01-01T10:00:00", "2020-01-01 10:00:00", "2020-01-01T10:00:00Z", "2020-01-01T10:00:00.123",
        "2020-01-01T10:00:00,123456", "2020-01-01T24:00:00", "2020-01-01T10:00", "2020-01-01T10:00:00+02:00",
        "x", "", "2020-13-01T10:00:00", "2020-01-01T10:60:00",
    ],
    "time": [
        "10:00:00", "10:00", "24:00:00", "10:00:00Z", "10:00:00.5", "25:00:00", "", "x", "10:00:00+02:00",
    ],
    "year": [
        "2020", "20", "02020", "-123", "", "abcd", "0000",
    ],
    "yearmonth": [
        "2020-01", "2020-13", "2020-1", "", "2020", "a-b", "-1-2",
    ],
    "duration": [
        "P1Y", "PT5M", "P", "", "P1W2D", "PT", "P1Y2M3DT4H5M6S", "P1.5D", "1D", "-P1D", "P1H",
    ],
    "array": [
        "[1]", "[]", "{}", "x", "",
    ],
    "object": [
        "{}", '{"a":1}', "[]", "x", "",
    ],
    "geopoint": [
        "1,2", "181,0", "0,91", "1, 2", "a,b", "", "1", "1,2,3",
    ],
    "any": [
        "x", "",
    ],
}  # fmt: skip
BOUNDS: dict[str, list[Any]] = {
    "integer": [0, "5", -5], "number": [0, "1.5", 0.1], "date": ["2020-06-01"], "year": [2000],
}  # fmt: skip
BOUND_NAMES = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
ENUMS: dict[str, list[Any]] = {
    "string": ["a", "abc", "B2"], "integer": [1, "7"], "number": [1, "0.1"], "boolean": [True],
}  # fmt: skip
STANDARD = "https://datapackage.org/profiles/2.0"
CASES = 250


def constraints(source: random.Random, kind: str) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if source.random() < 0.4:
        told["required"] = source.random() < 0.8
    if source.random() < 0.3 and kind not in ("array", "object", "geopoint"):
        told["unique"] = True
    for name in BOUND_NAMES:
        if kind in BOUNDS and source.random() < 0.3:
            told[name] = source.choice(BOUNDS[kind])
    if kind == "string":
        more = {"minLength": 2, "maxLength": 3, "pattern": source.choice(["[a-z]+", "[A-Z]\\d", ".*", "(a|B).*"])}
        told |= {name: value for name, value in more.items() if source.random() < 0.3}
    if kind in ENUMS and source.random() < 0.2:
        told["enum"] = ENUMS[kind]
    return told


def field(source: random.Random, number: int) -> dict[str, Any]:
    kind = source.choice(list(TEXTS))
    told: dict[str, Any] = {"name": f"c{number}", "type": kind}
    limits = constraints(source, kind)
    if kind in ("integer", "number") and source.random() < 0.3:
        told["bareNumber"] = source.random() < 0.5
    if kind == "number" and source.random() < 0.3:
        told |= {"decimalChar": ",", "groupChar": source.choice(["_", "."])}
    if kind == "date" and source.random() < 0.2:
        told["format"] = "%d.%m.%Y"
        limits = {name: value for name, value in limits.items() if name not in BOUND_NAMES}
    if kind == "string" and source.random() < 0.2:
        told["format"] = source.choice(["uuid", "binary"])
    return told | ({"constraints": limits} if limits else {})


def case(source: random.Random) -> tuple[dict[str, Any], str]:
    """A schema, and a file of cells that are mostly of its types."""
    width = source.randint(1, 4)
    fields = [field(source, number) for number in range(width)]
    schema: dict[str, Any] = {"$schema": f"{STANDARD}/tableschema.json", "fields": fields}
    if source.random() < 0.3:
        schema["missingValues"] = ["", "-", "NULL"]
    keys = [each["name"] for each in fields if each["type"] not in ("array", "object", "geopoint")]
    if keys and source.random() < 0.3:
        schema["primaryKey"] = source.sample(keys, source.randint(1, len(keys)))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([each["name"] for each in fields])
    for _ in range(source.randint(1, 12)):
        texts = [TEXTS[each["type"] if source.random() < 0.8 else "string"] for each in fields]
        cells = [source.choice(some) for some in texts]
        shape = source.random()
        cells = cells[: source.randint(1, width)] if shape < 0.1 else [*cells, "x"] if shape < 0.2 else cells
        cells = [""] * width if 0.2 < shape < 0.3 else cells
        writer.writerow(cells if cells != [""] else ["a"])  # a blank line is no row to Python's csv module
    return schema, text.getvalue()


def found_by_frictionless(schema: dict[str, Any], path: Path) -> list[tuple[int, str, str]]:
    marks = {"delimiter": ",", "quoteChar": '"', "doubleQuote": True, "skipInitialSpace": False, "lineTerminator": "\n"}
    descriptor = {
        "$schema": f"{STANDARD}/dataresource.json",  # an exclusive bound is of its version
        "name": "data",
        "path": path.name,
        "schema": schema,
        "encoding": "utf-8",
        "dialect": {"csv": marks},
    }
    resource = frictionless.Resource.from_descriptor(descriptor, basepath=str(path.parent))
    report = resource.validate(limit_errors=10_000)
    told = []
    for error in report.tasks[0].errors:
        column = ", ".join(schema["primaryKey"]) if error.type == "primary-key" else getattr(error, "field_name", "")
        told.append((error.row_number - 1, column, error.type))
    return sorted(told)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("ignore")  # of the library
def test_findings_are_those_of_frictionless(seed: int, tmp_path: Path) -> None:
    source = random.Random(seed)
    path = tmp_path / "data.csv"
    compared = with_findings = 0
    while compared < CASES:
        schema, text = case(source)
        path.write_text(text, encoding="utf-8", newline="")
        try:
            ours = sorted((row or 0, column or "", code) for row, column, code in found(schema, text))
        except RuleError:
            continue  # an enumeration with a text that is no value of its format
        assert ours == found_by_frictionless(schema, path), (schema, text)
        compared += 1
        with_findings += bool(ours)
    assert with_findings > CASES / 2
