"""csv_history_diff, restore, blame, prune, verify, and list --where: asking a history, and going back in it."""

import json
import os
import random
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from csv_manager.store.schema import watchers

if TYPE_CHECKING:
    from conftest import Cli

CONTENTS = [
    "id,v\n1,x\n2,y\n",
    "id,v\n1,X\n2,y\n",
    "id,v\n1,X\n3,z\n",
    "id,v\n1,X\n2,y\n3,z\n",
]


def record(cli: "Cli", *contents: str | bytes, options: tuple[str, ...] = ("--key", "id")) -> "Cli":
    """data.csv with a version for each content."""
    cli.write("data.csv", contents[0])
    cli("csv_watcher_add", "data.csv", *options)
    for content in contents[1:]:
        cli.write("data.csv", content)
        cli("csv_watch", "--once")
    return cli


@pytest.fixture
def history(cli: "Cli") -> "Cli":
    return record(cli, *CONTENTS)


def ops(changes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(change["op"], (change["key"] or change["after"] or change["before"])["id"]) for change in changes]


def test_any_two_versions_are_compared(history: "Cli") -> None:
    assert ops(history.json("csv_history_diff", "data.csv", "1", "4")) == [("update", "1"), ("insert", "3")]
    assert ops(history.json("csv_history_diff", "data.csv", "4", "1")) == [("delete", "3"), ("update", "1")]
    assert ops(history.json("csv_history_diff", "data.csv")) == [("insert", "2")]
    assert history("csv_history_diff", "data.csv", "1", "head").splitlines() == [
        "  ~ id=1  v x → X",
        "  + id=3  v=z",
        "+1 ~1 -0",
    ]
    assert history("csv_history_diff", "data.csv", "2", "2") == "no row differs\n"


def test_a_version_is_compared_with_what_is_on_the_disk(history: "Cli") -> None:
    history.write("data.csv", CONTENTS[3] + "4,new\n")
    assert ops(history.json("csv_history_diff", "data.csv", "head", "file")) == [("insert", "4")]
    assert ops(history.json("csv_history_diff", "data.csv", "file", "3")) == [("delete", "2"), ("delete", "4")]
    assert len(history.versions("data.csv")) == 4
    (history.folder / "data.csv").unlink()
    assert "no such file" in history.refused("csv_history_diff", "data.csv", "head", "file")


def test_what_cannot_be_compared_is_refused(history: "Cli") -> None:
    assert "has no version '9'" in history.refused("csv_history_diff", "data.csv", "9", "head")
    assert "Name two versions" in history.refused("csv_history_diff", "data.csv", "1")


def test_a_hint_tells_the_key_that_the_watcher_lacks(cli: "Cli") -> None:
    record(cli, *CONTENTS[:2], options=())
    assert "Hint: --key id would tell 1 of these" in cli.notes("csv_history_diff", "data.csv")


def test_a_row_has_a_biography(history: "Cli") -> None:
    told = history.json("csv_history_list", "data.csv", "--where", "id=2")
    assert [(version["version"], ops(version["changes"])) for version in told] == [
        (4, [("insert", "2")]),
        (3, [("delete", "2")]),
        (1, [("insert", "2")]),
    ]
    table = history("csv_history_list", "data.csv", "--where", "id=1", "--where", "v=X").splitlines()
    assert [line.strip() for line in table[1:]] == ["~ id=1  v x → X"]
    assert history.json("csv_history_list", "data.csv", "--where", "id=77") == []
    unseen = "No version touched a row with these cells.\n"
    assert history.notes("csv_history_list", "data.csv", "--where", "id=77") == unseen
    assert history.notes("csv_history_list", "data.csv", "--where", "id=2") == ""
    assert "no column 'no'" in history.refused("csv_history_list", "data.csv", "--where", "no=1")
    assert "COLUMN=VALUE" in history.refused("csv_history_list", "data.csv", "--where", "id")


@pytest.mark.parametrize("options", [("--key", "id"), ()])
def test_each_row_is_told_with_the_version_that_set_it(cli: "Cli", options: tuple[str, ...]) -> None:
    record(cli, *CONTENTS, options=options)
    told = cli.json("csv_history_blame", "data.csv")
    assert [(row["row"]["id"], row["version"], row["line"]) for row in told] == [("1", 2, 2), ("2", 4, 3), ("3", 3, 4)]
    (one,) = cli.json("csv_history_blame", "data.csv", "--where", "v=z")
    assert (one["row"], one["version"], one["cause"]) == ({"id": "3", "v": "z"}, 3, "change")


def test_blame_shows_some_rows_and_counts_the_others(cli: "Cli") -> None:
    record(cli, "id\n" + "".join(f"{number}\n" for number in range(60)), options=())
    lines = cli("csv_history_blame", "data.csv").splitlines()
    assert len(lines) == 2 + 50 + 1
    assert lines[-1] == "… and 10 more"
    assert len(cli("csv_history_blame", "data.csv", "--limit", "0").splitlines()) == 2 + 60
    assert cli("csv_history_blame", "data.csv", "--limit", "59").endswith("… and 1 more\n")
    assert len(cli.json("csv_history_blame", "data.csv", "--limit", "1")) == 60
    assert cli.notes("csv_history_blame", "data.csv", "--where", "id=99") == "No row has these cells.\n"


def test_equal_rows_are_set_one_by_one(cli: "Cli") -> None:
    record(cli, "a\nx\n", "a\nx\nx\n", "a\nx\nx\ny\n", "a\nx\ny\n", "a\nx\nx\ny\n", options=())
    versions = [row["version"] for row in cli.json("csv_history_blame", "data.csv")]
    assert sorted(versions) == [1, 3, 5]


def test_blame_follows_columns_that_came_and_were_renamed(cli: "Cli") -> None:
    record(
        cli,
        "id,v\n1,x\n2,y\n3,z\n",
        "id,v,w\n1,x,\n2,y,\n3,z,new\n",
        "id,name,w\n1,x,\n2,y,\n3,z,new\n",
        options=(),
    )
    assert cli.versions("data.csv")[2]["inserted"] == 0
    assert [row["version"] for row in cli.json("csv_history_blame", "data.csv")] == [1, 1, 2]


def test_a_cell_of_a_renamed_column_is_told_with_what_it_was_by_every_command(cli: "Cli") -> None:
    record(cli, "id,n,v\n1,a,x\n2,b,y\n3,c,z\n")
    cli.write("data.csv", "id,name,v\n1,a,x\n2,q,y\n3,c,z\n")
    change = "  ~ id=2  name b → q"
    assert change in cli("csv_watch", "--once", "--rows").splitlines()
    assert change in cli("csv_history_show", "data.csv").splitlines()
    assert change in cli("csv_history_diff", "data.csv").splitlines()
    assert change in cli("csv_history_list", "data.csv", "--where", "id=2").splitlines()


def test_a_version_is_put_back_and_is_the_next_version(history: "Cli") -> None:
    path = history.folder / "data.csv"
    path.chmod(0o640)
    history.write("data.csv", "id,v\n9,unrecorded\n")
    said = history("csv_history_restore", "data.csv", "1", "--yes")
    assert said == "Put back version 1 of data.csv; it is version 6 now.\n"
    assert path.read_text() == CONTENTS[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    versions = history.versions("data.csv")
    assert [version["cause"] for version in versions[4:]] == ["change", "restore:1"]
    assert history.export("data.csv", 5) == b"id,v\n9,unrecorded\n"
    assert history("csv_watch", "--once") == ""
    assert os.listdir(history.folder) == ["data.csv"]


def test_a_file_that_is_gone_is_restored(history: "Cli") -> None:
    (history.folder / "data.csv").unlink()
    said = history("csv_history_restore", "data.csv", "head")
    assert said == "Put back version 4 of data.csv, which was missing.\n"
    assert (history.folder / "data.csv").read_text() == CONTENTS[3]
    assert history("csv_history_restore", "data.csv", "head") == "data.csv holds version 4 already.\n"


def test_restoring_does_not_ask_and_can_be_tried(history: "Cli") -> None:
    before = history.content()
    assert "Would put back version 1" in history("csv_history_restore", "data.csv", "1", "--dry-run")
    assert "name a recorded version" in history.refused("csv_history_restore", "data.csv", "file")
    assert (history.folder / "data.csv").read_text() == CONTENTS[3]
    assert history.content() == before
    history("csv_history_restore", "data.csv", "1")
    assert (history.folder / "data.csv").read_text() == CONTENTS[0]


def test_a_held_version_that_is_restored_is_told_to_be_held(cli: "Cli") -> None:
    record(cli, CONTENTS[0])
    cli.write("data.csv", "id,v\n1,a\n1,b\n")
    cli("csv_watch", "--once", code=1)
    held = "data.csv holds version 2 already; it is held.\n"
    assert cli("csv_history_restore", "data.csv", "2") == held
    cli("csv_history_restore", "data.csv", "1")
    told = "Put back version 2 of data.csv; it is version 4 now; it is held.\n"
    assert cli("csv_history_restore", "data.csv", "2") == told
    (cli.folder / "data.csv").unlink()
    told = "Put back version 4 of data.csv, which was missing; it is held.\n"
    assert cli("csv_history_restore", "data.csv", "4") == told


def test_what_is_on_the_disk_stands_wherever_a_version_does(history: "Cli") -> None:
    history.write("data.csv", CONTENTS[3] + "4,new\n")
    assert history("csv_history_show", "data.csv", "file").splitlines() == ["  + id=4  v=new", "+1 ~0 -0"]
    (change,) = history.json("csv_history_show", "data.csv", "file")
    assert (change["op"], change["version"]) == ("insert", None)
    assert history.export("data.csv", "file").decode() == CONTENTS[3] + "4,new\n"
    history("csv_history_export", "data.csv", "File", "-o", "copy.csv")
    assert (history.folder / "copy.csv").read_text() == CONTENTS[3] + "4,new\n"
    (history.folder / "data.csv").unlink()
    for command in ("csv_history_show", "csv_history_export"):
        assert "no such file" in history.refused(command, "data.csv", "file")
    (history.folder / "data.csv").mkdir()
    for command in ("csv_history_show", "csv_history_export"):
        assert "a folder, no regular file" in history.refused(command, "data.csv", "file")


def test_the_changes_between_two_versions_are_those_of_the_second_one(history: "Cli") -> None:
    def versions(*which: str) -> set[int | None]:
        return {change["version"] for change in history.json("csv_history_diff", "data.csv", *which)}

    assert (versions("1", "3"), versions("4", "1"), versions()) == ({3}, {1}, {4})
    history.write("data.csv", CONTENTS[0])
    assert (versions("head", "file"), versions("file", "head")) == ({None}, {4})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("id,v\n2,y\n1,x\n", "rows reordered"),
        ("id,v\r\n1,x\r\n2,y\r\n", "line ends: LF → CRLF"),
        ("v;id\nx;1\ny;2\n", "delimiter: ',' → ';'; columns: id, v → v, id"),
        ('id,v\n1,"x"\n2,y\n', "written in another way"),
        ("id,v\n1,x\n\n2,y", "written in another way"),
    ],
    ids=["reordered", "line ends", "delimiter", "quotes", "blank line"],
)
def test_a_version_without_a_change_says_how_else_it_is_written(cli: "Cli", content: str, told: str) -> None:
    record(cli, CONTENTS[0])
    cli.write("data.csv", content)
    assert cli("csv_watch", "--once").rstrip("\n").endswith(f"  version 2  +0 ~0 -0  2 rows  {told}")
    assert cli("csv_history_show", "data.csv").rstrip("\n").endswith(f"  version 2  +0 ~0 -0  2 rows  {told}")


def test_a_version_whose_bytes_are_those_of_the_head_says_so(cli: "Cli") -> None:
    record(cli, CONTENTS[0])
    cli.write("data.csv", "id,v\n1,a\n1,b\n")
    cli("csv_watch", "--once", code=1)
    cli.write("data.csv", CONTENTS[0])
    assert cli("csv_watch", "--once").endswith("  version 3  +0 ~0 -0  2 rows  the bytes of version 1\n")
    cli("csv_history_prune", "data.csv", "--keep", "1", "--yes")
    assert cli("csv_history_show", "data.csv").endswith("  version 3  +0 ~0 -0  2 rows\n")


def test_of_a_large_version_the_csv_format_is_told(cli: "Cli") -> None:
    line = b"1" * 1023
    record(cli, b"v\n" + (line + b"\n") * (1 << 16), options=("--no-header", "--delimiter", ","))
    cli.write("data.csv", b"v\r\n" + (line + b"\r\n") * (1 << 16))
    assert cli("csv_watch", "--once").endswith("  +0 ~0 -0  65,537 rows  written in another way\n")


def test_a_version_in_which_only_an_ignored_column_changed_says_nothing_else(cli: "Cli") -> None:
    record(cli, CONTENTS[0], options=("--key", "id", "--ignore", "v"))
    cli.write("data.csv", CONTENTS[1])
    assert cli("csv_watch", "--once").endswith("  version 2  +0 ~0 -0  2 rows\n")
    assert cli("csv_history_diff", "data.csv") == "no row differs\n"


def test_pruned_versions_are_forgotten_and_the_others_stay(history: "Cli") -> None:
    kept = {number: history.export("data.csv", number) for number in (3, 4)}
    assert history("csv_history_prune", "data.csv", "--keep", "2", "--dry-run") == "Would forget of data.csv: 1, 2.\n"
    assert len(history.versions("data.csv")) == 4
    assert history("csv_history_prune", "data.csv", "--keep", "2", "--yes") == "Forgot 2 versions of data.csv.\n"
    assert [version["version"] for version in history.versions("data.csv")] == [3, 4]
    assert {number: history.export("data.csv", number) for number in (3, 4)} == kept
    assert ops(history.changes("data.csv", 3)) == [("delete", "2"), ("insert", "3")]
    assert len(history.state()[2]) == 2
    assert [row["version"] for row in history.json("csv_history_blame", "data.csv")] == [None, 4, 3]
    assert history("csv_history_verify") == ""
    assert "nothing to forget" in history("csv_history_prune", "data.csv", "--keep", "2", "--yes")


def test_what_was_pruned_is_told_where_it_would_be_missed(history: "Cli") -> None:
    history("csv_history_prune", "data.csv", "--keep", "2", "--yes")
    told = "data.csv: pruned, so not searched: versions 1 to 2.\n"
    assert history.notes("csv_history_list", "data.csv", "--where", "id=2") == told
    assert "version 1 was pruned; there are versions 3 to 4" in history.refused("csv_history_show", "data.csv", "1")
    assert "version 3, the oldest that there is, is of" in history.refused(
        "csv_history_diff", "data.csv", "2020-01-01", "head"
    )


def test_prune_keeps_what_one_option_keeps(history: "Cli") -> None:
    for options in (("--keep-within", "1h"), ("--keep-daily", "1", "--keep", "3"), ("--keep", "9")):
        told = history("csv_history_prune", "data.csv", *options, "--dry-run")
        assert told == f"Would forget of data.csv: {'1' if '3' in options else 'none'}.\n"
    assert history("csv_history_prune", "data.csv", "--keep-monthly", "2", "--dry-run").endswith(": 1, 2, 3.\n")
    assert "Say what is kept" in history.refused("csv_history_prune", "data.csv")
    assert "is no duration" in history.refused("csv_history_prune", "data.csv", "--keep-within", "soon")
    assert "--keep must be 1 or more" in history.refused("csv_history_prune", "data.csv", "--keep", "0")


def test_the_head_and_held_versions_are_never_pruned(cli: "Cli") -> None:
    record(cli, *CONTENTS[:2])
    cli.write("data.csv", "id,v\n1,a\n1,b\n")
    cli("csv_watch", "--once", code=1)
    cli("csv_history_prune", "data.csv", "--keep", "1", "--yes")
    assert [(version["version"], version["status"]) for version in cli.versions("data.csv")] == [(2, "ok"), (3, "held")]


def test_a_large_file_is_stored_as_deltas_and_pruned_to_a_keyframe(cli: "Cli") -> None:
    rng = random.Random(1)
    rows = [f"{number},{rng.random()}\n" for number in range(20_000)]
    contents = []
    for place in (None, 5_000, 12_000, 19_999):
        if place is not None:
            rows[place] = f"{place},changed\n"
        contents.append("id,v\n" + "".join(rows))
    record(cli, *contents)
    stored = {path.suffix for path in objects(cli)}
    assert stored == {".zst", ".delta", ".slots"}
    assert sum(path.stat().st_size for path in objects(cli) if path.suffix == ".delta") < 1000
    assert [cli.export("data.csv", number).decode() for number in (1, 2, 3, 4)] == contents
    assert cli.changes("data.csv", 3)[0]["line"] == 12_002
    cli("csv_history_prune", "data.csv", "--keep", "2", "--yes")
    assert [cli.export("data.csv", number).decode() for number in (3, 4)] == contents[2:]
    assert len([path for path in objects(cli) if path.suffix != ".slots"]) == 2
    cli.write("data.csv", contents[0])
    cli("csv_watch", "--once")
    assert cli.counts("data.csv")[-1] == (0, 3, 0)


def objects(cli: "Cli") -> list[Path]:
    return [path for path in (cli.home / "archive" / "objects").rglob("*") if path.is_file()]


def test_verify_reads_everything_back_and_names_what_is_damaged(history: "Cli") -> None:
    assert history("csv_history_verify") == ""
    assert "Read back 4 versions of 1 file: all as they were recorded." in history.notes("csv_history_verify")
    sha256 = history.versions("data.csv")[1]["sha256"]
    spoiled = history.home / "archive" / "objects" / sha256[:2] / f"{sha256[2:]}.zst"
    content = bytearray(spoiled.read_bytes())
    content[20] ^= 1
    spoiled.write_bytes(content)
    (problem,) = json.loads(history("csv_history_verify", "data.csv", "--format", "json", code=1))
    assert (problem["version"], problem["sha256"]) == (2, sha256)
    assert str(spoiled) in problem["problem"]
    assert str(spoiled) in history.refused("csv_history_export", "data.csv", "2")
    assert [history.export("data.csv", number).decode() for number in (1, 3, 4)] == [CONTENTS[0], *CONTENTS[2:]]


def test_verify_mends_what_other_versions_are_made_of(cli: "Cli") -> None:
    lines = [f"{number},{number * 7919 % 10_007}\n" for number in range(20_000)]
    contents = ["".join(["id,v\n", *lines[:place], f"{place},new\n", *lines[place + 1 :]]) for place in (5, 6, 7)]
    record(cli, *contents)
    first = cli.versions("data.csv")[0]["sha256"]
    keyframe = cli.home / "archive" / "objects" / first[:2] / f"{first[2:]}.zst"
    whole = keyframe.read_bytes()
    keyframe.write_bytes(whole[: len(whole) // 2])
    assert cli.export("data.csv", 3).decode() == contents[2]
    assert f"{keyframe} is damaged; its copy is read. csv_history_verify mends it." in cli.notes(
        "csv_history_export", "data.csv", "3"
    )
    (problem,) = json.loads(cli("csv_history_verify", "--format", "json", code=1))
    assert (problem["version"], problem["sha256"]) == (1, first)
    assert problem["problem"] == f"{keyframe} is damaged, its copy is not; it was written anew."
    assert keyframe.read_bytes() == whole
    assert cli("csv_history_verify") == ""


def test_a_head_that_is_damaged_keeps_no_new_version_from_being_recorded(history: "Cli") -> None:
    sha256 = history.versions("data.csv")[3]["sha256"]
    (history.home / "archive" / "objects" / sha256[:2] / f"{sha256[2:]}.zst").unlink()
    history.write("data.csv", CONTENTS[0] + "5,new\n")
    history("csv_watch", "--once")
    assert history.counts("data.csv")[-1] == (3, 0, 0)
    assert history.export("data.csv", 5).decode() == CONTENTS[0] + "5,new\n"
    history("csv_history_verify", code=1)


def test_a_watcher_keeps_what_it_is_told_to_keep(cli: "Cli") -> None:
    record(cli, *CONTENTS, options=("--key", "id", "--keep", "2"))
    assert [version["version"] for version in cli.versions("data.csv")] == [3, 4]
    (told,) = cli.json("csv_watcher_show", "data.csv")
    assert told["keep"] == {"last": 2, "within": None, "daily": None, "monthly": None}
    assert "keep            the last 2\n" in cli("csv_watcher_show", "data.csv")
    cli("csv_watcher_set", "data.csv", "--keep-all")
    cli.write("data.csv", CONTENTS[0])
    cli("csv_watch", "--once")
    assert [version["version"] for version in cli.versions("data.csv")] == [3, 4, 5]
    assert "Say what is kept" in cli.refused("csv_history_prune", "data.csv")
    cli("csv_watcher_set", "data.csv", "--keep-monthly", "1")
    assert cli("csv_history_prune", "data.csv", "--yes") == "Forgot 2 versions of data.csv.\n"
    assert "--keep must be 1 or more" in cli.refused("csv_watcher_set", "data.csv", "--keep", "0")


def test_a_time_to_keep_that_no_calendar_has_is_refused(cli: "Cli") -> None:
    cli.write("data.csv", CONTENTS[0])
    said = ("--keep-within", "99999999d")
    assert "longer than a hundred years" in cli.refused("csv_watcher_add", "data.csv", *said)
    cli("csv_watcher_add", "data.csv", "--keep-within", "1d")
    assert "longer than a hundred years" in cli.refused("csv_watcher_set", "data.csv", *said)
    assert "longer than a hundred years" in cli.refused("csv_history_prune", "data.csv", *said, "--yes")


def test_a_time_to_keep_that_was_stored_before_it_was_refused_ends_no_run(cli: "Cli") -> None:
    record(cli, CONTENTS[0], options=("--keep-within", "1d"))
    with cli.alone() as connection:
        options = connection.execute(select(watchers.c.options)).scalar_one()
        options["retention"]["within"] = 8639999913600.0
        connection.execute(update(watchers).values(options=options))
    cli.write("data.csv", CONTENTS[1])
    cli("csv_watch", "--once")
    assert "keep            those of 99,999,999 days\n" in cli("csv_watcher_show", "data.csv")
    assert cli("csv_history_prune", "data.csv", "--yes") == "data.csv: nothing to forget.\n"


def test_watching_without_a_key_hints_at_one_once(cli: "Cli") -> None:
    record(cli, CONTENTS[0], options=())
    cli.write("data.csv", CONTENTS[1])
    hint = "Hint: --key id would tell 1 of these changes as updates. csv_watcher_set data.csv sets it.\n"
    assert cli.notes("csv_watch", "--once") == hint


def test_the_hint_for_a_file_without_a_watcher_is_a_command_that_can_be_typed(cli: "Cli") -> None:
    cli.write("data.csv", CONTENTS[0])
    cli("csv_watch", "--once", "data.csv")
    cli.write("data.csv", CONTENTS[1])
    hint = cli.notes("csv_watch", "--once", "data.csv")
    command = "csv_watcher_add data.csv --key id"
    assert hint == f"Hint: --key id would tell 1 of these changes as updates. {command} sets it.\n"
    cli(*command.split())
    assert cli.json("csv_watcher_list")[0]["key"] == ["id"]
