"""Contents that no store knows: files, bytes or streams, whose csv format is found out."""

import dataclasses
import io
import os
import stat
from collections.abc import Callable
from typing import IO, BinaryIO

from csv_manager.core.detecting import detect
from csv_manager.core.errors import NotCsvError, PathNotFoundError, UnreadableError
from csv_manager.core.model import CsvFormat, FormatOptions
from csv_manager.core.paths import os_reason, stat_regular
from csv_manager.core.plain import PlainStream, kept
from csv_manager.core.reading import Table, check_names

#: A path, the bytes themselves, or a file object that is read from where it stands to its end.
Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | IO[str]


def open_table(source: Source, options: FormatOptions | None = None) -> Table:
    """A content as columns and rows; what `options` leave open of its csv format is found out.

    Raises `PathNotFoundError`, `UnreadableError`, `NotCsvError`, `OptionError`.
    """
    opened = OpenSource(source, "the content")
    table = opened.table(opened.detect(options or FormatOptions(), whole=True))
    check_names(table)
    return table


class OpenSource:
    """A content that can be opened again and again; what can be read but once is kept."""

    def __init__(self, source: Source, name: str) -> None:
        self.name = name
        self.open: Callable[[], BinaryIO]
        self._is_text = False
        if isinstance(source, (str, os.PathLike)):
            self.name = os.fspath(source)
            self.open = _opener(self.name)
        elif isinstance(source, (bytes, bytearray, memoryview)):
            data = bytes(source)
            self.open = lambda: io.BytesIO(data)
        else:
            self.name = str(getattr(source, "name", name))
            stream = _Bytes(source)
            self.open = _kept(stream, self.name)
            self._is_text = stream.is_text

    def table(self, csv_format: CsvFormat) -> Table:
        """The content as columns and rows."""
        return Table(self.open, csv_format, self.name)

    def detect(self, options: FormatOptions, *, whole: bool) -> CsvFormat:
        """The csv format. Raises `NotCsvError` with the name in front."""
        if self._is_text:  # which no encoding is needed for
            options = dataclasses.replace(options, encoding="utf-8")
        try:
            return detect(self.open, os.path.basename(self.name), options, whole=whole)
        except NotCsvError as error:
            raise error.of(self.name) from error


def _opener(path: str) -> Callable[[], BinaryIO]:
    """What opens a path; a pipe, which can be read but once, is read now. /dev/null is an empty file."""
    try:
        if os.path.realpath(path) != os.devnull:
            if stat.S_ISFIFO(os.stat(path).st_mode):
                with open(path, "rb") as stream:
                    return _kept(_Bytes(stream), path)
            stat_regular(path)
        open(path, "rb").close()
    except FileNotFoundError:
        raise PathNotFoundError(f"{path}: no such file.") from None
    except OSError as error:
        raise UnreadableError(f"{path}: {os_reason(error)}.") from error
    return lambda: open(path, "rb")


def _kept(stream: "_Bytes", name: str) -> Callable[[], BinaryIO]:
    """What opens a copy of all that a stream gives."""
    plain = kept(stream, name)
    return lambda: PlainStream(plain)


class _Bytes:
    """A stream of bytes, or of text as UTF-8."""

    def __init__(self, stream: IO[bytes] | IO[str]) -> None:
        self._stream = stream
        self.is_text = False

    def read(self, size: int) -> bytes:
        """About `size` bytes; none at the end."""
        block = self._stream.read(size)
        if isinstance(block, str):
            self.is_text = True
            return block.encode("utf-8", "surrogatepass")
        return block
