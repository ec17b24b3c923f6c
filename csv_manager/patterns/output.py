"""How commands answer: a table for people; json, jsonl or csv for programs."""

import csv
import datetime as dt
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from csv_manager.core.errors import OptionError
from csv_manager.patterns.tables import table_lines
from csv_manager.patterns.terminal import is_unicode, line_width, written_as_it_is

FORMATS = ("table", "json", "jsonl", "csv")


def emit(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], form: str, *, empty: str = "", spare: Sequence[str] = ()
) -> None:
    """Write one object a row to stdout; `empty` is what a table without rows says, on stderr.

    The columns `spare` are left out of a table, in that order, if the terminal is too narrow for all.
    """
    if form == "table":
        _write_table([[_cell(row.get(column)) for column in columns] for row in rows], columns, empty, spare)
    elif form == "jsonl":
        for row in rows:
            click.echo(to_json(row))
    elif form == "json":
        first = True
        for row in rows:
            click.echo(("[\n" if first else ",\n") + to_json(row), nl=False)
            first = False
        click.echo("[]" if first else "\n]")
    else:
        _write_csv(rows, columns)


def emit_one(row: Mapping[str, Any]) -> None:
    """Write one object to stdout, a line for each field."""
    width = max(map(len, row), default=0)
    for name, value in row.items():
        click.echo(f"{name:<{width}}  {_cell(value)}")


def to_json(row: Mapping[str, Any]) -> str:
    """One object on one line; times are ISO-8601 in UTC."""
    return (_JSON if is_unicode(sys.stdout) else _ASCII_JSON).encode(row)


def styled(text: str, **style: Any) -> str:
    """Text in colour; plain where NO_COLOR is set, and, by click, where stdout is no terminal."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **style)


def local_time(when: dt.datetime) -> str:
    """A time for people, in their zone."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def one_line(text: str) -> str:
    """Text that cannot break a line or drive a terminal: control characters are shown as escapes."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, default=_jsonable)
_ASCII_JSON = json.JSONEncoder(default=_jsonable)


def _write_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    try:
        with written_as_it_is(sys.stdout):
            writer.writerow(columns)
            for row in rows:
                writer.writerow([_plain(row.get(column)) for column in columns])
    except UnicodeEncodeError as error:
        lacking = error.object[error.start]
        raise OptionError(
            f"--format csv cannot be written in {sys.stdout.encoding}, which lacks {lacking!a}; --format json can, "
            "and with PYTHONIOENCODING=utf-8 csv can too."
        ) from None


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, dt.datetime):
        return _jsonable(value)
    return _JSON.encode(value) if isinstance(value, (dict, list, tuple)) else value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dt.datetime):
        return local_time(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return one_line(str(value))


def _write_table(rows: list[list[str]], columns: Sequence[str], empty: str, spare: Sequence[str]) -> None:
    if not rows:
        if empty:
            click.echo(empty, err=True)
        return
    # What is not read on a screen is not cut to one.
    for line in table_lines(rows, columns, line_width(), spare, lambda header: styled(header, bold=True)):
        click.echo(line)
