"""The bytes of a file for a database to read by itself, as long as it reads them as Python's csv module does.

What both read alike is RFC 4180: a quote opens a field at its beginning and closes it at its end, and is doubled in
between. Where a file is otherwise, its rows are written anew. What the server complains of is left to it.
"""

import codecs
import functools
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


def has_gaps(table: Table) -> bool:
    """Whether a field of a content that `is_plain` may be empty, with quotes or without."""
    form = table.csv_format
    delimiter, quote = form.delimiter.encode(), form.quotechar.encode()
    end = line_end(table)[:1]
    marks = [delimiter + empty + behind for empty in (b"", quote * 2) for behind in (delimiter, end)]
    marks += [b"\n" + empty + delimiter for empty in (b"", quote * 2)]
    plain, offset, last = table.plain, table.start, b"\n"
    while block := plain.read(offset, _BLOCK):
        text = last + block
        if any(mark in text for mark in marks):
            return True
        offset, last = offset + len(block), text[-3:]
    return any(mark in last + end for mark in marks)


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
