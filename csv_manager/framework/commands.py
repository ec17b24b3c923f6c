"""Commands of plugins as one click program, with one way for errors to reach the user."""

import errno
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click
from groundwork.patterns.gw_commands_pattern import CommandsListApplication

from csv_manager.core.errors import CsvManagerError, PluginError, clause
from csv_manager.core.files import give_up_stdout

_CONTEXT = {"help_option_names": ["-h", "--help"]}
#: What a shell says of a tool that wrote to a reader that was gone: 128, and the number of SIGPIPE.
_READER_GONE = 141
#: What click says of numbers, and the same in plain words.
_PLAIN = {
    r" is not a valid integer(?: range)?$": " is no whole number",
    r" is not a valid float(?: range)?$": " is no number",
    r" is not in the range x>=([^<>]+)$": r" is less than \1",
    r" is not in the range x<=([^<>]+)$": r" is more than \1",
    r" is not in the range (\S+?)<=x<=(\S+)$": r" is not from \1 to \2",
}


class Command:
    """One registered command, with groundwork's attributes."""

    def __init__(
        self,
        command: str,
        description: str,
        params: Sequence[click.Parameter],
        function: Callable[..., Any],
        plugin: Any,
    ) -> None:
        self.command = command
        self.description = description
        self.parameters = params
        self.function = function
        self.plugin = plugin
        self.click_command = click.Command(
            command, callback=function, help=description, params=list(params), context_settings=dict(_CONTEXT)
        )


class Group(click.Group):
    """A group of commands that prints its help if no command is named, and ends with 2 since it has done nothing."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the group's own options, and leave the command and what follows it."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit(2)
        return super().parse_args(ctx, args)


class Commands(CommandsListApplication):
    """`app.commands`. `root` may be replaced by a group with options of its own."""

    _commands: dict[str, Command]

    def register(
        self,
        command: str,
        description: str,
        function: Callable[..., Any],
        params: Sequence[click.Parameter] = (),
        plugin: Any = None,
    ) -> Command:
        """Register a command. Raises `PluginError` for a name that is taken."""
        if command in self._commands:
            owner = self._commands[command].plugin
            raise PluginError(f"The command {command} was registered by {owner.name} already.")
        self._commands[command] = Command(command, description, params, function, plugin)
        return self._commands[command]

    def unregister(self, command: str) -> None:
        """Forget a command."""
        self._commands.pop(command, None)

    def group(self, root: click.Group | None = None) -> click.Group:
        """Every command under one group."""
        group = root or Group(context_settings=dict(_CONTEXT))
        for name, command in self._commands.items():
            group.add_command(command.click_command, name)
        return group

    def start_cli(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command that the command line names; ends the process with its exit code."""
        kwargs.setdefault("args", list(args[0]) if args else None)
        sys.exit(run(self.group(), **kwargs))


def run(
    group: click.Group, args: list[str] | None = None, prog_name: str | None = None, *, traces: bool = False
) -> int:
    """Run a command and return its exit code: 0 done, 1 the answer is no, 2 could not do it.

    130 if it was interrupted, 141 if the reader of its output is gone. An error is one line on stderr, with its
    traceback if `traces`. A command may return its exit code as an int.
    """
    stdout, stderr = sys.stdout, sys.stderr
    try:
        result = group.main(args=args, prog_name=prog_name, standalone_mode=False)
        sys.stdout.flush()
    except SystemExit:
        if sys.stdout is stdout:
            raise
        sys.stdout, sys.stderr = stdout, stderr  # click replaces them once nobody reads, and ends the process
        return _ended(BrokenPipeError(), prog_name, traces=traces)
    except BaseException as error:  # noqa: BLE001 - groundwork's errors derive from it
        return _ended(error, prog_name, traces=traces)
    return result if isinstance(result, int) else 0


def _ended(error: BaseException, prog_name: str | None, *, traces: bool) -> int:
    """Say what ended a command, and return the exit code that it stands for."""
    code = 2
    match error:
        case click.exceptions.Exit():
            code = error.exit_code
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else prog_name
            click.echo(f"Error: {_sentence(error)} `{command} --help` tells more.", err=True)
        case click.ClickException():
            click.echo(f"Error: {_sentence(error)}", err=True)
        case click.Abort() | KeyboardInterrupt():
            said = str(error.__cause__ or error)  # by what was interrupted and had an effect all the same
            click.echo(f"Interrupted: {said}." if said else "Interrupted.", err=True)
            code = 130
        case BrokenPipeError():
            # The reader of our output is gone (`| head`); 0 or 1 would be an answer that nobody was given.
            give_up_stdout()
            code = _READER_GONE
        case OSError(filename=None, errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG):
            give_up_stdout()
            click.echo(f"Error: the output cannot be written: {error.strerror}.", err=True)
        case _:
            code = _tell(error, traces=traces)
    return code


def _sentence(error: click.ClickException) -> str:
    """What click says, with one mark at its end: `No such option '--ky'. Did you mean '--key'?`."""
    message = clause(error.format_message())
    for jargon, words in _PLAIN.items():
        message = re.sub(jargon, words, message)
    found = re.fullmatch(r"(.*)\. \((.*\?)\)", message)
    message = f"{found[1]}. {found[2]}" if found else message
    return message if message.endswith("?") else f"{message}."


def _tell(error: BaseException, *, traces: bool) -> int:
    """Say what went wrong, in one line; what nobody foresaw is said to be that."""
    if traces:
        traceback.print_exception(error)
    if isinstance(error, CsvManagerError):
        click.echo(f"Error: {error}", err=True)
        return error.exit_code
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    told = f"{type(error).__name__}: {clause(error)}".rstrip(": ")
    click.echo(f"Error: {told}{where}. This was not foreseen: -v shows the traceback, for a report.", err=True)
    return 2
