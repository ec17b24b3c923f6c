"""csv_diff: two files are compared, and nothing else is touched."""

import bz2
import concurrent.futures
import csv
import gzip
import io
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = pytest.mark.no_store

OLD = "id,fruit,price\n1,apple,0.50\n2,pear,0.70\n3,plum,0.20\n"
NEW = "id,fruit,price\n1,apple,0.50\n2,pear,0.65\n4,fig,1.10\n"
KEYED = ["  - id=3  fruit=plum  price=0.20", "  ~ id=2  price 0.70 → 0.65", "  + id=4  fruit=fig  price=1.10"]
SUMMARY = "+1 ~1 -1"


@pytest.fixture
def files(cli: "Cli") -> "Cli":
    """old.csv and new.csv, between which rows came, changed and went."""
    cli.write("old.csv", OLD)
    cli.write("new.csv", NEW)
    return cli


def lines(cli: "Cli", *arguments: object, code: int = 1, stdin: str = "") -> list[str]:
    return cli("csv_diff", *arguments, code=code, stdin=stdin).splitlines()


def changes(cli: "Cli", *arguments: object, code: int = 1) -> Any:
    return json.loads(cli("csv_diff", *arguments, "--format", "json", code=code))


def test_rows_that_differ_are_told_and_the_exit_code_is_1(files: "Cli") -> None:
    assert lines(files, "old.csv", "new.csv") == [
        "  - id=2  fruit=pear  price=0.70",
        "  - id=3  fruit=plum  price=0.20",
        "  + id=2  fruit=pear  price=0.65",
        "  + id=4  fruit=fig   price=1.10",
        "+2 ~0 -2",
    ]


def test_with_a_key_updates_are_told(files: "Cli") -> None:
    told = lines(files, "old.csv", "new.csv", "--key", "id")
    assert [line.split() for line in told[:-1]] == [line.split() for line in KEYED]
    assert told[-1] == SUMMARY
    assert lines(files, "old.csv", "new.csv", "-k", "id", "-k", "fruit")[-1] == SUMMARY


def test_a_cell_of_a_renamed_column_is_told_with_what_it_was(cli: "Cli") -> None:
    cli.write("old.csv", "id,n,v\n1,a,x\n2,b,y\n3,c,z\n")
    cli.write("new.csv", "id,name,v\n1,a,x\n2,q,y\n3,c,z\n")
    told = lines(cli, "old.csv", "new.csv", "--key", "id")
    assert told == ["  ~ id=2  name b → q", "+0 ~1 -0  columns renamed: n to name"]


@pytest.mark.parametrize(
    "content",
    [
        OLD.rstrip("\n"),
        OLD.replace("\n2,", "\n\n2,"),
        OLD.replace("pear", '"pear"'),
        OLD.replace("pear", '"pear"') + "\n",
    ],
    ids=["no line end", "a blank line", "quotes", "both"],
)
def test_where_only_the_bytes_differ_that_is_told(cli: "Cli", content: str) -> None:
    cli.write("old.csv", OLD)
    cli.write("new.csv", content)
    assert lines(cli, "old.csv", "new.csv", code=0) == ["no row differs", "written in another way"]
    assert lines(cli, "old.csv", "new.csv", "--key", "id", code=0) == ["no row differs", "written in another way"]
    assert lines(cli, "old.csv", "new.csv", "--ignore", "price", code=0) == ["no row differs"]


def test_where_no_row_differs_the_exit_code_is_0(files: "Cli") -> None:
    assert lines(files, "old.csv", "old.csv", code=0) == ["no row differs"]
    assert files.run("csv_diff", "old.csv", "old.csv").stderr == b""


def test_what_cannot_be_compared_has_exit_code_2(files: "Cli") -> None:
    assert files.refused("csv_diff", "old.csv", "no.csv") == "Error: no.csv: no such file."
    assert files.refused("csv_diff", "no.csv", "new.csv") == "Error: no.csv: no such file."
    assert files.refused("csv_diff", "old.csv", ".") == "Error: .: this is a folder, no regular file."
    assert "both be stdin" in files.refused("csv_diff", "-", "-")
    assert "Error" in files.notes("csv_diff", "old.csv", code=2)


def test_the_same_changes_come_as_json_jsonl_and_csv(files: "Cli") -> None:
    told = changes(files, "old.csv", "new.csv", "--key", "id")
    assert told == [
        {
            "csv_file": "new.csv", "version": None, "seq": 0, "op": "delete", "key": {"id": "3"},
            "before": {"id": "3", "fruit": "plum", "price": "0.20"}, "after": None, "line": 4,
        },
        {
            "csv_file": "new.csv", "version": None, "seq": 1, "op": "update", "key": {"id": "2"},
            "before": {"id": "2", "fruit": "pear", "price": "0.70"},
            "after": {"id": "2", "fruit": "pear", "price": "0.65"}, "line": 3,
        },
        {
            "csv_file": "new.csv", "version": None, "seq": 2, "op": "insert", "key": {"id": "4"},
            "before": None, "after": {"id": "4", "fruit": "fig", "price": "1.10"}, "line": 4,
        },
    ]  # fmt: skip
    assert [json.loads(line) for line in lines(files, "old.csv", "new.csv", "--key", "id", "--format", "jsonl")] == told
    answer = files("csv_diff", "old.csv", "new.csv", "--key", "id", "--format", "csv", code=1)
    rows = list(csv.DictReader(io.StringIO(answer)))
    assert [list(row) for row in rows] == [list(told[0])] * 3
    assert [(row["op"], row["line"]) for row in rows] == [(change["op"], str(change["line"])) for change in told]
    assert json.loads(rows[1]["after"]) == told[1]["after"]


def test_without_a_difference_programs_are_told_nothing(files: "Cli") -> None:
    assert changes(files, "old.csv", "old.csv", code=0) == []
    assert lines(files, "old.csv", "old.csv", "--format", "jsonl", code=0) == []
    assert len(lines(files, "old.csv", "old.csv", "--format", "csv", code=0)) == 1


def test_an_ignored_column_is_not_compared(files: "Cli") -> None:
    assert lines(files, "old.csv", "new.csv", "--key", "id", "--ignore", "price")[-1] == "+1 ~0 -1"
    files.write("late.csv", OLD.replace("0.", "9."))
    assert lines(files, "old.csv", "late.csv", "--ignore", "price", code=0) == ["no row differs"]
    assert lines(files, "old.csv", "new.csv", "--ignore", "price", "--ignore", "fruit")[-1] == "+1 ~0 -1"


def test_a_table_shows_as_many_rows_as_it_is_told_and_counts_the_rest(files: "Cli") -> None:
    files.write("many.csv", "id,fruit,price\n" + "".join(f"{number},kiwi,1\n" for number in range(10, 80)))
    told = lines(files, "old.csv", "many.csv", "--limit", "2")
    assert told[2:] == ["  … and 71 more", "+70 ~0 -3"]
    assert len(told) == 4
    assert lines(files, "old.csv", "many.csv")[50:] == ["  … and 23 more", "+70 ~0 -3"]
    assert len(lines(files, "old.csv", "many.csv", "--limit", "0")) == 74
    assert len(changes(files, "old.csv", "many.csv", "--limit", "2")) == 73


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_dash_is_stdin(files: "Cli", side: str) -> None:
    arguments, stdin = (("-", "new.csv"), OLD) if side == "old" else (("old.csv", "-"), NEW)
    assert lines(files, *arguments, "--key", "id", stdin=stdin)[-1] == SUMMARY


def test_what_another_program_writes_is_compared_without_a_file(files: "Cli") -> None:
    pipe = files.folder / "pipe"
    os.mkfifo(pipe)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sent = pool.submit(pipe.write_text, NEW)
        assert lines(files, "old.csv", "pipe", "--key", "id")[-1] == SUMMARY
        assert sent.result(60) == len(NEW)


def test_a_key_is_hinted_at_once_on_stderr_and_not_where_one_is_said(files: "Cli") -> None:
    hint = "Hint: --key id would tell 1 of these changes as updates.\n"
    files.write("new.csv", OLD.replace("0.70", "0.65"))
    for form in ("table", "json", "jsonl", "csv"):
        assert files.notes("csv_diff", "old.csv", "new.csv", "--format", form, code=1) == hint
    assert files.notes("csv_diff", "old.csv", "new.csv", "--key", "id", code=1) == ""
    assert files.notes("csv_diff", "old.csv", "new.csv", "--key", "fruit", code=1) == ""
    files.write("new.csv", OLD + "4,fig,1.10\n")
    assert files.notes("csv_diff", "old.csv", "new.csv", code=1) == ""


def test_what_is_hinted_at_can_be_typed(cli: "Cli") -> None:
    content = "the shop,day,v\na,1,x\na,2,x\nb,1,x\n"
    cli.write("old.csv", content)
    cli.write("new.csv", content.replace("2,x", "2,y"))
    note = cli.notes("csv_diff", "old.csv", "new.csv", code=1)
    assert note == "Hint: --key 'the shop' --key day would tell 1 of these changes as updates.\n"
    assert lines(cli, "old.csv", "new.csv", "--key", "the shop", "--key", "day")[-1] == "+0 ~1 -0"


def test_a_hint_is_no_reason_to_refuse(cli: "Cli") -> None:
    """Far behind, in a row that did not change, stands a byte that is no UTF-8."""
    rows = [f"{number},plain text\n" for number in range(10_000)]
    rows[9000] = "9000,café\n"
    cli.write("old.csv", "".join(["id,text\n", *rows]).encode("cp1252"))
    cli.write("new.csv", "".join(["id,text\n", *rows]).replace("\n5,plain", "\n5,other").encode("cp1252"))
    assert lines(cli, "old.csv", "new.csv")[-1] == "+1 ~0 -1"


def test_rows_in_another_order_are_no_difference_and_told(files: "Cli") -> None:
    header, *rows = OLD.splitlines(keepends=True)
    files.write("new.csv", "".join([header, *rows[::-1]]))
    assert lines(files, "old.csv", "new.csv", code=0) == ["no row differs  rows reordered"]
    assert lines(files, "old.csv", "new.csv", "--key", "id", code=0) == ["no row differs  rows reordered"]


def test_a_column_with_another_name_is_told_once(files: "Cli") -> None:
    files.write("new.csv", OLD.replace("price", "euro"))
    assert lines(files, "old.csv", "new.csv") == ["no row differs  columns renamed: price to euro"]
    assert changes(files, "old.csv", "new.csv") == []


def test_columns_that_came_and_went_are_told_once(files: "Cli") -> None:
    files.write("new.csv", "id,fruit,unit\n1,apple,\n2,pear,kg\n3,plum,\n")
    told = lines(files, "old.csv", "new.csv", "--key", "id")
    assert told == ["  ~ id=2  unit '' → kg", "+0 ~1 -0  columns added: unit; columns removed: price"]


@pytest.mark.parametrize(
    ("rewritten", "told"),
    [
        (OLD.replace("\n", "\r\n"), ["line ends: LF → CRLF"]),
        (OLD.replace(",", ";"), ["delimiter: ',' → ';'"]),
        (OLD.encode("utf-16"), ["encoding: utf-8 → utf-16"]),
        (gzip.compress(OLD.encode()), ["compression: none → gzip"]),
        ('"id","fruit"\n"1","apple"\n', None),
    ],
    ids=["CRLF", "semicolon", "UTF-16", "gzip", "other rows"],
)
def test_the_same_rows_written_in_another_way_are_told_as_that(
    files: "Cli", rewritten: str | bytes, told: list[str] | None
) -> None:
    files.write("new.csv", rewritten)
    answer = lines(files, "old.csv", "new.csv", code=0 if told else 1)
    assert [line for line in answer if "another way" in line] == [
        f"written in another way: {what}" for what in told or ()
    ]
    assert (answer[0] == "no row differs") is (told is not None)


def test_a_key_that_repeats_is_refused_with_its_rows(files: "Cli") -> None:
    files.write("twice.csv", OLD + "2,quince,0.90\n")
    line = "Error: twice.csv: the key is not unique: id='2' in lines 3 and 5; name more --key columns, or none."
    assert files.refused("csv_diff", "old.csv", "twice.csv", "--key", "id") == line
    assert files.refused("csv_diff", "twice.csv", "new.csv", "--key", "id") == line
    assert lines(files, "old.csv", "twice.csv", "--key", "id", "--key", "fruit")[-1] == "+1 ~0 -0"


def test_a_key_column_that_one_of_both_lacks_is_refused(files: "Cli") -> None:
    line = "Error: new.csv: key column 'nr' is not in the header: id, fruit, price."
    assert files.refused("csv_diff", "old.csv", "new.csv", "--key", "nr") == line
    files.write("nr.csv", OLD.replace("id", "nr"))
    line = "Error: nr.csv: key column 'id' is not in the header: nr, fruit, price."
    assert files.refused("csv_diff", "nr.csv", "new.csv", "--key", "id") == line


def test_what_is_no_csv_is_refused(files: "Cli") -> None:
    files.write("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    assert files.refused("csv_diff", "old.csv", "picture.csv").startswith(
        "Error: picture.csv: this is no CSV but a PNG"
    )
    files.write("broken.csv.gz", gzip.compress(NEW.encode())[:-6])
    assert "damaged or cut off" in files.refused("csv_diff", "old.csv", "broken.csv.gz")
    files.write("latin.csv", "id,fruit,price\n1,Äpfel,1\n".encode("latin-1"))
    assert "line 2 is not utf-8" in files.refused("csv_diff", "old.csv", "latin.csv", "--encoding", "utf-8")


def test_a_file_without_rights_is_refused(files: "Cli") -> None:
    files.write("secret.csv", NEW).chmod(0)
    with files.within_rights():
        assert (
            files.refused("csv_diff", "old.csv", "secret.csv")
            == "Error: secret.csv: Permission denied; check the rights of the file and its folder."
        )


def test_compressed_files_are_compared(files: "Cli") -> None:
    files.write("old.csv.gz", gzip.compress(OLD.encode()))
    files.write("new.csv.bz2", bz2.compress(NEW.encode()))
    assert lines(files, "old.csv.gz", "new.csv.bz2", "--key", "id")[-1] == SUMMARY
    assert lines(files, "old.csv.gz", "new.csv", "--key", "id")[-1] == SUMMARY


def test_a_temporary_folder_without_room_is_told_in_one_line(cli: "Cli") -> None:
    content = b"id,v\n" + b"".join(b"%d,some text\n" % number for number in range(150_000))
    cli.write("old.csv.gz", gzip.compress(content))
    cli.write("new.csv.gz", gzip.compress(content + b"x,y\n"))
    with cli.within_size(500_000):
        line = cli.refused("csv_diff", "old.csv.gz", "new.csv.gz")
    assert "old.csv.gz: its decompressed copy cannot be written to" in line
    assert "set TMPDIR" in line
    assert lines(cli, "old.csv.gz", "new.csv.gz")[-1] == "+1 ~0 -0"


def test_the_csv_format_can_be_said(cli: "Cli") -> None:
    cli.write("old.txt", "export\n'a;b';1\nc;2\n")
    cli.write("new.txt", "export\n'a;b';1\nc;3\n")
    said = [
        "--delimiter",
        ";",
        "--quotechar",
        "'",
        "--skip-lines",
        "1",
        "--header",
        "name,count",
        "--encoding",
        "utf-8",
    ]
    assert lines(cli, "old.txt", "new.txt", *said, "--key", "name") == ["  ~ name=c  count 2 → 3", "+0 ~1 -0"]
    assert "--delimiter" in cli.refused("csv_diff", "old.txt", "new.txt", "--delimiter", "::")


def test_text_that_drives_a_terminal_is_shown_as_text(cli: "Cli") -> None:
    cli.write("old.csv", "id,v\n1,x\n")
    cli.write("new.csv", 'id,v\n1,"two\nlines \x1b[31m"\n')
    told = lines(cli, "old.csv", "new.csv", "--key", "id")
    assert told == [r"  ~ id=1  v x → two\nlines \x1b[31m", "+0 ~1 -0"]


def test_no_store_is_made(files: "Cli") -> None:
    lines(files, "old.csv", "new.csv", "--key", "id")
    lines(files, "-", "new.csv", stdin=OLD)
    files.refused("csv_diff", "old.csv", "no.csv")
    assert [path for path in files.home.rglob("*") if path.name in {"watcher_db.db", "archive"}] == []
    assert sorted(path.name for path in files.folder.iterdir()) == ["new.csv", "old.csv"]


def test_files_of_another_folder_are_compared_wherever_one_stands(files: "Cli") -> None:
    assert lines(files, files.folder / "old.csv", f"../{files.folder.name}/new.csv", "--key", "id")[-1] == SUMMARY


def test_a_reader_that_goes_away_is_no_error(files: "Cli") -> None:
    files.write("many.csv", "id,fruit,price\n" + "".join(f"{number},kiwi,1\n" for number in range(50_000)))
    script = f"{' '.join(files.command('csv_diff', 'old.csv', 'many.csv', '--format', 'jsonl'))} | head -n 1"
    done = subprocess.run(
        ["sh", "-c", script], cwd=files.folder, env=files.environment, capture_output=True, timeout=120, check=False
    )
    assert json.loads(done.stdout)["op"] == "delete"
    assert b"Error" not in done.stderr
    assert b"Traceback" not in done.stderr
