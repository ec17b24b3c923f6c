"""Compressed files are read decompressed; which compression it is, the first bytes say, never the name alone."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, Any, BinaryIO

from csv_manager.core.errors import NotCsvError

_BLOCK = 1 << 16
_LEAST = 64
#: What a damaged compressed stream raises while it is read.
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
#: What follows `BZh` and a digit: the mark of a block, or that of the end. `BZh` alone may be a column's name.
_BZIP2 = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")


def detect(head: bytes, name: str) -> str | None:
    """The compression of a content that starts with `head` (ten bytes are enough), or None.

    A zip counts only under a name that ends with .zip: a workbook of Excel is a zip too.
    """
    for magic, compression in _MAGIC.items():
        if head.startswith(magic):
            return compression
    if head.startswith(b"BZh") and head[4:10] in _BZIP2:
        return "bzip2"
    return "zip" if head.startswith(b"PK\x03\x04") and name.lower().endswith(".zip") else None


def open_decompressed(raw: BinaryIO, compression: str | None) -> BinaryIO:
    """A stream of the decompressed bytes of `raw`; closing it closes `raw`."""
    if compression is None:
        return raw
    try:
        return _Owned(_OPENERS[compression](raw), raw)
    except BaseException as error:
        raw.close()
        if _is_damage(error):
            raise _damaged(error) from error
        raise


def _is_damage(error: BaseException) -> bool:
    """Whether this is what a decompressor raises of its input; an encrypted zip is a RuntimeError."""
    return isinstance(error, (*DAMAGED, RuntimeError)) or type(error).__module__.startswith("zstandard")


def _damaged(error: BaseException) -> NotCsvError:
    return NotCsvError(f"The compressed content is damaged or cut off ({error}).")


def _open_zip(raw: BinaryIO) -> IO[bytes]:
    seekable = raw if raw.seekable() else io.BytesIO(raw.read())
    archive = zipfile.ZipFile(seekable)
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise NotCsvError(f"A zip is read if it holds one file; this one holds {len(members)}.")
    return archive.open(members[0])


class _Zstd:
    """Frames of zstd, one after the other; an end within a frame is told, which zstandard's own reader does not."""

    def __init__(self, raw: BinaryIO) -> None:
        import zstandard

        self._raw = raw
        self._new: Callable[[], Any] = lambda: zstandard.ZstdDecompressor().decompressobj()
        self._frame = self._new()
        self._within = False
        self._ready = self._input = b""
        self._step = _LEAST

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        while not self._ready:
            if self._frame.eof:
                self._input = self._frame.unused_data + self._input
                self._frame, self._within = self._new(), False
            self._input = self._input or self._raw.read(_BLOCK)
            block, self._input = self._input[: self._step], self._input[self._step :]
            if not block:
                if self._within:
                    raise EOFError("the last frame is not complete")
                return b""
            self._within = True
            self._ready = self._frame.decompress(block)
            # A few bytes may stand for megabytes of repetition: the next step is as large as this one's yield allows.
            self._step = min(self._step * 2, _BLOCK) if len(self._ready) < _BLOCK else max(self._step // 8, _LEAST)
        result, self._ready = self._ready[:size], self._ready[size:]
        return result

    def close(self) -> None:
        """Nothing to let go of."""


_OPENERS: dict[str, Callable[[BinaryIO], Any]] = {
    "gzip": lambda raw: gzip.GzipFile(fileobj=raw),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zstd": _Zstd,
    "zip": _open_zip,
}


class _Owned(io.BufferedReader):
    """A buffered stream over a decompressor that closes the stream underneath too."""

    def __init__(self, inner: Any, raw: BinaryIO) -> None:
        super().__init__(_Raw(inner), 1 << 16)
        self._under = raw

    def close(self) -> None:
        super().close()
        self._under.close()


class _Raw(io.RawIOBase):
    """The least that BufferedReader needs of a decompressor; damage is told as what it is."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        try:
            block: bytes = self._inner.read(len(buffer))
        except Exception as error:
            if _is_damage(error):
                raise _damaged(error) from error
            raise
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()
