"""What is said in plain words: of numbers that are none, of contents without rows, of folders that cannot be made."""

import gzip
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli

ONE = "id,v\n1,a\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["csv_watcher_add", "a.csv", "-i", "abc"], "'-i' / '--interval': 'abc' is no number."),
        (["csv_watcher_add", "a.csv", "--keep", "x"], "'--keep': 'x' is no whole number."),
        (["csv_watcher_add", "a.csv", "--skip-lines", "1.5"], "'--skip-lines': '1.5' is no whole number."),
        (["csv_watch", "--limit", "x"], "'--limit': 'x' is no whole number."),
        (["csv_history_show", "a.csv", "--limit", "-2"], "'--limit': -2 is less than 0."),
    ],
)
def test_what_is_no_number_is_told_without_jargon(cli: "Cli", arguments: list[str], words: str) -> None:
    cli.write("a.csv", ONE)
    assert f"Invalid value for {words}" in cli.refused(*arguments)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("a,b\n1,2\n", ["--skip-lines", "50"], "0 rows: nothing is left behind the 50 lines skipped ("),
        ("id,v\n", [], "0 rows: it has a header and nothing else ("),
        ("", ["--key", "id"], "0 rows: it is empty, so nobody knows yet whether it will have the key ("),
        (gzip.compress(b"", mtime=0), [], "0 rows: it holds no row ("),
        ("", [], "0 rows ("),
        (ONE, ["--key", "id"], "1 row ("),
    ],
)
def test_a_first_version_without_rows_says_why(
    cli: "Cli", content: str | bytes, options: list[str], words: str
) -> None:
    name = "a.csv.gz" if isinstance(content, bytes) else "a.csv"
    cli.write(name, content)
    assert cli("csv_watcher_add", name, *options).startswith(f"Added {name}: version 1, {words}")


def test_a_folder_that_files_cannot_be_moved_to_is_refused_at_once(cli: "Cli") -> None:
    cli.write("in/a.csv", ONE)
    cli.write("file", "no folder\n")
    (cli.folder / "locked").mkdir(mode=0o500)
    with cli.within_rights():
        for folder in ("file", "file/below", "locked", "locked/below"):
            assert f"--done move:{folder}: " in cli.refused("csv_watcher_add", "in", "--done", f"move:{folder}")
        assert cli.json("csv_watcher_list") == []
        cli("csv_watcher_add", "in", "--done", "move:new/below")
        assert not (cli.folder / "new").exists()
        assert "locked" in cli.refused("csv_watcher_set", "in", "--done", "move:locked")
        cli("csv_watch", "--once")
    assert (cli.folder / "new" / "below" / "a.csv").read_text() == ONE


@pytest.mark.sqlite
def test_a_home_that_cannot_be_made_is_told_with_what_sets_it(cli: "Cli") -> None:
    cli.write("file", "no folder\n")
    cli.environment["CSV_MANAGER_HOME"] = str(cli.folder / "file" / "home")
    told = cli.refused("csv_status")
    assert f"The store's folder {cli.folder / 'file' / 'home'} cannot be made: " in told
    assert "set CSV_MANAGER_HOME" in told
