"""PATH on the command line: what it is, and what it selects of the known files."""

import os
from pathlib import Path

import pytest
from making import touch

from csv_manager.core.errors import PathNotFoundError
from csv_manager.core.paths import identity, is_csv_name, is_temporary_name, link_of, select


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.tsv", "a.csv.gz", "a.tsv.bz2", "a.csv.xz", "a.csv.zst"])
def test_a_name_with_an_ending_of_csv_counts(name: str) -> None:
    assert is_csv_name(name)


@pytest.mark.parametrize("name", ["a.txt", "a.csv.bak", "a.csv~", ".a.csv", "~$a.csv", ".~lock.a.csv#", "acsv", "a.gz"])
def test_a_name_of_something_else_or_of_an_editor_does_not_count(name: str) -> None:
    assert not is_csv_name(name)


@pytest.mark.parametrize("name", ["a.csv~", "a.csv.tmp", "A.CSV.PART", "~$a.csv", "#a.csv#", ".a.csv.swp", "lu12.tmp"])
def test_a_name_of_a_file_on_its_way_is_temporary(name: str) -> None:
    assert is_temporary_name(name)


@pytest.mark.parametrize("name", ["a.csv", "tmp", "part.csv", "#1.csv", "a~b.csv", "4913"])
def test_a_name_like_any_other_is_not_temporary(name: str) -> None:
    assert not is_temporary_name(name)


def test_a_file_that_is_named_over_a_link_has_that_name_too(folder: Path) -> None:
    touch(folder, "v1/a.csv", "v2/a.csv")
    (folder / "current").symlink_to("v1")
    (folder / "last.csv").symlink_to("v2/a.csv")
    assert link_of("current/a.csv") == str(folder / "current" / "a.csv")
    assert link_of("last.csv") == str(folder / "last.csv")
    assert link_of("v1/a.csv") is None
    assert link_of("v1/../v2/./a.csv") is None


def test_every_spelling_of_a_file_is_one_identity(folder: Path) -> None:
    (path,) = touch(folder, "a.csv")
    (folder / "sub").mkdir()
    (folder / "link.csv").symlink_to("a.csv")
    spellings = ["a.csv", "./a.csv", "sub/../a.csv", "link.csv", path, f"/{path}"[1:]]
    assert {identity(spelling) for spelling in spellings} == {path}


def test_a_missing_file_has_an_identity_too(folder: Path) -> None:
    assert identity("none.csv") == str(folder / "none.csv")


def test_a_name_that_is_no_text_is_refused(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    touch(folder, name)
    with pytest.raises(PathNotFoundError, match=r"caf\\xe9\.csv: the name is not valid UTF-8; rename it\."):
        identity(name)


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
