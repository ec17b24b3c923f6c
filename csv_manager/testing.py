"""The kit for plugin authors: an app in a temporary folder, and a file feed to drive by hand.

No thread runs and nothing sleeps: `settle` records what was written since, at once.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import yaml

from csv_manager.applications.csv_manager_app import CSV_MANAGER_APP
from csv_manager.core.model import RowChange, WatcherOptions
from csv_manager.core.rules import Rule, RuleSet
from csv_manager.framework import app as framework
from csv_manager.store.rules import InForce


class TestApp:
    """An app with plugins under test; a context manager that leaves nothing behind.

    `folder` holds the CSV files, `app` is the groundwork App, `plugins` are the plugins under test by their names.
    """

    __test__ = False  # a tool for tests, no test

    def __init__(self, *classes: type[Any], **settings: Any) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="csv_manager_test_"))
        self.folder = self._root / "files"
        self.folder.mkdir()
        given = {
            "CSV_MANAGER_APP_PATH": str(self._root / "home"),
            "CSV_MANAGER_HOME": str(self._root / "home"),
        }
        config = self._root / "settings.yaml"
        config.write_text(yaml.safe_dump(settings), "utf-8")
        with _environment(given):
            self._application = CSV_MANAGER_APP([str(config)], watching=False)
        self.app = self._application.app
        self.app.plugins.classes.register(list(classes))
        try:
            framework.activate(self.app, [*self._application.plugins, *(clazz.__name__ for clazz in classes)])
        except BaseException:
            shutil.rmtree(self._root)
            raise
        self.plugins = {clazz.__name__: self.app.plugins.get(clazz.__name__) for clazz in classes}
        self._watched: dict[str, WatcherOptions] = {}
        checks = self.app.csv_checks.of(self.plugins.values())
        self._rule_set = RuleSet(number=1, rules=tuple(Rule(name=name, check=name) for name in checks))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Deactivate everything and delete the folder."""
        self._application.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    def path(self, name: str) -> str:
        """The absolute path of a file in the folder."""
        return os.path.realpath(self.folder / name)

    def watch(self, name: str, **options: Any) -> str:
        """Watch a file, which need not exist yet, with a watcher's options such as `key=("id",)`."""
        path = self.path(name)
        for option in ("key", "ignore"):
            if isinstance(options.get(option), str):
                options[option] = (options[option],)
            elif option in options:
                options[option] = tuple(options[option])
        self._watched[path] = WatcherOptions(**options)
        return path

    def write(self, name: str, content: str | bytes, **options: Any) -> str:
        """Write a file in place, as text in UTF-8 or as bytes; a new name is watched, with these options."""
        path = self.path(name)
        if options or path not in self._watched:
            self.watch(name, **options)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def check(self, check: str, *, level: str = "error", name: str | None = None, **options: Any) -> None:
        """Have every file be checked by a check from now on, with these options.

        Those that the plugins under test register count from the beginning, each without options; one that is told
        here replaces that of its name.
        """
        rule = Rule(name=name or check, check=check, level=level, options=options)
        others = tuple(known for known in self._rule_set.rules if known.name != rule.name)
        self._rule_set = replace(self._rule_set, number=self._rule_set.number + 1, rules=(*others, rule))

    def settle(self) -> list[int]:
        """Record every file that exists, tell receivers, and return the numbers of the new versions."""
        runtime = self.app.csv_watcher.runtime
        uuid = f"{self._rule_set.number:032}"
        in_force = InForce(rule_set=replace(self._rule_set, uuid=uuid), has_target=False)
        self.app.csv_watcher.store.recorder.judge.in_force = lambda *_: in_force
        outcomes = [runtime.record(path, options) for path, options in self._watched.items() if os.path.exists(path)]
        runtime.deliver()
        return [outcome.number for outcome in outcomes if outcome.number is not None]

    def changes(self, name: str | None = None, version: int | None = None) -> list[dict[str, Any]]:
        """The row changes of a version, by default the newest, as JSON objects; with one file it needs no name."""
        file = self.app.csv_watcher.store.file(self._only(name))
        number = file.record.latest if version is None else version
        rows: list[RowChange] = list(file.changes(number))
        return [row.to_json(csv_file=file.path, version=number, seq=seq) for seq, row in enumerate(rows)]

    def findings(self, name: str | None = None) -> list[dict[str, Any]]:
        """What is wrong with the newest version; empty if nothing is."""
        file = self.app.csv_watcher.store.file(self._only(name))
        return [finding.to_json() for finding in file.latest().findings]

    def _only(self, name: str | None) -> str:
        if name is not None:
            return self.path(name)
        if len(self._watched) != 1:
            raise ValueError(f"Name one of the {len(self._watched)} files.")
        return next(iter(self._watched))


def app(*classes: type[Any], **settings: Any) -> TestApp:
    """An app with these plugin classes and settings, in a temporary folder of its own."""
    return TestApp(*classes, **settings)


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """These environment variables instead of all of ours."""
    before = {name: value for name, value in os.environ.items() if name.startswith("CSV_MANAGER_")}
    for name in before:
        del os.environ[name]
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]
        os.environ.update(before)
