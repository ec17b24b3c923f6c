"""Compares two contents that no store knows: files, bytes or streams, whose csv format is found out."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from csv_manager.core.changes import ChangeSet
from csv_manager.core.diff import diff
from csv_manager.core.errors import NotCsvError, OptionError, UnknownColumnError
from csv_manager.core.model import CsvFormat, FormatOptions
from csv_manager.core.reading import Table, check_names
from csv_manager.core.sources import OpenSource, Source

__all__ = ["Comparison", "Source", "compare"]


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
    sources = OpenSource(old, "the old content"), OpenSource(new, "the new content")
    # An encoding that the first bytes and all that differs are in is right for what is equal too.
    try:
        return _compare(sources, told, key, ignore, whole=False)
    except NotCsvError:
        return _compare(sources, told, key, ignore, whole=True)


def _compare(
    sources: tuple[OpenSource, OpenSource],
    options: FormatOptions,
    key: Sequence[str],
    ignore: Sequence[str],
    *,
    whole: bool,
) -> Comparison:
    old, new = (
        source.table(form) for source, form in zip(sources, _formats(sources, options, whole=whole), strict=True)
    )
    _check_columns(old, new, key, ignore)
    change_set = diff(old, new, key=key, ignore=ignore)
    change_set.counts  # noqa: B018 - whatever differs is read now, and raises now if it is not in its encoding
    return Comparison(old=old, new=new, change_set=change_set)


def _formats(
    sources: tuple[OpenSource, OpenSource], options: FormatOptions, *, whole: bool
) -> tuple[CsvFormat, CsvFormat]:
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
        tells = not old.header or next(sources[0].table(old).rows(numbered=False), None) is not None
        header = old.header if tells else new.header
        old, new = dataclasses.replace(old, header=header), dataclasses.replace(new, header=header)
    return old, new


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
