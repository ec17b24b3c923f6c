"""Imports groundwork without what it drags in: pkg_resources, future, cookiecutter, jinja2 and docutils.

Stand-ins lie in `sys.modules` around the first import of groundwork and are taken away after it. Each is what
groundwork uses of the module, no more; the real module is loaded at the first call.
"""

import contextlib
import importlib
import importlib.metadata
import sys
import types
from collections.abc import Iterator
from typing import Any

_GROUP = "groundwork.plugin"
#: The plugin classes that an App may import; None for all that are installed.
_only: frozenset[str] | None = None


def import_groundwork() -> None:
    """Import groundwork, if that was not done before."""
    if "groundwork" in sys.modules:
        return
    with _stand_ins():
        importlib.import_module("groundwork")
        importlib.import_module("groundwork.patterns")
        importlib.import_module("groundwork.plugins")


@contextlib.contextmanager
def importing_only(names: frozenset[str] | None) -> Iterator[None]:
    """While this lasts, a new App imports only the plugins with these class names."""
    global _only  # noqa: PLW0603 - groundwork calls iter_entry_points without a way to hand anything over
    _only = names
    try:
        yield
    finally:
        _only = None


def entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """Every installed plugin by the name of its class, which is a plugin's name in groundwork."""
    return {point.attr: point for point in importlib.metadata.entry_points(group=_GROUP)}


class _EntryPoint:
    """An entry point with the attributes of pkg_resources that groundwork reads."""

    def __init__(self, point: importlib.metadata.EntryPoint) -> None:
        self.name = point.name
        self.load = point.load
        self.dist = types.SimpleNamespace(
            location=None,
            key=point.dist.name if point.dist else None,
            version=point.dist.version if point.dist else None,
        )


def _iter_entry_points(group: str, name: str | None = None) -> Iterator[_EntryPoint]:
    del name
    points = entry_points() if group == _GROUP else {}
    return (_EntryPoint(point) for attr, point in points.items() if _only is None or attr in _only)


def _raise_from(error: BaseException, cause: BaseException | None) -> None:
    raise error from cause


def _lazy(module: str, name: str) -> Any:
    """A function that loads `module` when it is called, and calls its `name`."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*args, **kwargs)

    return call


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    made: dict[str, dict[str, Any]] = {
        "pkg_resources": {"iter_entry_points": _iter_entry_points},
        "future": {},
        "future.utils": {"raise_from": _raise_from},
        "cookiecutter": {},
        "cookiecutter.main": {"cookiecutter": _lazy("cookiecutter.main", "cookiecutter")},
        "jinja2": {"Environment": _lazy("jinja2", "Environment")},
        "docutils": {},
        "docutils.core": {"publish_parts": _lazy("docutils.core", "publish_parts")},
    }
    # pkg_resources is stood in for even where it is loaded: a plugin's place among the entry points depends on it.
    added = [name for name in made if name == "pkg_resources" or name.partition(".")[0] not in sys.modules]
    saved = {name: sys.modules[name] for name in added if name in sys.modules}
    for name in added:
        module = types.ModuleType(name)
        vars(module).update(made[name])
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]
        sys.modules.update(saved)
