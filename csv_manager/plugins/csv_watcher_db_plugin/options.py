"""The options of csv_watcher_add and csv_watcher_set, and what they make of a watcher."""

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import click

from csv_manager.core.errors import OptionError
from csv_manager.core.feeds import Feed
from csv_manager.core.model import FEEDS, WatcherOptions
from csv_manager.core.paths import os_reason
from csv_manager.patterns.csv_commands_pattern import option
from csv_manager.patterns.describe import short_path
from csv_manager.patterns.format_options import comparison_params, format_params, parse_format
from csv_manager.patterns.retention_options import is_retention_given, parse_retention, retention_params

_TIMES = ("settle", "max_wait", "every")
_NUMBERS = ("interval", *_TIMES)
_FLAGS = ("recursive", "poll", "paused")


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
        option(
            "--feed",
            type=click.Choice(FEEDS),
            help="What a folder or glob is: files, each with a history of its own, or a series, whose files, in "
            "the order of their names, are the versions of one dataset.  [default: files]",
        ),
        option("-r", "--recursive", is_flag=True, help="Of a folder, the files in the folders below too."),
        option(
            "--exclude",
            multiple=True,
            metavar="PATTERN",
            help="Leave out files and folders of this name, or with a slash this path below. May be repeated.",
        ),
        option(
            "--done",
            metavar="keep|delete|move:DIR",
            help="What becomes of a file once it is recorded and told to every receiver.  [default: keep]",
        ),
        option("--poll", is_flag=True, help="Ask for no file events; look at each interval."),
        *retention_params(),
        option("--name", metavar="N", help="A name that stands wherever PATH does."),
    ]


def parse(before: WatcherOptions, given: Mapping[str, Any]) -> WatcherOptions:
    """A watcher's options with what was given on the command line. Raises `OptionError`."""
    told: dict[str, Any] = {name: given[name] for name in ("interval", *_TIMES, "feed") if given.get(name) is not None}
    for name in ("key", "ignore", "exclude"):
        if given.get(name):
            told[name] = tuple(value for value in given[name] if value)
    if given.get("done"):
        folder = given["done"].removeprefix("move:")
        told["done"] = given["done"] if folder in (given["done"], "") else f"move:{os.path.abspath(folder)}"
    if is_retention_given(given):
        told["retention"] = parse_retention(given)
    if given.get("keep_all"):
        told["retention"] = None
    told |= {name: True for name in ("recursive", "poll") if given.get(name)}
    told |= {name: False for name in ("recursive", "poll") if given.get(f"no_{name}")}
    if given.get("name") is not None:
        told["name"] = given["name"] or None
    found = dataclasses.replace(before, format=parse_format(before.format, given), **told)
    if found.feed == "series" and found.every:
        raise OptionError("--every is for files that are rewritten; each file of a series is a version.")
    return found


def describe_changes(before: WatcherOptions, after: WatcherOptions) -> list[str]:
    """What of a watcher's options changed, in words; the csv format shows in how a file is read."""
    told = []
    for name in ("interval", "key", "ignore", *_TIMES, "name", "done"):
        value = getattr(after, name)
        if value != getattr(before, name):
            words = ", ".join(value) if isinstance(value, tuple) else f"{value:g}" if name in _NUMBERS else value
            option_name = name.replace("_", "-")
            told.append(f"{option_name} {words}" if value else f"no {option_name}")
    if after.exclude != before.exclude:
        told.append(f"left out: {', '.join(after.exclude)}" if after.exclude else "nothing is left out")
    told += [name for name in _FLAGS if getattr(after, name) and not getattr(before, name)]
    told += [f"not {name}" for name in _FLAGS if getattr(before, name) and not getattr(after, name)]
    if after.retention != before.retention:
        told.append(f"keep {after.retention.describe() if after.retention else 'every version'}")
    return told


def refuse_for_file(path: str, before: WatcherOptions, after: WatcherOptions) -> None:
    """Raise `OptionError` for options that were given and mean nothing for a single file."""
    known = before.only_for_feeds()
    given = [name for name, value in after.only_for_feeds().items() if value != known[name]]
    if given:
        are = "is" if len(given) == 1 else "are"
        raise OptionError(f"{short_path(path)} is one file; {', '.join(sorted(given))} {are} for folders and globs.")


def check_done(path: str, options: WatcherOptions) -> None:
    """Raise `OptionError` for a folder that the files of a folder or glob cannot be moved to."""
    folder = options.done_folder
    if folder is None:
        return
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise OptionError(f"--done move:{short_path(folder)}: this is no folder; name one, which is made if need be.")
    if os.path.realpath(folder) == os.path.realpath(Feed.of(path, options).root):
        raise OptionError(f"--done move:{short_path(folder)} is where the files are; name another folder.")
    reason = _why_not_made(folder)
    if reason:
        raise OptionError(f"--done move:{short_path(folder)}: no file can be moved there ({reason}); name another one.")


def _why_not_made(folder: str) -> str:
    """Why a folder cannot be made or written to; empty if it can. Nothing is left of the attempt."""
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} may not be written to"
    made: list[str] = []
    try:
        for path in reversed(missing):
            os.mkdir(path)
            made.append(path)
    except OSError as error:
        return f"{error.filename}: {os_reason(error)}"
    finally:
        with contextlib.suppress(OSError):  # somebody else uses it already
            for path in reversed(made):
                os.rmdir(path)
    return ""


def reads_differently(before: WatcherOptions, after: WatcherOptions) -> bool:
    """Whether the same content is other rows, or compared by other columns."""
    return (before.format, before.key, before.ignore) != (after.format, after.key, after.ignore)


def to_json(options: WatcherOptions) -> dict[str, Any]:
    """A watcher's options as csv_watcher_show gives them."""
    keep = options.retention
    return {
        "ignore": list(options.ignore),
        "settle": options.settle,
        "max_wait": options.max_wait,
        "every": options.every,
        "paused": options.paused,
        "poll": options.poll,
        "recursive": options.recursive,
        "exclude": list(options.exclude),
        "done": options.done,
        "keep": keep and {"last": keep.keep, "within": keep.within, "daily": keep.daily, "monthly": keep.monthly},
        "format_options": {
            name: value for name, value in dataclasses.asdict(options.format).items() if value is not None
        },
    }
