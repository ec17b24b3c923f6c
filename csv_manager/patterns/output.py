"""How commands answer: a table for people; json, jsonl or csv for programs."""

import csv
import datetime as dt
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

FORMATS = ("table", "json", "jsonl", "csv")


def emit(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], form: str, *, empty: str = "") -> None:
    """Write one object a row to stdout; `empty` is what a table without rows says, on stderr."""
    if form == "table":
        _table([[_cell(row.get(column)) for column in columns] for row in rows], columns, empty)
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
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_plain(row.get(column)) for column in columns])


def emit_one(row: Mapping[str, Any]) -> None:
    """Write one object to stdout, a line for each field."""
    width = max(map(len, row), default=0)
    for name, value in row.items():
        click.echo(f"{name:<{width}}  {_cell(value)}")


def to_json(row: Mapping[str, Any]) -> str:
    """One object on one line; times are ISO-8601 in UTC."""
    return json.dumps(row, ensure_ascii=False, default=_jsonable)


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


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return _jsonable(value)
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=_jsonable)
    return value


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


def _table(rows: list[list[str]], columns: Sequence[str], empty: str) -> None:
    if not rows:
        if empty:
            click.echo(empty, err=True)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # What is not read on a screen is not cut to one.
    console = Console(file=sys.stdout, width=None if terminal else 10_000, highlight=False)
    for line in console.render_lines(table, console.options, pad=False) if not terminal else ():
        click.echo("".join(segment.text for segment in line).rstrip())
    if terminal:
        console.print(table)
