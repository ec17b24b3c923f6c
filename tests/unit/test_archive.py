"""Snapshots: byte for byte what a file held, each content once, damage never read as content."""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from csv_manager.archive import Archive, FileLocks, Snapshot, open_snapshot, signature_of, snapshots
from csv_manager.archive.cutting import cut
from csv_manager.archive.frames import write_frames
from csv_manager.core import plain
from csv_manager.core.diff import find_windows, whole_windows
from csv_manager.core.errors import (
    ArchiveError,
    CsvManagerError,
    DamagedError,
    PathNotFoundError,
    TornReadError,
    UnreadableError,
)
from csv_manager.core.model import CsvFormat
from csv_manager.core.plain import PlainStream
from csv_manager.core.reading import Table
from csv_manager.core.records import Records

CONTENT = b"id,name\r\n1,\xff\x00x\n" * 40
DEADLINE = 120

Meanwhile = Callable[[Callable[[], object]], None]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(CONTENT)
    return path


def store(archive: Archive, path: Path) -> str:
    with open_snapshot(str(path)) as snapshot:
        archive.keep(snapshot)
    return snapshot.sha256


def stored(archive: Archive) -> list[Path]:
    return sorted(path for path in (archive.folder / "objects").rglob("*") if path.is_file())


def incoming(archive: Archive) -> list[str]:
    return os.listdir(archive.folder / "incoming")


def read(archive: Archive, sha256: str) -> bytes:
    with archive.open(sha256) as file:
        return file.read()


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", CONTENT, bytes(2 << 20), random.Random(3).randbytes((2 << 20) + 7)],
    ids=["empty", "line", "text", "zeros", "noise"],
)
def test_what_was_kept_comes_back_byte_for_byte(archive: Archive, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with open_snapshot(str(path)) as snapshot:
        assert (snapshot.sha256, snapshot.size) == (hashlib.sha256(content).hexdigest(), len(content))
        assert snapshot.signature == signature_of(str(path))
        archive.keep(snapshot)
    path.unlink()
    assert read(archive, snapshot.sha256) == content
    with archive.open(snapshot.sha256) as file:
        assert b"".join(iter(lambda: file.read(100_000), b"")) == content


def test_a_snapshot_can_be_read_before_and_after_it_is_kept(archive: Archive, path: Path) -> None:
    def content(snapshot: Snapshot) -> bytes:
        with snapshot.open() as file:
            return file.read()

    with open_snapshot(str(path)) as snapshot:
        assert content(snapshot) == CONTENT
        archive.keep(snapshot)
        assert content(snapshot) == CONTENT


def test_a_snapshot_that_is_not_kept_leaves_nothing(archive: Archive, path: Path) -> None:
    with open_snapshot(str(path)) as snapshot:
        assert snapshot.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert not archive.folder.exists()
    with pytest.raises(ArchiveError, match="lacks a version's content"):
        archive.open(snapshot.sha256)


def test_a_large_snapshot_stops_reading_where_an_error_ends_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_IN_MEMORY", 0)
    with pytest.raises(ZeroDivisionError), open_snapshot(str(path)):
        raise ZeroDivisionError
    assert [thread.name for thread in threading.enumerate() if "hashing" in thread.name] == []


def test_the_same_content_is_stored_once(archive: Archive, path: Path) -> None:
    sha256 = store(archive, path)
    (first,) = stored(archive)
    inode = first.stat().st_ino
    other = path.with_name("other.csv")
    other.write_bytes(CONTENT)
    assert store(archive, other) == sha256
    with open_snapshot(str(path)) as one, open_snapshot(str(other)) as two:
        archive.keep(one)
        archive.keep(two)
    assert [kept.stat().st_ino for kept in stored(archive)] == [inode]
    assert incoming(archive) == []


def test_contents_lie_compressed_under_their_hash(archive: Archive, path: Path) -> None:
    sha256 = store(archive, path)
    (kept,) = stored(archive)
    assert str(kept.relative_to(archive.folder)) == f"objects/{sha256[:2]}/{sha256[2:]}.zst"
    assert kept.stat().st_size < len(CONTENT) // 2


@pytest.fixture(params=["read at once", "read where it lies"])
def meanwhile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """`meanwhile(happen)` has that happen while the archive reads the next file: after its first block."""
    if request.param == "read where it lies":
        monkeypatch.setattr(snapshots, "_IN_MEMORY", 0)

    def arrange(happen: Callable[[], object]) -> None:
        def pread(descriptor: int, size: int, offset: int) -> bytes:
            monkeypatch.setattr(plain.os, "pread", real)
            block = real(descriptor, size, offset)
            happen()
            return block

        real = os.pread
        monkeypatch.setattr(plain.os, "pread", pread)

    return arrange


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more\n")


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"ID")


def truncate(path: Path) -> None:
    os.truncate(path, 10)


def replace(path: Path) -> None:
    """Replace by a file that looks the same but for its inode."""
    new = path.with_name("new")
    shutil.copy2(path, new)
    os.replace(new, path)


def touch(path: Path) -> None:
    os.utime(path, ns=(0, 0))


@pytest.mark.parametrize("happen", [append, rewrite, truncate, replace, touch])
def test_a_file_that_changes_while_it_is_read_is_a_torn_read(
    archive: Archive, path: Path, meanwhile: Meanwhile, happen: Callable[[Path], None]
) -> None:
    old = path.stat().st_mtime_ns - 10**9
    os.utime(path, ns=(old, old))
    meanwhile(lambda: happen(path))
    with pytest.raises(TornReadError, match=r"data\.csv changed while it was read"):
        store(archive, path)
    assert not archive.folder.exists()


def test_a_disk_that_fails_while_a_file_is_read_is_told_of_the_file(
    archive: Archive, path: Path, meanwhile: Meanwhile
) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    meanwhile(fail)
    with pytest.raises(UnreadableError, match=r"data\.csv: Input/output error"):
        store(archive, path)
    assert not archive.folder.exists()


def test_a_file_that_vanishes_while_it_is_read_is_not_there(archive: Archive, path: Path, meanwhile: Meanwhile) -> None:
    meanwhile(path.unlink)
    with pytest.raises(PathNotFoundError):
        store(archive, path)
    assert not archive.folder.exists()


def is_torn(path: Path) -> bool:
    try:
        with open_snapshot(str(path)) as snapshot:
            return not snapshot.sha256
    except TornReadError:
        return True


def test_a_file_that_is_written_without_end_is_a_torn_read(archive: Archive, path: Path) -> None:
    path.write_bytes(b"x" * (4 << 20))
    grown, stop = threading.Event(), threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.is_set() and file.tell() < 64 << 20:
                file.write(b"row\n")
                grown.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert grown.wait(DEADLINE)
        assert any(is_torn(path) for _ in range(100))
    finally:
        stop.set()
        writer.join(DEADLINE)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == store(archive, path)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("none.csv", PathNotFoundError),
        ("folder", UnreadableError),
        ("pipe", UnreadableError),
        ("/dev/zero", UnreadableError),
    ],
)
def test_a_path_without_a_regular_file_is_told(tmp_path: Path, name: str, error: type[CsvManagerError]) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(error, match=name), open_snapshot(str(tmp_path / name)):
        pytest.fail("a content of no file was handed out")


def flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


def test_no_flipped_bit_gives_other_bytes(archive: Archive, path: Path) -> None:
    sha256 = store(archive, path)
    (kept,) = stored(archive)
    packed = kept.read_bytes()
    told = 0
    for place in range(len(packed)):
        kept.write_bytes(flipped(packed, place, place % 8))
        try:
            assert read(archive, sha256) == CONTENT
        except ArchiveError as error:
            assert str(kept) in str(error)  # noqa: PT017 - a flip that changes no byte of the content is none to tell
            told += 1
    assert told > len(packed) // 2


def test_no_truncation_gives_other_bytes(archive: Archive, path: Path) -> None:
    sha256 = store(archive, path)
    (kept,) = stored(archive)
    packed = kept.read_bytes()
    for size in range(len(packed)):
        kept.write_bytes(packed[:size])
        with contextlib.suppress(ArchiveError):
            assert read(archive, sha256) == CONTENT
    kept.write_bytes(b"")
    with pytest.raises(ArchiveError, match=r"damaged: .*restore it from a backup"):
        read(archive, sha256)


def test_a_content_in_the_place_of_another_is_damage(archive: Archive, path: Path) -> None:
    sha256 = store(archive, path)
    (kept,) = stored(archive)
    path.write_bytes(CONTENT[1:])
    other = archive.folder / "objects" / (digest := store(archive, path))[:2] / f"{digest[2:]}.zst"
    shutil.copyfile(other, kept)
    with pytest.raises(ArchiveError, match="damaged"):
        read(archive, sha256)


def test_a_content_that_is_gone_is_told_with_its_place(archive: Archive, path: Path) -> None:
    sha256 = store(archive, path)
    assert archive.collect({sha256}) == 0
    assert archive.collect({"0" * 64}) == 1
    assert stored(archive) == []
    with pytest.raises(ArchiveError, match=rf"{sha256[2:]}\.zst; restore it from a backup"):
        archive.open(sha256)


def test_what_a_killed_process_left_is_cleaned_once_it_is_old(archive: Archive, path: Path) -> None:
    archive.clean()
    sha256 = store(archive, path)
    old, young = (archive.folder / "incoming" / name for name in ("old", "young"))
    for left in (old, young):
        left.write_bytes(b"")
    os.utime(old, (0, 0))
    archive.clean()
    assert incoming(archive) == ["young"]
    assert read(archive, sha256) == CONTENT


def test_an_archive_that_cannot_be_made_is_told(tmp_path: Path, path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    archive = Archive(tmp_path / "file" / "archive")
    with pytest.raises(ArchiveError, match=r"cannot be written: .*ARCHIVE_PATH.* Nothing was recorded\."):
        store(archive, path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
@pytest.mark.parametrize("size", [10, 3 << 20])
def test_a_full_disk_is_told_whatever_the_size_of_the_file(
    archive: Archive, path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(random.Random(5).randbytes(size))
    monkeypatch.setattr(tempfile, "mkstemp", lambda dir: (os.open("/dev/full", os.O_WRONLY), f"{dir}/none"))  # noqa: A006
    with pytest.raises(ArchiveError, match=r"the disk is full; free some space"):
        store(archive, path)
    assert stored(archive) == []


def rows(changed: int | None = None) -> bytes:
    lines = [f"{number},{'new' if number == changed else 'x'}\n" for number in range(30_000)]
    return "".join(["id,v\n", *lines]).encode()


def store_chain(archive: Archive, path: Path) -> list[str]:
    """A keyframe and two deltas."""
    contents = []
    for data in (rows(), rows(5), rows(9)):
        path.write_bytes(data)
        with open_snapshot(str(path)) as snapshot:
            new = Table(snapshot.open, CsvFormat(), "data.csv")
            base = windows = None
            if contents:
                content = archive.content(contents[-1])
                old = Table(lambda content=content: PlainStream(content), CsvFormat(), "data.csv")
                found = find_windows(old, new)
                assert found is not None
                base, windows = (contents[-1], content), list(whole_windows(old, new, found))
            archive.keep(snapshot, new.records, base, windows, start=new.start)
        contents.append(snapshot.sha256)
    assert [path.suffix for path in stored(archive) if path.suffix != ".slots"].count(".delta") == 2
    return contents


def both(archive: Archive, sha256: str, suffix: str) -> tuple[Path, Path]:
    """The file of a content, and its copy."""
    first, second = (
        archive.folder / folder / sha256[:2] / f"{sha256[2:]}.{suffix}" for folder in ("objects", "copies")
    )
    return first, second


def test_what_a_content_is_made_of_stays_if_it_cannot_be_read(archive: Archive, path: Path) -> None:
    keyframe, middle, last = store_chain(archive, path)
    files = both(archive, keyframe, "zst")
    whole = files[0].read_bytes()
    for spoiled in files:
        spoiled.write_bytes(flipped(whole, 20, 1))
    assert archive.collect({last}) == 0
    assert archive.contents() == {keyframe, middle, last}
    assert archive.mend(keyframe) is None  # nothing to mend it from
    for spoiled in files:
        spoiled.write_bytes(whole)
    assert archive.collect({last}) == 2
    assert read(archive, last) == rows(9)
    assert [kept.suffix for kept in stored(archive)] == [".slots", ".zst"]
    copies = [file for file in (archive.folder / "copies").rglob("*") if file.is_file()]
    assert copies == [both(archive, last, "zst")[1]]


def test_what_others_may_be_made_of_is_there_twice(archive: Archive, path: Path) -> None:
    small = store(archive, path)
    contents = store_chain(archive, path)
    kinds = zip((small, *contents), ("zst", "zst", "delta", "delta"), strict=True)
    pairs = [both(archive, sha256, suffix) for sha256, suffix in kinds]
    assert [copy.exists() for _, copy in pairs] == [False, True, True, True]
    assert all(file.read_bytes() == copy.read_bytes() for file, copy in pairs[1:])


def test_a_copy_that_a_killed_process_did_not_make_is_made(archive: Archive, path: Path) -> None:
    first, second, last = store_chain(archive, path)
    copies = [both(archive, first, "zst")[1], both(archive, second, "delta")[1], both(archive, last, "delta")[1]]
    for copy in copies:
        copy.unlink()
    path.write_bytes(rows(5))
    with open_snapshot(str(path)) as snapshot:
        archive.keep(snapshot)
    assert [copy.exists() for copy in copies] == [False, True, False]


def spoil_by_a_bit(path: Path) -> None:
    path.write_bytes(flipped(path.read_bytes(), path.stat().st_size // 2, 3))


def spoil_by_other_frames(path: Path) -> None:
    """Put frames there that are whole, but those of another content."""
    with path.open("wb") as file:
        write_frames(file, [b"another content", b"with two frames"], "its name")


@pytest.mark.parametrize("spoil", [spoil_by_a_bit, truncate, Path.unlink, spoil_by_other_frames])
@pytest.mark.parametrize("which", [0, 1], ids=["file", "copy"])
@pytest.mark.parametrize("kind", ["zst", "delta"])
def test_damage_takes_no_other_content_and_is_mended(
    archive: Archive, path: Path, spoil: Callable[[Path], None], which: int, kind: str
) -> None:
    contents = store_chain(archive, path)
    sha256 = contents[0 if kind == "zst" else 1]
    files = both(archive, sha256, kind)
    spoil(files[which])
    if spoil is not spoil_by_other_frames:
        assert [read(archive, each) for each in contents] == [rows(), rows(5), rows(9)]
    told = archive.mend(sha256)
    assert (told or "").endswith("it was written anew.") == (spoil is not Path.unlink or which == 0)
    assert told is None or str(files[which]) in told
    assert [archive.mend(each) for each in contents] == [None, None, None]
    assert [read(archive, each) for each in contents] == [rows(), rows(5), rows(9)]


def test_two_damaged_files_make_a_whole_one(archive: Archive, path: Path) -> None:
    keyframe, *_ = store_chain(archive, path)
    file, copy = both(archive, keyframe, "zst")
    whole = file.read_bytes()
    file.write_bytes(flipped(whole, 20, 1))
    copy.write_bytes(flipped(whole, len(whole) // 2, 1))
    told = archive.mend(keyframe)
    assert told == f"{file} and its copy are damaged in different places; it was written anew."
    assert file.read_bytes() == copy.read_bytes() == whole


def test_what_cannot_be_mended_for_want_of_rights_is_told(
    archive: Archive, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyframe, *_ = store_chain(archive, path)
    file, _ = both(archive, keyframe, "zst")
    spoil_by_a_bit(file)
    monkeypatch.setattr(tempfile, "mkstemp", lambda dir: (os.open("/dev/full", os.O_WRONLY), f"{dir}/none"))  # noqa: A006
    assert "could not be written anew: No space left" in (archive.mend(keyframe) or "")
    assert read(archive, keyframe) == rows()


def test_copies_may_lie_on_another_disk(archive: Archive, path: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    archive.folder.mkdir()
    (archive.folder / "copies").symlink_to(tmp_path / "disk")
    keyframe, *_ = store_chain(archive, path)
    assert (tmp_path / "disk" / keyframe[:2] / f"{keyframe[2:]}.zst").exists()
    assert list((tmp_path / "disk" / "incoming").iterdir()) == []


def test_a_content_that_comes_again_is_given_its_digests_again(archive: Archive, path: Path) -> None:
    first, _, _ = store_chain(archive, path)
    before = archive.content(first).digests
    archive.forget_aids(first)
    assert archive.content(first).digests is None
    path.write_bytes(rows())
    with open_snapshot(str(path)) as snapshot:
        archive.keep(snapshot, Table(snapshot.open, CsvFormat(), "data.csv").records, start=len("id,v\n"))
    after = archive.content(first).digests
    assert before is not None
    assert after is not None
    assert (after.lengths, after.lines, after.form) == (before.lengths, before.lines, before.form)


def test_slots_whose_ends_are_no_ends_of_records_any_more_get_no_digests(archive: Archive, path: Path) -> None:
    first, _, _ = store_chain(archive, path)
    archive.forget_aids(first)
    path.write_bytes(rows())
    with open_snapshot(str(path)) as snapshot:
        # Everything is one record, as far as anybody can tell.
        archive.keep(snapshot, Table(snapshot.open, CsvFormat(quotechar="i"), "data.csv").records)
    assert archive.content(first).digests is None


def test_a_damaged_content_is_mended_when_it_comes_again(archive: Archive, path: Path) -> None:
    first, _, last = store_chain(archive, path)
    for spoiled in both(archive, first, "zst"):
        spoiled.write_bytes(flipped(spoiled.read_bytes(), 20, 1))
    archive.forget_aids(first)
    path.write_bytes(rows())
    with open_snapshot(str(path)) as snapshot:
        archive.keep(snapshot, Table(snapshot.open, CsvFormat(), "data.csv").records)
    assert read(archive, first) == rows()
    assert read(archive, last) == rows(9)
    assert archive.mend(first) is None


@pytest.mark.parametrize("before", ["\ufeff", 'A "title\n', '\ufeffA "title\n\n"x'])
def test_slots_end_with_records_whatever_stands_before_the_first(before: str) -> None:
    told = ['"first\n of all",1\n', *(f'{number},"x\n{number}"\n' for number in range(50_000))]
    data = before.encode() + "".join(told).encode()
    start = len(before.encode())
    ends = set(itertools.accumulate(map(len, told), initial=start))
    slots = list(cut(plain.BytesPlain(data), 0, len(data), Records(",", '"', "utf-8"), start))
    assert len(slots) > 5
    assert all(is_certain for _, is_certain in slots)
    assert set(itertools.accumulate(len(slot) for slot, _ in slots)) <= ends
    assert b"".join(slot for slot, _ in slots) == data


def test_a_lost_content_is_damage_but_a_lost_archive_is_none(archive: Archive, path: Path) -> None:
    sha256 = store(archive, path)
    (kept,) = stored(archive)
    kept.unlink()
    with pytest.raises(DamagedError):
        archive.content(sha256)
    shutil.rmtree(archive.folder)
    with pytest.raises(ArchiveError) as told:
        archive.content(sha256)
    assert not isinstance(told.value, DamagedError)


def test_what_a_killed_writer_left_beside_the_contents_is_collected(archive: Archive, path: Path) -> None:
    sha256 = store(archive, path)
    (archive.folder / "objects" / sha256[:2] / "half.7.tmp").write_bytes(b"")
    assert archive.collect({sha256}) == 0
    assert [kept.suffix for kept in stored(archive)] == [".zst"]


def locked(folder: Path) -> int:
    """How many of the lock files in a folder are held."""
    held = 0
    for path in folder.glob("*.lock"):
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held += 1
    return held


def test_one_lock_is_held_for_a_file_and_let_go_at_its_end(tmp_path: Path) -> None:
    locks = FileLocks(tmp_path / "locks")
    with locks.hold("/data/é.csv"):
        assert locked(tmp_path / "locks") == 1
    with pytest.raises(ZeroDivisionError), locks.hold("/data/é.csv"):
        raise ZeroDivisionError
    assert locked(tmp_path / "locks") == 0


def test_every_lock_can_be_held_at_once(tmp_path: Path) -> None:
    locks = FileLocks(tmp_path / "locks")
    with locks.hold_all():
        assert locked(tmp_path / "locks") == 64
    assert locked(tmp_path / "locks") == 0


def test_a_second_holder_of_a_file_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []
    started = threading.Event()

    def second() -> None:
        started.set()
        with FileLocks(tmp_path).hold("/data/a.csv"):
            order.append("second")

    thread = threading.Thread(target=second)
    with FileLocks(tmp_path).hold("/data/a.csv"):
        thread.start()
        assert started.wait(DEADLINE)
        order.append("first")
    thread.join(DEADLINE)
    assert order == ["first", "second"]


def test_a_folder_of_locks_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(ArchiveError, match=r"cannot be written: .*; check its rights"),
        FileLocks(tmp_path / "file" / "locks").hold("/data/a.csv"),
    ):
        pytest.fail("a lock was held that is none")
