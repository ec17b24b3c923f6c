"""What people mistype when they tell a target or load a file: told in one line, and nothing is made."""

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Cli


@pytest.fixture
def data(cli: "Cli") -> "Path":
    """A watched file, and a table `there` of its columns."""
    file = cli.write("data.csv", "id,name\n1,a\n2,b\n")
    cli("csv_watcher_add", file, "--key", "id")
    with closing(sqlite3.connect(cli.folder / "d.db")) as database:
        database.execute("CREATE TABLE there (id INTEGER PRIMARY KEY, name TEXT)")
    return file


LOAD = ("csv_load", "data.csv", "--database", "sqlite:///d.db")
ADD = ("csv_sync_add", "data.csv", "--database", "sqlite:///d.db")
MEND = "change it there, or leave out that --type."


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*LOAD, "--ignore", "nope"), "data.csv: the column 'nope' is not there; there are id, name."),
        ((*LOAD, "--type", "nope=int"), "data.csv: the column 'nope' is not there; there are id, name."),
        (
            (*LOAD, "--table", "there", "--type", "name=int"),
            f"The column 'name' of the table there is text there, and --type tells integer; {MEND}",
        ),
        ((*LOAD, "--table", ""), "'' is no name of a table; it is [SCHEMA.]TABLE."),
        ((*LOAD, "--table", "nope.t"), "There is no schema 'nope'; there are main."),
        ((*LOAD, "--type", "name=varchar(0)"), "'varchar(0)': nothing has room in it."),
        ((*ADD, "--table", ""), "'' is no name of a table; it is [SCHEMA.]TABLE."),
        ((*ADD, "--rename", "old=new"), "data.csv: --rename old=new, and neither column is there."),
    ],
)
def test_a_slip_is_told(cli: "Cli", arguments: tuple[str, ...], said: str) -> None:
    error = cli.run(*arguments)
    assert error.returncode == 2
    assert error.stderr.decode().removeprefix("Error: ").replace(f"{cli.folder}/", "") == f"{said}\n"
    with closing(sqlite3.connect(cli.folder / "d.db")) as database:
        assert database.execute("SELECT name FROM sqlite_schema").fetchall() == [("there",)]
    assert cli.json("csv_sync_list") == []


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("command", ["csv_load", "csv_sync_add"])
def test_a_folder_that_is_not_there_is_not_made(cli: "Cli", command: str) -> None:
    error = cli.run(command, "data.csv", "--database", "sqlite:///nope/d.db")
    assert error.returncode == 2
    assert "nope does not exist; make it, or check the path." in error.stderr.decode()
    assert not (cli.folder / "nope").exists()


@pytest.mark.usefixtures("data")
def test_a_type_is_told_again_when_the_file_is_loaded_again(cli: "Cli") -> None:
    for _ in range(2):
        cli(*LOAD, "--key", "id", "--type", "name=varchar(5)", "--type", "id=decimal(10, 0)")


def test_what_a_table_has_not_is_told_until_it_has(cli: "Cli", data: "Path") -> None:
    cli(*ADD, "--evolution", "discard_row")
    data.write_text("id,name\n1,a\nx,b\n")
    cli.run("csv_watch", "--once")
    [row] = cli.json("csv_sync_list")
    assert (row["state"], row["reason"]) == (
        "ok",
        f"1 row left out, the first at {data}: line 3: column 'id': 'x' is text, and the column is bigint",
    )
    data.write_text("id,name\n1,a\n3,b\n")
    cli("csv_watch", "--once")
    [row] = cli.json("csv_sync_list")
    assert (row["state"], row["reason"]) == ("ok", None)


@pytest.mark.usefixtures("data")
def test_ddl_is_told_to_programs(cli: "Cli") -> None:
    [row] = cli.json("database_ddl", "data.csv", "--dialect", "sqlite")
    assert row["table"] == "data"
    assert f"{row['sql']};\n" == cli("database_ddl", "data.csv", "--dialect", "sqlite")


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("told", [("--table", "typo"), ("--database", "sqlite:///other.db")])
def test_a_table_that_follows_no_file_is_told(cli: "Cli", told: tuple[str, str]) -> None:
    cli(*ADD)
    error = cli.run("csv_sync_run", "data.csv", *told)
    assert error.returncode == 2
    assert "No such table follows a file; csv_sync_list shows those that do." in error.stderr.decode()


def test_each_check_tells_what_still_fails_and_the_one_that_mends_it_too(cli: "Cli", data: "Path") -> None:
    cli(*ADD, "--evolution", "freeze")
    cli("csv_check_add", "data.csv", "--max-deleted", "100%")
    data.write_text("id,name\nx,a\n")
    said = [cli.run("csv_watch", "--once") for _ in range(2)]
    line = f"{data}: line 2: column 'id': 'x' is text, and the column is bigint; data is as it was."
    assert [each.returncode for each in said] == [1, 1]
    assert [line in each.stderr.decode() for each in said] == [True, True]
    data.write_text("id,name\n1,a\n")
    assert f"data follows {data} again." in cli.run("csv_watch", "--once").stderr.decode()
    assert cli.run("csv_watch", "--once").stderr.decode() == ""


@pytest.mark.usefixtures("data")
def test_programs_are_told_of_each_target_what_became_of_it(cli: "Cli") -> None:
    cli(*ADD, "--evolution", "freeze")
    cli(*ADD, "--table", "other")
    cli.write("data.csv", "id,name,more\n1,a,x\n2,b,y\n")
    cli.run("csv_watch", "--once")
    done = cli.run("csv_sync_run", "data.csv", "--format", "json")
    assert done.returncode == 1
    [told] = json.loads(done.stdout)
    assert (told["database"], told["table"], told["version"], told["inserted"]) == (
        f"sqlite:///{cli.folder}/d.db", "data", 1, None
    )  # fmt: skip
    assert "more" in told["error"]
    assert done.stderr.decode().endswith(f"d.db: data: {told['error']}\n")
    [good] = json.loads(cli("csv_sync_run", "data.csv", "--table", "other", "--repair", "--format", "json"))
    assert (good["table"], good["version"], good["error"]) == ("other", 2, None)


def test_a_quote_that_is_never_closed_is_told(cli: "Cli") -> None:
    cli.write("open.csv", 'id,name\n1,"a\nb"\n2,"c\n3,d\n')
    error = cli.run("csv_load", "open.csv", "--database", "sqlite:///d.db", "--key", "id")
    assert error.returncode == 2
    assert "open.csv: line 4: a quote is opened and never closed, so that the rest" in error.stderr.decode()
    assert not (cli.folder / "d.db").exists()
    cli("csv_load", "open.csv", "--database", "sqlite:///d.db", "--quotechar", "")
    with closing(sqlite3.connect(cli.folder / "d.db")) as database:
        assert database.execute("SELECT id FROM open").fetchall() == [("1",), ('b"',), ("2",), ("3",)]
