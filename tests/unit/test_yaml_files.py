"""YAML as settings are written in: plain data, and other files of the folder; all else is one line with its place."""

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest

from csv_manager.core.errors import ConfigurationError
from csv_manager.framework.yaml_files import parse_yaml, read_yaml


def write(folder: Path, **files: str | bytes) -> Path:
    """Write files `NAME.yaml`, two underscores for a folder; the path of the first one."""
    paths = []
    for name, content in files.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        paths.append(path)
    return paths[0]


def refused(path: Path) -> str:
    """The one line that says why a file cannot be read."""
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(path)
    # Neither is a cause shown with -v, whose message may have what ours leaves out.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    line = str(caught.value)
    assert "\n" not in line
    assert "hunter2" not in line
    return line


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("", None),
        ("# nothing\n", None),
        ("A: 1\nB: [x, 2.5, true, null, 2026-03-02]\n", {"A": 1, "B": ["x", 2.5, True, None, dt.date(2026, 3, 2)]}),
        ("A: &a {x: 1}\nB: {<<: *a, x: 2}\nC: {<<: *a}\n", {"A": {"x": 1}, "B": {"x": 2}, "C": {"x": 1}}),
        ('A: "!include b.yaml"\nB: "*x"\n', {"A": "!include b.yaml", "B": "*x"}),
        ("A: ! x\nB: !!str 5\n", {"A": "x", "B": "5"}),
        ("\ufeffA: ä\n", {"A": "ä"}),
        ("A: ä\n".encode("utf-16"), {"A": "ä"}),
    ],
)
def test_plain_data_is_read(folder: Path, content: str | bytes, value: Any) -> None:
    assert read_yaml(write(folder, top=content)) == value


def test_texts_know_the_file_and_the_line_that_they_stand_in(folder: Path) -> None:
    top = write(folder, top="A: !include sub/b.yaml\nB: here\n", sub__b="- 1\n\n- there\n")
    read = read_yaml(top)
    assert read["B"].place == f"{top}, line 2"
    assert read["A"][1].place == f"{folder}/sub/b.yaml, line 3"


def test_what_a_file_includes_stands_in_place_of_the_tag(folder: Path) -> None:
    top = write(
        folder,
        top="DATABASES: !include databases.yaml\nFILES: [a.csv, !include files.yaml]\nEMPTY: !include empty.yaml\n",
        databases="default: {dialect: sqlite, path: !include deep/path.yaml}\n",
        deep__path="!include ../name.yaml\n",
        name="kept.db\n",
        files="- b.csv\n- c.csv\n",
        empty="",
    )
    assert read_yaml(top) == {
        "DATABASES": {"default": {"dialect": "sqlite", "path": "kept.db"}},
        "FILES": ["a.csv", ["b.csv", "c.csv"]],
        "EMPTY": None,
    }


def test_a_file_may_be_nothing_but_another_one(folder: Path) -> None:
    assert read_yaml(write(folder, top="!include b.yaml\n", b="A: 1\n")) == {"A": 1}


def test_a_file_may_be_included_twice_and_merged(folder: Path) -> None:
    top = write(
        folder,
        top="A: !include b.yaml\nB: {<<: !include b.yaml, y: 3}\nC: &c !include b.yaml\nD: *c\n",
        b="x: 1\ny: 2\n",
    )
    assert read_yaml(top) == {
        "A": {"x": 1, "y": 2},
        "B": {"x": 1, "y": 3},
        "C": {"x": 1, "y": 2},
        "D": {"x": 1, "y": 2},
    }


def test_a_cycle_is_named(folder: Path) -> None:
    write(folder, a="B: !include b.yaml\n", b="A: !include a.yaml\n", me="A:\n\n  - !include me.yaml\n")
    line = refused(folder / "a.yaml")
    assert line.startswith(f"{folder}/b.yaml, line 1: ")
    assert "a.yaml -> b.yaml -> a.yaml" in line
    assert f"{folder}/me.yaml, line 3: files include each other: me.yaml -> me.yaml;" in refused(folder / "me.yaml")


def test_a_cycle_over_links_and_folders_is_named(folder: Path) -> None:
    write(folder, a="!include sub/b.yaml\n", sub__b="!include ../link.yaml\n")
    (folder / "link.yaml").symlink_to("a.yaml")
    assert "a.yaml -> sub/b.yaml -> a.yaml" in refused(folder / "a.yaml")


@pytest.mark.parametrize(
    "name",
    [
        "../private.yaml",
        "/etc/passwd",
        "sub/../../private.yaml",
        "link.yaml",
        "links/private.yaml",
        "sub/up.yaml",
        "..",
    ],
)
def test_nothing_outside_of_the_folder_is_included(folder: Path, name: str) -> None:
    inside = folder / "config"
    write(folder, private="A: hunter2\n", config__sub__up="!include ../../private.yaml\n")
    (inside / "link.yaml").symlink_to("../private.yaml")
    (inside / "links").symlink_to("..")
    line = refused(write(inside, top=f"X:\n- !include {name}\n"))
    assert f"lies outside of {inside};" in line
    assert line.startswith((f"{inside}/top.yaml, line 2: ", f"{inside}/sub/up.yaml, line 1: "))


def test_a_folder_beside_with_a_longer_name_is_outside(folder: Path) -> None:
    write(folder, config2__other="A: hunter2\n")
    assert "lies outside of" in refused(write(folder, config__top="!include ../config2/other.yaml\n"))


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    top = write(folder, top="A: !include current/a.yaml\n", v1__a="!include b.yaml\n", v1__b="1\n")
    (folder / "current").symlink_to("v1")
    assert read_yaml(top) == {"A": 1}


def test_the_folder_is_the_one_that_the_first_file_is_named_in(folder: Path) -> None:
    write(folder, store__top="A: !include a.yaml\n", config__a="1\n", store__a="2\n")
    named = folder / "config" / "top.yaml"
    named.symlink_to("../store/top.yaml")
    assert read_yaml(named) == {"A": 1}
    (folder / "link").symlink_to("config")
    assert read_yaml(folder / "link" / "top.yaml") == {"A": 1}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("A: 1\nB: !include none.yaml\n", "line 2: there is no file {folder}/none.yaml to include."),
        ("A: !include folder\n", "line 1: {folder}/folder cannot be included: this is a folder"),
        ("A: !include pipe\n", "line 1: {folder}/pipe cannot be included: this is a named pipe"),
        ("A: !include top.yaml/b\n", "line 1: {folder}/top.yaml/b cannot be included: Not a directory"),
        ("A: !include [a.yaml]\n", "line 1: !include takes the name of one file."),
        ("A: !include\n", "line 1: !include takes the name of one file."),
        ('A: !include "a\\0b"\n', "line 1: !include takes the name of one file."),
    ],
)
def test_what_cannot_be_included_is_told_with_the_line(folder: Path, content: str, part: str) -> None:
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    assert part.format(folder=folder) in refused(write(folder, top=content))


def test_an_error_in_an_included_file_names_that_file(folder: Path) -> None:
    line = refused(write(folder, top="A: !include b.yaml\n", b="x: 1\ny: [1\nz: 2\n"))
    assert line.startswith(f"{folder}/b.yaml, line 3: ")


@pytest.mark.parametrize(
    ("content", "line", "part"),
    [
        ("A: 1\nB: 2\nA: 3\n", 3, "the key 'A' stands in line 1 already"),
        ("A:\n  x: 1\n  'x': 2\n", 3, "the key 'x' stands in line 2 already"),
        ("A: {5: 1, 5: 2}\n", 1, "the key '5' stands in line 1 already"),
        ("A: {me:hunter2, me:hunter2}\n", 1, "the key 'me…' stands in line 1 already"),
        ("A: {<<: {x: 1}, <<: {y: 1}}\n", 1, "stands in line 1 already"),
        ("A: 1\nB: !!python/object/apply:os.system [hunter2]\n", 2, "only the tag !include is known"),
        ("!!python/object/new:dict {}\n", 1, "only the tag !include is known"),
        ("A: !hunter2\n", 1, "put a text that begins with ! in quotes"),
        ("A: !!hunter2 x\n", 1, "only the tag !include is known"),
        ("A: 1\nB: *hunter2\n", 2, "found undefined alias; is a text to be put in quotes?"),
        ("A: &hunter2 1\nB: &hunter2 2\n", 2, "duplicate anchor"),
        ("A: !hunter2!x y\n", 1, "undefined tag handle"),
        ("A: &a [1, *a]\n", 1, "this value contains itself"),
        ("A: &a {x: {y: *a}}\n", 1, "this value contains itself"),
        ("A: 1\nB: !!int hunter2\n", 2, "this is no int; put a text in quotes"),
        ("A: !!bool hunter2\n", 1, "this is no bool"),
        ("A: !!float ''\n", 1, "this is no float"),
        ("A: !!timestamp hunter2\n", 1, "this is no timestamp"),
        ("A: 2026-13-45\n", 1, "this is no timestamp; put a text in quotes"),
        ("A: {[1]: hunter2}\n", 1, "unhashable key"),
        ("A: {x: 1}\n---\nB: hunter2\n", 2, "expected a single document"),
        ("A: %hunter2\n", 1, "found character '%' that cannot start any token"),
        ('A: "hunter2\n', 2, "found unexpected end of stream"),
        ("user: me: hunter2\n", 1, "mapping values are not allowed here"),
        ("A: 1\nB: \x07hunter2\n", 2, "a control character"),
        (b"A: 1\nB: \xffhunter2\n", 2, "these bytes are no text; save the file as UTF-8"),
        (b"\xff\xfeA\x00:", 1, "these bytes are no text"),
    ],
)
def test_what_is_no_plain_data_is_told_in_one_line_with_its_place(
    folder: Path, content: str | bytes, line: int, part: str
) -> None:
    told = refused(write(folder, top=content))
    assert told.startswith(f"{folder}/top.yaml, line {line}: ")
    assert part in told


def test_aliases_of_aliases_are_counted_before_they_are_made(folder: Path) -> None:
    levels = "".join(f"L{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]\n" for level in range(1, 30))
    assert "aliases of aliases?" in refused(write(folder, top=f"L0: &l0 [hunter2]\n{levels}"))
    files = {f"f{level}": f"[!include f{level + 1}.yaml, !include f{level + 1}.yaml]\n" for level in range(40)}
    assert "more than 100,000 values" in refused(write(folder, **files, f40="hunter2\n"))


def test_depth_has_an_end(folder: Path) -> None:
    assert read_yaml(write(folder, top="A: " + "[" * 90 + "]" * 90))["A"][0][0] != []
    for depth, content in [(110, "A: " + "[" * 110 + "]" * 110), (5000, "A: " + "[" * 5000)]:
        assert "write them flatter" in refused(write(folder, top=content)), depth
    files = {f"f{level}": f"!include f{level + 1}.yaml\n" for level in range(600)}
    assert "write them flatter" in refused(write(folder, **files))
    # Each file is small, and read before the one that includes it.
    files = {f"f{level}": f"{'[' * 20}!include f{level + 1}.yaml{']' * 20}\n" for level in range(60)}
    includes = "".join(f"- !include f{level}.yaml\n" for level in reversed(range(61)))
    assert "more than 100 values lie in each other" in refused(write(folder, top=includes, **files, f60="x\n"))


def test_a_file_that_may_not_be_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = write(folder, top="A: !include b.yaml\n", b="1\n")
    read_bytes = Path.read_bytes

    def forbid(path: Path) -> bytes:
        if path.name == forbidden:
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", forbid)
    forbidden = "b.yaml"
    assert refused(top).startswith(f"{top}, line 1: {folder}/b.yaml cannot be included: Permission denied; check")
    forbidden = "top.yaml"
    assert refused(top).startswith(f"{top} cannot be read: Permission denied; check")


def test_a_text_is_read_by_the_same_rules_and_includes_nothing() -> None:
    assert parse_yaml("{a: [1, x]}", "CSV_MANAGER_MINE") == {"a": [1, "x"]}
    assert parse_yaml("", "CSV_MANAGER_MINE") is None
    for text, part in [
        ("!include a.yaml", "!include is for files"),
        ("{a: 1, a: 2}", "the key 'a' stands in line 1 already"),
        ("[hunter2", "line 1: while parsing a flow sequence"),
        ("!!python/name:os.system", "only the tag !include is known"),
    ]:
        with pytest.raises(ConfigurationError) as caught:
            parse_yaml(text, "CSV_MANAGER_MINE")
        assert str(caught.value).startswith("CSV_MANAGER_MINE, line 1: ")
        assert part in str(caught.value)
        assert "hunter2" not in str(caught.value)
