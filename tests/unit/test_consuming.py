"""Files on their way out: taken aside, moved and copied so that no file is lost or replaced."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from csv_manager.core.feeds import Feed
from csv_manager.core.model import Signature
from csv_manager.pipeline import consuming
from csv_manager.pipeline.consuming import Consumer, Done, aside_of, consume, left_aside, recover

#: A folder in the memory of the machine: another file system than that of most temporary folders.
_MEMORY = Path("/dev/shm")  # noqa: S108 - the tests make a folder of their own in it
LONG = "a" * 246 + ".csv"


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the drop folder's."""
    import tempfile

    if not os.access(_MEMORY, os.W_OK) or _MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        yield Path(folder) / "done"


@pytest.fixture
def finish(drop: Path) -> Callable[..., bool]:
    """Writes a file in the drop folder and is done with it."""

    def finish(name: str, folder: Path | None, content: str = "id\n1\n") -> bool:
        path = drop / name
        path.write_text(content)
        path.chmod(0o640)
        signature = Signature.of(path.stat())
        told = str(folder) if folder else None
        return consume(Done(place=str(path), signature=signature, position=0, folder=told), yes)

    return finish


def yes(_sha256: str) -> bool:
    return True


def no(_sha256: str) -> bool:
    return False


def held(folder: Path) -> dict[str, str]:
    """The files of a folder, by their names."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_file_with_the_longest_name_is_deleted_and_moved(drop: Path, tmp_path: Path, finish: Any) -> None:
    assert finish(LONG, None)
    assert finish(LONG, tmp_path / "done", "one")
    assert finish(LONG, tmp_path / "done", "two")
    assert finish("b" * 251 + ".csv", tmp_path / "done", "three")
    assert finish("b" * 251 + ".csv", tmp_path / "done", "four")
    assert list(drop.iterdir()) == []
    assert held(tmp_path / "done") == {
        LONG: "one",
        "a" * 246 + "-2.csv": "two",
        "b" * 251 + ".csv": "three",
        "b" * 249 + "-2.csv": "four",
    }


@pytest.mark.parametrize("name", ["a.csv", LONG])
def test_what_was_left_aside_anywhere_in_a_feed_is_found_by_where_it_was(drop: Path, name: str) -> None:
    for folder in (drop, drop / "2025", drop / "2025" / "01", drop / ".hidden", drop / "left-out"):
        aside = Path(aside_of(str(folder / name)))
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text("")
    feed = Feed(root=str(drop), recursive=True, exclude=("left-out",))
    found = [str(folder / name) for folder in (drop, drop / "2025", drop / "2025" / "01")]
    assert sorted(left_aside(feed)) == sorted(found)
    assert sorted(left_aside(Feed(root=str(drop), pattern=("*", "*.csv")))) == sorted(
        [*found[:2], str(drop / "left-out" / name)]
    )
    assert list(left_aside(Feed(root=str(drop / "nowhere")))) == []
    for place in found:
        assert not recover(place, None, no)
        assert Path(place).exists()
    assert list(left_aside(feed)) == []
    assert not list(drop.glob(".csv_manager*"))


def test_what_is_to_stay_by_now_gets_its_name_again(drop: Path) -> None:
    place = drop / "a.csv"
    aside = Path(aside_of(str(place)))
    aside.write_text("old")
    assert not recover(str(place), None, yes, keep=True)
    assert held(drop) == {"a.csv": "old"}
    aside.write_text("older")
    assert recover(str(place), None, yes, keep=True)
    assert held(drop) == {"a.csv": "old"}
    aside.write_text("unrecorded")
    assert not recover(str(place), None, no, keep=True)
    assert held(drop) == {"a.csv": "old", "a-2.csv": "unrecorded"}


def test_a_copy_is_written_into_no_file_that_stands_in_its_place(elsewhere: Path, drop: Path, finish: Any) -> None:
    elsewhere.mkdir()
    victim = drop.parent / "victim"
    victim.write_text("mine")
    temporary = Path(consuming._temporary(aside_of(str(drop / "a.csv")), str(elsewhere / "a.csv")))
    temporary.symlink_to(victim)
    assert finish("a.csv", elsewhere)
    assert victim.read_text() == "mine"
    assert held(elsewhere) == {"a.csv": "id\n1\n"}
    assert (elsewhere / "a.csv").stat().st_mode & 0o777 == 0o640


def test_a_copy_may_be_read_by_nobody_else_before_it_has_its_mode(
    elsewhere: Path, finish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes, copy = [], consuming.shutil.copyfileobj

    def look(source: Any, target: Any) -> None:
        modes.append(os.fstat(target.fileno()).st_mode & 0o777)
        copy(source, target)

    monkeypatch.setattr(consuming.shutil, "copyfileobj", look)
    mask = os.umask(0)
    try:
        assert finish("a.csv", elsewhere)
    finally:
        os.umask(mask)
    assert modes == [0o600]


def test_a_file_that_comes_while_another_is_copied_is_not_replaced(
    elsewhere: Path, finish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = consuming.shutil.copyfileobj

    def meanwhile(source: Any, target: Any) -> None:
        (elsewhere / "a.csv").write_text("theirs")
        copy(source, target)

    monkeypatch.setattr(consuming.shutil, "copyfileobj", meanwhile)
    assert finish("a.csv", elsewhere)
    assert held(elsewhere) == {"a.csv": "theirs", "a-2.csv": "id\n1\n"}


def test_a_copy_that_was_finished_when_its_process_was_killed_leaves_nothing_behind(
    elsewhere: Path, drop: Path
) -> None:
    elsewhere.mkdir()
    place = str(drop / "a.csv")
    aside, target = Path(aside_of(place)), elsewhere / "a.csv"
    aside.write_text("id\n1\n")
    target.write_text("id\n1\n")
    os.utime(target, ns=(0, aside.stat().st_mtime_ns))
    os.link(target, consuming._temporary(str(aside), str(target)))
    assert recover(place, str(elsewhere), yes)
    assert held(elsewhere) == {"a.csv": "id\n1\n"}
    assert list(drop.iterdir()) == []


def test_a_new_content_does_not_wait_for_what_kept_the_one_before_it() -> None:
    consumer = Consumer()
    old = Done(place="/a.csv", signature=Signature(1, 2, 3, 4, 5), position=1, folder=None)
    new = replace(old, signature=Signature(1, 2, 3, 6, 7), position=2)
    consumer.add("/", old)
    consumer.retry(old)
    assert consumer.ready(None) == []
    consumer.add("/", new)
    consumer.remove(old)  # by who was at it still
    assert consumer.ready(None) == [("/", new)]
