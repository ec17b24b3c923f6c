"""csv_history_list, show and export."""

import concurrent.futures
import csv
import io
import json
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli

CONTENTS = [
    "id,v\n1,x\n2,y\n",
    "id,v\n1,X\n2,y\n",
    "id,v\n1,X\n3,z\n",
]
COLUMNS = ["version", "created", "cause", "status", "sha256", "size", "rows", "inserted", "updated", "deleted"]


@pytest.fixture
def history(cli: "Cli") -> "Cli":
    """data.csv with three versions."""
    cli.write("data.csv", CONTENTS[0])
    cli("csv_watcher_add", "data.csv", "--key", "id")
    for content in CONTENTS[1:]:
        cli.write("data.csv", content)
        cli("csv_watch", "--once")
    return cli


def test_list_tells_every_version_newest_first(history: "Cli") -> None:
    told = history.json("csv_history_list", "data.csv")
    assert [list(version) for version in told] == [COLUMNS] * 3
    assert [version["version"] for version in told] == [3, 2, 1]
    assert [version["cause"] for version in told] == ["change", "change", "add"]
    assert {version["status"] for version in told} == {"ok"}
    assert [version["rows"] for version in told] == [2, 2, 2]
    assert history.counts("data.csv") == [(2, 0, 0), (0, 1, 0), (1, 0, 1)]
    assert all(version["created"].endswith("Z") for version in told)


def test_list_answers_in_every_format(history: "Cli") -> None:
    told = history.json("csv_history_list", "data.csv")
    lines = history("csv_history_list", "data.csv", "--format", "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == told
    rows = list(csv.DictReader(io.StringIO(history("csv_history_list", "data.csv", "--format", "csv"))))
    assert [(row["version"], row["sha256"]) for row in rows] == [(str(v["version"]), v["sha256"]) for v in told]
    table = history("csv_history_list", "data.csv").splitlines()
    assert table[0].split() == COLUMNS
    assert len([line for line in table if "change" in line or "add" in line]) == 3


def test_list_of_several_files_names_the_file(history: "Cli") -> None:
    history.write("other.csv", "a\n1\n")
    history("csv_watcher_add", "other.csv")
    told = history.json("csv_history_list", "*.csv")
    assert [(os.path.basename(row["csv_file"]), row["version"]) for row in told] == [
        ("data.csv", 3),
        ("data.csv", 2),
        ("data.csv", 1),
        ("other.csv", 1),
    ]


def test_show_tells_the_newest_version_unless_told_otherwise(history: "Cli") -> None:
    path = os.path.realpath(history.folder / "data.csv")
    told = history.json("csv_history_show", "data.csv")
    assert told == [
        {
            "csv_file": path, "version": 3, "seq": 0, "op": "delete", "key": {"id": "2"},
            "before": {"id": "2", "v": "y"}, "after": None, "line": 3,
        },
        {
            "csv_file": path, "version": 3, "seq": 1, "op": "insert", "key": {"id": "3"},
            "before": None, "after": {"id": "3", "v": "z"}, "line": 3,
        },
    ]  # fmt: skip
    lines = history("csv_history_show", "data.csv", "--format", "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == told
    rows = list(csv.DictReader(io.StringIO(history("csv_history_show", "data.csv", "--format", "csv"))))
    assert [row["op"] for row in rows] == ["delete", "insert"]
    assert json.loads(rows[0]["before"]) == {"id": "2", "v": "y"}


def test_a_version_is_a_number_the_head_or_a_time(history: "Cli") -> None:
    created = {version["version"]: version["created"] for version in history.versions("data.csv")}
    for which, number in (("1", 1), ("head", 3), ("head~1", 2), ("head~2", 1), (created[2], 2), ("2999-01-01", 3)):
        assert history.export("data.csv", which) == CONTENTS[number - 1].encode()
        assert {change["version"] for change in history.changes("data.csv", which)} == {number}


@pytest.mark.parametrize("which", ["0", "4", "head~3", "1999-01-01", "-1", "newest", "2026-13-01"])
def test_a_version_that_is_not_there_is_refused(history: "Cli", which: str) -> None:
    for command in ("csv_history_show", "csv_history_export"):
        line = history.refused(command, "data.csv", "--", which)
        assert which in line
        assert any(
            part in line for part in ("csv_history_list", "use a number, head, head~N", "the first version is of")
        )


def test_show_as_a_table_tells_rows_in_words_and_can_be_limited(history: "Cli") -> None:
    lines = history("csv_history_show", "data.csv", "2").splitlines()
    assert lines[0].endswith("data.csv  version 2  +0 ~1 -0  2 rows")
    assert lines[1:] == ["  ~ id=1  v x → X"]
    lines = history("csv_history_show", "data.csv", "1", "--limit", "1").splitlines()
    assert lines[1:] == ["  + id=1  v=x", "  … and 1 more"]
    assert len(history("csv_history_show", "data.csv", "1", "--limit", "0").splitlines()) == 3


def test_export_writes_a_file_and_says_so_on_stderr(history: "Cli") -> None:
    target = history.write("old.csv", "something else")
    assert history("csv_history_export", "data.csv", "1", "-o", "old.csv") == ""
    assert target.read_text() == CONTENTS[0]
    assert sorted(path.name for path in history.folder.iterdir()) == ["data.csv", "old.csv"]


def test_export_onto_the_watched_file_or_into_nowhere_is_refused(history: "Cli") -> None:
    assert "watched file" in history.refused("csv_history_export", "data.csv", "1", "-o", "./data.csv")
    assert "nowhere" in history.refused("csv_history_export", "data.csv", "1", "-o", "nowhere/old.csv")
    assert "--output is empty" in history.refused("csv_history_export", "data.csv", "1", "-o", "")
    assert (history.folder / "data.csv").read_text() == CONTENTS[2]


def test_a_file_without_history_is_refused(cli: "Cli") -> None:
    cli.write("data.csv", CONTENTS[0])
    for command in (["csv_history_list"], ["csv_history_show"], ["csv_history_export"]):
        more = ["1"] if command == ["csv_history_export"] else []
        assert "no history" in cli.refused(*command, "data.csv", *more)


def test_export_to_a_dash_is_export_to_stdout(history: "Cli") -> None:
    assert history("csv_history_export", "data.csv", "1", "-o", "-") == CONTENTS[0]
    assert [path.name for path in history.folder.iterdir()] == ["data.csv"]


def test_export_keeps_a_files_mode_and_a_link(history: "Cli") -> None:
    target = history.write("private.csv", "x")
    target.chmod(0o600)
    (history.folder / "link.csv").symlink_to("private.csv")
    history("csv_history_export", "data.csv", "1", "-o", "link.csv")
    assert (history.folder / "link.csv").is_symlink()
    assert target.read_text() == CONTENTS[0]
    assert target.stat().st_mode & 0o777 == 0o600


def test_export_writes_through_a_pipe_and_a_device(history: "Cli") -> None:
    pipe = history.folder / "pipe"
    os.mkfifo(pipe)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text)
        history("csv_history_export", "data.csv", "1", "-o", "pipe")
        assert read.result(60) == CONTENTS[0]
    assert pipe.is_fifo()
    assert history("csv_history_export", "data.csv", "1", "-o", "/dev/fd/1") == CONTENTS[0]
    assert "is a folder" in history.refused("csv_history_export", "data.csv", "1", "-o", ".")
    assert [path.name for path in history.folder.glob(".*")] == []
