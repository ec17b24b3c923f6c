"""How a new content is read: in the csv format of the version before, as long as that can be right."""

import dataclasses
from collections.abc import Callable
from typing import BinaryIO

from csv_manager.core.detecting import bom_encoding, detect
from csv_manager.core.model import CsvFormat, FormatOptions, Version
from csv_manager.core.reading import Table


def pinned_format(
    head: Version | None, options: FormatOptions, open_raw: Callable[[], BinaryIO], name: str
) -> CsvFormat | None:
    """The head's csv format with what the user said since, or None if it is to be found afresh."""
    if head is None or not head.csv_format.sure or not head.columns:
        return None
    pinned = head.csv_format
    if pinned.skip_lines and options.skip_lines is None:
        return None  # the skipped line was Excel's `sep=`, which the new content may lack
    if options.encoding is None and pinned.compression is None:
        with open_raw() as raw:
            marked = bom_encoding(raw.read(4))
        if (marked or pinned.encoding in ("utf-16", "utf-32")) and marked != pinned.encoding:
            return None
    said = {
        field: getattr(pinned, field) if value is None else value
        for field, value in dataclasses.asdict(options).items()
    }
    if options.names is not None:
        said["header"] = options.header
    found = detect(open_raw, name, FormatOptions(**said))
    return dataclasses.replace(found, errors=pinned.errors if options.encoding is None else "strict")


def with_delimiter(
    table: Table, head: Version, options: FormatOptions, open_raw: Callable[[], BinaryIO], name: str
) -> Table:
    """The table, with another delimiter if the pinned one cuts nothing and the columns' names prove the other."""
    if len(table.columns) != 1 or len(head.columns) == 1 or options.delimiter is not None:
        return table
    said = dataclasses.replace(
        options,
        encoding=table.csv_format.encoding,
        header=table.csv_format.header,
        names=table.csv_format.names,
    )
    other = Table(open_raw, detect(open_raw, name, said), table.csv_file)
    return other if 2 * len(set(other.columns) & set(head.columns)) >= len(head.columns) else table
