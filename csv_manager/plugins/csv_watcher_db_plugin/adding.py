"""csv_watcher_add: what files hold is checked first, then stored with their watchers."""

import os
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import click

from csv_manager.core.errors import PathNotFoundError, UnreadableError
from csv_manager.core.feeds import Feed, Named
from csv_manager.core.model import WatcherOptions
from csv_manager.core.paths import identity, os_reason
from csv_manager.patterns.describe import short_path
from csv_manager.patterns.known_paths import series_of
from csv_manager.plugins.csv_watcher_db_plugin.options import check_done, refuse_for_file


class Adding:
    """Adds watchers with the same options; files that have one of their own are no folder's or glob's.

    `stored` are the paths that have watchers, `feeds` the folders and globs among them.
    """

    def __init__(self, plugin: Any, options: WatcherOptions, stored: Collection[str], feeds: Sequence[Feed]) -> None:
        self._plugin = plugin
        self._watcher = plugin.csv_watcher
        self._options = options
        self._stored = stored
        self._feeds = feeds

    def add(self, new: Sequence[Named], *, missing_ok: bool) -> None:
        """Add them, once it is known that the contents of all can be used."""
        for one in new:
            if not one.is_feed:
                refuse_for_file(one.path, WatcherOptions(), self._options)
        alone = {one.path for one in new if not one.is_feed} | set(self._stored)
        files = {one.path: self._files(one, alone, missing_ok=missing_ok) for one in new}
        count = sum(map(len, files.values()))
        what = f"{count:,} files" if count != 1 else os.path.basename(next(iter(files.values()), [""])[0])
        several = len(new) > 1 or count > 1 or any(one.is_feed for one in new)
        with self._plugin.progress(f"Adding {what}", count * (2 if several else 1)) as done:
            if several:
                for path in (path for paths in files.values() for path in paths if os.path.exists(path)):
                    self._watcher.check(path, self._options)
                    done(1)
            for one in new:
                if one.is_feed:
                    self._add_feed(one, files[one.path], done)
                else:
                    version = self._watcher.add(one.link or one.path, self._options, missing_ok=missing_ok)
                    click.echo(f"Added {_named(one)}: {_first(version)}{self._no_more_with(one)}.")
                    done(1)

    def _add_feed(self, one: Named, paths: Sequence[str], done: Any) -> None:
        """Store the watcher first: what is recorded of its files after a crash are all of them still."""
        told = self._feed_options(one)
        stored = self._watcher.store.catalog.watchers.add_feed(one.path, told)
        for path in paths:
            if told.feed == "series":
                version = self._watcher.add_member(path, one.path, told)
            else:
                version = self._watcher.add(path, told, feed_id=stored.id)
            click.echo(f"Added {short_path(path)}: {_first(version)}.")
            done(1)
        count = f"{len(paths):,} file{'' if len(paths) == 1 else 's'} now" if paths else "no file yet"
        later = "the next version of it" if told.feed == "series" else "each new one"
        click.echo(f"Added {_named(one)}: {count}, and {later} as it comes.")

    def _files(self, one: Named, alone: Collection[str], *, missing_ok: bool) -> list[str]:
        """The files that a path stands for now. Raises `PathNotFoundError` for a folder or glob without any."""
        if not one.is_feed:
            return [one.path]
        told = self._feed_options(one)
        check_done(one.path, told)
        feed = Feed.of(one.path, told)
        try:
            seen = list(feed.look())
        except (FileNotFoundError, NotADirectoryError):
            seen = []
        except OSError as error:
            raise UnreadableError(f"{feed.root}: {os_reason(error)}.") from error
        for _, reason in seen:
            if reason and told.feed == "series":  # what follows it cannot be told to be next
                raise UnreadableError(reason)
            if reason:
                self._plugin.say(f"Not read: {reason}")
        found = self._without_rivals([path for path, reason in seen if not reason], feed)
        has_rivals = len(found) < len(seen)
        found = list(_without_names(found, alone))
        if not found and not missing_ok and not has_rivals:
            none = "the folder holds no CSV file (.csv, .tsv, compressed or not)"
            why = "no file matches" if one.is_glob else none
            raise PathNotFoundError(f"{_named(one)}: {why}. With --missing-ok it is watched for files to come.")
        return found

    def _without_rivals(self, paths: Sequence[str], feed: Feed) -> list[str]:
        """The paths without those that a watcher has which precedes this one, as is said."""
        rivals, left = feed.rivals(self._feeds), list(paths)
        for rival in rivals:
            its = {path for path in left if rival.wants(path)}
            if its:
                count = f"{len(its):,} file{'' if len(its) == 1 else 's'}"
                self._plugin.say(f"{count} in it stay{'s' if len(its) == 1 else ''} with {short_path(rival.path)}.")
                left = [path for path in left if path not in its]
        return left

    def _no_more_with(self, one: Named) -> str:
        """That a file is none of a series any more, for the end of a sentence."""
        series = series_of(self._watcher.store.catalog.watchers.all(), one.path, one.link)
        return f"; on its own from now on, no more with {short_path(series.csv_file)}" if series else ""

    def _feed_options(self, one: Named) -> WatcherOptions:
        return self._options.of_feed(is_glob=one.is_glob, link=one.link)


def _without_names(paths: Sequence[str], known: Collection[str]) -> Iterator[str]:
    """The files at these paths, each once: a link to one of the others, or to a known one, is another name of it."""
    seen = {*known, *(identity(path) for path in paths if not os.path.islink(path))}
    for path in paths:
        if not os.path.islink(path):
            if identity(path) not in known:
                yield path
        elif identity(path) not in seen:
            seen.add(identity(path))
            yield path


def _named(one: Named) -> str:
    """A path as it was named: by the link, if it was one."""
    return short_path(one.link or one.path)


def _first(version: Any) -> str:
    """What the first version is, for the end of a sentence."""
    if version is None:
        return "it does not exist yet"
    if version.rows is None:
        return f"version {version.number}, held"
    rows = f"{version.rows:,} row{'' if version.rows == 1 else 's'}"
    rows += f": {_no_row(version)}" if not version.rows and (version.size or version.key) else ""
    return f"version {version.number}, {rows} ({version.csv_format.describe()})"


def _no_row(version: Any) -> str:
    """Why a content has no row, in words."""
    form = version.csv_format
    if version.columns and form.header:
        return "it has a header and nothing else"
    if form.skip_lines:
        return f"nothing is left behind the {form.skip_lines:,} line{'' if form.skip_lines == 1 else 's'} skipped"
    if version.size:
        return "it holds no row"
    return "it is empty, so nobody knows yet whether it will have the key"
