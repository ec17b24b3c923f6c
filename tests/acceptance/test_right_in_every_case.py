"""What people's files are like, each content through add, edits and checks: counts, rows and bytes are exact."""

import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cli

Change = dict[str, Any]


def insert(line: int, key: dict[str, str] | None = None, /, **cells: object) -> Change:
    return {"op": "insert", "key": key, "before": None, "after": cells, "line": line}


def delete(line: int, key: dict[str, str] | None = None, /, **cells: object) -> Change:
    return {"op": "delete", "key": key, "before": cells, "after": None, "line": line}


def update(line: int, key: dict[str, str], before: dict[str, object], after: dict[str, object]) -> Change:
    return {"op": "update", "key": key, "before": before, "after": after, "line": line}


class Case:
    """One file and its contents, recorded one after the other by `csv_watch --once`."""

    def __init__(self, cli: "Cli", name: str = "data.csv", options: tuple[object, ...] = ()) -> None:
        self.cli = cli
        self.path = cli.folder / name
        self.options = options
        self.contents: list[bytes] = []

    def write(self, content: str | bytes) -> None:
        """Write a content in place and have it recorded."""
        self.cli.write(self.path.name, content)
        self.record()

    def record(self) -> None:
        """Have what the file holds now recorded."""
        first = not self.contents
        self.contents.append(self.path.read_bytes())
        if first:
            self.cli("csv_watcher_add", self.path, *self.options)
        else:
            self.cli("csv_watch", "--once")

    def check(self, *versions: list[Change]) -> None:
        """Each version has exactly these row changes, and comes back byte for byte."""
        assert len(versions) == len(self.contents)
        told = self.cli.versions(self.path)
        assert [version["version"] for version in told] == list(range(1, len(versions) + 1))
        assert [version["status"] for version in told] == ["ok"] * len(versions)
        assert [version["size"] for version in told] == [len(content) for content in self.contents]
        numbers = range(1, len(versions) + 1)
        with ThreadPoolExecutor(2) as pool:
            shown = list(pool.map(lambda number: self.cli.changes(self.path, number), numbers))
            exported = list(pool.map(lambda number: self.cli.export(self.path, number), numbers))
        path = os.path.realpath(self.path)
        for number, changes in enumerate(versions, 1):
            assert shown[number - 1] == [
                {"csv_file": path, "version": number, "seq": seq, **change} for seq, change in enumerate(changes)
            ]
        assert exported == self.contents
        ops = [[change["op"] for change in changes] for changes in versions]
        assert [(version["inserted"], version["updated"], version["deleted"]) for version in told] == [
            (op.count("insert"), op.count("update"), op.count("delete")) for op in ops
        ]


@pytest.fixture
def case(cli: "Cli") -> Case:
    return Case(cli)


def test_duplicate_rows_that_come_and_go_are_counted(case: Case) -> None:
    case.write("id,v\n1,x\n1,x\n")
    case.write("id,v\n1,x\n1,x\n1,x\n")
    case.write("id,v\n1,x\n")
    x = {"id": "1", "v": "x"}
    case.check([insert(2, **x), insert(3, **x)], [insert(4, **x)], [delete(3, **x), delete(4, **x)])


def test_reordered_rows_and_columns_are_versions_without_row_changes(case: Case) -> None:
    case.write("id,v\n1,x\n2,y\n")
    case.write("id,v\n2,y\n1,x\n")
    case.write("v,id\ny,2\nx,1\n")
    case.check([insert(2, id="1", v="x"), insert(3, id="2", v="y")], [], [])


def test_a_renamed_column_changes_no_row_and_is_told_once(case: Case) -> None:
    case.write("id,price\n1,5\n2,7\n")
    case.write("id,cost\n1,5\n2,7\n")
    case.check([insert(2, id="1", price="5"), insert(3, id="2", price="7")], [])
    assert "columns renamed: price to cost" in case.cli("csv_history_show", case.path)


def test_a_gained_column_changes_only_rows_in_which_it_is_filled(cli: "Cli") -> None:
    case = Case(cli, options=("--key", "id"))
    case.write("id,v\n1,x\n2,y\n")
    case.write("id,v,note\n1,x,\n2,y,new\n")
    case.write("id,note\n1,\n2,new\n")
    case.check(
        [insert(2, {"id": "1"}, id="1", v="x"), insert(3, {"id": "2"}, id="2", v="y")],
        [update(3, {"id": "2"}, {"id": "2", "v": "y"}, {"id": "2", "v": "y", "note": "new"})],
        [],
    )
    assert "columns added: note" in cli("csv_history_show", case.path, 2)
    assert "columns removed: v" in cli("csv_history_show", case.path, 3)


def test_with_a_key_an_update_has_both_sides(cli: "Cli") -> None:
    case = Case(cli, options=("--key", "id", "--key", "day"))
    case.write("id,day,v\n1,mo,007\n1,tu,1.10\n")
    case.write("id,day,v\n1,tu,1.1\n2,mo,007\n")
    monday, tuesday = {"id": "1", "day": "mo"}, {"id": "1", "day": "tu"}
    case.check(
        [insert(2, monday, **monday, v="007"), insert(3, tuesday, **tuesday, v="1.10")],
        [
            delete(2, monday, **monday, v="007"),
            update(2, tuesday, {**tuesday, "v": "1.10"}, {**tuesday, "v": "1.1"}),
            insert(3, {"id": "2", "day": "mo"}, id="2", day="mo", v="007"),
        ],
    )


def test_a_missing_header_is_found_and_no_row_is_eaten(case: Case) -> None:
    case.write("1,2.5\n2,3.5\n3,4.5\n")
    case.write("1,2.5\n2,3.5\n3,4.5\n4,5.5\n")
    first = [insert(n, column_1=str(n), column_2=f"{n + 1}.5") for n in (1, 2, 3)]
    case.check(first, [insert(4, column_1="4", column_2="5.5")])


@pytest.mark.parametrize(
    ("options", "names"), [(("--no-header",), ("column_1", "column_2")), (("--header", "who,what"), ("who", "what"))]
)
def test_a_missing_header_is_what_the_user_says(
    cli: "Cli", options: tuple[object, ...], names: tuple[str, str]
) -> None:
    case = Case(cli, options=options)
    case.write("ann,tea\n")
    case.write("ann,tea\nbob,ale\n")
    case.check(
        [insert(1, **dict(zip(names, ("ann", "tea"), strict=True)))],
        [insert(2, **dict(zip(names, ("bob", "ale"), strict=True)))],
    )


def test_repeated_and_empty_column_names_lose_no_column(case: Case) -> None:
    case.write("name,name,,name\na,b,c,d\n")
    case.write("name,name,,name\na,b,C,d\n")
    before = {"name": "a", "name_2": "b", "column_3": "c", "name_3": "d"}
    case.check([insert(2, **before)], [delete(2, **before), insert(2, **before | {"column_3": "C"})])


def test_a_byte_order_mark_is_no_part_of_a_name_and_its_coming_changes_no_row(case: Case) -> None:
    case.write(b"\xef\xbb\xbfid,v\n1,x\n")
    case.write(b"id,v\n1,x\n")
    case.write(b"\xef\xbb\xbfid,v\n1,x\n2,y\n")
    case.check([insert(2, id="1", v="x")], [], [insert(3, id="2", v="y")])


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_delimiters_are_found(case: Case, mark: str) -> None:
    case.write("id,v,w\n1,x,a b\n2,y,c\n".replace(",", mark))
    case.write('id,v,w\n1,x,a b\n2,"y, z",c\n'.replace(",", mark).replace(f"y{mark}", "y,"))
    case.check(
        [insert(2, id="1", v="x", w="a b"), insert(3, id="2", v="y", w="c")],
        [delete(3, id="2", v="y", w="c"), insert(3, id="2", v="y, z", w="c")],
    )


def test_quoted_newlines_are_text_and_lines_are_the_ones_of_an_editor(case: Case) -> None:
    case.write('id,v\n1,"two\nlines"\n2,"say ""hi"""\n')
    case.write('id,v\n1,"two\r\nlines"\n2,"say ""hi"""\n3,z\n')
    two = {"id": "1", "v": "two\nlines"}
    case.check(
        [insert(2, **two), insert(4, id="2", v='say "hi"')],
        [delete(2, **two), insert(2, id="1", v="two\r\nlines"), insert(5, id="3", v="z")],
    )


def test_other_line_endings_change_no_row(case: Case) -> None:
    case.write("id,v\r\n1,x\r\n2,y\r\n")
    case.write("id,v\n1,x\n2,y\n")
    case.write("id,v\n1,x\n2,y")
    case.check([insert(2, id="1", v="x"), insert(3, id="2", v="y")], [], [])


def test_short_and_long_rows_keep_what_they_have(case: Case) -> None:
    case.write("a,b,c\n1\n1,2,3\n1,2,3,4,5\n")
    case.write("a,b,c\n1,\n1,2,3\n1,2,3,4\n\n")
    case.check(
        [
            insert(2, a="1", b=None, c=None),
            insert(3, a="1", b="2", c="3"),
            insert(4, a="1", b="2", c="3", _extra=["4", "5"]),
        ],
        [
            delete(2, a="1", b=None, c=None),
            delete(4, a="1", b="2", c="3", _extra=["4", "5"]),
            insert(2, a="1", b="", c=None),
            insert(4, a="1", b="2", c="3", _extra=["4"]),
        ],
    )


def test_latin_1_is_read_as_what_it_is(case: Case) -> None:
    old = "id,Stadt\n1,München\n2,Köln\n3,Düsseldorf\n4,Würzburg am schönen Main\n"
    case.write(old.encode("latin-1"))
    case.write(old.replace("Köln", "Lübeck").encode("latin-1"))
    cities = ("München", "Köln", "Düsseldorf", "Würzburg am schönen Main")
    case.check(
        [insert(line, id=str(line - 1), Stadt=city) for line, city in enumerate(cities, 2)],
        [delete(3, id="2", Stadt="Köln"), insert(3, id="2", Stadt="Lübeck")],
    )


def test_a_file_that_is_saved_in_another_encoding_has_the_same_rows(case: Case) -> None:
    text = "id,Stadt\n" + "".join(f"{number},München und Köln {number}\n" for number in range(3))
    case.write(text)
    case.write(text.encode("cp1252"))
    case.check([insert(line, id=str(line - 2), Stadt=f"München und Köln {line - 2}") for line in (2, 3, 4)], [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_with_and_without_its_mark(case: Case, encoding: str) -> None:
    case.write("id,v\n1,żółw\n2,plain\n".encode(encoding))
    case.write("id,v\n1,żółw\n2,плот\n".encode(encoding))
    case.check(
        [insert(2, id="1", v="żółw"), insert(3, id="2", v="plain")],
        [delete(3, id="2", v="plain"), insert(3, id="2", v="плот")],
    )


def test_an_empty_file_is_filled_and_emptied(case: Case) -> None:
    case.write("")
    case.write("id;v\n1;x\n")
    case.write("")
    case.check([], [insert(2, id="1", v="x")], [delete(2, id="1", v="x")])


def test_a_header_alone_has_no_rows(case: Case) -> None:
    case.write("id,v\n")
    case.write("id,v\n1,x\n")
    case.write("id,v\n")
    case.check([], [insert(2, id="1", v="x")], [delete(2, id="1", v="x")])


def test_a_nul_is_a_character_like_others(case: Case) -> None:
    case.write(b"id,v\n1,a\x00b\n2,y\n")
    case.write(b"id,v\n1,a\x00c\n2,y\n")
    case.check(
        [insert(2, id="1", v="a\x00b"), insert(3, id="2", v="y")],
        [delete(2, id="1", v="a\x00b"), insert(2, id="1", v="a\x00c")],
    )


def test_a_field_of_five_megabytes_is_a_field(case: Case) -> None:
    large = "0123456789" * (500 * 1024)
    case.write(f"id,v\n1,{large}\n2,y\n")
    case.write(f"id,v\n1,{large}!\n2,y\n")
    case.check(
        [insert(2, id="1", v=large), insert(3, id="2", v="y")],
        [delete(2, id="1", v=large), insert(2, id="1", v=large + "!")],
    )


def test_a_preamble_of_twelve_lines_is_skipped_and_counted(cli: "Cli") -> None:
    case = Case(cli, options=("--skip-lines", "12"))
    preamble = "".join(f'Report line {number}, "unclosed; and; more\n' for number in range(12))
    case.write(preamble + "id,v\n1,x\n")
    case.write(preamble.replace("Report", "REPORT") + "id,v\n1,x\n2,y\n")
    case.check([insert(14, id="1", v="x")], [insert(15, id="2", v="y")])


def test_gzip_is_read_decompressed_and_kept_as_it_came(cli: "Cli") -> None:
    case = Case(cli, "data.csv.gz")
    case.write(gzip.compress(b"id,v\n1,x\n", mtime=1))
    case.write(gzip.compress(b"id,v\n1,x\n2,y\n", mtime=2))
    case.write(gzip.compress(b"id,v\n1,x\n2,y\n", mtime=3))
    case.check([insert(2, id="1", v="x")], [insert(3, id="2", v="y")], [])


def test_a_file_replaced_by_rename_is_the_same_file(case: Case) -> None:
    case.write("id,v\n1,x\n")
    beside = case.cli.write(".data.csv.tmp", "id,v\n1,x\n2,y\n")
    beside.replace(case.path)
    case.record()
    case.check([insert(2, id="1", v="x")], [insert(3, id="2", v="y")])


def test_a_truncated_file_lost_its_last_rows(case: Case) -> None:
    case.write("id,v\n1,x\n2,y\n3,z\n")
    os.truncate(case.path, len("id,v\n1,x\n"))
    case.record()
    case.check(
        [insert(2, id="1", v="x"), insert(3, id="2", v="y"), insert(4, id="3", v="z")],
        [delete(3, id="2", v="y"), delete(4, id="3", v="z")],
    )


def test_a_file_rewritten_in_place_at_the_same_size_and_time_is_seen(case: Case) -> None:
    case.write("id,v\n1,x\n")
    before = case.path.stat()
    with case.path.open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        file.write(b"y")
    os.utime(case.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    case.record()
    case.check([insert(2, id="1", v="x")], [delete(2, id="1", v="x"), insert(2, id="1", v="y")])


def test_a_file_that_is_deleted_and_back_goes_on_where_it_was(case: Case) -> None:
    case.write("id,v\n1,x\n")
    case.path.unlink()
    case.cli("csv_watch", "--once")
    [told] = case.cli.json("csv_watcher_list")
    assert (told["state"], told["version"]) == ("missing", 1)
    case.cli.write("data.csv", "id,v\n1,x\n")
    case.cli("csv_watch", "--once")
    assert [version["version"] for version in case.cli.versions(case.path)] == [1]
    case.path.unlink()
    case.write("id,v\n1,x\n2,y\n")
    [told] = case.cli.json("csv_watcher_list")
    assert (told["state"], told["version"]) == ("ok", 2)
    case.check([insert(2, id="1", v="x")], [insert(3, id="2", v="y")])


def test_a_file_made_unreadable_is_told_and_read_again_afterwards(case: Case) -> None:
    case.write("id,v\n1,x\n")
    case.cli.write("data.csv", "id,v\n1,x\n2,y\n")
    case.path.chmod(0)
    with case.cli.within_rights():
        case.cli("csv_watch", "--once", code=1)
        [told] = case.cli.json("csv_watcher_list")
    assert told["state"] == "unreadable"
    assert "ermission" in told["reason"]
    case.path.chmod(0o644)
    case.record()
    assert case.cli.json("csv_watcher_list")[0]["state"] == "ok"
    case.check([insert(2, id="1", v="x")], [insert(3, id="2", v="y")])


def test_a_b_a_are_three_versions(case: Case) -> None:
    for value in ("a", "b", "a"):
        case.write(f"v,w\n{value},1\n")
    a, b = {"v": "a", "w": "1"}, {"v": "b", "w": "1"}
    case.check([insert(2, **a)], [delete(2, **a), insert(2, **b)], [delete(2, **b), insert(2, **a)])
    versions = case.cli.versions(case.path)
    assert versions[0]["sha256"] == versions[2]["sha256"] != versions[1]["sha256"]


def test_a_content_that_did_not_change_is_no_version(case: Case, tmp_path: Path) -> None:
    case.write("id,v\n1,x\n")
    copy = tmp_path / "copy.csv"
    copy.write_bytes(case.path.read_bytes())
    copy.replace(case.path)
    os.utime(case.path)
    case.cli("csv_watch", "--once")
    case.check([insert(2, id="1", v="x")])
