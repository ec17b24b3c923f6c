"""csv_watcher_delete: watchers go, histories stay, unless they are to go too."""

import contextlib
import dataclasses
import glob
import os
from collections.abc import Sequence
from typing import Any

import click

from csv_manager.core.errors import CsvManagerError
from csv_manager.core.feeds import Feed
from csv_manager.core.paths import identity
from csv_manager.patterns.describe import short_path
from csv_manager.patterns.known_paths import feed_of
from csv_manager.patterns.watcher_paths import Found


class Deleting:
    """Deletes watchers; one file of a folder's or glob's is left out of it from then on."""

    def __init__(self, plugin: Any, found: Sequence[Found], *, purge: bool) -> None:
        self._plugin = plugin
        self._store = plugin.csv_watcher.store
        self._found = found
        self._purge = purge

    @property
    def what(self) -> str:
        """What is deleted, for a question."""
        files = [path for one in self._found for path in self._files(one)]
        return short_path(files[0]) if len(files) == 1 else f"{len(files)} files"

    def say(self) -> None:
        """Say what would be deleted."""
        for one in self._found:
            history = "and the history " if self._purge else ""
            click.echo(f"Would delete the watcher {history}of {short_path(one.path)}.")

    def delete(self) -> None:
        """Delete it all."""
        with self._plugin.progress("Deleting", len(self._found)) as done:
            for one in self._found:
                files, followers = self._files(one), self._followers(one)
                self._end(one)
                for path in files if self._purge else ():
                    file = self._find(path)
                    if file is not None:
                        self._store.purge(file)
                click.echo(f"{self._said(one)}{self._kept(one)}.")
                self._let_go(followers)
                done(1)

    def _followers(self, one: Found) -> list[Any]:
        """The tables that follow a watcher which is to be deleted."""
        if not one.is_own:
            return []
        stored = self._store.catalog.targets.all()
        return [each.target for each in stored if each.watcher_id == one.watcher.id]

    def _let_go(self, targets: Sequence[Any]) -> None:
        """Say that tables follow nothing any more, and let their databases know, if these are there."""
        for target in targets:
            with contextlib.suppress(CsvManagerError):
                self._plugin.csv_watcher.syncing.forget(target)
            click.echo(f"{target.name} stays as it is, and follows nothing any more.")

    def _end(self, one: Found) -> None:
        if one.watcher is None:
            return
        if one.is_own:
            self._store.catalog.watchers.delete(one.watcher)
            self._plugin.csv_watcher.unregister(one.path)
            self._plugin.csv_watcher.put_back(one.watcher.csv_file, one.watcher.options)
            return
        file = self._store.find(one.path)
        if os.path.lexists(file.record.source):
            watcher = self._store.catalog.watchers.find(one.watcher.csv_file)
            root = Feed.of(watcher.csv_file, watcher.options).root
            left_out = "/" + glob.escape(os.path.relpath(file.record.source, root))
            told = dataclasses.replace(watcher.options, exclude=(*watcher.options.exclude, left_out))
            self._store.catalog.history.change_watcher(watcher, told, None, None)
        self._store.catalog.history.adopt([file.record.id], None)

    def _files(self, one: Found) -> list[str]:
        if not one.is_feed:
            return [one.path]
        return [file.path for file in self._store.catalog.history.members(one.watcher.id)]

    def _find(self, path: str) -> Any:
        return self._store.find(path) or self._store.find(identity(path))

    def _said(self, one: Found) -> str:
        shown = short_path(one.path)
        if one.watcher is None or one.is_own:
            return f"Deleted the watcher of {shown}"
        file = self._find(one.path)
        if file is not None and not os.path.lexists(file.record.source):
            return f"Forgot {shown}, which {short_path(one.watcher.csv_file)} watches again if it comes back"
        return f"Left {shown} out of {short_path(one.watcher.csv_file)}"

    def _kept(self, one: Found) -> str:
        if self._purge:
            return " and its history" if one.is_own or one.watcher is None else "; its history is deleted"
        if one.is_feed:
            return "; the history of its files stays"
        kept = "" if self._find(one.path) is None else "; its history stays"
        return kept + (self._back_to(one) if one.is_own else "")

    def _back_to(self, one: Found) -> str:
        """Which folder or glob has a file again that had a watcher of its own, for the end of a sentence."""
        watchers = self._store.catalog.watchers.all()
        feed = feed_of(watchers, one.path, one.watcher.options.link)
        return f", and {short_path(feed.csv_file)} watches it again" if feed else ""
