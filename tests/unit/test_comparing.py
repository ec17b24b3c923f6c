"""Two contents that no store knows: whatever they come in, and however their csv format is found."""

import bz2
import concurrent.futures
import gc
import gzip
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

import csv_manager
from csv_manager.core.changes import ChangeSet, Counts
from csv_manager.core.comparing import Comparison, compare
from csv_manager.core.errors import (
    DuplicateKeyError,
    NotCsvError,
    OptionError,
    PathNotFoundError,
    UnknownColumnError,
    UnreadableError,
)
from csv_manager.core.model import ColumnChange, FormatOptions

#: The sample of a file is closed by the garbage collector, which says so.
OLD = "id,name\n1,Äpfel\n2,Birne\n"
NEW = "id,name\n1,Äpfel\n2,Birnen\n3,Ölkürbis\n"
CHANGES = [
    ("update", {"id": "2"}, {"id": "2", "name": "Birne"}, {"id": "2", "name": "Birnen"}, 3),
    ("insert", {"id": "3"}, None, {"id": "3", "name": "Ölkürbis"}, 4),
]


def told(change_set: ChangeSet) -> list[tuple[Any, ...]]:
    return [(change.op, change.key, change.before, change.after, change.line) for change in change_set]


def counts(old: str | bytes, new: str | bytes, **options: Any) -> Counts:
    """The counts between two contents, given as bytes."""
    return csv_manager.diff(*(raw(side) for side in (old, new)), **options).counts


def raw(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def written(tmp_path: Path, old: str | bytes = OLD, new: str | bytes = NEW) -> tuple[Path, Path]:
    paths = tmp_path / "old.csv", tmp_path / "new.csv"
    for path, content in zip(paths, (old, new), strict=True):
        path.write_bytes(raw(content))
    return paths


def test_bytes_of_every_kind_are_compared() -> None:
    for kind in (bytes, bytearray, memoryview):
        assert told(csv_manager.diff(kind(OLD.encode()), kind(NEW.encode()), "id")) == CHANGES


def test_paths_are_compared(tmp_path: Path) -> None:
    old, new = written(tmp_path)
    assert told(csv_manager.diff(old, new, "id")) == CHANGES
    assert told(csv_manager.diff(str(old), str(new), key=["id"])) == CHANGES


def test_file_objects_are_read_from_where_they_stand_and_left_open(tmp_path: Path) -> None:
    old, new = written(tmp_path, "a line before\n" + OLD)
    with old.open("rb") as one, new.open("rb") as other:
        one.readline()
        assert told(csv_manager.diff(one, other, "id")) == CHANGES
        assert not one.closed
        assert one.read() == b""


def test_bytes_and_text_in_memory_are_compared() -> None:
    assert told(csv_manager.diff(io.BytesIO(OLD.encode()), io.StringIO(NEW), "id")) == CHANGES
    assert told(csv_manager.diff(io.StringIO(OLD), NEW.encode(), "id")) == CHANGES


def test_a_text_file_is_compared_whatever_its_encoding(tmp_path: Path) -> None:
    old, new = written(tmp_path, OLD.encode("utf-16"), NEW.encode("cp1252"))
    with old.open(encoding="utf-16") as one, new.open(encoding="cp1252") as other:
        assert told(csv_manager.diff(one, other, "id")) == CHANGES


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32", "latin-1", "iso2022_jp"])
def test_text_needs_no_encoding(encoding: str) -> None:
    old, new = io.StringIO(OLD), io.StringIO("\ufeff" + NEW)
    assert told(csv_manager.diff(old, new, "id", encoding=encoding)) == told(
        csv_manager.diff(OLD.encode(), NEW.encode(), "id")
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "idna"])
def test_what_is_not_in_the_encoding_that_was_said_is_told(encoding: str) -> None:
    with pytest.raises(NotCsvError, match=rf"the old content: this is not {encoding}: .*; say what it is with --encod"):
        csv_manager.diff(OLD.encode(), NEW.encode(), encoding=encoding)


def test_a_named_pipe_is_read_once_and_told_again_and_again(tmp_path: Path) -> None:
    old, new = written(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sent = pool.submit(pipe.write_bytes, new.read_bytes())
        change_set = csv_manager.diff(old, pipe, "id")
        assert sent.result(60) == len(NEW.encode())
    assert told(change_set) == told(change_set) == CHANGES


def test_a_device_is_read_as_a_pipe_is() -> None:
    assert counts(b"", b"") == Counts()
    assert csv_manager.diff("/dev/null", NEW.encode(), "id").counts == Counts(inserted=3)


@pytest.mark.parametrize("side", [0, 1])
def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path, side: int) -> None:
    sources: list[Any] = [OLD.encode(), NEW.encode()]
    sources[side] = missing = tmp_path / "missing.csv"
    with pytest.raises(PathNotFoundError) as refused:
        csv_manager.diff(*sources)
    assert str(refused.value) == f"{missing}: no such file."


def test_a_folder_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as refused:
        csv_manager.diff(tmp_path, NEW.encode())
    assert str(refused.value) == f"{tmp_path}: this is a folder, no regular file."


def test_what_is_no_csv_is_told_with_the_name_of_its_side(tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    with pytest.raises(NotCsvError, match=r"^the old content: this is no CSV but a PNG picture\.$"):
        csv_manager.diff(picture, NEW.encode())
    with pytest.raises(NotCsvError, match=r"^the new content: this is no CSV but a PNG picture\.$"):
        csv_manager.diff(OLD.encode(), picture)
    old, _ = written(tmp_path, picture)
    with pytest.raises(NotCsvError) as refused:
        csv_manager.diff(old, NEW.encode())
    assert str(refused.value) == f"{old}: this is no CSV but a PNG picture."


def test_a_damaged_compression_is_told_with_the_name_of_its_side() -> None:
    with pytest.raises(NotCsvError, match=r"^the new content: the compressed content is damaged or cut off"):
        csv_manager.diff(OLD.encode(), gzip.compress(NEW.encode())[:-4])


def test_keys_are_checked_in_both_and_named() -> None:
    twice = OLD + "2,Birne\n"
    for sources, side in (((twice, NEW), "old"), ((OLD, twice), "new")):
        with pytest.raises(
            DuplicateKeyError, match=f"^the {side} content: the key is not unique: id='2' in lines 3 and"
        ):
            counts(*sources, key="id")
    with pytest.raises(UnknownColumnError, match=r"^the new content: key column 'nr' is not in the header: id, name"):
        counts(OLD, NEW, key="nr")


def test_a_key_of_one_column_is_a_text_and_one_of_several_a_sequence() -> None:
    old, new = "shop,day,v\na,1,x\na,2,y\n", "shop,day,v\na,1,x\na,2,z\n"
    assert counts(old, new, key=["shop", "day"]) == Counts(updated=1)
    assert counts(old, new, key="day") == counts(old, new, key=("day",)) == Counts(updated=1)
    assert counts(old, new) == counts(old, new, key=[]) == counts(old, new, key=None) == Counts(1, 0, 1)


def test_what_is_said_of_the_csv_format_stands_for_both() -> None:
    old, new = "x\n'a;b';1\n", "x\n'a;b';2\n"
    options: dict[str, Any] = {"delimiter": ";", "quotechar": "'", "header": False, "skip_lines": 1}
    change_set = csv_manager.diff(old.encode(), new.encode(), "column_1", **options)
    assert told(change_set) == [
        ("update", {"column_1": "a;b"}, *({"column_1": "a;b", "column_2": value} for value in "12"), 2)
    ]


def test_names_may_be_given_for_columns_without_a_header() -> None:
    change_set = csv_manager.diff(b"1,2\n", b"1,3\n", "id", header=["id", "v"])
    assert told(change_set) == [("update", {"id": "1"}, {"id": "1", "v": "2"}, {"id": "1", "v": "3"}, 1)]


def test_a_csv_format_that_cannot_be_is_refused() -> None:
    with pytest.raises(OptionError, match="delimiter"):
        counts(OLD, NEW, delimiter="::")
    with pytest.raises(OptionError, match="utf-99"):
        counts(OLD, NEW, encoding="utf-99")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_content_is_read_in_its_own_encoding(encoding: str, end: str) -> None:
    content = NEW.replace("\n", end).encode(encoding)
    assert told(csv_manager.diff(OLD.encode(), content, "id")) == CHANGES
    assert counts(NEW, content) == Counts()


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress])
def test_a_content_may_be_compressed(packed: Any) -> None:
    assert told(csv_manager.diff(packed(OLD.encode()), NEW.encode(), "id")) == CHANGES


def large(*, change: int | None = None, latin: int | None = None) -> bytes:
    """A content of more than is looked at first; one row is changed, one has a byte that is no UTF-8."""
    rows = [f"{number},plain text" for number in range(10_000)]
    if latin is not None:
        rows[latin] = f"{latin},café"
    if change is not None:
        rows[change] += " changed"
    return "\n".join(["id,text", *rows, ""]).encode("cp1252")


def test_an_encoding_that_shows_only_far_behind_in_a_changed_row_is_found() -> None:
    old, new = large(latin=9000), large(latin=9000, change=9000)
    assert len(old.partition(b"\xe9")[0]) > 1 << 16
    [change] = csv_manager.diff(old, new, "id")
    assert (change.before, change.after) == ({"id": "9000", "text": "café"}, {"id": "9000", "text": "café changed"})
    assert csv_manager.diff(old, new).counts == Counts(1, 0, 1)


def test_an_encoding_that_shows_only_in_one_of_both_is_found() -> None:
    [change] = csv_manager.diff(large(), large(latin=9000), "id")
    assert change.after == {"id": "9000", "text": "café"}
    assert csv_manager.diff(large(latin=9000), large(latin=10)).counts == Counts(2, 0, 2)


def test_an_encoding_that_shows_only_in_a_row_that_did_not_change_does_no_harm() -> None:
    old, new = large(latin=9000), large(latin=9000, change=5)
    assert csv_manager.diff(old, new).counts == Counts(1, 0, 1)
    [change] = csv_manager.diff(old, new, "id")
    assert change.line == 7


def test_an_encoding_that_was_said_is_not_doubted() -> None:
    with pytest.raises(NotCsvError, match=r"^the old content: line 9002 is not utf-8"):
        csv_manager.diff(large(latin=9000), large(latin=9000, change=9000), encoding="utf-8")


def formats(comparison: Comparison) -> list[tuple[str, bool]]:
    return [(table.csv_format.delimiter, table.csv_format.header) for table in (comparison.old, comparison.new)]


def test_whether_there_is_a_header_is_decided_for_both_as_one() -> None:
    """By itself, a content of one row would be taken for a header."""
    comparison = compare(b"1,2\n3,4\n", b"1,2\n")
    assert formats(comparison) == [(",", False)] * 2
    assert comparison.change_set.counts == Counts(deleted=1)
    assert formats(compare(b"id,v\n1,2\n", b"id,v\n")) == [(",", True)] * 2


def test_one_row_against_many_without_a_header_has_none_either() -> None:
    comparison = compare(b"3,4\n", b"1,2\n3,4\n")
    assert comparison.change_set.counts == Counts(inserted=1)
    assert comparison.change_set.columns == ColumnChange()


def test_a_delimiter_that_one_content_cannot_tell_is_that_of_the_other() -> None:
    wide, narrow = b"id;v\n1;x,y\n2;z\n", b""
    assert formats(compare(wide, narrow)) == formats(compare(narrow, wide)) == [(";", True)] * 2
    assert formats(compare(b"id\n1\n", b"id;v\n1;2\n")) == [(";", True)] * 2


@pytest.mark.parametrize("empty", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_against_an_empty_content_every_row_came_or_went(empty: bytes) -> None:
    for key in ((), ("id",)):
        assert csv_manager.diff(empty, NEW.encode(), key).counts == Counts(inserted=3)
        assert csv_manager.diff(NEW.encode(), empty, key).counts == Counts(deleted=3)
        assert csv_manager.diff(empty, empty, key).counts == Counts()


def test_without_a_header_every_row_came_from_an_empty_content() -> None:
    for sources in ((b"", b"1,2\n3,4\n"), (b"1,2\n3,4\n", b"")):
        assert csv_manager.diff(*sources).counts.updated == 0
        assert sum(csv_manager.diff(*sources).counts) == 2


def test_columns_that_are_ignored_are_not_compared() -> None:
    old, new = "id,v,at\n1,x,8\n2,y,8\n", "id,v,at\n1,x,9\n2,z,9\n"
    assert counts(old, new, key="id", ignore=["at"]) == Counts(updated=1)
    assert counts(old, new, ignore=["at"]) == Counts(1, 0, 1)


def test_rows_in_another_order_are_told_as_that_alone() -> None:
    change_set = csv_manager.diff(b"a\n1\n2\n3\n", b"a\n3\n1\n2\n")
    assert (bool(change_set), list(change_set), change_set.reordered) == (False, [], True)
    assert not csv_manager.diff(OLD.encode(), NEW.encode()).reordered


def test_what_differs_is_known_before_it_is_asked_for(tmp_path: Path) -> None:
    """What cannot be read is told by `diff` itself, not by the first iteration."""
    old, new = written(tmp_path, large(), large()[:-1] + b" \x00\xff\n")
    assert told(csv_manager.diff(old, new))
    with pytest.raises(NotCsvError, match="line 10001 is not utf-8"):
        csv_manager.diff(old, new, encoding="utf-8")


def test_a_copy_of_a_stream_is_gone_with_its_change_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("csv_manager.core.plain._IN_MEMORY", 0)
    gc.collect()  # what other tests left open is not this one's
    before = len(os.listdir("/proc/self/fd"))
    change_set = csv_manager.diff(io.BytesIO(OLD.encode()), io.StringIO(NEW), "id")
    assert len(os.listdir("/proc/self/fd")) > before
    assert list(tmp_path.iterdir()) == []
    del change_set
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_format_options_are_those_of_the_command_line() -> None:
    comparison = compare(b"a;b\n1;2\n", b"a;b\n1;3\n", options=FormatOptions(delimiter=";"), key=("a",))
    assert comparison.change_set.counts == Counts(updated=1)
    assert (comparison.old.columns, comparison.new.columns) == (("a", "b"), ("a", "b"))
