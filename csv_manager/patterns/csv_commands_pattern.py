"""Commands of a plugin, with the arguments, the output formats and the manners that csv_manager's own have."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click
from groundwork.patterns import GwCommandsPattern

from csv_manager.core.errors import OptionError
from csv_manager.core.masking import masked
from csv_manager.framework.app import prepare, settings_of
from csv_manager.patterns import output, progress


class CsvCommandsPattern(GwCommandsPattern):
    """Register commands with `self.commands.register(command, description, function, params)`.

    `answer` writes what a command was asked for, `say` what it says besides. A command returns its exit code, or
    nothing for 0, and raises a `CsvManagerError` for one line on stderr and exit code 2.
    """

    def __init__(self, app: Any, **kwargs: Any) -> None:
        prepare(app)
        kwargs.setdefault("name", type(self).__name__)
        super().__init__(app, **kwargs)

    def deactivate(self) -> None:
        """End the plugin; overwrite it where there is something to end."""

    def settings(self) -> list[dict[str, Any]]:
        """Every setting with its value, secrets masked, and its origin."""
        return [
            {"name": setting.name, "value": masked(setting.name, setting.value), "origin": setting.origin}
            for setting in settings_of(self.app).all()
        ]

    @staticmethod
    def answer(
        rows: Iterable[Mapping[str, Any]],
        columns: Sequence[str],
        form: str = "table",
        *,
        empty: str = "",
        spare: Sequence[str] = (),
    ) -> None:
        """Write rows to stdout as a table, json, jsonl or csv; `empty` is said if a table has none.

        The columns `spare` are left out of a table, in that order, if the terminal is too narrow for all.
        """
        output.emit(rows, columns, form, empty=empty, spare=spare)

    @staticmethod
    def answer_one(row: Mapping[str, Any]) -> None:
        """Write one object for people, a line for each of its fields."""
        output.emit_one(row)

    def progress(
        self, label: str, length: int | None = None, rows: int | None = None
    ) -> contextlib.AbstractContextManager[Callable[[int], None]]:
        """Around long work: a function to call with how much more is done of `length`; None if that cannot be known.

        After a second a bar is shown, or without a length that the work goes on: on stderr, if that is a terminal and
        the setting PROGRESS is on. What is written meanwhile stands above it. Of `rows`, which are the length, it
        tells how many are done in a second.
        """
        if settings_of(self.app)["PROGRESS"]:
            return progress.showing(output.one_line(label), length, rows)
        return contextlib.nullcontext(lambda _: None)

    def agree(self, question: str, *, yes: bool) -> bool:
        """Whether a user agrees to what cannot be undone. Raises `OptionError` if nobody can answer."""
        if yes:
            return True
        try:
            return click.confirm(question, err=True)
        except click.Abort as stop:
            if not isinstance(stop.__context__, EOFError):  # Ctrl-C
                raise
            self.say("")
            raise OptionError("Nothing was done: nobody answered; --yes answers.") from None

    @staticmethod
    def say(text: str) -> None:
        """Say something on stderr."""
        click.echo(text, err=True)


def path_argument(*, required: bool = True, name: str = "csv_file") -> click.Argument:
    """PATH…: files, folders, globs or names of watchers."""
    metavar = "PATH..." if required else "[PATH]..."
    return click.Argument([name], nargs=-1, required=required, metavar=metavar, callback=_refuse_empty)


def one_path_argument(name: str = "csv_file", metavar: str = "PATH") -> click.Argument:
    """PATH: one file, or the name of its watcher."""
    return click.Argument([name], metavar=metavar, callback=_refuse_empty)


def _refuse_empty(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
    """A path, unless it is an empty text, which the working folder would be taken for."""
    if "" in each(value):
        raise click.BadParameter("it is empty; name a file.")
    return value


def format_option(*formats: str) -> click.Option:
    """--format, with all formats or these."""
    choices = formats or output.FORMATS
    return click.Option(
        ["--format", "form"],
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="How to print the answer.",
    )


def option(*names: str, **attributes: Any) -> click.Option:
    """A click option; a default is shown in the help."""
    attributes.setdefault("show_default", attributes.get("default") is not None)
    return click.Option(list(names), **attributes)


def each(values: str | Sequence[str]) -> tuple[str, ...]:
    """One path or several, as several."""
    return (values,) if isinstance(values, str) else tuple(values)


Command = Callable[..., "int | None"]
