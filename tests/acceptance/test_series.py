"""Drop folders: a series of files as the versions of one dataset."""

import json
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Service

    Start = Callable[..., "Service"]

DAYS = ["id,v\n1,a\n", "id,v\n1,b\n", "id,v\n1,b\n2,c\n"]


def packed(content: str, ending: str) -> bytes:
    """A content as a file of this ending has it."""
    if ending != ".zip":
        return content.encode()
    import io
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("day.csv", content)
    return file.getvalue()


def dataset(cli: "Cli") -> list[tuple[str, str, tuple[int, int, int]]]:
    """Cause, status and counts of every version of the series in `drop`, oldest first."""
    return [
        (told["cause"], told["status"], (told["inserted"], told["updated"], told["deleted"]))
        for told in cli.versions("drop")
    ]


def test_the_files_of_a_series_are_the_versions_of_one_dataset_in_the_order_of_their_names(cli: "Cli") -> None:
    for day in (2, 1):
        cli.write(f"drop/day-{day}.csv", DAYS[day - 1])
    told = cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id")
    assert [line.split(":")[0] for line in told.splitlines()] == [
        "Added drop/day-1.csv",
        "Added drop/day-2.csv",
        "Added drop",
    ]
    cli.write("drop/day-3.csv", DAYS[2])
    assert "drop  version 3  +1 ~0 -0" in cli("csv_watch", "--once")
    assert dataset(cli) == [
        ("file:day-1.csv", "ok", (1, 0, 0)),
        ("file:day-2.csv", "ok", (0, 1, 0)),
        ("file:day-3.csv", "ok", (1, 0, 0)),
    ]
    [row] = cli.json("csv_watcher_list")
    assert (row["csv_file"], row["state"], row["version"], row["rows"]) == (
        os.path.realpath(cli.folder / "drop"),
        "ok",
        3,
        2,
    )
    assert cli.export("drop", 1) == DAYS[0].encode()
    assert cli("csv_watch", "--once") == ""


def test_a_service_takes_a_series_in_the_order_of_the_names_however_they_come(cli: "Cli", service: "Start") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", "series", "--settle", "0.5", "-i", "0.2")
    with service() as running:
        for day in range(9, 1, -1):
            cli.write(f"drop/day-{day}.csv", f"id,v\n{day},x\n")
        running.wait_told("version 9 ")
        assert running.stop() == 0
    assert [cause for cause, _, _ in dataset(cli)] == [f"file:day-{day}.csv" for day in range(1, 10)]


def test_a_check_takes_what_came_since_in_the_order_of_the_names(cli: "Cli") -> None:
    cli.write("drop/day-10.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", "series", "--recursive")
    days = [f"day-{day}.csv" for day in (19, 12, 17, 11, 16, 13, 18, 14)] + ["day-15/b.csv", "day-15/a.csv"]
    for day in days:
        cli.write(f"drop/{day}", f"id,v\n{day},x\n")
    cli("csv_watch", "--once")
    assert [cause for cause, _, _ in dataset(cli)] == [f"file:{day}" for day in ["day-10.csv", *sorted(days)]]


def test_a_file_that_comes_late_is_kept_and_held_and_the_dataset_stays_at_the_newest(cli: "Cli") -> None:
    for day in (1, 3):
        cli.write(f"drop/day-{day}.csv", DAYS[day - 1])
    cli("csv_watcher_add", "drop", "--feed", "series")
    cli.write("drop/day-2.csv", DAYS[1])
    told = cli("csv_watch", "--once", code=1)
    assert "held: " in told
    assert "comes after day-3.csv" in told
    assert [status for _, status, _ in dataset(cli)] == ["ok", "ok", "held"]
    assert cli.export("drop", 3) == DAYS[1].encode()
    assert cli.export("drop", "head") == DAYS[2].encode()
    cli.write("drop/day-4.csv", "id,v\n1,z\n2,c\n")
    cli("csv_watch", "--once")
    assert dataset(cli)[-1] == ("file:day-4.csv", "ok", (1, 0, 1))

    [row] = cli.json("csv_watcher_list")
    assert (row["state"], "day-2.csv of it is held: " in row["reason"]) == ("ok", True)
    problem = json.loads(cli("csv_status", "--format", "json", code=1))["problems"][0]
    assert (os.path.basename(problem["csv_file"]), problem["state"]) == ("day-2.csv", "held")
    assert "comes after day-3.csv" in problem["reason"]
    (cli.folder / "drop" / "day-2.csv").unlink()
    assert cli.json("csv_watcher_list")[0]["reason"] is None
    assert json.loads(cli("csv_status", "--format", "json"))["problems"] == []


def test_a_file_of_a_series_that_is_corrected_is_the_next_version_only_if_it_is_the_newest(cli: "Cli") -> None:
    for day in (1, 2):
        cli.write(f"drop/day-{day}.csv", DAYS[day - 1])
    cli("csv_watcher_add", "drop", "--feed", "series")
    cli.write("drop/day-2.csv", "id,v\n1,B\n")
    cli("csv_watch", "--once")
    cli.write("drop/day-1.csv", DAYS[0])  # the same again
    cli("csv_watch", "--once")
    cli.write("drop/day-1.csv", "id,v\n1,A\n")
    cli("csv_watch", "--once", code=1)
    told = [("file:day-1.csv", "ok"), ("file:day-2.csv", "ok"), ("file:day-2.csv", "ok"), ("file:day-1.csv", "held")]
    assert [(cause, status) for cause, status, _ in dataset(cli)] == told


def test_a_bad_file_of_a_series_is_held_and_the_next_one_is_compared_with_the_last_good_one(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id")
    cli.write("drop/day-2.csv", "x,v\n1,b\n")
    cli("csv_watch", "--once", code=1)
    cli.write("drop/day-3.csv", DAYS[2])
    cli("csv_watch", "--once")
    assert [(status, counts) for _, status, counts in dataset(cli)] == [
        ("ok", (1, 0, 0)),
        ("held", (0, 0, 0)),
        ("ok", (1, 1, 0)),
    ]


def test_a_file_of_a_series_that_goes_is_not_missed(cli: "Cli") -> None:
    for day in (1, 2):
        cli.write(f"drop/day-{day}.csv", DAYS[day - 1])
    cli("csv_watcher_add", "drop", "--feed", "series")
    (cli.folder / "drop" / "day-1.csv").unlink()
    assert cli("csv_watch", "--once") == ""
    assert cli.json("csv_watcher_list")[0]["state"] == "ok"
    assert cli("csv_status") == "1 ok; nothing is watching now.\n"


def test_a_series_may_be_of_compressed_files_and_of_a_glob(cli: "Cli") -> None:
    import gzip

    cli.write("drop/day-1.csv", DAYS[0])
    cli.write("drop/other.csv", "no,table\n")
    cli("csv_watcher_add", "drop/day-*", "--feed", "series", "--name", "days", "--key", "id")
    cli.write("drop/day-2.csv.gz", gzip.compress(DAYS[1].encode()))
    cli("csv_watch", "--once")
    assert cli.counts("days") == [(1, 0, 0), (0, 1, 0)]


def test_verify_knows_the_files_of_a_series(cli: "Cli") -> None:
    for day in (1, 2):
        cli.write(f"drop/day-{day}.csv", DAYS[day - 1])
    cli("csv_watcher_add", "drop", "--feed", "series")
    assert cli.json("csv_watcher_verify") == []
    cli.write("drop/day-1.csv", DAYS[2])
    cli.write("drop/day-3.csv", DAYS[2])
    done = cli.run("csv_watcher_verify", "drop", "--format", "jsonl")
    assert done.returncode == 1
    assert [line.split(b'"')[7] for line in done.stdout.splitlines()] == [b"changed", b"unrecorded"]


def test_a_stray_file_stops_no_series(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id")
    cli.write("drop/zzz.csv", "id,v\n1,a\n1,b\n")
    cli("csv_watch", "--once", code=1)
    cli.write("drop/day-2.csv", DAYS[1])
    cli("csv_watch", "--once")
    cli.write("drop/zz.csv", "id,v\n9,z\n")
    cli("csv_watch", "--once")
    cli.write("drop/day-3.csv", DAYS[2])
    assert "--exclude zz.csv leaves it out" in cli("csv_watch", "--once", code=1)
    cli("csv_watcher_set", "drop", "--exclude", "zz*")
    cli.write("drop/day-4.csv", DAYS[2])
    cli("csv_watch", "--once")
    assert [status for _, status, _ in dataset(cli)] == ["ok", "held", "ok", "ok", "held", "ok"]


def test_a_held_file_of_a_series_is_taken_once_the_stray_one_is_left_out(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli.write("drop/zzz.csv", "id,v\n9,z\n")
    cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id")
    for day in (2, 3):
        cli.write(f"drop/day-{day}.csv", DAYS[day - 1])
    assert "--exclude zzz.csv leaves it out" in cli("csv_watch", "--once", code=1)
    told = cli("csv_watcher_set", "drop", "--exclude", "zzz.csv")
    assert "left out: zzz.csv; 2 held files are read anew at the next check." in told
    cli.write("drop/day-4.csv", DAYS[1])
    cli("csv_watch", "--once", "drop")
    taken = [f"file:day-{day}.csv" for day in (2, 3, 4)]
    assert [(cause, status) for cause, status, _ in dataset(cli)[-3:]] == [(cause, "ok") for cause in taken]
    assert cli.json("csv_watcher_list")[0]["state"] == "ok"
    assert cli("csv_watch", "--once") == ""


def test_a_service_takes_the_held_files_of_a_series_once_its_watcher_is_changed(cli: "Cli", service: "Start") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id", "--key", "v")
    with service() as running:
        cli.write("drop/day-2.csv", "id\n1\n")
        running.wait_told("version 2 ", "held: ")
        assert "1 held file is read anew" in cli("csv_watcher_set", "drop", "--key", "id")
        running.wait_told("version 3 ", "columns removed: v")
        assert running.stop() == 0


def test_a_held_file_of_a_series_is_judged_anew_once_it_is_touched_and_is_one_version_while_it_is_held(
    cli: "Cli",
) -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id")
    held = cli.write("drop/day-2.csv", "x,v\n1,b\n")
    cli("csv_watch", "--once", code=1)
    os.utime(held, (1, 1))
    cli("csv_watch", "--once", code=1)
    cli("csv_watcher_set", "drop", "--key", "id", "--key", "v")
    assert "column 'id' is not in the header: x, v" in cli.notes("csv_watch", "--once", code=1)
    assert [status for _, status, _ in dataset(cli)] == ["ok", "held"]
    cli("csv_watcher_set", "drop", "--key", "v")
    cli("csv_watch", "--once")
    assert [status for _, status, _ in dataset(cli)] == ["ok", "held", "ok"]


def test_a_held_file_of_a_series_that_is_followed_by_another_one_is_late_when_it_is_judged_anew(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id", "--key", "v")
    cli.write("drop/day-2.csv", "id\n1\n")
    cli("csv_watch", "--once", code=1)
    cli.write("drop/day-3.csv", DAYS[2])
    cli("csv_watch", "--once")
    assert cli("csv_watch", "--once") == ""
    cli("csv_watcher_set", "drop", "--key", "id")
    assert cli("csv_watch", "--once") == ""
    assert [(cause, status) for cause, status, _ in dataset(cli)] == [
        ("file:day-1.csv", "ok"),
        ("file:day-2.csv", "held"),
        ("file:day-3.csv", "ok"),
    ]
    assert cli.json("csv_watcher_list")[0]["state"] == "ok"


def test_a_held_file_of_a_series_that_is_left_out_fails_no_check(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id")
    cli.write("drop/zzz.csv", "x,v\n1,b\n")
    cli("csv_watch", "--once", code=1)
    told = cli("csv_watcher_set", "drop", "--exclude", "zzz.csv")
    assert "read anew" not in told
    cli("csv_watch", "--once")


@pytest.mark.parametrize("ending", ["", ".zip"])
def test_the_csv_format_and_the_key_of_a_series_can_be_set_after_its_first_file(cli: "Cli", ending: str) -> None:
    cli.write(f"drop/day-1.csv{ending}", packed("id;v\n1;a\n", ending))
    cli("csv_watcher_add", "drop", "--feed", "series", "--delimiter", ",")
    told = cli("csv_watcher_set", "drop", "--delimiter", ";", "--key", "id")
    assert told.startswith("Changed drop: key id; semicolon, utf-8, header, ")
    assert "2 columns" in told
    assert "read anew" not in told
    cli.write(f"drop/day-2.csv{ending}", packed("id;v\n1;b\n", ending))
    cli("csv_watch", "--once")
    assert cli.counts("drop") == [(1, 0, 0), (0, 1, 0)]
    assert "column 'w' is not in the header: id, v" in cli.refused("csv_watcher_set", "drop", "--key", "w")


def test_the_files_that_are_read_anew_are_told_only_if_there_are_any(cli: "Cli") -> None:
    cli.write("drop/a.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--exclude", "b.csv")
    assert cli("csv_watcher_set", "drop", "--key", "id") == (
        "Changed drop: key id; 1 file is read anew at the next check.\n"
    )
    cli.write("drop/c.csv", DAYS[0])
    cli("csv_watch", "--once")
    assert "; 2 files are read anew at the next check." in cli("csv_watcher_set", "drop", "--key", "v")
    cli("csv_watcher_add", "later/", "--missing-ok")
    assert cli("csv_watcher_set", "later/", "--key", "id") == "Changed later: key id.\n"


def test_a_file_of_a_series_is_not_checked_on_its_own(cli: "Cli") -> None:
    (cli.folder / "current").symlink_to("drop")
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id")
    cli.write("drop/day-2.csv", DAYS[1])
    for path in ("drop/day-1.csv", "drop/day-2.csv", "current/day-2.csv", "drop/*.csv"):
        told = cli.refused("csv_watch", "--once", path)
        assert "is a file of the series drop" in told
        assert told.endswith(" csv_watch --once drop.")
    assert cli.refused("csv_watch", "--missing-ok", "drop/day-3.csv").endswith(" csv_watch drop.")
    assert list(cli.listed()) == ["drop"]
    cli("csv_watch", "--once", "drop")
    assert cli.counts("drop") == [(1, 0, 0), (0, 1, 0)]


def test_a_file_of_a_series_that_is_read_through_a_link_is_not_checked_on_its_own(cli: "Cli") -> None:
    cli.write("releases/day-1.csv", DAYS[0])
    (cli.folder / "current").symlink_to("releases")
    cli("csv_watcher_add", "current", "--feed", "series")
    assert "is a file of the series" in cli.refused("csv_watch", "--once", "releases/day-1.csv")
    assert "is a file of the series" in cli.refused("csv_watch", "--once", "current/day-1.csv")
    cli.write("other.csv", DAYS[0])
    assert "version 1" in cli("csv_watch", "--once", "other.csv")


@pytest.mark.parametrize("option", [("--done", "burn"), ("--done", "move:"), ("--feed", "serious")])
def test_a_word_that_means_nothing_is_refused(cli: "Cli", option: tuple[str, str]) -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    assert option[0] in cli.refused("csv_watcher_add", "drop", *option)


@pytest.mark.parametrize("option", [("--done", "delete"), ("--recursive",), ("--exclude", "x"), ("--feed", "series")])
def test_what_is_for_folders_is_refused_for_a_file(cli: "Cli", option: tuple[str, ...]) -> None:
    cli.write("a.csv", DAYS[0])
    assert f"a.csv is one file; {option[0]} is for folders and globs." in cli.refused(
        "csv_watcher_add", "a.csv", *option
    )
    cli("csv_watcher_add", "a.csv")
    said = "watched as one file" if option[0] == "--feed" else "for folders and globs"
    assert said in cli.refused("csv_watcher_set", "a.csv", *option)


def test_once_does_not_wait_for_the_files_of_a_series_that_follow_an_unreadable_one(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", "series", "--key", "id")
    os.mkfifo(cli.folder / "drop" / "day-2.csv")
    cli.write("drop/day-3.csv", DAYS[2])
    done = cli.run("csv_watch", "--once")
    assert done.returncode == 1
    assert b"drop is unreadable (" in done.stderr
    assert b"day-2.csv: this is a named pipe" in done.stderr
    assert len(dataset(cli)) == 1
    (cli.folder / "drop" / "day-2.csv").unlink()
    assert "version 2" in cli("csv_watch", "--once")


def test_nothing_of_a_series_is_taken_that_follows_what_cannot_be_read(cli: "Cli") -> None:
    cli.write("drop/day-1.csv", DAYS[0])
    cli("csv_watcher_add", "drop", "--feed", "series", "-r")
    os.mkfifo(cli.folder / "drop" / "day-6.csv")
    for day in (2, 3, 4, 5, 7, 8):
        cli.write(f"drop/day-{day}.csv", f"id,v\n{day},a\n")
    done = cli.run("csv_watch", "--once")
    assert done.returncode == 1
    assert b"drop is unreadable (" in done.stderr
    assert [told["cause"] for told in cli.versions("drop")] == [f"file:day-{day}.csv" for day in range(1, 6)]
    assert cli.json("csv_watcher_list")[0]["state"] == "unreadable"
    assert cli.run("csv_status").returncode == 1
    (cli.folder / "drop" / "day-6.csv").unlink()
    cli("csv_watch", "--once")
    assert [status for _, status, _ in dataset(cli)] == ["ok"] * 7
    assert cli.json("csv_watcher_list")[0]["state"] == "ok"


def test_a_series_waits_for_a_folder_that_cannot_be_read(cli: "Cli") -> None:
    for day in (1, 2):
        cli.write(f"drop/0{day}/x.csv", DAYS[day - 1])
    cli("csv_watcher_add", "drop", "--feed", "series", "-r", "--key", "id")
    cli.write("drop/03/x.csv", DAYS[2])
    cli.write("drop/04/x.csv", DAYS[1])
    (cli.folder / "drop" / "03").chmod(0)
    with cli.within_rights():
        assert cli.run("csv_watch", "--once").returncode == 1
        assert len(dataset(cli)) == 2
    (cli.folder / "drop" / "03").chmod(0o755)
    cli("csv_watch", "--once")
    assert [cause for cause, _, _ in dataset(cli)] == [f"file:0{day}/x.csv" for day in (1, 2, 3, 4)]


def test_a_series_is_not_begun_with_what_cannot_be_read(cli: "Cli") -> None:
    cli.write("drop/day-2.csv", DAYS[1])
    os.mkfifo(cli.folder / "drop" / "day-1.csv")
    assert "day-1.csv: this is a named pipe" in cli.refused("csv_watcher_add", "drop", "--feed", "series")
    assert cli.json("csv_watcher_list") == []
