"""What people write of gates, and what they are told of what was found."""

from typing import Any

from csv_manager.core.errors import OptionError
from csv_manager.core.rules import Limit


def gate_told(max_bad: str | None, max_deleted: str | None, on_bad: str | None) -> dict[str, Any]:
    """What options tell of a gate. Raises `OptionError`."""
    told: dict[str, Any] = {}
    if max_bad is not None:
        told["max_bad"] = Limit.parse(max_bad, "--max-bad")
    if max_deleted is not None:
        told["max_deleted"] = Limit.parse(max_deleted, "--max-deleted")
        if not told["max_deleted"].is_share:
            raise OptionError(f"--max-deleted {max_deleted!r} is no share of the rows; try 20%.")
    if on_bad is not None:
        told["on_bad"] = on_bad
    return told


def verdict(name: str, rows: int, found: Any) -> str:
    """What was found, in one sentence."""
    count = sum(result.findings for result in found.results)
    count += sum(finding.rule is None for finding in found.findings)
    bad = found.bad_rows or 0
    about = f"{name}: {rows:,} row{'' if rows == 1 else 's'}"
    if not count:
        return f"{about}, no findings."
    told = f"{about}, {count:,} finding{'' if count == 1 else 's'}, errors in {bad:,} row{'' if bad == 1 else 's'}"
    hidden = count - len(found.findings)
    if hidden > 0:
        told += f"; {hidden:,} are not shown"
    without = f" without {bad:,} row{'' if bad == 1 else 's'}" if found.bad else ""
    return f"{told}; {'it would be held' if found.is_held else f'it would go through{without}'}."
