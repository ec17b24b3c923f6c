"""A content as plain bytes that can be read at any place: decompressed, in an encoding that is a superset of ASCII."""

import codecs
import contextlib
import io
import os
import tempfile
import weakref
from abc import ABC, abstractmethod
from typing import BinaryIO, Protocol

from csv_manager.core import compression as compressions
from csv_manager.core.digests import Digests, count_line_ends
from csv_manager.core.errors import NoRoomError, TornReadError, UnreadableError
from csv_manager.core.model import CsvFormat
from csv_manager.core.paths import os_reason

#: What is decompressed or transcoded is kept in memory up to so many bytes, beyond that in a temporary file.
_IN_MEMORY = 1 << 20
_BLOCK = 1 << 16
_BUFFER = 1 << 17
#: How much of what was read last is at hand behind a new place, in bytes.
_BEHIND = 1 << 13
#: ASCII, and what an encoding with states or escapes would take for something else.
_ASCII = bytes(range(128)) + b"\x1b$B\\n\\x41~{"
_UTF8 = ("utf-8", "utf-8-sig")
#: The open files of this process by their descriptors, on Linux.
_DESCRIPTORS = "/proc/self/fd"
#: The operating system gives no more bytes than this at once.
_AT_ONCE = 0x7FFFF000


class Plain(ABC):
    """Bytes that can be read at any place; `size` is their number. `digests` are those of its slots, if known."""

    size: int
    digests: Digests | None = None

    @property
    def place(self) -> str | None:
        """A path that leads to these very bytes as long as this lives, if there is one."""
        return None

    @abstractmethod
    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on, fewer only at the end."""

    def check(self) -> None:  # noqa: B027 - bytes that never change have nothing to check
        """Raise `TornReadError` if the bytes are no longer those that were opened."""

    def count_lines(self, low: int, high: int) -> int:
        """How many lines end between two places, neither of which is within CR LF; that is one end, as a lone CR is."""
        count, after_cr = 0, False
        while low < high:
            block = self.read(low, min(_BLOCK, high - low))
            if not block:
                break
            count += count_line_ends(block) - (after_cr and block.startswith(b"\n"))
            after_cr = block.endswith(b"\r")
            low += len(block)
        return count


class BytesPlain(Plain):
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""
        return self._data[offset : offset + size]


class FilePlain(Plain):
    """The bytes of an open file, which is closed with the last reference to this."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._descriptor = file.fileno()
        self._name = name
        self._signature = self._now()
        self.size = self._signature[0]
        weakref.finalize(self, file.close)

    @property
    def place(self) -> str | None:
        """The open file, whatever its name leads to by now; the system may have no such path."""
        path = f"{_DESCRIPTORS}/{self._descriptor}"
        return path if os.path.exists(path) else None

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""
        try:
            block = os.pread(self._descriptor, size, offset)
            while _AT_ONCE <= len(block) < size and (more := os.pread(self._descriptor, size, offset + len(block))):
                block += more
            return block[:size]
        except OSError as error:
            raise UnreadableError(f"{self._name}: {os_reason(error)}.") from error

    def check(self) -> None:
        """Raise `TornReadError` if the file was written to since it was opened."""
        if self._now() != self._signature:
            raise TornReadError(f"{self._name} changed while it was read; try again once it rests.")

    def _now(self) -> tuple[int, int]:
        found = os.fstat(self._descriptor)
        return found.st_size, found.st_mtime_ns  # another name, or none any more, changes the ctime, but no byte


class View(Plain):
    """A content that is read here and there, mostly near to where it was read before: a block of it is at hand."""

    def __init__(self, plain: Plain) -> None:
        self._plain = plain
        self._base, self._block = 0, b""
        self.size, self.digests = plain.size, plain.digests

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""
        if size >= _BLOCK:
            return self._plain.read(offset, size)
        start = offset - self._base
        if start < 0 or (start + size > len(self._block) and self._base + len(self._block) < self.size):
            self._base = max(offset - _BEHIND, 0)
            self._block = self._plain.read(self._base, _BEHIND + _BLOCK)
            start = offset - self._base
        return self._block[start : start + size]

    def count_lines(self, low: int, high: int) -> int:
        """As the content."""
        return self._plain.count_lines(low, high)


class PlainStream(io.BufferedReader):
    """A content as a stream; who can read it at any place does so in `plain`."""

    def __init__(self, plain: Plain) -> None:
        super().__init__(_Section(plain, 0, plain.size), _BUFFER)
        self.plain = plain


def open_plain(raw: BinaryIO, csv_format: CsvFormat, name: str) -> tuple[Plain, str]:
    """The bytes of `raw`, which is closed in the end, and their encoding.

    A file as it is on the disk is read where it lies; what is compressed, or in an encoding such as UTF-16, is
    decompressed and transcoded to UTF-8 once. Raises `UnicodeError`, `NotCsvError` and `NoRoomError`.
    """
    as_it_is = is_ascii_superset(csv_format.encoding)
    encoding = codecs.lookup(csv_format.encoding).name.removesuffix("-sig") if as_it_is else "utf-8"
    if as_it_is and csv_format.compression is None:
        if isinstance(raw, PlainStream):
            return raw.plain, encoding
        if isinstance(getattr(raw, "raw", raw), io.FileIO):
            return FilePlain(raw, name), encoding
    with compressions.open_decompressed(raw, csv_format.compression) as stream:
        return kept(stream if as_it_is else _Transcoded(stream, csv_format), name), encoding


def is_ascii_superset(encoding: str) -> bool:
    """Whether line ends, quotes and delimiters are found in the bytes, wherever one begins to read."""
    name = codecs.lookup(encoding).name
    if name in _UTF8:
        return True
    try:
        every = bytes(range(256)).decode(name, "replace")
        return len(every) == len(every.encode("utf-16-le")) // 2 == 256 and _ASCII.decode(name) == _ASCII.decode()
    except UnicodeError:
        return False


def stream(plain: Plain, low: int, high: int) -> BinaryIO:
    """The bytes from `low` to `high`, one after the other."""
    if high - low <= _BUFFER:
        return io.BytesIO(plain.read(low, high - low))
    return io.BufferedReader(_Section(plain, low, high), _BUFFER)


class _Section(io.RawIOBase):
    """A part of a content as a stream."""

    def __init__(self, plain: Plain, low: int, high: int) -> None:
        self._plain, self._at, self._high = plain, low, high

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        block = self._plain.read(self._at, min(len(buffer), self._high - self._at))
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)


class _Transcoded:
    """A stream in any encoding, read as UTF-8."""

    def __init__(self, stream: BinaryIO, csv_format: CsvFormat) -> None:
        self._text = io.TextIOWrapper(stream, encoding=csv_format.encoding, errors=csv_format.errors, newline="")

    def read(self, size: int) -> bytes:
        """About `size` bytes; none at the end."""
        return self._text.read(size).encode()


class Readable(Protocol):
    """What gives bytes, one after the other."""

    def read(self, size: int, /) -> bytes:
        """About `size` bytes; none at the end."""


def kept(stream: Readable, name: str) -> Plain:
    """What a stream gives, in memory if it is little, else in a file without a name."""
    blocks: list[bytes] = []
    size = 0
    while size <= _IN_MEMORY:
        block = stream.read(_BLOCK)
        if not block:
            return BytesPlain(b"".join(blocks))
        blocks.append(block)
        size += len(block)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - FilePlain closes it
    try:
        _write(file, b"".join(blocks), name)
        while block := stream.read(_BLOCK):
            _write(file, block, name)
        _write(file, None, name)
    except BaseException:
        with contextlib.suppress(OSError):  # of what could not be written before
            file.close()
        raise
    return FilePlain(file, name)


def _write(file: BinaryIO, block: bytes | None, name: str) -> None:
    """Write a block, or what is still in the buffer."""
    try:
        if block is None:
            file.flush()
        else:
            file.write(block)
    except OSError as error:
        raise NoRoomError(
            f"{name}: its decompressed copy cannot be written to {tempfile.gettempdir()} ({os_reason(error)}); "
            "free some space, or set TMPDIR to another folder."
        ) from error
