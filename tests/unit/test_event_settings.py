"""The setting EVENTS: what it may say, and what is refused with a line that names it."""

import os
from pathlib import Path

import pytest

from csv_manager.core.errors import ConfigurationError
from csv_manager.framework.bind_settings import binds_of
from csv_manager.framework.event_settings import EventSettings, events_of, parse_events
from csv_manager.framework.settings import load
from csv_manager.store.urls import url_of


def told(tmp_path: Path, text: str, **variables: str) -> EventSettings:
    """What EVENTS of a YAML file comes to."""
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    home = {"CSV_MANAGER_HOME": str(tmp_path), "HOME": str(tmp_path)}
    settings = load([str(file)], {**home, **variables})
    return events_of(settings, binds_of(settings))


def test_without_a_word_the_record_is_in_the_store() -> None:
    settings = load([], {})
    assert parse_events(settings["EVENTS"], "shipped") == EventSettings(groups=frozenset({"default", "sql"}))


def test_groups_are_names_with_commas_or_a_list(tmp_path: Path) -> None:
    assert told(tmp_path, "events: {groups: 'default, web ,'}").groups == {"default", "web"}
    assert told(tmp_path, "EVENTS: {groups: [sql]}").groups == {"sql"}
    assert told(tmp_path, "events: {groups: ''}").groups == set()


def test_a_name_in_capitals_is_a_variable(tmp_path: Path) -> None:
    url = "postgresql://writer:secret@host/events"
    found = told(tmp_path, "events: {dialect: postgres, connection_string: RECORD}", RECORD=url)
    assert found.bind is not None
    assert url_of(found.bind).render_as_string(hide_password=False) == url.replace("://", "+psycopg://")
    assert "secret" not in repr(found)


def test_a_file_begins_in_the_folder_of_csv_manager(tmp_path: Path) -> None:
    found = told(tmp_path, "events: {connection_string: 'sqlite:///archive/events.db'}")
    assert found.bind is not None
    assert url_of(found.bind).database == os.path.join(load([], {})["APP_PATH"], "archive", "events.db")


def test_a_database_may_be_one_of_the_settings(tmp_path: Path) -> None:
    both = "databases: {record: {dialect: sqlite, path: r.db}}\nevents: {connection_string: record}"
    found = told(tmp_path, both)
    assert found.bind is not None
    assert found.bind.path == os.path.join(load([], {})["APP_PATH"], "r.db")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("events: {grups: sql}", "EVENTS: there is no grups; did you mean groups?"),
        ("events: {groups: 5}", "groups must be names with commas between them, not a number"),
        ("events: {groups: 'a b'}", "a… is no name of a group"),
        (
            "events: {dialect: oracle, connection_string: x}",
            "there is no dialect oracle; it is sqlite, postgres or mysql",
        ),
        ("events: {dialect: mysql}", "a dialect needs a connection_string"),
        ("events: {dialect: mysql, connection_string: 'sqlite:///x.db'}", "is one of sqlite, and dialect mysql"),
        ("events: {connection_string: 'sqlite://'}", "a database in memory is gone when this ends"),
        ("events: {connection_string: 5}", "dialect and connection_string must be texts"),
        ("events: {connection_string: recrd}", "There is no database 'recrd' in the settings"),
        ("events: {connection_string: RECORD}", "names the environment variable RECORD, which is not set"),
        ("events: {}\nEVENTS: {}", "events and EVENTS are one setting"),
        ("events: sql", "EVENTS must be a mapping"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        told(tmp_path, text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://a:hunter2@h:x/d", "x://a:hunter2@h/d", "sqlite:a:hunter2@://"])
def test_no_message_has_a_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_events({"connection_string": url}, "file")
    assert "hunter2" not in str(caught.value)
