"""A content as plain bytes: where it lies, decompressed or transcoded, and told if it moved meanwhile."""

import bz2
import codecs
import gc
import gzip
import io
import lzma
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from csv_manager.core.comparing import compare
from csv_manager.core.errors import NotCsvError, TornReadError
from csv_manager.core.model import CsvFormat
from csv_manager.core.plain import BytesPlain, FilePlain, Plain, View, is_ascii_superset, open_plain, stream

#: The sample of a file is closed by the garbage collector, which says so.
#: More than is kept in memory.
LARGE = b"id,v\n" + b"".join(b"%d,caf\xc3\xa9 %d\n" % (number, number % 7) for number in range(150_000))
assert len(LARGE) > 2 << 20
#: Compares two files in a process that can write no file of more bytes than it is told.
WITHIN_SIZE = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
import csv_manager
from csv_manager.core.errors import NoRoomError
try:
    csv_manager.diff(sys.argv[2], sys.argv[3])
except NoRoomError as error:
    print(error)
"""


def content(plain: Plain) -> bytes:
    return plain.read(0, plain.size)


def opened(raw: bytes, **csv_format: str) -> tuple[Plain, str]:
    return open_plain(io.BytesIO(raw), CsvFormat(**csv_format), "data.csv")  # type: ignore[arg-type]


def test_bytes_are_read_at_any_place() -> None:
    plain = BytesPlain(b"0123456789")
    assert [plain.read(*told) for told in ((0, 3), (8, 5), (10, 1))] == [b"012", b"89", b""]
    assert plain.size == 10
    plain.check()


def test_a_file_as_it_is_on_the_disk_is_read_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    path = tmp_path / "data.csv"
    path.write_bytes(LARGE)
    with path.open("rb") as raw:
        plain, encoding = open_plain(raw, CsvFormat(), "data.csv")
        assert isinstance(plain, FilePlain)
        assert os.fstat(plain._descriptor).st_ino == path.stat().st_ino
    assert encoding == "utf-8"
    assert plain.size == len(LARGE)


def test_a_file_is_read_at_any_place_and_closed_with_the_last_reference(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"0123456789")
    raw = path.open("rb")
    plain, _ = open_plain(raw, CsvFormat(), "data.csv")
    assert [plain.read(*told) for told in ((5, 3), (0, 3), (8, 5), (10, 1))] == [b"567", b"012", b"89", b""]
    assert not raw.closed
    del plain
    gc.collect()
    assert raw.closed


def rewrite(path: Path) -> None:
    path.write_bytes(b"id,v\n1,Y\n")
    os.utime(path, (0, 0))


def truncate(path: Path) -> None:
    os.truncate(path, 3)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"2,z\n")


@pytest.mark.parametrize("write", [rewrite, truncate, append])
def test_a_file_that_was_written_to_is_torn(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"id,v\n1,x\n")
    plain, _ = open_plain(path.open("rb"), CsvFormat(), "data.csv")
    plain.check()
    write(path)
    with pytest.raises(TornReadError, match=r"^data\.csv changed while it was read; try again once it rests\.$"):
        plain.check()


def test_a_change_set_of_a_file_that_was_written_to_is_torn(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_bytes(b"id,v\n1,x\n")
    new.write_bytes(b"id,v\n1,y\n")
    change_set = compare(old, new).change_set
    assert len(list(change_set)) == 2
    rewrite(new)
    with pytest.raises(TornReadError, match="new"):
        list(change_set)


def test_a_change_set_of_a_file_that_was_replaced_is_of_what_it_held(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in ("old.csv", "new.csv", "other.csv"))
    old.write_bytes(b"id,v\n1,x\n")
    new.write_bytes(b"id,v\n1,y\n")
    change_set = compare(old, new).change_set
    before = list(change_set)
    other.write_bytes(b"id,v\n7,z\n8,z\n")
    other.replace(new)
    assert list(change_set) == before
    assert [change.after for change in change_set.inserted] == [{"id": "1", "v": "y"}]


@pytest.mark.parametrize(
    ("compression", "packed"),
    [("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)],
)
def test_what_is_compressed_is_decompressed(compression: str, packed: Callable[[bytes], bytes]) -> None:
    plain, encoding = opened(packed(b"a,b\n1,2\n"), compression=compression)
    assert isinstance(plain, BytesPlain)
    assert (content(plain), encoding) == (b"a,b\n1,2\n", "utf-8")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "shift_jis", "gb18030", "utf-7"])
def test_an_encoding_that_hides_line_ends_is_transcoded(encoding: str) -> None:
    text = "a,b\n1,表\n"
    plain, told = opened(text.encode(encoding), encoding=encoding)
    assert (content(plain), told) == (text.encode(), "utf-8")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "latin-1", "iso8859-15", "koi8-r", "cp1251"])
def test_an_encoding_that_shows_line_ends_is_left(encoding: str) -> None:
    raw = "a,b\n1,x\n".encode(encoding) + bytes([0xC4, 0x84])
    plain, told = opened(raw, encoding=encoding)
    assert (content(plain), told) == (raw, codecs.lookup(encoding).name)


def test_a_byte_order_mark_does_not_make_another_encoding() -> None:
    assert opened(codecs.BOM_UTF8 + b"a\n", encoding="utf-8-sig")[1] == "utf-8"


@pytest.mark.parametrize(
    ("encoding", "shows"),
    [
        ("ascii", True), ("utf-8", True), ("utf-8-sig", True), ("cp437", True), ("mac-roman", True),
        ("utf-16", False), ("utf-32", False), ("utf-7", False), ("cp037", False), ("cp932", False), ("big5", False),
        ("euc_kr", False), ("gb18030", False), ("iso2022_jp", False), ("hz", False),
    ],
)  # fmt: skip
def test_whether_line_ends_show_is_known_of_every_encoding(encoding: str, shows: bool) -> None:
    assert is_ascii_superset(encoding) is shows


@pytest.mark.parametrize("csv_format", [{"compression": "gzip"}, {"encoding": "utf-16"}])
def test_a_large_copy_is_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, csv_format: dict[str, str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    raw = gzip.compress(LARGE, 1) if "compression" in csv_format else LARGE.decode().encode("utf-16")
    plain, encoding = opened(raw, **csv_format)
    assert isinstance(plain, FilePlain)
    assert os.fstat(plain._descriptor).st_nlink == 0
    assert os.fstat(plain._descriptor).st_dev == tmp_path.stat().st_dev
    assert (content(plain) == LARGE, encoding) == (True, "utf-8")
    plain.check()
    assert list(tmp_path.iterdir()) == []


def test_a_large_copy_is_given_back_with_the_last_reference() -> None:
    plain, _ = opened(gzip.compress(LARGE, 1), compression="gzip")
    assert isinstance(plain, FilePlain)
    descriptor = plain._descriptor
    os.fstat(descriptor)
    del plain
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_what_cannot_be_decompressed_to_its_end_leaves_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gc.collect()  # what other tests left open is not this one's
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotCsvError, match="damaged or cut off"):
        opened(gzip.compress(LARGE, 1)[:-100], compression="gzip")
    assert len(os.listdir("/proc/self/fd")) == descriptors


def full(tmp_path: Path, size: int) -> str:
    """What a comparison of two compressed files says where no file may be larger than `size`."""
    paths = [tmp_path / name for name in ("old.csv.gz", "new.csv.gz")]
    for path, more in zip(paths, (b"", b"x,y\n"), strict=True):
        path.write_bytes(gzip.compress(LARGE + more, 1))
    done = subprocess.run(
        [sys.executable, "-c", WITHIN_SIZE, str(size), *map(str, paths)],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


NO_ROOM = (
    "{0}/old.csv.gz: its decompressed copy cannot be written to {0} (File too large); free some space, or set TMPDIR "
    "to another folder.\n"
)


@pytest.mark.parametrize("size", [500_000, len(LARGE) // 2])
def test_a_temporary_folder_without_room_is_told_in_one_line(tmp_path: Path, size: int) -> None:
    assert full(tmp_path, size) == NO_ROOM.format(tmp_path)


def test_a_temporary_folder_without_room_for_the_last_bytes_is_told_too(tmp_path: Path) -> None:
    assert full(tmp_path, len(LARGE) - 3) == NO_ROOM.format(tmp_path)


def test_where_there_is_room_nothing_is_told(tmp_path: Path) -> None:
    assert full(tmp_path, 2 * len(LARGE)) == ""


class Counting(BytesPlain):
    """Bytes that know how often they were read."""

    reads = 0

    def read(self, offset: int, size: int) -> bytes:
        self.reads += 1
        return super().read(offset, size)


def test_a_view_reads_as_the_content_does() -> None:
    data = bytes(number * number % 251 for number in range(300_000))
    view = View(BytesPlain(data))
    assert view.size == len(data)
    for offset, size in [(0, 10), (60_000, 9_000), (59_000, 1), (299_990, 100), (5, 5), (0, 300_000), (300_000, 7)]:
        assert view.read(offset, size) == data[offset : offset + size]


def test_a_view_has_at_hand_what_is_near() -> None:
    plain = Counting(bytes(300_000))
    view = View(plain)
    for offset in (100_000, 100_500, 130_000, 95_000, 160_000):
        view.read(offset, 100)
    assert plain.reads == 1
    view.read(50_000, 100)
    assert plain.reads == 2


@pytest.mark.parametrize("size", [10, 500_000])
def test_a_stream_is_the_bytes_between_two_places(size: int) -> None:
    data = bytes(number % 251 for number in range(600_000))
    with stream(BytesPlain(data), 7, 7 + size) as part:
        assert part.read() == data[7 : 7 + size]
    with stream(BytesPlain(data), 7, 7 + size) as part:
        assert part.read(3) + part.read() == data[7 : 7 + size]
