"""PATH on the command line: what it expands to, and what it selects of the known files."""

import os
from pathlib import Path

import pytest

from csv_manager.core.errors import PathNotFoundError
from csv_manager.core.paths import expand, identity, is_csv_name, select


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, free of symbolic links in its own name."""
    path = Path(os.path.realpath(tmp_path)) / "files"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def touch(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"a\n")
    return [str(folder / name) for name in names]


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.tsv", "a.csv.gz", "a.tsv.bz2", "a.csv.xz", "a.csv.zst"])
def test_a_name_with_an_ending_of_csv_counts(name: str) -> None:
    assert is_csv_name(name)


@pytest.mark.parametrize("name", ["a.txt", "a.csv.bak", "a.csv~", ".a.csv", "~$a.csv", ".~lock.a.csv#", "acsv", "a.gz"])
def test_a_name_of_something_else_or_of_an_editor_does_not_count(name: str) -> None:
    assert not is_csv_name(name)


def test_every_spelling_of_a_file_is_one_identity(folder: Path) -> None:
    (path,) = touch(folder, "a.csv")
    (folder / "sub").mkdir()
    (folder / "link.csv").symlink_to("a.csv")
    spellings = ["a.csv", "./a.csv", "sub/../a.csv", "link.csv", path, f"/{path}"[1:]]
    assert {identity(spelling) for spelling in spellings} == {path}
    assert expand(spellings) == [path]


def test_a_missing_file_has_an_identity_too(folder: Path) -> None:
    assert identity("none.csv") == str(folder / "none.csv")


def test_a_name_that_is_no_text_is_refused(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    touch(folder, name)
    with pytest.raises(PathNotFoundError, match=r"caf\\udce9\.csv: the name is not valid UTF-8; rename the file\."):
        identity(name)


def test_a_file_named_outright_may_have_any_name(folder: Path) -> None:
    paths = touch(folder, "data", ".hidden.csv", "a.txt")
    assert expand(["data", ".hidden.csv", "a.txt"]) == paths


def test_a_folder_stands_for_its_csv_files_in_the_order_of_their_names(folder: Path) -> None:
    touch(folder, "b.csv", "a.tsv", "c.csv.gz", "readme.txt", ".a.csv", "~b.csv", "sub/d.csv")
    (folder / "e.csv").mkdir()
    assert expand(["."]) == [str(folder / name) for name in ("a.tsv", "b.csv", "c.csv.gz")]


def test_a_glob_stands_for_the_files_that_match(folder: Path) -> None:
    touch(folder, "b.csv", "a.csv", "c.txt", "sub/d.csv")
    (folder / "e.csv").mkdir()
    assert expand(["*.csv"]) == [str(folder / "a.csv"), str(folder / "b.csv")]
    assert expand(["*/*.csv"]) == [str(folder / "sub" / "d.csv")]
    assert expand(["[bc].*"]) == [str(folder / "b.csv"), str(folder / "c.txt")]


def test_a_name_with_a_globs_characters_is_that_file_if_it_is_there(folder: Path) -> None:
    paths = touch(folder, "data[1].csv", "data1.csv")
    assert expand(["data[1].csv"]) == paths[:1]
    os.remove(paths[0])
    assert expand(["data[1].csv"]) == paths[1:]


def test_several_paths_give_each_file_once_in_their_order(folder: Path) -> None:
    paths = touch(folder, "a.csv", "b.csv", "c.csv")
    assert expand(["c.csv", ".", "*.csv"]) == [paths[2], paths[0], paths[1]]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.csv", r"^none\.csv: no such file\. .*--missing-ok"),
        ("*.csv", r"^\*\.csv: no file matches\.$"),
        ("empty", r"^empty: the folder holds no CSV file \(\.csv, \.tsv, compressed or not\)\.$"),
        ("dangling.csv", r"^dangling\.csv: no such file\."),
        ("", r"no such file"),
    ],
)
def test_a_path_without_a_file_is_told(folder: Path, path: str, message: str) -> None:
    (folder / "empty").mkdir()
    (folder / "dangling.csv").symlink_to("none.csv")
    with pytest.raises(PathNotFoundError, match=message):
        expand([path])


def test_a_missing_file_may_be_meant(folder: Path) -> None:
    (path,) = touch(folder, "a.csv")
    assert expand(["none.csv", "a.csv"], missing_ok=True) == [str(folder / "none.csv"), path]
    assert expand(["*.tsv"], missing_ok=True) == []


def test_a_folder_without_csv_files_stands_for_no_file_also_where_a_missing_one_may_be_meant(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert expand(["empty"], missing_ok=True) == []


def test_known_files_are_selected_by_any_spelling_whether_they_exist_or_not(folder: Path) -> None:
    known = [str(folder / name) for name in ("a.csv", "b.csv", "sub/c.csv")]
    assert select(["./a.csv"], known) == known[:1]
    assert select([known[1], "sub/../a.csv", "b.csv"], known) == [known[1], known[0]]


def test_a_folder_selects_the_known_files_within_it(folder: Path) -> None:
    known = [str(folder / name) for name in ("a.csv", "sub/b.csv", "subway/c.csv")]
    assert select(["sub"], known) == known[1:2]
    assert select(["."], known) == known


def test_a_glob_selects_the_known_files_that_match(folder: Path) -> None:
    known = [str(folder / name) for name in ("a.csv", "b.csv", "c.tsv")]
    assert select(["*.csv"], known) == known[:2]
    assert select([str(folder / "[bc].*")], known) == known[1:]


def test_a_glob_does_not_reach_into_folders_below(folder: Path) -> None:
    known = [str(folder / name) for name in ("a.csv", "sub/b.csv")]
    assert select(["*.csv"], known) == known[:1]


def test_a_known_name_with_a_globs_characters_selects_that_file(folder: Path) -> None:
    known = [str(folder / name) for name in ("data[1].csv", "data1.csv")]
    assert select(["data[1].csv"], known) == known[:1]


def test_a_known_file_is_selected_as_it_was_stored_also_where_that_was_a_relative_path(folder: Path) -> None:
    assert select(["a.csv"], ["a.csv", str(folder / "b.csv")]) == ["a.csv"]


def test_a_path_that_selects_nothing_is_told(folder: Path) -> None:
    with pytest.raises(PathNotFoundError, match=r"^none\.csv is not watched and has no history; csv_watcher_list"):
        select(["a.csv", "none.csv"], [str(folder / "a.csv")])
