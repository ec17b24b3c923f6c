"""The options by which a command is told which versions of a file to keep."""

from collections.abc import Mapping
from typing import Any

import click

from csv_manager.core.retention import Retention, parse_duration
from csv_manager.patterns.csv_commands_pattern import option

_NAMES = ("keep", "keep_within", "keep_daily", "keep_monthly")


def retention_params() -> list[click.Parameter]:
    """--keep, --keep-within, --keep-daily and --keep-monthly."""
    return [
        option("--keep", type=int, metavar="N", help="Keep the last N versions."),
        option("--keep-within", metavar="TIME", help="Keep the versions of this time: 90m, 12h, 7d, 2w."),
        option("--keep-daily", type=int, metavar="N", help="Keep the last version of each of N days."),
        option("--keep-monthly", type=int, metavar="N", help="Keep the last version of each of N months."),
    ]


def parse_retention(given: Mapping[str, Any]) -> Retention:
    """What is to be kept. Raises `OptionError`, also if nothing is said."""
    keep, within, daily, monthly = (given.get(name) for name in _NAMES)
    return Retention(keep=keep, within=None if within is None else parse_duration(within), daily=daily, monthly=monthly)


def is_retention_given(given: Mapping[str, Any]) -> bool:
    """Whether any of the options is."""
    return any(given.get(name) is not None for name in _NAMES)
