"""csv_watcher_add, list, show, set and delete, as people type them."""

import csv
import io
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cli

FRUIT = "id,fruit,price\n1,apple,0.50\n2,pear,0.70\n"
COLUMNS = ["csv_file", "name", "interval", "key", "state", "reason", "version", "rows", "last_change", "last_check"]
#: The last one is left out of a table where every file has a watcher of its own.
TOLD = [*COLUMNS, "feed"]


def test_add_records_version_1_at_once_and_says_what_it_found(cli: "Cli") -> None:
    path = cli.write("fruit.csv", FRUIT)
    assert cli("csv_watcher_add", "fruit.csv") == "Added fruit.csv: version 1, 2 rows (comma, utf-8, header).\n"
    [told] = cli.json("csv_watcher_list")
    assert list(told) == TOLD
    assert told["csv_file"] == os.path.realpath(path)
    assert (told["name"], told["interval"], told["key"]) == (None, 10, [])
    assert (told["state"], told["reason"], told["version"], told["rows"]) == ("ok", None, 1, 2)
    assert told["last_change"].endswith("Z")
    assert cli.counts("fruit.csv") == [(2, 0, 0)]


def test_add_says_on_stderr_that_nothing_is_watching_and_what_does(cli: "Cli") -> None:
    cli.write("fruit.csv", FRUIT)
    assert "csv_manager csv_watch" in cli.notes("csv_watcher_add", "fruit.csv")
    assert "csv_manager csv_watch" in cli.notes("csv_watcher_list")


def test_add_takes_files_folders_and_globs(cli: "Cli") -> None:
    for name in ("one.csv", "day/a.csv", "day/b.tsv", "day/c.csv.gz", "day/notes.txt", "day/.hidden.csv", "x/1.csv"):
        cli.write(name, "id,v\n1,x\n")
    cli("csv_watcher_add", "one.csv", "day", "x/*.csv", "one.csv")
    names = [os.path.relpath(told["csv_file"], cli.folder) for told in cli.json("csv_watcher_list")]
    assert names == ["day/a.csv", "day/b.tsv", "day/c.csv.gz", "one.csv", "x/1.csv"]


def test_add_of_several_files_says_which_are_watched_already(cli: "Cli") -> None:
    for name in ("a.csv", "b.csv"):
        cli.write(name, FRUIT)
    cli("csv_watcher_add", "a.csv")
    assert "a.csv is watched already" in cli.notes("csv_watcher_add", "a.csv", "b.csv")
    assert [told["version"] for told in cli.json("csv_watcher_list")] == [1, 1]


def test_add_of_several_files_stores_none_if_one_cannot_be_used(cli: "Cli") -> None:
    cli.write("a.csv", FRUIT)
    cli.write("b.csv", "id,v\n1,x\n1,y\n")
    assert "b.csv" in cli.refused("csv_watcher_add", "a.csv", "b.csv", "--key", "id")
    assert cli.json("csv_watcher_list") == []


def test_add_keeps_every_option(cli: "Cli") -> None:
    cli.write("fruit.txt", "A preamble\n1|'a|b'|x\n2|c|y\n".encode("cp1252"))
    cli(
        "csv_watcher_add", "fruit.txt", "-i", "2.5", "--key", "id", "--ignore", "note", "--delimiter", "|",
        "--quotechar", "'", "--encoding", "cp1252", "--header", "id,fruit,note", "--skip-lines", "1",
        "--settle", "0.2", "--max-wait", "7", "--every", "3", "--name", "fruit",
    )  # fmt: skip
    [told] = cli.json("csv_watcher_show", "fruit")
    assert (told["interval"], told["key"], told["ignore"], told["name"]) == (2.5, ["id"], ["note"], "fruit")
    assert (told["settle"], told["max_wait"], told["every"]) == (0.2, 7, 3)
    form = told["csv_format"]
    assert (form["delimiter"], form["quotechar"], form["encoding"], form["skip_lines"]) == ("|", "'", "cp1252", 1)
    assert told["columns"] == ["id", "fruit", "note"]
    assert [change["after"] for change in cli.changes("fruit", 1)] == [
        {"id": "1", "fruit": "a|b", "note": "x"},
        {"id": "2", "fruit": "c", "note": "y"},
    ]


def test_an_ignored_column_is_not_compared(cli: "Cli") -> None:
    cli.write("fruit.csv", "id,v,seen\n1,x,mo\n")
    cli("csv_watcher_add", "fruit.csv", "--ignore", "seen")
    cli.write("fruit.csv", "id,v,seen\n1,x,tu\n")
    cli("csv_watch", "--once")
    assert cli.counts("fruit.csv") == [(1, 0, 0), (0, 0, 0)]


def test_a_file_that_does_not_exist_yet_is_added_with_missing_ok(cli: "Cli") -> None:
    assert "does not exist yet" in cli("csv_watcher_add", "later.csv", "--missing-ok")
    [told] = cli.json("csv_watcher_list")
    assert (told["state"], told["version"]) == ("missing", None)
    cli.write("later.csv", FRUIT)
    cli("csv_watch", "--once")
    [told] = cli.json("csv_watcher_list")
    assert (told["state"], told["version"], told["rows"]) == ("ok", 1, 2)


def test_list_answers_in_every_format(cli: "Cli") -> None:
    assert cli("csv_watcher_list", "--format", "json") == "[]\n"
    assert cli("csv_watcher_list", "--format", "jsonl") == ""
    assert cli("csv_watcher_list", "--format", "csv") == ",".join(TOLD) + "\n"
    assert cli("csv_watcher_list") == ""
    for name in ("a.csv", "b,c.csv"):
        cli.write(name, FRUIT)
        cli("csv_watcher_add", name, "--key", "id", "-i", "60")
    told = cli.json("csv_watcher_list")
    lines = cli("csv_watcher_list", "--format", "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == told
    rows = list(csv.DictReader(io.StringIO(cli("csv_watcher_list", "--format", "csv"))))
    assert [row["csv_file"] for row in rows] == [watcher["csv_file"] for watcher in told]
    assert rows[0]["key"] == '["id"]'
    table = cli("csv_watcher_list").splitlines()
    assert table[0].split() == COLUMNS
    assert os.path.realpath(cli.folder / "b,c.csv") in table[-1]


def test_show_tells_the_format_the_state_and_the_last_versions(cli: "Cli") -> None:
    cli.write("fruit.csv", FRUIT.replace(",", ";"))
    cli("csv_watcher_add", "fruit.csv", "--key", "id")
    cli.write("fruit.csv", FRUIT.replace(",", ";").replace("0.70", "0.80"))
    cli("csv_watch", "--once")
    table = cli("csv_watcher_show", "fruit.csv")
    assert "semicolon, utf-8, header" in table
    assert "version 2  +0 ~1 -0  2 rows" in table
    assert not [line for line in table.splitlines() if line.startswith(("rules", "targets"))]
    [told] = cli.json("csv_watcher_show", "fruit.csv")
    assert (told["state"], told["head"], told["rules"], told["targets"]) == ("ok", 2, [], [])
    assert [version["version"] for version in told["versions"]] == [2, 1]


def test_a_name_stands_wherever_a_path_does(cli: "Cli") -> None:
    path = cli.write("deep/fruit.csv", FRUIT)
    cli("csv_watcher_add", "deep/fruit.csv", "--name", "fruit")
    assert cli.json("csv_watcher_show", "fruit")[0]["csv_file"] == os.path.realpath(path)
    assert len(cli.versions("fruit")) == 1
    assert len(cli.changes("fruit", 1)) == 2
    assert cli.export("fruit", 1) == FRUIT.encode()
    path.write_text(FRUIT + "3,plum,0.20\n")
    assert "version 2" in cli("csv_watch", "fruit", "--once")
    cli("csv_watcher_set", "fruit", "-i", "3")
    cli("csv_watcher_delete", "fruit")
    assert cli.json("csv_watcher_list") == []


def test_set_changes_what_is_given_and_keeps_the_history(cli: "Cli") -> None:
    cli.write("fruit.csv", FRUIT)
    cli("csv_watcher_add", "fruit.csv", "--name", "fruit", "--ignore", "fruit")
    assert cli("csv_watcher_set", "fruit.csv", "--key", "id", "-i", "60", "--ignore", "") == (
        "Changed fruit.csv: interval 60; key id; no ignore.\n"
    )
    assert cli("csv_watcher_set", "fruit.csv", "--keep", "9", "--every", "0.5") == (
        "Changed fruit.csv: every 0.5; keep the last 9.\n"
    )
    assert cli("csv_watcher_set", "fruit.csv", "--every", "0.5") == "Changed fruit.csv: nothing is different.\n"
    assert cli("csv_watcher_set", "fruit.csv", "--keep-all", "--every", "0") == (
        "Changed fruit.csv: no every; keep every version.\n"
    )
    [told] = cli.json("csv_watcher_show", "fruit.csv")
    assert (told["key"], told["interval"], told["ignore"], told["name"]) == (["id"], 60, [], "fruit")
    cli.write("fruit.csv", FRUIT.replace("0.70", "0.80"))
    cli("csv_watch", "--once")
    [change] = cli.changes("fruit.csv", 2)
    assert (change["op"], change["key"]) == ("update", {"id": "2"})
    cli("csv_watcher_set", "fruit.csv", "--key", "", "--name", "")
    [told] = cli.json("csv_watcher_list")
    assert (told["key"], told["name"], told["version"]) == ([], None, 2)


def test_set_of_another_delimiter_reads_the_head_anew(cli: "Cli") -> None:
    cli.write("fruit.csv", "a;b,c\n1;2,3\n")
    cli("csv_watcher_add", "fruit.csv", "--delimiter", ",")
    changed = "Changed fruit.csv: semicolon, utf-8, header, 2 columns.\n"
    assert cli("csv_watcher_set", "fruit.csv", "--delimiter", ";") == changed
    assert cli.json("csv_watcher_show", "fruit.csv")[0]["columns"] == ["a", "b,c"]
    cli.write("fruit.csv", "a;b,c\n1;2,3\n4;5,6\n")
    cli("csv_watch", "--once")
    assert [change["after"] for change in cli.changes("fruit.csv", 2)] == [{"a": "4", "b,c": "5,6"}]


def test_delete_forgets_the_watcher_and_keeps_the_history(cli: "Cli") -> None:
    cli.write("fruit.csv", FRUIT)
    cli("csv_watcher_add", "fruit.csv")
    assert "Would delete" in cli("csv_watcher_delete", "fruit.csv", "--dry-run")
    assert len(cli.json("csv_watcher_list")) == 1
    assert "history stays" in cli("csv_watcher_delete", "fruit.csv")
    assert cli.json("csv_watcher_list") == []
    assert cli.export("fruit.csv", 1) == FRUIT.encode()
    cli.write("fruit.csv", FRUIT + "3,plum,0.20\n")
    assert "version 2" in cli("csv_watcher_add", "fruit.csv")
    assert cli.counts("fruit.csv") == [(2, 0, 0), (1, 0, 0)]


def test_delete_works_for_a_file_that_is_gone(cli: "Cli") -> None:
    path = cli.write("fruit.csv", FRUIT)
    cli("csv_watcher_add", "fruit.csv")
    path.unlink()
    cli("csv_watcher_delete", "fruit.csv")
    assert cli.json("csv_watcher_list") == []


def test_purge_asks_and_then_leaves_nothing_of_the_file(cli: "Cli") -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        cli.write(name, FRUIT if name < "c" else "other,bytes\n1,2\n")
        cli("csv_watcher_add", name)
    before = cli.state()
    assert len(before[2]) == 2
    cli("csv_watcher_delete", "a.csv", "--purge", stdin="n\n", code=1)
    assert "nobody answered; --yes" in cli.notes("csv_watcher_delete", "a.csv", "--purge", code=2)
    cli("csv_watcher_delete", "a.csv", "--purge", "--dry-run")
    assert cli.state() == before
    cli("csv_watcher_delete", "a.csv", "--purge", stdin="y\n")
    assert "no history" in cli.refused("csv_history_list", "a.csv")
    assert cli.export("b.csv", 1) == FRUIT.encode()
    cli("csv_watcher_delete", "c.csv", "--purge", "--yes")
    watchers, _, archive = cli.state()
    assert [os.path.basename(told["csv_file"]) for told in watchers] == ["b.csv"]
    assert len(archive) == 1
