"""What a terminal shows of a text: how wide it is, and what stands for a mark that its encoding lacks."""

import codecs
import contextlib
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

_ERRORS = "csv_manager.ascii"
#: What stands for the marks that commands write themselves.
_ASCII = {"→": "->", "…": "...", "─": "-"}


def text_width(text: str) -> int:
    """The columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(mark) else 2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in text
    )


def line_width(otherwise: int | None = None) -> int | None:
    """The columns of the terminal that stdout is; `otherwise` where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else otherwise


def write_what_can_be(streams: Iterable[TextIO]) -> None:
    """Let streams whose encoding lacks a mark write another one for it, or its number, instead of failing."""
    codecs.register_error(_ERRORS, _in_ascii)
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and stream.errors == "strict" and not is_unicode(stream):
            reconfigure(errors=_ERRORS)


@contextlib.contextmanager
def written_as_it_is(stream: TextIO) -> Iterator[None]:
    """Fail again with a `UnicodeEncodeError` meanwhile, for what must not be written in another way."""
    if stream.errors != _ERRORS:
        yield
        return
    reconfigure: Callable[..., None] = getattr(stream, "reconfigure")  # noqa: B009 - it had one before
    reconfigure(errors="strict")
    try:
        yield
    finally:
        reconfigure(errors=_ERRORS)


def is_unicode(stream: TextIO) -> bool:
    """Whether a stream can write every mark."""
    try:
        # A stream without an encoding keeps text as text.
        return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name.startswith("utf")
    except LookupError:
        return False


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    """What is written for the first mark that could not be."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    mark = error.object[error.start]
    return _ASCII.get(mark) or mark.encode("ascii", "backslashreplace").decode(), error.start + 1
