"""The rows that a version was recorded without, as people and programs read them."""

from collections.abc import Iterator
from typing import Any

from csv_manager.patterns.describe import cells_line, short_path
from csv_manager.patterns.output import one_line, styled

COLUMNS = ("csv_file", "version", "line", "row", "reasons")


def rows(file: Any, version: Any) -> Iterator[dict[str, Any]]:
    """One object for each row."""
    for row in file.quarantine(version.number):
        yield {"csv_file": file.path, "version": version.number, **row.to_json()}


def lines(file: Any, version: Any, limit: int) -> Iterator[str]:
    """One line for each row, at most `limit` (0: all), with what was found in it."""
    for told, row in enumerate(file.quarantine(version.number)):
        if limit and told >= limit:
            break
        reasons = "; ".join(dict.fromkeys(_reason(finding) for finding in row.findings))
        yield f"  {styled('?', fg='yellow')} line {row.line}  {cells_line(row.cells)}  {styled(reasons, fg='yellow')}"
    if limit and version.quarantined > limit:
        yield f"  … and {version.quarantined - limit:,} more"


def place_line(file: Any, version: Any) -> str:
    """Where all of the rows are, as they stood in the file."""
    count = version.quarantined
    many = f"{count:,} row{'' if count == 1 else 's'}"
    return f"  {many} quarantined in {short_path(str(file.quarantine_file(version.number)))}"


def _reason(finding: Any) -> str:
    column = f"{finding.column}: " if finding.column and finding.column not in finding.message else ""
    return one_line(column + finding.message)
