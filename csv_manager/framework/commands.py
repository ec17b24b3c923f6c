"""Commands of plugins as one click program, with one way for errors to reach the user."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click
from groundwork.patterns.gw_commands_pattern import CommandsListApplication

from csv_manager.core.errors import CsvManagerError, PluginError

_CONTEXT = {"help_option_names": ["-h", "--help"]}


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
        group = root or click.Group(context_settings=dict(_CONTEXT))
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

    An error is one line on stderr, with its traceback if `traces`. A command may return its exit code as an int.
    """
    try:
        result = group.main(args=args, prog_name=prog_name, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return 130
    except SystemExit:
        raise
    except BrokenPipeError:
        # The reader of our output is gone (`| head`); Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseException as error:  # noqa: BLE001 - groundwork's errors derive from it
        return _tell(error, traces=traces)


def _tell(error: BaseException, *, traces: bool) -> int:
    """Say what went wrong, in one line; what nobody foresaw is said to be that."""
    if traces:
        traceback.print_exception(error)
    if isinstance(error, CsvManagerError):
        click.echo(f"Error: {error}", err=True)
        return error.exit_code
    told = f"{type(error).__name__}: {' '.join(str(error).split())}"
    click.echo(f"Error: {told}. This was not foreseen: run with -v for a traceback, and please report it.", err=True)
    return 2
