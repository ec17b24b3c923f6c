"""The bytes of a file for a database to read by itself, as long as it reads them as Python's csv module does.

What both read alike is RFC 4180: a quote opens a field at its beginning and closes it at its end, and is doubled in
between. Where a file is otherwise, its rows are written anew. What the server complains of is left to it.
"""

import codecs
import functools
import itertools
import re
from collections.abc import Iterable, Iterator

from csv_manager.core.reading import Table

_BLOCK = 1 << 20
#: A quoted field that is longer is not looked at.
_LONGEST = 1 << 24


class NotPlainError(Exception):
    """The bytes might be read otherwise."""


def is_plain(table: Table) -> bool:
    """Whether a content may be read as it is: in UTF-8, by a delimiter and quotes of ASCII, with several columns."""
    told = table.csv_format
    is_utf8 = codecs.lookup(table.encoding).name in ("utf-8", "utf-8-sig", "ascii") and told.errors == "strict"
    marks = (told.delimiter, told.quotechar)
    return is_utf8 and len(table.columns) > 1 and all(len(mark) == 1 and mark.isascii() for mark in marks)


def line_end(table: Table) -> bytes:
    """What the first row of a content ends with, as far as its first bytes tell: CR LF, or LF."""
    line, _, _ = table.plain.read(table.start, _BLOCK).partition(b"\n")
    return b"\r\n" if line.endswith(b"\r") else b"\n"


def with_line_ends(blocks: Iterable[bytes], end: bytes) -> Iterator[bytes]:
    """Blocks; raises `NotPlainError` behind the last one, if a line ends otherwise, also in a field in quotes."""
    feeds = returns = pairs = 0
    last = b""
    for block in blocks:
        feeds, returns = feeds + block.count(b"\n"), returns + block.count(b"\r")
        pairs += block.count(b"\r\n") + (last == b"\r" and block.startswith(b"\n"))
        last = block[-1:]
        yield block
    if returns != pairs or pairs != (feeds if end == b"\r\n" else 0):
        raise NotPlainError


def by_gaps(blocks: Iterable[bytes], table: Table) -> Iterator[tuple[bool, Iterator[bytes]]]:
    """Blocks of rows, each with those behind it: before the first field that may be empty, and from its block on."""
    return itertools.groupby(_whole_rows(blocks, table.csv_format.quotechar.encode()), _Gaps(table))


def _whole_rows(blocks: Iterable[bytes], quote: bytes) -> Iterator[bytes]:
    """Blocks, none of which ends within quotes, as such that end where a row does."""
    rest = b""
    for block in blocks:
        rest += block
        end = rest.rfind(b"\n") + 1
        if quote not in rest[end:]:  # else the line may end in a field
            if end:
                yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


class _Gaps:
    """Whether a field may be empty, in a block of whole rows or in one before it."""

    def __init__(self, table: Table) -> None:
        form = table.csv_format
        delimiter, quote = form.delimiter.encode(), form.quotechar.encode()
        fields = (b"", quote * 2)
        self._begins = tuple(field + delimiter for field in fields)
        self._ends = tuple(delimiter + field for field in fields)
        behind = (delimiter, line_end(table)[:1])
        self._marks = [before + mark for before in self._ends for mark in behind]
        self._marks += [b"\n" + begin for begin in self._begins]
        self._found = False

    def __call__(self, block: bytes) -> bool:
        """Look at a block."""
        self._found = (
            self._found
            or block.startswith(self._begins)
            or block.endswith(self._ends)
            or any(mark in block for mark in self._marks)
        )
        return self._found


def plain_blocks(table: Table, *without: bytes, size: int = _BLOCK) -> Iterator[bytes]:
    """The bytes of the rows of a content that `is_plain`.

    Raises `NotPlainError`, after some, where one might be read otherwise, or has one of the texts `without` in it.
    """
    quote, delimiter = table.csv_format.quotechar.encode(), table.csv_format.delimiter.encode()
    fields, boundaries = _fields(delimiter, quote), (delimiter, b"\n", b"\r")
    plain, offset, waiting = table.plain, table.start, b"\n"  # which is before the first row
    most, last = max(map(len, without), default=1) - 1, b""
    while offset < plain.size:
        block = plain.read(offset, size)
        offset += len(block)
        if not block or any(text in last + block for text in without):
            raise NotPlainError
        last = (last + block)[-most:] if most else b""
        waiting += block
        if len(waiting) - len(block) == 1 and quote not in block:
            yield block
            waiting = block[-1:]
            continue
        # A quote at the end of what there is may be one of two.
        text = waiting if offset < plain.size else waiting + b"\n"
        found = fields.match(text)
        end = found.end() if found else 0
        opening = text.find(quote, end)
        if opening >= 0 and (text[opening - 1 : opening] not in boundaries or len(text) - opening > _LONGEST):
            raise NotPlainError
        if opening < 0:
            opening = len(waiting)
        elif offset >= plain.size:
            raise NotPlainError  # it is never closed, or not at the end of a field
        if opening > 1:
            yield waiting[1:opening]
            waiting = waiting[opening - 1 :]
    plain.check()


@functools.cache
def _fields(delimiter: bytes, quote: bytes) -> re.Pattern[bytes]:
    """Text up to the end of the last field in quotes that is whole."""
    mark, boundary = re.escape(quote), rb"[\r\n" + re.escape(delimiter) + rb"]"
    inner = rb"[^" + mark + rb"]*+"
    return re.compile(
        rb"(?:" + inner + rb"(?<=" + boundary + rb")" + mark + inner + rb"(?:" + mark + mark + inner + rb")*+" + mark
        + rb"(?=" + boundary + rb"))*+"
    )  # fmt: skip
