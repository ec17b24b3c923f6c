"""Which files a folder or a glob stands for, now and later: a feed."""

import fnmatch
import functools
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from csv_manager.core.errors import PathNotFoundError, UnreadableError
from csv_manager.core.model import WatcherOptions
from csv_manager.core.paths import (
    dead_link,
    identity,
    is_csv_name,
    is_hidden,
    is_temporary_name,
    is_text,
    link_of,
    matches_part,
    matches_parts,
    no_text,
    os_reason,
    shown,
    stat_regular,
)


class Seen(NamedTuple):
    """Something that a feed has: a file, or with a `reason` what cannot be read."""

    path: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Feed:
    """The files below the folder `root` whose path, part by part, matches `pattern`; all of its CSV files without one.

    In a pattern a star stands for no slash, `**` for any number of folders. Hidden and temporary names belong to no
    feed, unless a part of the pattern begins with the dot too. `exclude` are patterns of what is left out: one without
    a slash matches the name of a file, or of a folder with all that is in it, one with a slash the path below `root`,
    as in gitignore(5). Links to folders are not followed.
    """

    root: str
    pattern: tuple[str, ...] = ()
    recursive: bool = False
    exclude: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: str, options: WatcherOptions) -> Self:
        """The feed of a watcher: of a folder, or of a glob, whose first plain parts are the root.

        One that was named by a link is read through it, wherever it leads.
        """
        path = options.link or path
        root, pattern = split_glob(path) if options.is_glob else (path, ())
        exclude = options.exclude
        if options.done_folder is not None:  # what is moved there is done with
            below = os.path.relpath(os.path.realpath(options.done_folder), os.path.realpath(root))
            exclude = exclude if below.startswith(os.pardir) else (*exclude, "/" + glob.escape(below))
        return cls(root=root, pattern=pattern, recursive=options.recursive, exclude=exclude)

    @property
    def path(self) -> str:
        """The folder, or the glob."""
        return os.path.join(self.root, *self.pattern)

    @functools.cached_property
    def prefix(self) -> str:
        """What the path of every file of it begins with."""
        return os.path.join(self.root, "")

    def precedes(self, other: "Feed") -> bool:
        """Whether it has the files that both want: it begins deeper, or is a glob and the other one a folder."""
        return self.precedence < other.precedence

    @functools.cached_property
    def precedence(self) -> tuple[int, bool, str]:
        """What feeds are ordered by where they want the same file."""
        return -len(self.root.rstrip(os.sep).split(os.sep)), not self.pattern, self.path

    def overlaps(self, other: "Feed") -> bool:
        """Whether one of them begins in a folder of the other one's, or below it."""
        return self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix)

    def rivals(self, others: "Iterable[Feed]") -> "list[Feed]":
        """Those of these feeds that precede it and may have files that it wants too."""
        return [other for other in others if other.overlaps(self) and other.precedes(self)]

    def wants(self, path: str) -> bool:
        """Whether a file belongs to the feed, by its absolute path."""
        parts = self._parts(path)
        if not parts or is_temporary_name(parts[-1]) or self._is_excluded(parts):
            return False
        if self.pattern:
            return matches_parts(parts, self.pattern)
        return is_csv_name(parts[-1]) and (len(parts) == 1 or (self.recursive and not any(map(is_hidden, parts))))

    def has(self, path: str) -> bool:
        """Whether a file belongs to the feed, by the path at which that reads it, or by its own."""
        below = os.path.relpath(path, os.path.realpath(self.root))
        return self.wants(path) or self.wants(os.path.join(self.root, below))

    def enters(self, folder: str) -> bool:
        """Whether files of the feed may lie in a folder, or below it, by its absolute path."""
        if folder == self.root:
            return True
        parts = self._parts(folder)
        if not parts or self._is_excluded(parts):
            return False
        return _leads(parts, self.pattern) if self.pattern else self.recursive and not any(map(is_hidden, parts))

    def files(self) -> Iterator[str]:
        """The files that are there now, in the order of their paths. Raises OSError if the root cannot be listed."""
        return (path for path, reason in self.look() if reason is None)

    def look(self) -> "Iterator[Seen]":
        """The files that are there now, and what is there and cannot be read, with the reason; else as `files`."""
        return self._look(self.root)

    def _look(self, folder: str) -> "Iterator[Seen]":
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            is_folder = entry.is_dir(follow_symlinks=False)
            if not (self.enters(entry.path) if is_folder else self.wants(entry.path)):
                continue
            if not is_text(entry.path):
                yield Seen(shown(entry.path), no_text(entry.path))
                continue
            try:
                if is_folder:
                    yield from list(self._look(entry.path))
                elif not (dead := dead_link(entry.path)):
                    stat_regular(entry.path)
                    yield Seen(entry.path, None)
                else:
                    yield Seen(entry.path, dead)
            except FileNotFoundError:
                continue  # it has gone meanwhile
            except OSError as error:
                yield Seen(entry.path, f"{entry.path}: {os_reason(error)}.")

    def _parts(self, path: str) -> list[str]:
        """The names below the root that lead to a path; none of a path that is not below it."""
        return path[len(self.prefix) :].split(os.sep) if path.startswith(self.prefix) else []

    def _is_excluded(self, parts: list[str]) -> bool:
        for pattern in self.exclude:
            if "/" not in pattern.rstrip("/"):
                if any(fnmatch.fnmatchcase(part, pattern.rstrip("/")) for part in parts):
                    return True
            elif any(
                matches_parts(parts[:end], tuple(pattern.strip("/").split("/"))) for end in range(1, len(parts) + 1)
            ):
                return True
        return False


def any_wants(feeds: Iterable[Feed], path: str) -> bool:
    """Whether a file belongs to one of these feeds."""
    return any(feed.wants(path) for feed in feeds)


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a PATH names: a file by its identity, or with `is_feed` a folder, or with `is_glob` a glob.

    `link` is the path that it was named by, where that leads over symbolic links: what it is read by.
    """

    path: str
    link: str | None = None
    is_feed: bool = False
    is_glob: bool = False


def resolve(paths: Iterable[str], *, missing_ok: bool = False, is_feed: bool = False) -> list[Named]:
    """What these paths name, each once. With `is_feed` a path that is not there is taken for a folder's.

    Raises `PathNotFoundError`, unless `missing_ok`, and `UnreadableError`.
    """
    found: dict[str, Named] = {}
    for path in paths:
        named = _resolve(path, is_feed=is_feed)
        if not missing_ok and not named.is_glob and not os.path.exists(path):
            raise PathNotFoundError(
                f"{path}: no such file. Check the spelling, or pass --missing-ok to watch it once it is there."
            )
        found.setdefault(named.path, named)
    return list(found.values())


def _resolve(path: str, *, is_feed: bool) -> Named:
    try:
        if os.path.isdir(path):
            return Named(path=identity(path), link=link_of(path), is_feed=True)
        stat_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        if glob.has_magic(path) and not os.path.islink(path):
            root, pattern = split_glob(os.path.abspath(path))
            link = link_of(root)
            return Named(
                path=os.path.join(identity(root), *pattern),
                link=os.path.join(link, *pattern) if link else None,
                is_feed=True,
                is_glob=True,
            )
        if is_feed or path.endswith(os.sep):
            return Named(path=identity(path), is_feed=True)
    except OSError as error:
        raise UnreadableError(f"{path}: {os_reason(error)}.") from error
    return Named(path=identity(path), link=link_of(path))


def split_glob(path: str) -> tuple[str, tuple[str, ...]]:
    """The folder that a glob begins in, and the parts that are to be matched below it."""
    parts = path.split(os.sep)
    first = next((place for place, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return os.sep.join(parts[:first]) or os.sep, tuple(parts[first:])


def _leads(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether something below a folder may match a glob."""
    if not pattern:
        return False
    if not parts:
        return True
    if pattern[0] == "**":
        return not any(map(is_hidden, parts)) or _leads(parts, pattern[1:])
    return matches_part(parts[0], pattern[0]) and _leads(parts[1:], pattern[1:])
