"""csv_manager as a groundwork application: build, activate, run, stop."""

import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from csv_manager import __version__
from csv_manager.core.errors import ConfigurationError, CsvManagerError
from csv_manager.framework import app as framework
from csv_manager.framework import settings as layered
from csv_manager.framework.commands import Group, run
from csv_manager.framework.plugin_files import load_plugin_file
from csv_manager.patterns.terminal import write_what_can_be

#: Ctrl-C is the same Ctrl-C for so long.
_IMPATIENT_SECONDS = 1
#: When an interrupt is tried again that came where nothing can be raised.
_SOON_SECONDS = 0.001
_HELP = """Change data capture for CSV files.

\b
Point at a file, and see what changes in it from then on:
  csv_manager csv_watcher_add prices.csv --key id
  csv_manager csv_watch --rows

`csv_manager csv_demo` shows it at work in ten seconds.
"""


class CSV_MANAGER_APP:  # noqa: N801 - the name that the tutorial gave it
    """The application. `app` is the groundwork App; nothing is activated until `activate` or `start`.

    `config` are configuration files, `plugins` plugin files. With `watching`, the stored watchers' threads start as
    soon as every plugin of PLUGINS is active; `start`, the command line, activates with watching off.
    """

    def __init__(
        self,
        config: Sequence[str] = (),
        plugins: Sequence[str] = (),
        *,
        watching: bool = True,
        lean: bool = False,
    ) -> None:
        self.settings = layered.load(config)
        classes = [clazz for path in self._plugin_files(plugins) for clazz in load_plugin_file(path)]
        self.plugins: list[str] = list(
            dict.fromkeys(
                [
                    *self.settings["PLUGINS"],
                    *self.settings["PLUGINS_EXTRA"],
                    *(clazz.__name__ for clazz in classes),
                ]
            )
        )
        only = frozenset(self.plugins) - {clazz.__name__ for clazz in classes} if lean else None
        self.app: Any = framework.create_app(self.settings, classes, only=only)
        self.app.csv_watching = watching
        self.app.csv_plugins = tuple(self.plugins)

    def activate(self) -> None:
        """Activate every plugin of PLUGINS, PLUGINS_EXTRA and the plugin files."""
        framework.activate(self.app, self.plugins)

    def start(self, args: Sequence[str] | None = None) -> None:
        """Run the command line and end the process with its exit code."""
        sys.exit(main(args, self))

    def stop(self) -> None:
        """Stop watching, deactivate plugins, close databases."""
        framework.shutdown(self.app)

    def _plugin_files(self, plugins: Sequence[str]) -> list[Path]:
        home = layered.home(self.settings)
        return [*sorted((home / "plugins").glob("*.py")), *map(Path, plugins)]


def start_app() -> None:
    """Run the command line, and end the process with its exit code; Ctrl-C interrupts it, unless it is ignored."""
    try:
        if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None):
            interrupting = _Interrupting()
            signal.signal(signal.SIGINT, interrupting)
            sys.unraisablehook = interrupting.unraisable
        code = main()
    except KeyboardInterrupt:  # while it begins or ends; in between, main says so itself
        click.echo("Interrupted.", err=True)
        code = 130
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is done, and the interpreter's end is not to say otherwise
    sys.exit(code)


class _Interrupting:
    """What Ctrl-C does: it interrupts, but typed again at once it does not cut off what cleans up after the first."""

    def __init__(self) -> None:
        self._last = -math.inf

    def __call__(self, *_: object) -> None:
        """Interrupt."""
        now = time.monotonic()
        if now - self._last > _IMPATIENT_SECONDS:
            self._last = now
            raise KeyboardInterrupt

    def unraisable(self, told: "sys.UnraisableHookArgs") -> None:
        """Interrupt soon, where an interrupt came within a finalizer, which Python goes on after."""
        if issubclass(told.exc_type, KeyboardInterrupt):
            self._last = -math.inf
            again = threading.Timer(_SOON_SECONDS, os.kill, (os.getpid(), signal.SIGINT))
            again.daemon = True
            again.start()
        else:
            sys.__unraisablehook__(told)


def main(args: Sequence[str] | None = None, application: CSV_MANAGER_APP | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 the answer is no, 2 could not do it."""
    arguments = list(sys.argv[1:] if args is None else args)
    _open_closed_streams()
    write_what_can_be((sys.stdout, sys.stderr))
    root = _root()
    try:
        # Which commands there are depends on the options before the command, so these are read first.
        given = root.make_context("csv_manager", list(arguments), resilient_parsing=True).params
    except click.ClickException:
        given = {}
    verbose = given.get("verbose") or 0
    _log_to_stderr(verbose)
    app = application
    try:
        if app is not None and (given.get("config") or given.get("plugin")):
            raise ConfigurationError("--config and --plugin come too late here; give them to CSV_MANAGER_APP itself.")
        if app is None:
            app = CSV_MANAGER_APP(given.get("config") or (), given.get("plugin") or (), watching=False, lean=True)
        app.app.csv_watching = False
        app.activate()
        return run(app.app.commands.group(root), arguments, "csv_manager", traces=verbose > 0)
    except CsvManagerError as error:
        if verbose:
            logging.getLogger("csv_manager").exception("csv_manager could not start.")
        click.echo(f"Error: {error}", err=True)
        return error.exit_code
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        return 130
    finally:
        if app is not None:
            app.stop()


def _open_closed_streams() -> None:
    """Let what is written to a stream that the caller closed (`>&-`) go nowhere; Python has None for it."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as above


def _root() -> click.Group:
    return Group(
        "csv_manager",
        help=_HELP,
        context_settings={"help_option_names": ["-h", "--help"]},
        params=[
            click.Option(
                ["--config"],
                multiple=True,
                metavar="FILE",
                expose_value=True,
                help="Read settings from a Python or YAML file; may be repeated, later files win.",
            ),
            click.Option(
                ["--plugin"],
                multiple=True,
                metavar="FILE.py",
                help="Load a plugin from a file; may be repeated.",
            ),
            click.Option(["-v", "--verbose"], count=True, help="Say more on stderr; -vv says all."),
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_print_version,
                help="Show the version and exit.",
            ),
        ],
        callback=lambda **_: None,
    )


def _print_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"csv_manager {__version__}")
        context.exit()


def _log_to_stderr(verbose: int) -> None:
    """Log to stderr; of an embedding program that logs already nothing is changed.

    Of a lost connection, drivers and SQLAlchemy's pool tell more than the one line that says so: that is for -vv.
    """
    if verbose < 2 and not logging.getLogger().handlers:
        for name in ("psycopg", "sqlalchemy.pool"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    handler = logging.StreamHandler()
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s") if verbose else _OneLine()
    )
    logging.basicConfig(level=level, handlers=[handler])


class _OneLine(logging.Formatter):
    """What failed, in one line: a traceback is for -v."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        told = f" {type(error).__name__}: {error}" if error is not None else ""
        return f"{record.levelname}: {record.getMessage()}{told}"
