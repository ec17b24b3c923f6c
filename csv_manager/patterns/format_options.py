"""The options by which a command is told of a file's csv format, its key and the columns to ignore."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import click

from csv_manager.core.model import FormatOptions
from csv_manager.patterns.csv_commands_pattern import option

_PLAIN = ("encoding", "delimiter", "quotechar", "skip_lines")


def comparison_params() -> list[click.Parameter]:
    """--key and --ignore."""
    return [
        option(
            "-k",
            "--key",
            multiple=True,
            metavar="COLUMN",
            help="A key column: rows are paired by it, updates are told. May be repeated.",
        ),
        option("--ignore", multiple=True, metavar="COLUMN", help="A column that is not compared. May be repeated."),
    ]


def format_params() -> list[click.Parameter]:
    """The options of the csv format."""
    return [
        option("--delimiter", metavar="C", help="What separates the fields: one character, or 'tab'."),
        option("--quotechar", metavar="C", help="What fields are quoted with; empty for nothing."),
        option("--encoding", metavar="E", help="The encoding, such as utf-8, cp1252, utf-16."),
        option("--has-header/--no-header", "has_header", default=None, help="Whether the first row names the columns."),
        option("--header", metavar="NAMES", help="The columns' names, with commas, of a file without a header."),
        option("--skip-lines", type=int, metavar="N", help="Lines before the header."),
    ]


def parse_format(before: FormatOptions, given: Mapping[str, Any]) -> FormatOptions:
    """What is said of the csv format, with what was given on the command line. Raises `OptionError`."""
    form: dict[str, Any] = {name: given[name] for name in _PLAIN if given.get(name) is not None}
    if form.get("delimiter") in ("tab", "\\t"):
        form["delimiter"] = "\t"
    if given.get("header") is not None:
        form["names"] = tuple(name.strip() for name in given["header"].split(",")) if given["header"] else None
        form["header"] = None
    if given.get("has_header") is not None:
        form["header"] = given["has_header"]
    return dataclasses.replace(before, **form)
