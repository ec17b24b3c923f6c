"""Plugins that were never packaged: classes in a Python file."""

import importlib.util
import inspect
import sys
from pathlib import Path

from groundwork.patterns import GwBasePattern

from csv_manager.core.errors import PluginError
from csv_manager.framework.errors import line_of, reason_of


def load_plugin_file(path: Path) -> list[type[GwBasePattern]]:
    """The plugin classes that a file defines. Raises `PluginError`, which names the file and the line."""
    path = path.expanduser().absolute()
    if not path.is_file():
        raise PluginError(f"There is no plugin file {path}.")
    name = f"csv_manager_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no Python file; a plugin file ends with .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        told = f"{type(error).__name__}: {reason_of(error)}"
        raise PluginError(f"{path}, line {line_of(error, path)}: {told}.") from error
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, GwBasePattern) and value.__module__ == name
    ]
    if not classes:
        raise PluginError(f"{path} defines no plugin: a class that inherits from a pattern, such as CsvWatcherPattern.")
    return classes
