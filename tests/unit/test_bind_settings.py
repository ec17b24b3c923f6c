"""The databases that all layers of settings tell of together."""

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from csv_manager.core.binds import Credential
from csv_manager.core.errors import ConfigurationError
from csv_manager.core.masking import masked
from csv_manager.framework import settings as layered
from csv_manager.framework.bind_settings import binds_of
from csv_manager.store.urls import url_of


def load(folder: Path, *files: str, **environment: str) -> layered.Settings:
    """The settings of these files, a.yaml, b.yaml and so on; one that begins with `DATABASES =` is Python."""
    paths = []
    for letter, content in zip("abc", files, strict=False):
        path = folder / (f"{letter}.py" if content.startswith("DATABASES =") else f"{letter}.yaml")
        path.write_text(content)
        paths.append(str(path))
    return layered.load(paths, {"CSV_MANAGER_HOME": os.environ["CSV_MANAGER_HOME"], **environment})


def refused(folder: Path, *files: str, **environment: str) -> str:
    """The line that says why these settings cannot be used."""
    with pytest.raises(ConfigurationError) as caught:
        load(folder, *files, **environment)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_databases_the_store_is_the_default(folder: Path) -> None:
    settings = load(folder)
    assert settings["DATABASES"] == {}
    [(name, bind)] = binds_of(settings).items()
    assert (name, bind.name, bind.sql_dialect) == ("default", "default", "sqlite")
    assert bind.url == settings["WATCHER_DATABASE_CONNECTION"]
    assert url_of(bind).database == settings["WATCHER_DATABASE_LOCATION"]


def test_the_default_comes_first_and_beside_it_the_others(folder: Path) -> None:
    settings = load(folder, "databases: {reports: 'mysql://host/reports', kept: {dialect: sqlite, path: kept.db}}\n")
    assert list(binds_of(settings)) == ["default", "reports", "kept"]
    told = "databases: {reports: 'mysql://host/reports', default: {dialect: sqlite, path: /data/own.db}}\n"
    binds = binds_of(load(folder, told))
    assert list(binds) == ["default", "reports"]
    assert binds["default"].path == "/data/own.db"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("kept.db", "{home}/kept.db"),
        ("deep/kept.db", "{home}/deep/kept.db"),
        ("/data/kept.db", "/data/kept.db"),
        ("~/kept.db", "/home/me/kept.db"),
        ("':memory:'", ":memory:"),
    ],
)
def test_a_relative_path_begins_in_app_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch, path: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    told = f"APP_PATH: {folder}/home\ndatabases: {{default: {{dialect: sqlite, path: {path}}}}}\n"
    assert binds_of(load(folder, told))["default"].path == expected.format(home=folder / "home")
    told = f"APP_PATH: home\ndatabases: {{default: {{dialect: sqlite, path: {path}}}}}\n"
    assert binds_of(load(folder, told))["default"].path == expected.format(home=folder / "home")


def test_layers_merge_key_by_key(folder: Path) -> None:
    settings = load(
        folder,
        "DATABASES = {'main': {'dialect': 'postgresql', 'database': 'a', 'user': 'me:one', 'port': 1}}\n",
        "databases: {main: {database: b, port: null}, other: 'sqlite:////data/o.db'}\n",
        CSV_MANAGER_DATABASES="{main: {user: 'me:two'}}",
    )
    bind = binds_of(settings)["main"]
    assert (bind.database, bind.port) == ("b", None)
    assert bind.user == Credential(login="me", password="two")  # noqa: S106 - no one's
    assert settings.origin("DATABASES") == "CSV_MANAGER_DATABASES"
    assert binds_of(settings)["other"].url == "sqlite:////data/o.db"


def test_a_text_replaces_a_mapping_and_a_mapping_a_text(folder: Path) -> None:
    mapping = "databases: {main: {dialect: sqlite, path: /data/kept.db}}\n"
    text = "databases: {main: 'mysql://host/db'}\n"
    assert binds_of(load(folder, mapping, text))["main"].url == "mysql://host/db"
    bind = binds_of(load(folder, text, mapping))["main"]
    assert (bind.url, bind.path) == (None, "/data/kept.db")


def test_nothing_below_databases_is_no_database(folder: Path) -> None:
    assert load(folder, "databases:\n")["DATABASES"] == {}
    told = load(folder, "databases: {main: 'mysql://host/db'}\n", "DATABASES:\n")
    assert list(told["DATABASES"]) == ["main"]


def test_databases_may_be_a_variables(folder: Path) -> None:
    told = "{main: {dialect: mysql, database: db, user: 'me:${X}hunter2'}}"
    for layer in ("databases: env:DBS\n", "DATABASES = '${DBS}'\n"):
        settings = load(folder, layer, DBS=told)
        credential = binds_of(settings)["main"].user
        assert credential == Credential(login="me", password="${X}hunter2")  # noqa: S106 - no one's
    settings = load(folder, CSV_MANAGER_DATABASES="env:DBS", DBS=told)
    assert binds_of(settings)["main"].database == "db"
    assert "DATABASES must be a mapping, not a text" in refused(folder, "databases: env:DBS\n", DBS="me:hunter2")


def test_a_variable_is_read_as_the_type_of_the_setting(folder: Path) -> None:
    settings = load(
        folder, "CSV_INTERVAL: ${SECONDS}\nCSV_FILES: env:FILES\nMINE: ${SECONDS}\n", SECONDS="7", FILES="a.csv, b.csv"
    )
    assert (settings["CSV_INTERVAL"], settings["CSV_FILES"], settings["MINE"]) == (7, ["a.csv", "b.csv"], "7")
    line = refused(folder, "CSV_INTERVAL: ${MY_PASSWORD}\n", MY_PASSWORD="hunter2")  # noqa: S106 - no one's
    assert line.endswith("a.yaml: CSV_INTERVAL must be a number, not '***'.")


@pytest.mark.parametrize(
    "files",
    [
        ("databases: {main: 'mysql://${LOGIN}@host/db'}\n",),
        ("DATABASES = {'main': 'mysql://${LOGIN}@host/db'}\n",),
        ("databases: {main: MAIN_URL}\n",),
        ("DATABASES = {'main': 'MAIN_URL'}\n",),
        ("databases: {main: env:MAIN_URL}\n",),
    ],
)
def test_every_layer_names_variables_in_databases(folder: Path, files: tuple[str, ...]) -> None:
    settings = load(folder, *files, LOGIN="me:p${X}", MAIN_URL="mysql://me:p${X}@host/db")
    assert url_of(binds_of(settings)["main"]).password == "p${X}"  # noqa: S105 - no one's


def test_every_layer_names_variables_in_the_connection_of_the_store(folder: Path) -> None:
    url = "mysql://me:hunter2@host/db"
    for told in ("DB_URL", "${DB_URL}", "env:DB_URL", "mysql://me:${PW}@host/db"):
        layers: list[Any] = [
            ((f"WATCHER_DATABASE_CONNECTION: {told}\n",), {}),
            ((f"DATABASES = {{}}\nWATCHER_DATABASE_CONNECTION = '{told}'\n",), {}),
            ((), {"CSV_MANAGER_WATCHER_DATABASE_CONNECTION": told}),
        ]
        for files, environment in layers:
            settings = load(folder, *files, DB_URL=url, PW="hunter2", **environment)
            assert str(settings["WATCHER_DATABASE_CONNECTION"]) == url
            assert binds_of(settings)["default"].url == url
        name = "PW" if "PW" in told else "DB_URL"
        line = refused(folder, CSV_MANAGER_WATCHER_DATABASE_CONNECTION=told)
        assert f"WATCHER_DATABASE_CONNECTION names the environment variable {name}, which is not set" in line


def test_what_is_derived_from_a_secret_is_not_shown_either(folder: Path) -> None:
    settings = load(folder, "APP_PATH: /data/${MY_TOKEN}\n", MY_TOKEN="hunter2")  # noqa: S106 - no one's
    assert settings["WATCHER_DATABASE_CONNECTION"] == "sqlite:////data/hunter2/watcher_db.db"
    shown = {setting.name: masked(setting.name, setting.value) for setting in settings.all()}
    assert shown["WATCHER_DATABASE_CONNECTION"] == "sqlite:////data/***/watcher_db.db"
    assert "hunter2" not in str(shown)


def test_what_code_makes_of_a_secret_variable_is_not_shown_either(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SERVICE", "hunter2")
    code = (
        "DATABASES = {}\nimport os\nTOLD = os.environ['MY_SERVICE']\n"
        "REPORT = [f'https://h/{TOLD}/x', ('a', TOLD)]\nMINE = {'deep': f'<{TOLD}>', 'n': 1}\n"
    )
    settings = load(folder, code, OUR_TOKEN="hunter2", ITS_TOKEN="deep")  # noqa: S106 - no one's
    assert (settings["REPORT"], settings["MINE"]["n"]) == (["https://h/hunter2/x", ("a", "hunter2")], 1)
    shown = {name: masked(name, value) for name, value in settings.items()}
    assert (shown["REPORT"], shown["MINE"]) == (["https://h/***/x", ["a", "***"]], {"deep": "<***>", "n": 1})
    assert shown["TOLD"] == "***"
    assert "hunter2" not in repr(settings["MINE"])


def test_other_settings_name_variables_in_yaml_alone(folder: Path) -> None:
    settings = load(folder, "MINE: ${X}\n", "DATABASES = {}\nOURS = '${X}'\n", X="x", CSV_MANAGER_YOURS="${X}")
    assert (settings["MINE"], settings["OURS"], settings["YOURS"]) == ("x", "${X}", "${X}")


@pytest.mark.parametrize(
    ("files", "environment", "start"),
    [
        (("databases: {main: {databse: hunter2}}\n",), {}, "{folder}/a.yaml: databases.main has no key 'databse'"),
        (("DATABASES = {'main': {'databse': 1}}\n",), {}, "{folder}/a.py: databases.main has no key 'databse'"),
        ((), {"CSV_MANAGER_DATABASES": "{main: {user:me:hunter2}}"}, "CSV_MANAGER_DATABASES: databases.main has no"),
        ((), {"CSV_MANAGER_DATABASES": "{main: [hunter2"}, "CSV_MANAGER_DATABASES, line 1: "),
        (("databases: hunter2\n",), {}, "{folder}/a.yaml: DATABASES must be a mapping, not a text."),
        (("databases: [hunter2]\n",), {}, "{folder}/a.yaml: DATABASES must be a mapping, not a list."),
        (("WATCHER_DATABASE_CONNECTION: {user: hunter2}\n",), {}, "{folder}/a.yaml: WATCHER_DATABASE_CONNECTION must"),
        (("databases: {}\nDATABASES: {}\n",), {}, "{folder}/a.yaml: databases and DATABASES are one setting;"),
        (("Databases: {}\n",), {}, "{folder}/a.yaml: unknown setting 'Databases'; did you mean DATABASES?"),
        (("{MAIL_PASSWORD:hunter2, CSV_INTERVAL: 5}\n",), {}, "{folder}/a.yaml: unknown setting 'MAIL_PASSWORD…'"),
        (("{MAIL_PASSWORD:HUNTER2, CSV_INTERVAL: 5}\n",), {}, "{folder}/a.yaml: unknown setting 'MAIL_PASSWORD…'"),
        (
            ("databases: {main: {dialect: sqlite, path: x}}\n", "databases: {other: sqlite://, main: {user: me}}\n"),
            {},
            "{folder}/a.yaml and {folder}/b.yaml: databases.main.user: sqlite has no user",
        ),
        (
            ("databases: {main: {databse: x}}\n", "databases: {other: sqlite://}\n"),
            {},
            "{folder}/a.yaml: databases.main has no key 'databse'",
        ),
        (
            ("databases: {main: {dialect: sqlite, path: x}}\n", "databases: {main: 'hunter2'}\n"),
            {},
            "{folder}/b.yaml: databases.main is no URL",
        ),
        (("databases: {main: {user: 'me:${NONE}'}}\n",), {}, "{folder}/a.yaml, line 1: databases.main.user names the"),
    ],
)
def test_what_is_wrong_is_refused_when_settings_are_loaded(
    folder: Path, files: tuple[str, ...], environment: dict[str, str], start: str
) -> None:
    assert refused(folder, *files, **environment).startswith(start.format(folder=folder))


def test_the_store_that_counts_is_told_once_where_two_are(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    default = "databases: {default: {dialect: sqlite, path: own.db}}\n"
    with caplog.at_level(logging.WARNING):
        load(folder, default)
        load(folder, "databases: {main: 'sqlite://'}\n", CSV_MANAGER_WATCHER_DATABASE_LOCATION="/data/a.db")
        assert caplog.messages == []
        settings = load(folder, default, CSV_MANAGER_WATCHER_DATABASE_CONNECTION="mysql://me:hunter2@host/db")
    [line] = caplog.messages
    assert line.startswith(f"The store is databases.default of {folder}/a.yaml; WATCHER_DATABASE_CONNECTION of CSV_")
    assert line.endswith("does not count.")
    assert binds_of(settings)["default"].path == f"{os.environ['CSV_MANAGER_HOME']}/own.db"


def test_a_connection_that_no_bind_can_be_is_told(folder: Path) -> None:
    settings = load(folder, "WATCHER_DATABASE_CONNECTION: oracle://me:hunter2@host/db\n")
    with pytest.raises(ConfigurationError) as caught:
        binds_of(settings)
    assert str(caught.value).startswith(f"{folder}/a.yaml: WATCHER_DATABASE_CONNECTION: the URL must begin with ")
    assert "hunter2" not in str(caught.value)


def test_an_app_of_its_own_tells_databases_by_the_same_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_URL", "mysql://me:hunter2@host/db")
    settings = layered.overlay({"DATABASES": {"main": "DB_URL"}, "APP_PATH": "/data"}, "the app")
    assert binds_of(settings)["main"].url == "mysql://me:hunter2@host/db"
    assert binds_of(dict(settings))["default"].url == "sqlite:////data/watcher_db.db"
    for told in ({"main": {"user:me:hunter2": 1}}, "hunter2", None):
        with pytest.raises(ConfigurationError, match=r"^the app: databases") as caught:
            layered.overlay({"DATABASES": told}, "the app")
        assert "hunter2" not in str(caught.value)
