"""The configuration of a run and its hash: the same wherever the same is in force, and without secrets."""

import json
from pathlib import Path

import pytest

from csv_manager.core.configurations import canonical, configuration_of, effective
from csv_manager.core.model import WatcherOptions
from csv_manager.framework.settings import load

OPTIONS = WatcherOptions(key=("id",), interval=5)
FIRST = "CSV_INTERVAL: 7\nDATABASES:\n  other: {dialect: postgresql, database: d, user: 'me:one', address: h}\n"
REORDERED = "databases:\n  other: {user: 'me:one', address: h, database: d, dialect: postgresql}\nCSV_INTERVAL: 7\n"


def hash_of(file: Path, text: str, options: WatcherOptions = OPTIONS) -> str:
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text(text)
    return configuration_of(effective(load([str(file)], {"CSV_MANAGER_HOME": "/home/me"})), options).hash


def test_reordered_keys_and_a_copied_file_have_the_same_hash(tmp_path: Path) -> None:
    first = hash_of(tmp_path / "one.yaml", FIRST)
    assert hash_of(tmp_path / "far" / "away.yaml", FIRST) == first
    assert hash_of(tmp_path / "two.yaml", REORDERED) == first


def test_a_changed_setting_or_argument_has_another_hash(tmp_path: Path) -> None:
    first = hash_of(tmp_path / "one.yaml", FIRST)
    assert hash_of(tmp_path / "one.yaml", FIRST.replace("7", "8")) != first
    assert hash_of(tmp_path / "one.yaml", FIRST.replace("database: d", "database: e")) != first
    for other in (WatcherOptions(key=("id", "b"), interval=5), WatcherOptions(key=("id",), interval=6)):
        assert hash_of(tmp_path / "one.yaml", FIRST, other) != first


def test_another_password_is_the_same_configuration_and_none_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    first = hash_of(file, FIRST)
    file.write_text(FIRST.replace("me:one", "me:t0p s3cret"))
    found = configuration_of(effective(load([str(file)], {"CSV_MANAGER_HOME": "/home/me"})), OPTIONS)
    assert found.hash == first
    assert "t0p" not in json.dumps(found.content)
    assert found.content["settings"]["DATABASES"]["other"]["user"] == "me:***"
    assert found.content["arguments"]["key"] == ["id"]


def test_what_only_shows_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    assert hash_of(file, FIRST) == hash_of(file, f"{FIRST}PROGRESS: false\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": "ü"}, '{"a":"\\u00fc","b":1}'),
        ({"paths": {Path("/b"), Path("/a")}}, '{"paths":["/a","/b"]}'),
        ({"path": Path("/x")}, '{"path":"/x"}'),
        ({"what": object()}, '{"what":"object"}'),
    ],
)
def test_the_canonical_form_is_one(value: object, text: str) -> None:
    assert canonical(value) == text
