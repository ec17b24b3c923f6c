"""Builds a groundwork App on our objects, activates plugins one by one, and shuts everything down in one way."""

import contextlib
import difflib
import logging
import logging.config
from collections.abc import Iterable, Sequence
from typing import Any

from groundwork import App
from groundwork.patterns import GwBasePattern

from csv_manager.core.errors import PluginError
from csv_manager.framework import settings as layered
from csv_manager.framework import shim
from csv_manager.framework.commands import Commands
from csv_manager.framework.databases import Databases
from csv_manager.framework.errors import translating
from csv_manager.framework.settings import Settings
from csv_manager.framework.threads import Threads

log = logging.getLogger("csv_manager.framework")


def prepare(app: App) -> None:
    """Put our databases, commands and threads on an app, unless it has some; patterns then use them."""
    if not hasattr(app, "databases"):
        app.databases = Databases(app, lambda: settings_of(app))
    if not hasattr(app, "commands"):
        app.commands = Commands(app)
    if not hasattr(app, "threads"):
        app.threads = Threads(app)


def create_app(
    settings: Settings, classes: Iterable[type[GwBasePattern]] = (), *, only: frozenset[str] | None = None
) -> App:
    """An App with these settings and, besides the installed plugins, these classes.

    With `only`, of the installed plugins no others are imported.
    """
    with translating("groundwork could not start"), shim.importing_only(only):
        app = App()
        for handler in list(app.log.handlers):
            app.log.removeHandler(handler)  # it writes to stdout, which belongs to the answer
        app.log.setLevel(logging.NOTSET)
        for setting in settings.all():
            app.config.set(setting.name, setting.value, overwrite=True)
        app.name = settings["APP_NAME"]
        app.path = str(settings["APP_PATH"])
        if settings["GROUNDWORK_LOGGING"]:
            logging.config.dictConfig(settings["GROUNDWORK_LOGGING"])
        app.csv_settings = settings
        prepare(app)
        app.plugins.classes.register(list(classes))
    return app


def settings_of(app: App) -> Settings:
    """The settings of an app; of a bare groundwork App, the shipped ones under what its own files say."""
    known: Settings | None = getattr(app, "csv_settings", None)
    if known is None:
        own = {name: value for name, value in vars(app.config).items() if name.isupper()}
        known = app.csv_settings = layered.overlay(own, "the app's configuration")
    return known


def check_names(app: App, names: Sequence[str]) -> None:
    """Raise `PluginError` for a plugin name that nothing has, or that is installed and cannot be imported."""
    points = shim.entry_points()
    known = {*points, *app.plugins.classes.get()}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise PluginError(f"There is no plugin {name}; {hint}Known are: {', '.join(sorted(known))}.")
        if not app.plugins.classes.exist(name):
            with translating(f"Plugin {name} could not be imported"):
                points[name].load()
            raise PluginError(f"Plugin {name} is no groundwork plugin.")


def activate(app: App, names: Sequence[str]) -> None:
    """Check the names, then activate the plugins in their order; if one fails, the others are torn down."""
    check_names(app, names)
    try:
        for name in names:
            _activate(app, name)
    except BaseException:
        shutdown(app)
        raise


def _activate(app: App, name: str) -> None:
    if app.plugins.exist(name) and app.plugins.get(name).active:
        return
    with translating(f"Plugin {name} could not be activated"):
        app.plugins.activate([name])
    plugin = app.plugins.get(name)
    if plugin is None or not plugin.active:
        raise PluginError(f"Plugin {name} could not be activated; run with -v to see why.")


def shutdown(app: App) -> None:
    """Stop watching, deactivate plugins in reverse order, stop threads, close databases; what fails is logged."""
    watching: Any = getattr(app, "csv_watcher", None)
    if watching is not None:
        watching.stop()
    for name, plugin in reversed(list(app.plugins.get().items())):
        if plugin.active:
            with _logged(f"Plugin {name} could not be deactivated"), translating(name):
                app.plugins.deactivate([name])
    threads: Any = getattr(app, "threads", None)
    if isinstance(threads, Threads):
        threads.stop()
    databases: Any = getattr(app, "databases", None)
    if isinstance(databases, Databases):
        databases.dispose()
    if watching is not None:
        watching.close()


@contextlib.contextmanager
def _logged(what: str) -> Any:
    try:
        yield
    except PluginError:
        log.exception("%s.", what)
