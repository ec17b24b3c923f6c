"""Compressed contents: read as what is in them, refused where they are damaged."""

import bz2
import gzip
import io
import lzma
import os
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard

from csv_manager.core.compression import detect, open_decompressed
from csv_manager.core.detecting import detect as detect_format
from csv_manager.core.errors import NotCsvError
from csv_manager.core.model import FormatOptions
from csv_manager.core.reading import Table

_RANDOM = random.Random(7)
PLAIN = "".join(["id,name\n", *(f"{number},{_RANDOM.random()}\n" for number in range(20_000))]).encode()


def zipped(*members: tuple[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return raw.getvalue()


def zipped_one(content: bytes) -> bytes:
    return zipped(("data.csv", content))


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "zip": zipped_one,
}
ENDINGS = {"gzip": "gz", "bzip2": "bz2", "xz": "xz", "zstd": "zst", "zip": "zip"}


def read_all(path: Path, compression: str | None) -> bytes:
    with open_decompressed(path.open("rb"), compression) as stream:
        return stream.read()


@pytest.fixture(params=COMPRESS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path, kind: str) -> Path:
    return tmp_path / f"data.csv.{ENDINGS[kind]}"


def test_the_first_bytes_tell_the_compression(kind: str, path: Path) -> None:
    for content in (PLAIN, b""):
        assert detect(COMPRESS[kind](content)[:16], path.name) == kind


@pytest.mark.parametrize("content", [PLAIN, b"", b"a\n"])
def test_what_was_compressed_comes_back(kind: str, path: Path, content: bytes) -> None:
    path.write_bytes(COMPRESS[kind](content))
    assert read_all(path, kind) == content


def test_a_compressed_content_is_detected_and_read_as_csv(kind: str, path: Path) -> None:
    path.write_bytes(COMPRESS[kind](b"id;name\n1;x\n2;y\n"))
    csv_format = detect_format(lambda: path.open("rb"), path.name, FormatOptions())
    table = Table(lambda: path.open("rb"), csv_format, str(path))
    assert (csv_format.compression, csv_format.delimiter) == (kind, ";")
    assert [row.cells for row in table.rows()] == [["1", "x"], ["2", "y"]]


def test_a_stream_that_cannot_seek_is_read_too(kind: str) -> None:
    packed = COMPRESS[kind](PLAIN[:20_000])
    reader, writer = os.pipe()
    with open(writer, "wb") as pipe:
        assert len(packed) < 60_000  # within what a pipe holds
        pipe.write(packed)
    with open_decompressed(open(reader, "rb"), kind) as stream:
        assert stream.read() == PLAIN[:20_000]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_a_compressed_content_that_is_cut_off_is_refused(kind: str, path: Path, share: float) -> None:
    packed = COMPRESS[kind](PLAIN)
    path.write_bytes(packed[: int(len(packed) * share)])
    with pytest.raises(NotCsvError, match="damaged or cut off"):
        read_all(path, kind)


@pytest.mark.parametrize("missing", [1, 2, 5])
def test_a_compressed_content_that_lacks_its_last_bytes_is_refused(kind: str, path: Path, missing: int) -> None:
    path.write_bytes(COMPRESS[kind](PLAIN)[:-missing])
    with pytest.raises(NotCsvError, match="damaged or cut off"):
        read_all(path, kind)


def test_a_compressed_content_that_is_damaged_is_refused(kind: str, path: Path) -> None:
    packed = bytearray(COMPRESS[kind](PLAIN))
    middle = len(packed) // 2
    packed[middle : middle + 8] = bytes(byte ^ 0x55 for byte in packed[middle : middle + 8])
    path.write_bytes(packed)
    with pytest.raises(NotCsvError, match="damaged or cut off"):
        read_all(path, kind)


def test_a_cut_off_content_is_refused_before_any_row_is_taken_for_all(kind: str, path: Path) -> None:
    packed = COMPRESS[kind](PLAIN)
    path.write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(NotCsvError):
        detect_format(lambda: path.open("rb"), path.name, FormatOptions())


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd"])
def test_several_streams_in_one_file_are_one_content(kind: str, path: Path) -> None:
    path.write_bytes(COMPRESS[kind](PLAIN[:1000]) + COMPRESS[kind](PLAIN[1000:]))
    assert read_all(path, kind) == PLAIN


def test_a_small_file_of_much_content_is_not_held_as_a_whole(kind: str, path: Path) -> None:
    size = 24 << 20
    path.write_bytes(COMPRESS[kind](bytes(size)))
    tracemalloc.start()
    try:
        with open_decompressed(path.open("rb"), kind) as stream:
            assert sum(map(len, iter(lambda: stream.read(1 << 16), b""))) == size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size // 2


def test_frames_of_zstd_that_hold_nothing_are_skipped(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    frames = [COMPRESS["zstd"](part) for part in (b"a\n", b"", b"1\n")]
    path = tmp_path / "data.csv.zst"
    path.write_bytes(frames[0] + skipped + frames[1] + frames[2] + skipped)
    assert read_all(path, "zstd") == b"a\n1\n"


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_bytes_after_the_end_that_are_no_stream_are_damage(kind: str, path: Path) -> None:
    path.write_bytes(COMPRESS[kind](PLAIN) + b"junkjunkjunk")
    with pytest.raises(NotCsvError, match="damaged or cut off"):
        read_all(path, kind)


def test_a_zip_of_one_file_and_its_folder_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    path.write_bytes(zipped(("folder/", b""), ("folder/data.csv", PLAIN)))
    assert read_all(path, "zip") == PLAIN


@pytest.mark.parametrize("members", [(), (("a.csv", b"a\n"), ("b.csv", b"b\n"))])
def test_a_zip_that_does_not_hold_one_file_is_refused(tmp_path: Path, members: tuple[tuple[str, bytes], ...]) -> None:
    path = tmp_path / "data.zip"
    path.write_bytes(zipped(*members))
    with pytest.raises(NotCsvError, match=f"this one holds {len(members)}"):
        read_all(path, "zip")


def test_a_zip_under_a_password_is_refused(tmp_path: Path) -> None:
    packed = bytearray(zipped_one(PLAIN))
    packed[6] |= 1
    packed[packed.rindex(b"PK\x01\x02") + 8] |= 1
    path = tmp_path / "data.zip"
    path.write_bytes(packed)
    with pytest.raises(NotCsvError, match=r"password|encrypted"):
        read_all(path, "zip")


def test_a_zip_counts_only_under_its_ending() -> None:
    head = zipped_one(b"a\n")[:16]
    assert detect(head, "data.csv.ZIP") == "zip"
    assert detect(head, "book.xlsx") is None


@pytest.mark.parametrize("head", [b"", b"a,b\n", b"BZh,id\n1,2\n", b"PK,id\n", b"(\xb5x", b"\x1f"])
def test_a_plain_content_has_no_compression_whatever_its_name(head: bytes) -> None:
    assert detect(head, "data.csv.gz") is None


def test_closing_the_stream_closes_the_file(kind: str, path: Path) -> None:
    path.write_bytes(COMPRESS[kind](PLAIN))
    raw: BinaryIO = path.open("rb")
    with open_decompressed(raw, kind) as stream:
        assert stream.read(10) == PLAIN[:10]
    assert raw.closed


def test_a_plain_stream_is_itself() -> None:
    raw = io.BytesIO(b"a\n")
    assert open_decompressed(raw, None) is raw
