"""Environment variables in the texts of settings."""

from typing import Any

import pytest

from csv_manager.core.errors import ConfigurationError
from csv_manager.core.masking import FromVariable, masked
from csv_manager.framework.variables import PlacedText, Variables

ENVIRONMENT = {
    "HOST": "db.example.com",
    "LOGIN": "app",
    "DB_PASSWORD": "hunter2",
    "DB_URL": "postgresql://me:hunter2@host/db",
    "NESTED": "${DB_PASSWORD} env:HOST $${x} HOST",
    "CAPITALS": "DB_URL",
    "EMPTY": "",
    "PWD": "/data",
    "_lower1": "low",
}


def expand(value: Any, *path: str) -> Any:
    """A value with its variables."""
    return Variables(ENVIRONMENT, "mine.yaml").expand(value, *(path or ("MINE",)))


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${HOST}", "db.example.com"),
        ("a${HOST}b${LOGIN}c", "adb.example.combappc"),
        ("${HOST}${HOST}", "db.example.comdb.example.com"),
        ("${EMPTY}", ""),
        ("${_lower1}", "low"),
        ("env:HOST", "db.example.com"),
        ("${NESTED}", ENVIRONMENT["NESTED"]),
        ("env:NESTED", ENVIRONMENT["NESTED"]),
        ("<${NESTED}>", f"<{ENVIRONMENT['NESTED']}>"),
        ("$${HOST}", "${HOST}"),
        ("$$${HOST}", "$${HOST}"),
        ("$${${HOST}", "${db.example.com"),
        ("$${", "${"),
        ("app:p$ss$$w{rd}", "app:p$ss$$w{rd}"),
        (" env:HOST", " env:HOST"),
        ("env:HOST and more", "env:HOST and more"),
        ("env:no name", "env:no name"),
        ("env:", "env:"),
        ("$HOST", "$HOST"),
        ("HOST", "HOST"),
        ("", ""),
    ],
)
def test_a_text_names_variables(text: str, expanded: str) -> None:
    assert expand(text) == expanded


def test_every_text_within_a_value_is_looked_at_and_nothing_else() -> None:
    told = {"a": ["${HOST}", ("env:LOGIN", 5)], "${HOST}": {"deep": None, 7: True}}
    assert expand(told) == {"a": ["db.example.com", ["app", 5]], "${HOST}": {"deep": None, 7: True}}


@pytest.mark.parametrize(
    ("path", "expanded"),
    [
        (("WATCHER_DATABASE_CONNECTION",), "postgresql://me:hunter2@host/db"),
        (("DATABASES", "main"), "postgresql://me:hunter2@host/db"),
        (("DATABASES", "main", "database"), "DB_URL"),
        (("DATABASES",), "DB_URL"),
        (("MINE",), "DB_URL"),
        (("WATCHER_DATABASE_NAME",), "DB_URL"),
    ],
)
def test_a_connection_in_capitals_names_a_variable(path: tuple[str, ...], expanded: str) -> None:
    assert expand("DB_URL", *path) == expanded


def test_what_a_variable_holds_is_no_name() -> None:
    assert expand("CAPITALS", "DATABASES", "main") == "DB_URL"
    assert expand("${CAPITALS}", "DATABASES", "main") == "DB_URL"
    assert expand({"main": "env:NESTED"}, "DATABASES") == {"main": ENVIRONMENT["NESTED"]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("${DB_PASSWORD}", "***"),
        ("env:DB_PASSWORD", "***"),
        ("key-${DB_PASSWORD}-${HOST}", "key-***-db.example.com"),
        ("${DB_URL}", "postgresql://me:***@host/db"),
        ("mysql://${LOGIN}:${LOGIN}@${HOST}/x", "mysql://app:***@db.example.com/x"),
        ("${PWD}/kept.db", "/data/kept.db"),
        ("plain", "plain"),
        ("$${DB_PASSWORD}", "${DB_PASSWORD}"),
    ],
)
def test_the_secret_of_a_variable_is_not_shown(text: str, shown: str) -> None:
    told = expand(text)
    assert masked("MINE", told) == shown
    assert masked("MINE", {"deep": [told]}) == {"deep": [shown]}
    assert isinstance(told, FromVariable) == any(name in text.replace("$${", "") for name in ("${", "env:"))


@pytest.mark.parametrize(
    ("value", "path", "line"),
    [
        ("x${NONE}", ("MINE",), "mine.yaml: MINE names the environment variable NONE, which is not set; set it,"),
        ("env:NONE", ("MINE", "deep"), "mine.yaml: MINE.deep names the environment variable NONE, "),
        (["a", {"b": "${NONE}"}], ("MINE",), "mine.yaml: MINE.1.b names the environment variable NONE, "),
        ("NONE", ("DATABASES", "main"), "mine.yaml: databases.main names the environment variable NONE, "),
        ("hunter2${NONE}", ("DATABASES", "main", "user"), "mine.yaml: databases.main.user names the environment"),
        ({"user:me:hunter2": "${NONE}"}, ("MINE",), "mine.yaml: MINE.user… names the environment variable NONE, "),
        ("hunter2${", ("MINE",), "mine.yaml: MINE: behind ${ there is no name and }; write $${ for a literal ${."),
        ("hunter2${}", ("MINE",), "mine.yaml: MINE: behind ${"),
        ("${hunter2-}", ("MINE",), "mine.yaml: MINE: behind ${"),
        ("${HOST:-hunter2}", ("MINE",), "mine.yaml: MINE: behind ${"),
        (
            PlacedText("${NONE}", "b.yaml, line 7"),
            ("MINE",),
            "b.yaml, line 7: MINE names the environment variable NONE",
        ),
    ],
)
def test_a_variable_that_is_not_set_is_told_with_the_setting_and_the_file(
    value: Any, path: tuple[str, ...], line: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        expand(value, *path)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_nothing_but_what_it_is_told_is_kept_of_where_a_text_stood() -> None:
    told = expand({PlacedText("key", "b.yaml, line 1"): PlacedText("text", "b.yaml, line 1")})
    assert [type(text) for pair in told.items() for text in pair] == [str, str]
