"""The nouns as values: what they refuse, how they travel as JSON, how they read."""

import dataclasses
import datetime as dt
import json
import math
from typing import Any

import pytest

from csv_manager.core.errors import ConfigurationError, CsvManagerError, OptionError
from csv_manager.core.model import (
    ColumnChange,
    CsvFormat,
    Finding,
    FormatOptions,
    RowChange,
    Signature,
    Version,
    WatcherOptions,
)


def test_a_signature_comes_back_from_its_text() -> None:
    signature = Signature(device=2049, inode=2**63, size=0, mtime_ns=1_700_000_000_123_456_789, ctime_ns=-1)
    assert Signature.parse(str(signature)) == signature


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": ""}, "--delimiter must be one character"),
        ({"delimiter": ",,"}, "--delimiter must be one character"),
        ({"delimiter": "\n"}, "--delimiter must be one character"),
        ({"delimiter": '"'}, "--delimiter must be one character"),
        ({"quotechar": "''"}, "--quotechar must be one character, or empty for none"),
        ({"quotechar": "\r"}, "--quotechar must be one character, or empty for none"),
        ({"quotechar": ";", "delimiter": ";"}, "--quotechar and --delimiter are both ';'"),
        ({"skip_lines": -1}, "--skip-lines must be from 0 to 2147483647, not -1"),
        ({"skip_lines": 10**20}, "--skip-lines must be from 0 to 2147483647, not 1000"),
        ({"names": ("a", "b", "a")}, "--header repeats a name: a, b, a"),
        ({"encoding": "utf-9"}, "--encoding 'utf-9' is not known; try utf-8"),
        ({"encoding": ""}, "--encoding '' is not known"),
        ({"encoding": "rot13"}, "--encoding 'rot13' is not known"),
        ({"encoding": "base64"}, "--encoding 'base64' is not known"),
        ({"encoding": "undefined"}, "--encoding 'undefined' is not known"),
    ],
)
def test_a_format_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        FormatOptions(**options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"delimiter": "\t"},
        {"delimiter": " "},
        {"quotechar": ""},
        {"quotechar": "'", "delimiter": ";"},
        {"skip_lines": 0},
        {"names": ("a", "b")},
        {"encoding": "UTF8"},
        {"encoding": "latin-1"},
    ],
)
def test_a_format_that_can_be_is_taken(options: dict[str, Any]) -> None:
    assert FormatOptions(**options) == FormatOptions(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0}, "--interval must be more than 0 seconds, not 0."),
        ({"interval": -1.5}, "--interval must be more than 0 seconds, not -1.5."),
        ({"interval": math.nan}, "--interval must be more than 0 seconds, not nan."),
        ({"interval": math.inf}, "--interval must be at most 31,622,400 seconds, a year, not inf."),
        ({"settle": -1}, "--settle must be 0 seconds or more, not -1."),
        ({"max_wait": math.nan}, "--max-wait must be 0 seconds or more, not nan."),
        ({"every": math.inf}, "--every must be at most 31,622,400 seconds, a year, not inf."),
        ({"key": ("a", "b"), "ignore": ("c", "b", "a")}, "A key column cannot be ignored: a, b."),
        ({"name": ""}, "--name must be a word"),
        ({"name": "a/b"}, "--name must be a word"),
        ({"name": " a"}, "--name must be a word"),
    ],
)
def test_watcher_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        WatcherOptions(**options)
    assert message in str(caught.value)


def test_watcher_options_that_can_be_are_taken() -> None:
    options = WatcherOptions(interval=0.1, settle=0, max_wait=0, every=0, key=("a",), ignore=("b",), name="prices")
    assert dataclasses.replace(options, settle=None).settle is None


def test_a_csv_format_comes_back_from_json() -> None:
    csv_format = CsvFormat(
        encoding="cp1252",
        errors="backslashreplace",
        delimiter="\t",
        quotechar="",
        header=False,
        names=("a", "b"),
        skip_lines=3,
        compression="gzip",
        sure=False,
    )
    assert CsvFormat.from_json(json.loads(json.dumps(csv_format.to_json()))) == csv_format
    assert CsvFormat.from_json(json.loads(json.dumps(CsvFormat().to_json()))) == CsvFormat()


def test_a_csv_format_of_another_version_is_read_as_far_as_it_is_known() -> None:
    assert CsvFormat.from_json({"delimiter": ";", "escapechar": "\\"}) == CsvFormat(delimiter=";")


@pytest.mark.parametrize(
    ("csv_format", "text"),
    [
        (CsvFormat(), "comma, utf-8, header"),
        (CsvFormat(delimiter=";", encoding="cp1252", header=False), "semicolon, cp1252, no header"),
        (CsvFormat(delimiter="\t", compression="gzip"), "tab, utf-8, header, gzip"),
        (CsvFormat(delimiter="|", skip_lines=12), "pipe, utf-8, header, 12 lines skipped"),
        (CsvFormat(delimiter=":", header=False, names=("a",)), ":, utf-8, names given"),
    ],
)
def test_a_csv_format_is_described_in_a_few_words(csv_format: CsvFormat, text: str) -> None:
    assert csv_format.describe() == text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (ColumnChange(), ""),
        (ColumnChange(added=("a", "b")), "columns added: a, b"),
        (ColumnChange(removed=("a",)), "columns removed: a"),
        (
            ColumnChange(added=("c",), removed=("a",), renamed={"x": "y", "v": "w"}),
            "columns added: c; columns removed: a; columns renamed: x to y, v to w",
        ),
    ],
)
def test_a_column_change_is_described_and_comes_back_from_json(change: ColumnChange, text: str) -> None:
    assert change.describe() == text
    assert bool(change) == bool(text)
    assert ColumnChange.from_json(json.loads(json.dumps(change.to_json()))) == change


def test_no_column_change_is_read_from_nothing() -> None:
    assert ColumnChange.from_json(None) == ColumnChange.from_json({}) == ColumnChange()


def test_a_row_change_has_the_same_form_everywhere() -> None:
    change = RowChange(op="update", key={"id": "1"}, before={"id": "1"}, after={"id": "1", "_extra": ["x"]}, line=7)
    assert list(change.to_json(csv_file="/a.csv", version=3, seq=0).items()) == [
        ("csv_file", "/a.csv"),
        ("version", 3),
        ("seq", 0),
        ("op", "update"),
        ("key", {"id": "1"}),
        ("before", {"id": "1"}),
        ("after", {"id": "1", "_extra": ["x"]}),
        ("line", 7),
    ]


def test_the_size_of_a_row_change_is_that_of_its_names_and_cells() -> None:
    row = {"id": "1", "name": "Müller"}
    assert RowChange(op="insert", key=None, before=None, after=row, line=2).size == 4 + 6 + 7
    assert RowChange(op="update", key={"id": "1"}, before=row, after=row, line=2).size == 2 + 2 + 1 + 2 * 17
    short, long = {"id": "1", "name": None}, {"id": "1", "_extra": ["ab", "c"]}
    assert RowChange(op="update", key=None, before=short, after=long, line=2).size == (4 + 6 + 1) + (4 + 8 + 1 + 4)


def test_a_finding_is_a_json_object() -> None:
    assert Finding(code="type-error", message="no number", line=3).to_json() == {
        "code": "type-error",
        "message": "no number",
        "line": 3,
        "column": None,
        "row": None,
        "value": None,
        "level": "error",
        "rule": None,
    }


def test_the_summary_of_a_version_is_a_row_of_the_history() -> None:
    names = ("version", "created", "cause", "status", "sha256", "size", "rows", "inserted", "updated", "deleted")
    created = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)
    version = Version(
        number=2,
        base=1,
        created=created,
        cause="file",
        status="ok",
        sha256="ab",
        size=10,
        rows=None,
        inserted=1,
        updated=2,
        deleted=3,
        columns=("a",),
        column_change=ColumnChange(),
        csv_format=CsvFormat(),
        key=(),
        ignore=(),
        findings=(),
        position=5,
        stored=True,
    )
    assert version.summary() == dict(zip(names, (2, created, "file", "ok", "ab", 10, None, 1, 2, 3), strict=True))


@pytest.mark.parametrize("value", [CsvFormat(), FormatOptions(), WatcherOptions(), ColumnChange()])
def test_values_cannot_be_changed(value: Any) -> None:
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)


def test_the_default_message_of_an_error_is_its_line_of_prose() -> None:
    assert str(CsvManagerError()) == "csv_manager could not do what was asked."
    assert str(ConfigurationError("APP_PATH is no folder.")) == "APP_PATH is no folder."


def test_every_error_has_a_line_of_prose_of_its_own_and_an_exit_code() -> None:
    def below(error: type[CsvManagerError]) -> list[type[CsvManagerError]]:
        return [error, *(found for sub in error.__subclasses__() for found in below(sub))]

    errors = [error for error in below(CsvManagerError) if error.__module__ == "csv_manager.core.errors"]
    prose = [str(error()) for error in errors]
    assert len(set(prose)) == len(errors) > 10
    assert all(line.endswith(".") and "\n" not in line for line in prose)
    assert {error.exit_code for error in errors} == {2}
