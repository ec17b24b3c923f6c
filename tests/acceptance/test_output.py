"""What commands write where: on terminals of any width, in encodings that lack marks, and to readers that go away."""

import codecs
import contextlib
import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli

OLD = "id,name,note\n" + "".join(f"{number},name {number},a note of some words\n" for number in range(3000))


@pytest.fixture(scope="module")
def shared(shared_cli: "Cli") -> "Cli":
    """A file with two versions, of thousands of rows, and another one of them; tests leave them as they are."""
    cli = shared_cli
    cli.write("data.csv", OLD)
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli.write("data.csv", OLD.replace("a note", "another note"))
    cli("csv_watch", "--once")
    cli.write("old.csv", OLD)
    return cli


def on_terminal(cli: "Cli", columns: int, *arguments: object) -> list[str]:
    """The lines that a command writes to a terminal of so many columns."""
    master, slave = os.openpty()
    written: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # EIO, once nobody has the other side open
            while data := os.read(master, 1 << 16):
                written.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    environment = cli.environment | {"COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "xterm"}
    done = subprocess.run(
        cli.command(*arguments), cwd=cli.folder, env=environment, stdout=slave, stderr=subprocess.PIPE, check=False
    )
    os.close(slave)
    reader.join()
    os.close(master)
    assert done.returncode == 0, done.stderr.decode()
    return b"".join(written).decode().splitlines()


def test_a_list_of_versions_leaves_out_what_a_terminal_has_no_room_for(shared: "Cli") -> None:
    def names(columns: int) -> list[str]:
        return on_terminal(shared, columns, "csv_history_list", "data.csv")[0].split()

    assert names(130) == [
        "version", "created", "cause", "status", "sha256", "size", "rows", "inserted", "updated", "deleted",
    ]  # fmt: skip
    assert names(80) == ["version", "created", "cause", "status", "rows", "inserted", "updated", "deleted"]
    assert names(60) == ["version", "created", "inserted", "updated", "deleted"]
    (first, *_) = on_terminal(shared, 40, "csv_history_list", "data.csv")
    assert first == "version   2"


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize(
    "arguments",
    [
        "csv_history_list data.csv",
        "csv_history_blame data.csv --limit 3",
        "csv_watcher_list",
        "csv_config_list",
    ],
)
def test_a_table_is_no_wider_than_the_terminal_and_breaks_no_number(
    shared: "Cli", columns: int, arguments: str
) -> None:
    lines = on_terminal(shared, columns, *arguments.split())
    words = " ".join(lines).split()
    if "history" in arguments:
        assert max(map(len, lines)) <= columns
        assert [word for word in words if word.count("-") == 2 and len(word) == 10]
    assert not [line for line in lines if 0 < len(line) < 3]


@pytest.mark.parametrize("encoding", ["latin-1", "cp437"])
def test_an_encoding_that_lacks_a_mark_gets_another_one(cli: "Cli", encoding: str) -> None:
    cli.environment["PYTHONIOENCODING"] = encoding
    cli.write("old.csv", "id,v\n1,Ж\n")
    cli.write("new.csv", f"id,v\n1,{'x' * 61}\n")
    assert cli("csv_diff", "old.csv", "new.csv", "--key", "id", code=1) == (
        rf"  ~ id=1  v \u0416 -> {'x' * 59}...{os.linesep}+0 ~1 -0{os.linesep}"
    )
    told = json.loads(cli("csv_diff", "old.csv", "new.csv", "--key", "id", "--format", "jsonl", code=1))
    assert told["before"] == {"id": "1", "v": "Ж"}
    done = cli.run("csv_diff", "old.csv", "new.csv", "--key", "id", "--format", "csv")
    assert done.returncode == 2
    assert f"cannot be written in {codecs.lookup(encoding).name}" in done.stderr.decode().replace(
        "iso8859-1", "iso8859-1"
    )


def test_an_encoding_of_the_users_choice_for_what_it_lacks_is_kept(cli: "Cli") -> None:
    cli.environment["PYTHONIOENCODING"] = "ascii:replace"
    cli.write("old.csv", "id,v\n1,x\n")
    cli.write("new.csv", "id,v\n1,y\n")
    assert "Traceback" not in cli.notes("csv_diff", "old.csv", "new.csv", "--key", "id", code=1)


@pytest.mark.parametrize(
    "arguments",
    [
        "csv_diff old.csv data.csv --key id --limit 0",
        "csv_diff old.csv data.csv --key id --format jsonl",
        "csv_diff old.csv data.csv --key id --format csv",
        "csv_history_show data.csv --limit 0",
        "csv_history_show data.csv --format json",
        "csv_history_diff data.csv --limit 0",
        "csv_history_export data.csv head",
        "csv_history_blame data.csv --limit 0",
        "csv_history_blame data.csv --format csv",
        "csv_history_list data.csv --where id=1",
        "csv_history_list data.csv",
        "csv_history_verify --format json",
        "csv_watcher_list",
        "csv_watch --once --from 0",
        "csv_config_list --format csv",
        "--help",
    ],
)
def test_a_reader_that_goes_away_ends_a_command_as_it_ends_other_tools(shared: "Cli", arguments: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        shared.command(*arguments.split()),
        cwd=shared.folder,
        env=shared.environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr.decode()) == (141, "")


def test_a_reader_that_reads_a_line_gets_it(shared: "Cli") -> None:
    command = " ".join(shared.command("csv_history_export", "data.csv", "head"))
    script = f"set -o pipefail; {command} | head -n 1; echo $?"
    done = subprocess.run(
        ["bash", "-c", script], cwd=shared.folder, env=shared.environment, capture_output=True, check=False
    )
    assert done.stdout.decode().splitlines()[0] == "id,name,note"
    assert done.stderr == b""


def test_without_a_command_the_help_is_printed_as_it_is(cli: "Cli") -> None:
    assert cli(code=2) == cli("--help")
    assert cli.run().stderr == b""
    assert "Missing command" in cli.refused("--config", cli.write("empty.yaml", ""))


def test_what_is_meant_by_a_misspelt_name_is_asked_in_one_sentence(cli: "Cli") -> None:
    for arguments in (["csv_diff", "a", "b", "--ky", "id"], ["csv_watcher_ad", "a"]):
        line = cli.refused(*arguments)
        assert "?." not in line
        assert line.endswith("--help` tells more.")
    assert "Did you mean" in cli.refused("csv_diff", "a", "b", "--ky", "id")


@pytest.mark.parametrize("command", ["csv_diff", "csv_watcher_add", "csv_watch", "csv_history_show"])
def test_an_empty_path_is_not_the_folder(cli: "Cli", command: str) -> None:
    cli.write("data.csv", "id\n1\n")
    cli("csv_watcher_add", "data.csv")
    more = ["data.csv"] if command == "csv_diff" else []
    assert "it is empty; name a file" in cli.refused(command, "", *more)
