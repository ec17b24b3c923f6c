"""Compares two contents that no store knows: files, bytes or streams, whose csv format is found out."""

import dataclasses
import io
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, BinaryIO

from csv_manager.core.changes import ChangeSet
from csv_manager.core.detecting import detect
from csv_manager.core.diff import diff
from csv_manager.core.errors import NotCsvError, OptionError, PathNotFoundError, UnknownColumnError, UnreadableError
from csv_manager.core.model import CsvFormat, FormatOptions
from csv_manager.core.paths import os_reason, stat_regular
from csv_manager.core.plain import PlainStream, kept
from csv_manager.core.reading import Table, check_names

#: A path, the bytes themselves, or a file object that is read from where it stands to its end.
Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | IO[str]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two contents and the row changes that turn the old one into the new one."""

    old: Table
    new: Table
    change_set: ChangeSet


def compare(
    old: Source,
    new: Source,
    *,
    key: Sequence[str] = (),
    ignore: Sequence[str] = (),
    options: FormatOptions | None = None,
) -> Comparison:
    """The change set between two contents.

    What `options` leave open of the csv format is found out for each content; whether there is a header, for both as
    one. Raises what `diff` and `detect` raise, `PathNotFoundError` and `UnreadableError`.
    """
    told = options or FormatOptions()
    sources = _Source(old, "the old content"), _Source(new, "the new content")
    # An encoding that the first bytes and all that differs are in is right for what is equal too.
    try:
        return _compare(sources, told, key, ignore, whole=False)
    except NotCsvError:
        return _compare(sources, told, key, ignore, whole=True)


def _compare(
    sources: "tuple[_Source, _Source]",
    options: FormatOptions,
    key: Sequence[str],
    ignore: Sequence[str],
    *,
    whole: bool,
) -> Comparison:
    old, new = (
        _table(source, form) for source, form in zip(sources, _formats(sources, options, whole=whole), strict=True)
    )
    _check_columns(old, new, key, ignore)
    change_set = diff(old, new, key=key, ignore=ignore)
    change_set.counts  # noqa: B018 - whatever differs is read now, and raises now if it is not in its encoding
    return Comparison(old=old, new=new, change_set=change_set)


def _formats(sources: "tuple[_Source, _Source]", options: FormatOptions, *, whole: bool) -> tuple[CsvFormat, CsvFormat]:
    old, new = (source.detect(options, whole=whole) for source in sources)
    if old.sure != new.sure:
        # A content without rows, or with one column, tells no delimiter; the other one does.
        sure = old if old.sure else new
        said = dataclasses.replace(options, delimiter=sure.delimiter)
        old, new = (
            form if form.sure else source.detect(said, whole=whole)
            for source, form in zip(sources, (old, new), strict=True)
        )
    if old.header != new.header:
        # One row is no evidence.
        tells = not old.header or next(_table(sources[0], old).rows(numbered=False), None) is not None
        header = old.header if tells else new.header
        old, new = dataclasses.replace(old, header=header), dataclasses.replace(new, header=header)
    return old, new


def _table(source: "_Source", csv_format: CsvFormat) -> Table:
    return Table(source.open, csv_format, source.name)


class _Source:
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


def _check_columns(old: Table, new: Table, key: Sequence[str], ignore: Sequence[str]) -> None:
    """Raise for columns that cannot be ignored, and for as many names as the first row does not have."""
    both = set(key) & set(ignore)
    if both:
        raise OptionError(f"A key column cannot be ignored: {', '.join(sorted(both))}.")
    for column in ignore:
        if column not in (*old.columns, *new.columns) and (old.columns or new.columns):
            raise UnknownColumnError(
                f"Ignored column {column!r} is in neither header: {', '.join(new.columns or old.columns)}."
            )
    for table in (old, new):
        check_names(table)
