"""The options of csv_watcher_add and csv_watcher_set, and what they make of a watcher."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import click

from csv_manager.core.model import WatcherOptions
from csv_manager.patterns.csv_commands_pattern import option
from csv_manager.patterns.format_options import comparison_params, format_params, parse_format
from csv_manager.patterns.retention_options import is_retention_given, parse_retention, retention_params

_TIMES = ("settle", "max_wait", "every")
_NUMBERS = ("interval", *_TIMES)


def params(*, interval: float | None) -> list[click.Parameter]:
    """The options, with this default for the interval."""
    return [
        option(
            "-i",
            "--interval",
            type=float,
            default=interval,
            help="Seconds between two checks, the safety net under file events.",
        ),
        *comparison_params(),
        *format_params(),
        option(
            "--settle",
            type=float,
            metavar="S",
            help="Seconds that the file must rest before it is read.  [default: CSV_SETTLE]",
        ),
        option(
            "--max-wait",
            type=float,
            metavar="S",
            help="Seconds after which a file that never rests is read.  [default: CSV_MAX_WAIT]",
        ),
        option("--every", type=float, metavar="S", help="At most one version in this many seconds."),
        *retention_params(),
        option("--name", metavar="N", help="A name that stands wherever PATH does."),
    ]


def parse(before: WatcherOptions, given: Mapping[str, Any]) -> WatcherOptions:
    """A watcher's options with what was given on the command line. Raises `OptionError`."""
    told: dict[str, Any] = {name: given[name] for name in _TIMES if given.get(name) is not None}
    for name in ("key", "ignore"):
        if given.get(name):
            told[name] = tuple(value for value in given[name] if value)
    if is_retention_given(given):
        told["retention"] = parse_retention(given)
    if given.get("keep_all"):
        told["retention"] = None
    if given.get("interval") is not None:
        told["interval"] = given["interval"]
    if given.get("name") is not None:
        told["name"] = given["name"] or None
    return dataclasses.replace(before, format=parse_format(before.format, given), **told)


def describe_changes(before: WatcherOptions, after: WatcherOptions) -> list[str]:
    """What of a watcher's options changed, in words; the csv format shows in how a file is read."""
    told = []
    for name in ("interval", "key", "ignore", *_TIMES, "name"):
        value = getattr(after, name)
        if value != getattr(before, name):
            words = ", ".join(value) if isinstance(value, tuple) else f"{value:g}" if name in _NUMBERS else value
            option_name = name.replace("_", "-")
            told.append(f"{option_name} {words}" if value else f"no {option_name}")
    if after.retention != before.retention:
        told.append(f"keep {after.retention.describe() if after.retention else 'every version'}")
    return told


def to_json(options: WatcherOptions) -> dict[str, Any]:
    """A watcher's options as csv_watcher_show gives them."""
    keep = options.retention
    return {
        "ignore": list(options.ignore),
        "settle": options.settle,
        "max_wait": options.max_wait,
        "every": options.every,
        "keep": keep and {"last": keep.keep, "within": keep.within, "daily": keep.daily, "monthly": keep.monthly},
        "format_options": {
            name: value for name, value in dataclasses.asdict(options.format).items() if value is not None
        },
    }
