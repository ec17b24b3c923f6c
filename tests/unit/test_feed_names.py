"""Folders and globs: which files they stand for, and what a PATH names."""

import os
from pathlib import Path

import pytest
from making import touch

from csv_manager.core.errors import PathNotFoundError
from csv_manager.core.feeds import Feed, Named, resolve, split_glob
from csv_manager.core.model import WatcherOptions


def files(feed: Feed) -> list[str]:
    return [os.path.relpath(path, feed.root) for path in feed.files()]


def of_glob(path: str, **options: object) -> Feed:
    return Feed.of(os.path.abspath(path), WatcherOptions(feed="files", is_glob=True, **options))  # type: ignore[arg-type]


NAMES = (
    "b.csv",
    "a.tsv",
    "c.csv.gz",
    "readme.txt",
    ".a.csv",
    "~$b.csv",
    "b.csv~",
    "sub/d.csv",
    ".git/e.csv",
    "sub/x/f.csv",
)


def test_a_folder_stands_for_its_csv_files_in_the_order_of_their_names(folder: Path) -> None:
    touch(folder, *NAMES)
    (folder / "e.csv").mkdir()
    assert files(Feed(root=str(folder))) == ["a.tsv", "b.csv", "c.csv.gz"]


def test_a_recursive_folder_stands_for_those_below_too_but_not_in_hidden_folders(folder: Path) -> None:
    touch(folder, *NAMES)
    feed = Feed(root=str(folder), recursive=True)
    assert files(feed) == ["a.tsv", "b.csv", "c.csv.gz", "sub/d.csv", "sub/x/f.csv"]
    assert not feed.enters(str(folder / ".git"))
    assert not feed.wants(str(folder / ".git" / "e.csv"))


def test_links_to_folders_are_not_followed_and_a_link_to_a_file_is_a_file(folder: Path) -> None:
    touch(folder, "in/a.csv", "out/b.csv")
    (folder / "in" / "loop").symlink_to("..")
    (folder / "in" / "b.csv").symlink_to("../out/b.csv")
    (folder / "in" / "gone.csv").symlink_to("none.csv")
    assert files(Feed(root=str(folder / "in"), recursive=True)) == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["a.tsv", "b.csv", "c.csv.gz", "readme.txt"]),
        ("*.csv", ["b.csv"]),
        ("[ac].*", ["a.tsv", "c.csv.gz"]),
        ("*/*.csv", ["sub/d.csv"]),
        ("**/*.csv", ["b.csv", "sub/d.csv", "sub/x/f.csv"]),
        ("sub/**", ["sub/d.csv", "sub/x/f.csv"]),
        ("s*/**/f.csv", ["sub/x/f.csv"]),
        (".*.csv", [".a.csv"]),
        (".g*/*.csv", [".git/e.csv"]),
        ("none*", []),
    ],
)
def test_a_glob_stands_for_the_files_that_match(folder: Path, pattern: str, expected: list[str]) -> None:
    touch(folder, *NAMES)
    assert [os.path.relpath(path, folder) for path in of_glob(pattern).files()] == expected


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        ("b.csv", ["a.csv", "old/a.csv", "old/deep/a.csv"]),
        ("/b.csv", ["a.csv", "old/a.csv", "old/b.csv", "old/deep/a.csv"]),
        ("old", ["a.csv", "b.csv"]),
        ("old/", ["a.csv", "b.csv"]),
        ("old/deep", ["a.csv", "b.csv", "old/a.csv", "old/b.csv"]),
        ("**/a.csv", ["b.csv", "old/b.csv"]),
        ("o*/*.csv", ["a.csv", "b.csv", "old/deep/a.csv"]),
    ],
)
def test_what_is_excluded_is_left_out(folder: Path, exclude: str, expected: list[str]) -> None:
    touch(folder, "a.csv", "b.csv", "old/a.csv", "old/b.csv", "old/deep/a.csv")
    assert files(Feed(root=str(folder), recursive=True, exclude=(exclude,))) == expected


def test_only_folders_that_may_hold_something_are_entered(folder: Path) -> None:
    feed = of_glob("*/in-*/*.csv")
    entered = {name: feed.enters(str(folder / name)) for name in (".", "a", "a/in-1", "a/out", "a/in-1/b", ".a")}
    assert entered == {".": True, "a": True, "a/in-1": True, "a/out": False, "a/in-1/b": False, ".a": False}
    assert not feed.enters("/somewhere/else")


def test_a_glob_begins_at_its_first_plain_folders() -> None:
    assert split_glob("/data/in/*/x.csv") == ("/data/in", ("*", "x.csv"))
    assert split_glob("/*.csv") == ("/", ("*.csv",))
    assert Feed(root="/", pattern=("*.csv",)).wants("/a.csv")


def test_a_path_names_a_file_a_folder_or_a_glob(folder: Path) -> None:
    touch(folder, "a.csv", "sub/b.csv", "data[1].csv")
    here = str(folder)
    assert resolve(["a.csv", "./a.csv", "sub", "sub/", "s*/*.csv", "data[1].csv"]) == [
        Named(path=f"{here}/a.csv"),
        Named(path=f"{here}/sub", is_feed=True),
        Named(path=f"{here}/s*/*.csv", is_feed=True, is_glob=True),
        Named(path=f"{here}/data[1].csv"),
    ]


def test_a_file_that_is_named_over_a_link_is_itself_and_says_the_link(folder: Path) -> None:
    touch(folder, "v1/a.csv")
    (folder / "current").symlink_to("v1")
    assert resolve(["current/a.csv"]) == [Named(path=f"{folder}/v1/a.csv", link=f"{folder}/current/a.csv")]


@pytest.mark.parametrize("path", ["none.csv", "none/", "dangling.csv", ""])
def test_a_path_without_a_file_is_told(folder: Path, path: str) -> None:
    (folder / "dangling.csv").symlink_to("none.csv")
    with pytest.raises(PathNotFoundError, match=rf"^{path}: no such file\. .*--missing-ok"):
        resolve([path])


def test_what_is_missing_may_be_meant(folder: Path) -> None:
    assert resolve(["none.csv", "later/"], missing_ok=True) == [
        Named(path=f"{folder}/none.csv"),
        Named(path=f"{folder}/later", is_feed=True),
    ]
    assert resolve(["later"], missing_ok=True, is_feed=True) == [Named(path=f"{folder}/later", is_feed=True)]
