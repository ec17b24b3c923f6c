"""csv_run_list, csv_run_show and csv_run_retry: what happened to files, and did it work."""

import datetime as dt
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Service

    Start = Callable[..., Service]

ONE, TWO, BAD = "id,v\n1,a\n", "id,v\n1,b\n2,c\n", "id,v\n1,b\n1,c\n"


@pytest.fixture
def three(cli: "Cli") -> "Cli":
    """A file with two good versions and one that is held."""
    cli.write("data.csv", ONE)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli.write("data.csv", TWO)
    cli("csv_watch", "--once")
    cli.write("data.csv", BAD)
    cli("csv_watch", "--once", code=1)
    return cli


def told(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_each_version_has_a_run_and_a_content_that_is_recorded_already_has_none(three: "Cli") -> None:
    rows = three.json("csv_run_list")
    assert told(rows, "state", "version", "cause", "rows", "inserted", "updated", "deleted", "attempts") == [
        ("held", 3, "change", None, 0, 0, 0, 1),
        ("success", 2, "change", 2, 1, 1, 0, 1),
        ("success", 1, "add", 1, 1, 0, 0, 1),
    ]
    assert rows[0]["error"].endswith(
        "data.csv: the key is not unique: id='1' in lines 2 and 3; name more --key columns, or none."
    )
    assert {row["csv_file"] for row in rows} == {os.path.realpath(three.folder / "data.csv")}
    assert all(row["seconds"] >= 0 and row["started"].endswith("Z") for row in rows)
    three.write("data.csv", TWO)  # what the head is already
    three("csv_watch", "--once")
    os.utime(three.folder / "data.csv", (1, 1))
    three("csv_watch", "--once")
    assert told(three.json("csv_run_list"), "version")[:2] == [(4,), (3,)]


def test_which_versions_failed_since_yesterday_and_why(three: "Cli") -> None:
    arguments = ["csv_run_list", "--state", "failed", "--state", "held", "--since", "yesterday"]
    assert told(three.json(*arguments), "version", "state") == [(3, "held")]
    assert "the key is not unique" in three(*arguments)
    three.change("UPDATE csv_runs SET started = '2026-01-01 00:00:00.000000', ended = '2026-01-01 00:00:01.000000'")
    assert three.json(*arguments) == []
    assert three.notes(*arguments) == "No runs.\n"


def test_runs_are_asked_for_by_file_state_and_number(three: "Cli") -> None:
    three.write("other.csv", ONE)
    three("csv_watcher_add", "other.csv")
    assert told(three.json("csv_run_list", "other.csv"), "version", "cause") == [(1, "add")]
    assert told(three.json("csv_run_list", "--state", "success", "data.csv"), "version") == [(2,), (1,)]
    assert len(three.json("csv_run_list", "--limit", "2")) == 2
    assert "There are more than 2; --limit 0 lists all." in three.notes("csv_run_list", "--limit", "2")
    assert len(three.json("csv_run_list", "--limit", "0")) == 4
    assert "is no time" in three.refused("csv_run_list", "--since", "soon")
    assert "not watched and has no history" in three.refused("csv_run_list", "nothing.csv")


def test_a_run_is_shown_with_its_tasks_and_what_was_in_force(three: "Cli") -> None:
    newest = three.json("csv_run_list")[0]["run"]
    [run] = three.json("csv_run_show", newest)
    assert told(run["tasks"], "name", "state") == [
        ("snapshot", "success"), ("compare", "held"), ("check", "skipped"), ("archive", "success"),
        ("commit", "success"),
    ]  # fmt: skip
    assert run["tasks"][1]["exception_type"] == "DuplicateKeyError"
    assert run["settings"]["arguments"]["key"] == ["id"]
    assert run["sha256"] == three.versions("data.csv")[2]["sha256"]
    assert (run["pid"] > 0, run["host"] != "", run["user"] != "") == (True, True, True)
    table = three("csv_run_show", newest)
    assert "state          held\n" in table
    assert "Traceback" not in table
    assert three.refused("csv_run_show", 99) == "Error: There is no run 99; csv_run_list lists them."
    for number in (2**31, 2**63 - 1, 2**63, 10**20):
        for command in ("csv_run_show", "csv_run_retry"):
            assert three.refused(command, number) == f"Error: There is no run {number}; csv_run_list lists them."
        assert len(three.json("csv_run_list", "--limit", number)) == 3
    configurations = {row["configuration"] for row in three.json("csv_run_show", newest)}
    three("csv_watcher_set", "data.csv", "--key", "id", "--key", "v")
    three.write("data.csv", f"{BAD}3,c\n")
    three("csv_watch", "--once")
    [other] = three.json("csv_run_show", three.json("csv_run_list")[0]["run"])
    assert other["configuration"] not in configurations


def test_a_held_run_is_tried_again_once_that_can_help(three: "Cli") -> None:
    newest = three.json("csv_run_list")[0]["run"]
    assert three("csv_run_retry", newest, code=1) == "data.csv holds what is held already.\n"
    assert told(three.json("csv_run_list"), "state", "version", "cause")[0] == ("held", 3, f"retry:{newest}")
    three("csv_watcher_set", "data.csv", "--key", "id", "--key", "v")
    line = three("csv_run_retry", newest)
    assert "data.csv  version 4  +1 ~0 -1" in line
    assert told(three.json("csv_run_list"), "state", "version", "cause", "recorded_as")[:3] == [
        ("success", 4, f"retry:{newest}", None), ("held", 3, f"retry:{newest}", 4), ("held", 3, "change", 4),
    ]  # fmt: skip
    assert "only one that failed, or is held" in three.refused("csv_run_retry", newest + 2)


def test_a_task_that_the_database_refuses_leaves_no_row_and_its_failure(cli: "Cli") -> None:
    cli.write("data.csv", ONE)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    _refuse_a_second_version(cli)
    cli.write("data.csv", TWO)
    for _ in range(3):
        assert cli.run("csv_watch", "--once").returncode == 1
    counts = [cli.query(f"SELECT count(*) FROM {table}") for table in ("csv_versions", "csv_changes", "csv_outbox")]  # noqa: S608 - constants
    assert counts == [[(1,)], [(0,)], [(1,)]]
    [failed, _] = cli.json("csv_run_list")
    assert (failed["state"], failed["version"], failed["attempts"]) == ("failed", None, 3)
    assert failed["recorded_as"] is None
    assert "no second version" in failed["error"]
    [run] = cli.json("csv_run_show", failed["run"])
    assert told(run["tasks"], "name", "state", "exception_type") == [
        ("snapshot", "success", None), ("compare", "success", None), ("check", "success", None),
        ("archive", "success", None),
        ("commit", "failed", "StoreError"),
    ]  # fmt: skip
    assert "Traceback (most recent call last)" in run["tasks"][4]["traceback"]
    assert "Traceback" in cli("csv_run_show", failed["run"])
    cli.change(_REMEDIES[_kind(cli)])
    assert "version 2" in cli("csv_run_retry", failed["run"])
    assert told(cli.json("csv_run_list"), "state", "version", "recorded_as") == [
        ("success", 2, None), ("failed", None, 2), ("success", 1, None),
    ]  # fmt: skip
    assert cli.json("csv_run_show", failed["run"])[0]["recorded_as"] == 2


_REFUSALS = {
    "sqlite": "CREATE TRIGGER no_second_version BEFORE INSERT ON csv_outbox WHEN NEW.version > 1 "
    "BEGIN SELECT RAISE(ABORT, 'no second version'); END",
    "postgresql": 'ALTER TABLE csv_outbox ADD CONSTRAINT "no second version" CHECK (version < 2)',
    "mysql": "ALTER TABLE csv_outbox ADD CONSTRAINT `no second version` CHECK (version < 2)",
}
_REMEDIES = {
    "sqlite": "DROP TRIGGER no_second_version",
    "postgresql": 'ALTER TABLE csv_outbox DROP CONSTRAINT "no second version"',
    "mysql": "ALTER TABLE csv_outbox DROP CONSTRAINT `no second version`",
}


def _kind(cli: "Cli") -> str:
    return cli.environment.get("CSV_MANAGER_WATCHER_DATABASE_CONNECTION", "sqlite").partition("+")[0]


def _refuse_a_second_version(cli: "Cli") -> None:
    cli.change(_REFUSALS[_kind(cli)])


def test_what_is_refused_when_it_is_added_leaves_no_run(cli: "Cli") -> None:
    cli.write("data.csv", BAD)
    cli("csv_watcher_list")
    before = cli.content()
    cli.refused("csv_watcher_add", "data.csv", "--key", "id")
    assert cli.content() == before


def test_a_killed_run_is_finished_by_the_next_start(cli: "Cli", service: "Start") -> None:
    cli.write("data.csv", ONE)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    with service():
        pass  # and killed
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    cli.change(
        f"INSERT INTO csv_runs (path, path_sha, cause, state, configuration, host, {_USER[_kind(cli)]}, pid, started, "  # noqa: S608 - constants
        "heartbeat) SELECT path, path_sha, cause, 'running', configuration, host, 'me', 999999999, :now, :now "
        "FROM csv_runs WHERE version = 1",
        now=now,
    )
    assert cli.query("SELECT count(*) FROM csv_runs WHERE state = 'running'") == [(1,)]
    cli("csv_watch", "--once")
    assert cli.query("SELECT count(*) FROM csv_runs WHERE state = 'running'") == [(0,)]
    [run] = cli.json("csv_run_show", cli.json("csv_run_list")[0]["run"])
    assert run["state"] == "failed"
    assert "The process 999999999 on " in run["error"]
    assert "ended without a word" in run["error"]


def test_a_run_that_was_killed_in_the_middle_is_finished_and_its_version_recorded_once(
    cli: "Cli", service: "Start"
) -> None:
    path = cli.write("data.csv", ONE)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    running = "SELECT id FROM csv_runs WHERE state = 'running'"
    with service() as watching:
        content = "id,v\n" + "".join(f"{number},{number % 7}\n" for number in range(400_000))
        path.write_text(content)
        watching.wait(lambda: bool(cli.query(running)), "a run")
        watching.kill()
    [(killed,)] = cli.query(running)
    listed = {row["run"]: row for row in cli.json("csv_run_list")}
    assert listed[killed]["state"] in ("failed", "success")  # the commit may have been quicker
    cli("csv_watch", "--once")
    assert [version["version"] for version in cli.versions("data.csv")] == [1, 2]
    assert cli.export("data.csv", 2).decode() == content
    states = [row["state"] for row in cli.json("csv_run_list")]
    assert states in (["success", "failed", "success"], ["success", "success"])


_USER = {"sqlite": '"user"', "postgresql": '"user"', "mysql": "`user`"}


def test_old_runs_are_forgotten_but_for_the_newest_of_each_file(three: "Cli") -> None:
    three.write("other.csv", ONE)
    three("csv_watcher_add", "other.csv")
    long_ago = "2020-01-01 00:00:00.000000"
    three.change("UPDATE csv_runs SET started = :t, ended = :t WHERE version <> 2 OR cause <> 'change'", t=long_ago)
    three("csv_watch", "--once", code=1)
    assert len(three.json("csv_run_list")) == 4
    three.environment["CSV_MANAGER_RUN_KEEP_WITHIN"] = "90d"
    three("csv_watch", "--once", code=1)
    left = three.json("csv_run_list")
    assert sorted((os.path.basename(row["csv_file"]), row["version"]) for row in left) == [
        ("data.csv", 2),
        ("data.csv", 3),
        ("other.csv", 1),
    ]
    assert three.query("SELECT count(*) FROM csv_tasks") == [(15,)]
    assert [version["version"] for version in three.versions("data.csv")] == [1, 2, 3]


def test_purging_a_file_forgets_its_runs(three: "Cli") -> None:
    three("csv_watcher_delete", "data.csv", "--purge", "--yes")
    assert three.json("csv_run_list") == []
    assert three.query("SELECT count(*) FROM csv_tasks") == [(0,)]


def test_a_file_that_cannot_even_be_begun_leaves_a_run_that_failed(cli: "Cli") -> None:
    cli.write("data.csv", ONE)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    archive = cli.home / "archive"
    archive.rename(cli.home / "aside")
    archive.touch()
    cli.write("data.csv", TWO)
    for _ in range(2):
        assert cli.run("csv_watch", "--once").returncode == 1
    [failed, _] = cli.json("csv_run_list")
    assert (failed["state"], failed["version"], failed["attempts"], failed["recorded_as"]) == ("failed", None, 2, None)
    assert "archive/locks cannot be written: File exists" in failed["error"]
    archive.unlink()
    (cli.home / "aside").rename(archive)
    assert "version 2" in cli("csv_run_retry", failed["run"])
    assert told(cli.json("csv_run_list"), "state", "version") == [("success", 2), ("failed", None), ("success", 1)]
