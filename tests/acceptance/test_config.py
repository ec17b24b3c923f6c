"""The layers of settings, as csv_config_list shows them."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cli


@pytest.fixture
def bare(cli: "Cli") -> "Cli":
    """A console script for which nothing but the home is set."""
    cli.environment = {
        name: value
        for name, value in cli.environment.items()
        if not name.startswith("CSV_MANAGER_") or name == "CSV_MANAGER_HOME"
    }
    return cli


def settings(cli: "Cli", *options: object) -> dict[str, tuple[Any, str]]:
    """Each setting's value and origin."""
    return {told["name"]: (told["value"], told["origin"]) for told in cli.json(*options, "csv_config_list")}


def test_every_shipped_setting_is_listed_with_its_origin(bare: "Cli") -> None:
    told = settings(bare)
    assert {name: origin for name, (_, origin) in told.items() if origin != "shipped"} == {
        "APP_PATH": "CSV_MANAGER_HOME"
    }
    assert told["APP_PATH"][0] == str(bare.home)
    assert told["WATCHER_DATABASE_LOCATION"][0] == str(bare.home / "watcher_db.db")
    assert told["WATCHER_DATABASE_CONNECTION"][0] == f"sqlite:///{bare.home / 'watcher_db.db'}"
    assert (told["CSV_INTERVAL"][0], told["CSV_FILES"][0]) == (10, [])
    assert "CsvWatcherDbPlugin" in told["PLUGINS"][0]
    table = bare("csv_config_list").splitlines()
    assert table[0].split() == ["name", "value", "origin"]
    assert not bare.home.exists()


def test_without_a_home_everything_lies_in_csv_manager_below_the_users_home(bare: "Cli") -> None:
    del bare.environment["CSV_MANAGER_HOME"]
    bare.environment["HOME"] = str(bare.folder)
    assert settings(bare)["APP_PATH"][0] == str(bare.folder / "CSV-Manager")


def test_later_layers_win_and_are_named(bare: "Cli") -> None:
    files = [
        bare.write("../home/configuration.py", "CSV_INTERVAL = 1\nA = 'py'\n"),
        bare.write("../home/configuration.yaml", "CSV_INTERVAL: 2\nA: yaml\nB: yaml\n"),
        bare.write("named.yaml", "CSV_INTERVAL: 3\nB: named\nC: named\n"),
        bare.write("one.py", "CSV_INTERVAL = 4\nC = 'one'\nD = 'one'\n"),
        bare.write("two.yaml", "CSV_INTERVAL: 5\nD: two\nE: two\n"),
    ]
    home_py, home_yaml, named, one, two = (str(file.resolve()) for file in files)
    bare.environment |= {"CSV_MANAGER_CONFIG": str(named), "CSV_MANAGER_E": "variable"}
    told = settings(bare, "--config", one, "--config", "two.yaml")
    assert {name: told[name] for name in "ABCDE"} == {
        "A": ("yaml", home_yaml),
        "B": ("named", named),
        "C": ("one", one),
        "D": ("two", two),
        "E": ("variable", "CSV_MANAGER_E"),
    }
    assert told["CSV_INTERVAL"] == (5, two)
    bare.environment["CSV_MANAGER_CSV_INTERVAL"] = "6.5"
    assert settings(bare, "--config", one)["CSV_INTERVAL"] == (6.5, "CSV_MANAGER_CSV_INTERVAL")
    files[1].unlink()
    assert settings(bare)["A"] == ("py", home_py)


def test_what_is_derived_follows_what_it_is_derived_from(bare: "Cli") -> None:
    config = bare.write("mine.py", f"APP_PATH = {str(bare.folder / 'kept')!r}\n")
    kept = bare.folder / "kept"
    told = settings(bare, "--config", config)
    assert told["APP_PATH"] == (str(kept), str(config))
    assert told["ARCHIVE_PATH"] == (str(kept / "archive"), "shipped")
    assert told["WATCHER_DATABASE_CONNECTION"] == (f"sqlite:///{kept / 'watcher_db.db'}", "shipped")
    bare.write("data.csv", "id,v\n1,x\n")
    bare("--config", config, "csv_watcher_add", "data.csv")
    assert (kept / "watcher_db.db").is_file()
    assert not (bare.home / "watcher_db.db").exists()
    bare.environment["CSV_MANAGER_WATCHER_DATABASE_LOCATION"] = str(bare.folder / "elsewhere.db")
    told = settings(bare, "--config", config)
    assert told["WATCHER_DATABASE_CONNECTION"] == (f"sqlite:///{bare.folder / 'elsewhere.db'}", "shipped")


def test_dictionaries_merge(bare: "Cli") -> None:
    one = bare.write("one.py", "MINE = {'a': 1, 'deep': {'x': 1, 'y': 1}}\n")
    two = bare.write("two.yaml", "MINE: {b: 2, deep: {y: 2}}\n")
    assert settings(bare, "--config", one, "--config", two)["MINE"] == (
        {"a": 1, "deep": {"x": 1, "y": 2}, "b": 2},
        str(two),
    )


def test_a_list_from_the_environment_may_have_commas(bare: "Cli") -> None:
    bare.environment["CSV_MANAGER_CSV_FILES"] = "/a/one.csv, /a/two.csv"
    assert settings(bare)["CSV_FILES"] == (["/a/one.csv", "/a/two.csv"], "CSV_MANAGER_CSV_FILES")


def test_passwords_are_not_shown(bare: "Cli") -> None:
    config = bare.write(
        "secret.yaml",
        "MAIL_PASSWORD: hunter2\n"
        "API_TOKEN: hunter2\n"
        "WATCHER_DATABASE_CONNECTION: postgresql://me:hunter2@host/db\n"
        "TARGETS: {one: 'mysql://me:hunter2@host/db', login: {password: hunter2}}\n",
    )
    for form in ("table", "json", "jsonl", "csv"):
        shown = bare("--config", config, "csv_config_list", "--format", form)
        assert "hunter2" not in shown
        assert "postgresql://me:***@host/db" in shown
    assert "hunter2" not in bare.notes("--config", config, "csv_watcher_list", code=2)


def test_no_part_of_a_password_with_an_at_sign_is_shown(bare: "Cli") -> None:
    bare.environment["CSV_MANAGER_REPORTS"] = "postgresql://me:hun@ter2@host/db"
    shown = bare("csv_config_list")
    assert "CSV_MANAGER_REPORTS" in shown
    assert "hun@" not in shown
    assert "ter2" not in shown


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("bad.py", "CSV_INTERVAL = 'soon'\n", ["bad.py", "CSV_INTERVAL", "'soon'"]),
        ("bad.yaml", "PLUGINS: CsvWatcherPlugin\n", ["bad.yaml", "PLUGINS", "list"]),
        ("bad.yaml", "HISTORY_ROW_LIMIT: true\n", ["bad.yaml", "HISTORY_ROW_LIMIT", "True"]),
        ("bad.yaml", "CSV_INTERVAL: 0\n", ["bad.yaml", "CSV_INTERVAL must be more than 0", "not 0"]),
        ("bad.yaml", "CSV_INTERVAL: -1\n", ["CSV_INTERVAL must be more than 0", "-1"]),
        ("bad.yaml", "CSV_SETTLE: .nan\n", ["CSV_SETTLE must be 0 seconds or more", "nan"]),
        ("bad.yaml", "CSV_MAX_WAIT: .inf\n", ["CSV_MAX_WAIT must be at most", "inf"]),
        ("bad.yaml", "HISTORY_ROW_LIMIT: -4\n", ["HISTORY_ROW_LIMIT must be a whole number, 0 or more", "-4"]),
        ("bad.yaml", "HISTORY_ROW_LIMIT: 0.5\n", ["HISTORY_ROW_LIMIT must be a whole number", "0.5"]),
        ("bad.yaml", "RUN_KEEP_WITHIN: 90\n", ["bad.yaml", "RUN_KEEP_WITHIN must be a text, not 90"]),
        ("bad.yaml", "RUN_KEEP_WITHIN: soon\n", ["bad.yaml: RUN_KEEP_WITHIN", "'soon' is no duration"]),
        ("bad.yaml", "APP_PATH: ''\n", ["bad.yaml", "APP_PATH must not be empty"]),
        ("bad.py", "X = 1\nraise SystemExit(5)\n", ["bad.py", "line 2", "it ends the program"]),
        ("bad.yaml", "csv_interval: 5\n", ["bad.yaml", "'csv_interval'", "CSV_INTERVAL"]),
        ("bad.yaml", "a: [1\nb: 2\n", ["bad.yaml", "line 2"]),
        ("bad.yaml", "- CSV_INTERVAL\n", ["bad.yaml", "NAME: value"]),
        ("bad.py", "CSV_INTERVAL = 1\nCSV_FILES = [\n", ["bad.py", "line 2"]),
        ("bad.py", "CSV_INTERVAL = 1\n\nX = 1 / 0\n", ["bad.py", "line 3", "division by zero"]),
        ("bad.py", "def f():\n    return nothing\n\nX = f()\n", ["bad.py", "line 2", "nothing"]),
    ],
)
def test_a_configuration_that_cannot_be_read_is_told_with_its_place(
    bare: "Cli", name: str, text: str, parts: list[str]
) -> None:
    bare.write(name, text)
    line = bare.refused("--config", name, "csv_watcher_list")
    for part in parts:
        assert part in line


def test_a_variable_of_the_wrong_type_is_told(bare: "Cli") -> None:
    bare.environment["CSV_MANAGER_CSV_INTERVAL"] = "soon"
    line = bare.refused("csv_watcher_list")
    assert "CSV_MANAGER_CSV_INTERVAL" in line
    assert "'soon'" in line


def test_a_configuration_that_is_not_there_is_told(bare: "Cli") -> None:
    assert "nothing.yaml" in bare.refused("--config", "nothing.yaml", "csv_watcher_list")
    bare.environment["CSV_MANAGER_CONFIG"] = "elsewhere.py"
    assert "elsewhere.py" in bare.refused("csv_watcher_list")


def test_databases_merge_and_show_no_password(bare: "Cli") -> None:
    one = bare.write(
        "one.yaml",
        "databases:\n"
        "  default: {dialect: postgresql, address: db.example.com, database: prices, user: 'app:hunter2@:/%'}\n"
        "  main: {dialect: mysql, database: a, user: 'app:hunter2', admin: 'owner:hunter2'}\n"
        "  reports: postgresql://me:hunter2@host/db\n"
        "  old: mysql://host/db?user=me&passwd=hunter2\n",
    )
    two = bare.write(
        "two.py",
        "DATABASES = {'main': {'user': 'writer:hunter2:hunter2'}, 'old': {'dialect': 'sqlite', 'path': 'o'}}\n",
    )
    value, origin = settings(bare, "--config", one, "--config", two)["DATABASES"]
    assert value == {
        "default": {"dialect": "postgresql", "address": "db.example.com", "database": "prices", "user": "app:***"},
        "main": {"dialect": "mysql", "database": "a", "user": "writer:***", "admin": "owner:***"},
        "reports": "postgresql://me:***@host/db",
        "old": {"dialect": "sqlite", "path": "o"},
    }
    assert origin == str(two)
    for form in ("table", "json", "jsonl", "csv"):
        done = bare.run("-vv", "--config", one, "csv_config_list", "--format", form)
        assert done.returncode == 0, done.stderr
        assert b"passwd=***" in done.stdout
        assert b"hunter2" not in done.stdout + done.stderr


def test_secrets_of_variables_and_included_files_are_not_shown(bare: "Cli") -> None:
    bare.write("secrets/login.txt", "app:hunter2\n")
    bare.write("secrets/databases.yaml", "main: {dialect: mysql, database: '${DB_NAME}', user: !include login.txt}\n")
    config = bare.write(
        "mine.yaml",
        "databases: !include secrets/databases.yaml\n"
        "WATCHER_DATABASE_CONNECTION: STORE_URL\n"
        "REPORT: https://example.com/${MY_TOKEN}/${REGION}\n"
        "PLAIN: $${MY_TOKEN}\n"
        "NESTED: env:NESTED\n",
    )
    bare.environment |= {
        "DB_NAME": "prices",
        "STORE_URL": "postgresql://me:hunter2@host/db",
        "MY_TOKEN": "hunter2",
        "REGION": "north",
        "NESTED": "${MY_TOKEN} env:MY_TOKEN",
    }
    told = {name: value for name, (value, _) in settings(bare, "--config", config).items()}
    assert told["DATABASES"] == {"main": {"dialect": "mysql", "database": "prices", "user": "app:***"}}
    assert told["WATCHER_DATABASE_CONNECTION"] == "postgresql://me:***@host/db"
    assert told["REPORT"] == "https://example.com/***/north"
    assert (told["PLAIN"], told["NESTED"]) == ("${MY_TOKEN}", "${MY_TOKEN} env:MY_TOKEN")
    for form in ("table", "jsonl", "csv"):
        done = bare.run("-vv", "--config", config, "csv_config_list", "--format", form)
        assert done.returncode == 0, done.stderr
        assert b"***/north" in done.stdout
        assert b"hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("a.yaml", "databases: {main: {databse: hunter2}}\n", ["a.yaml: databases.main", "did you mean database?"]),
        ("a.yaml", "databases: {main: {user:me:hunter2}}\n", ["a.yaml: databases.main", "a space after each colon"]),
        ("a.yaml", "databases: {main: 'mysql://me:hun@hunter2@h/d'}\n", ["a.yaml: databases.main", "%40"]),
        ("a.yaml", "databases: hunter2\n", ["a.yaml: DATABASES must be a mapping"]),
        ("a.yaml", "databases:\n  main: {user: 'me:${NONE}'}\n", ["a.yaml, line 2: databases.main.user", " NONE,"]),
        ("a.yaml", "WATCHER_DATABASE_CONNECTION: NO_URL\n", ["WATCHER_DATABASE_CONNECTION names", " NO_URL,"]),
        ("a.yaml", "A: 1\nMY_TOKEN: *hunter2\n", ["a.yaml, line 2", "undefined alias"]),
        ("a.yaml", "A: !!python/object/apply:os.getcwd []\n", ["a.yaml, line 1", "!include"]),
        ("a.yaml", "A: 1\nB: 2\nA: 3\n", ["a.yaml, line 3", "'A'", "line 1"]),
        ("a.yaml", "A: 1\nB: !include a.yaml\n", ["a.yaml, line 2", "a.yaml -> a.yaml"]),
        ("a.yaml", "B: !include ../home/../../secret.yaml\n", ["a.yaml, line 1", "lies outside of"]),
        ("a.yaml", "B: !include none.yaml\n", ["a.yaml, line 1", "none.yaml"]),
        ("a.py", "DATABASES = {'main': {'user': 'me:hunter2'}}\n", ["a.py: databases.main.dialect is missing"]),
        ("a.py", "DATABASES = {'main': {'user': 'me:hunter2'} + 1}\n", ["a.py, line 1", "unsupported operand"]),
        ("a.py", "DATABASES = {'main': 'mysql://me:hunter2@h' 1}\n", ["a.py, line 1", "invalid syntax"]),
    ],
)
def test_a_configuration_that_is_refused_shows_no_secret_with_or_without_v(
    bare: "Cli", name: str, text: str, parts: list[str]
) -> None:
    bare.write(name, text)
    line = bare.refused("--config", name, "csv_config_list")
    for part in parts:
        assert part in line
    done = bare.run("-vv", "--config", name, "csv_watcher_list")
    assert done.returncode == 2
    assert b"Traceback" in done.stderr
    assert line.encode() in done.stderr
    assert b"hunter2" not in line.encode() + done.stdout + done.stderr


def test_databases_of_a_variable_that_cannot_be_read_are_told_without_a_secret(bare: "Cli") -> None:
    for text in ("{main: {user: me: hunter2}}", "hunter2", "{main: {dialect: mysql, user: 'me:hunter2'}}"):
        bare.environment["CSV_MANAGER_DATABASES"] = text
        line = bare.refused("csv_watcher_list")
        assert "CSV_MANAGER_DATABASES" in line
        assert "hunter2" not in line


def test_where_two_stores_are_told_one_line_says_which_counts(bare: "Cli") -> None:
    config = bare.write("mine.yaml", "databases: {default: {dialect: sqlite, path: own.db}}\n")
    assert bare.notes("--config", config, "csv_config_list") == ""
    bare.environment["CSV_MANAGER_WATCHER_DATABASE_LOCATION"] = str(bare.folder / "other.db")
    [line] = bare.notes("--config", config, "csv_config_list").splitlines()
    assert line == (
        f"WARNING: The store is databases.default of {config}; WATCHER_DATABASE_LOCATION of "
        "CSV_MANAGER_WATCHER_DATABASE_LOCATION does not count."
    )


def test_a_name_that_is_nearly_that_of_the_store_is_doubted(bare: "Cli") -> None:
    file = bare.write("mine.yaml", "databases: {defualt: {dialect: sqlite, path: other.db}}\n")
    told = bare.notes("--config", file, "csv_config_list")
    assert "no database is called default, which is the store's name; did you mean that by defualt?" in told
    file.write_text("databases: {warehouse: {dialect: sqlite, path: other.db}}\n")
    assert bare.notes("--config", file, "csv_config_list") == ""
