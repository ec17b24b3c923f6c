"""PATH on the command line: a file, a folder or a glob; a file's identity is its resolved absolute path."""

import errno
import fnmatch
import glob
import os
import stat
from collections.abc import Iterable, Sequence

from csv_manager.core.errors import PathNotFoundError

#: What counts as CSV in a folder; a file that is named outright may have any name.
_SUFFIXES = (".csv", ".tsv")
_COMPRESSED = ("", ".gz", ".bz2", ".xz", ".zst", ".zip")
#: vim, emacs, browsers, LibreOffice, WinSCP.
_TEMPORARY = ("~", ".tmp", ".temp", ".swp", ".swx", ".part", ".partial", ".crdownload", ".filepart", ".lock")
_ENDINGS = tuple(suffix + packed for suffix in _SUFFIXES for packed in _COMPRESSED)


def identity(path: str) -> str:
    """The resolved absolute path, one for all spellings. Raises `PathNotFoundError` for a name that is no text."""
    resolved = os.path.realpath(path)
    if not is_text(resolved):
        raise PathNotFoundError(no_text(resolved))
    return resolved


def is_text(path: str) -> bool:
    """Whether a path can be stored and told."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def no_text(path: str) -> str:
    """What to say of a path that cannot be stored."""
    return f"{shown(path)}: the name is not valid UTF-8; rename it."


def shown(path: str) -> str:
    """A path for people, whatever its bytes are."""
    return os.fsencode(path).decode(errors="backslashreplace")


def dead_link(path: str) -> str | None:
    """What to say of a link that leads nowhere; None of anything else."""
    if not os.path.islink(path):
        return None
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return f"{path}: a link to {shown(os.readlink(path))}, where nothing is."
    except OSError:
        pass  # of links that lead in a circle; whoever reads it tells
    return None


def link_of(path: str) -> str | None:
    """The absolute path by which a file is named, if it leads over symbolic links; None if it is the file's own."""
    named = os.path.abspath(path)
    resolved = os.path.realpath(path)
    # Text alone cannot tell where `link/..` leads.
    return named if named != resolved and os.path.realpath(named) == resolved else None


def leads_elsewhere(link: str, path: str) -> str | None:
    """Where the link leads through which a file is read, if that is another file by now; None otherwise."""
    target = os.path.realpath(link)
    return target if path not in (link, target) else None


def stat_regular(path: str) -> os.stat_result:
    """The stat of a regular file. Raises OSError, for a folder, a pipe or a device too: reading it might never end."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"this is {_kind(found.st_mode)}, no regular file", path)
    return found


def os_reason(error: OSError) -> str:
    """What an error of the operating system says, with the step that mends it where rights are missing."""
    rights = "; check the rights of the file and its folder" if isinstance(error, PermissionError) else ""
    return f"{error.strerror or error}{rights}"


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")


def is_csv_name(name: str) -> bool:
    """Whether a file in a folder counts as CSV: by its ending, hidden and editors' temporary files left out."""
    return name.lower().endswith(_ENDINGS) and not name.startswith((".", "~"))


def is_temporary_name(name: str) -> bool:
    """Whether editors, browsers and copying programs give such names to files that are on their way."""
    return name.lower().endswith(_TEMPORARY) or name.startswith("~$") or (name[:1] == "#" == name[-1:])


def select(paths: Sequence[str], known: Iterable[str]) -> list[str]:
    """The known files that these paths name, whether they exist or not. Raises `PathNotFoundError` for one without."""
    candidates = dict.fromkeys(known)
    selected: dict[str, None] = {}
    for path in paths:
        resolved = identity(path)
        # A path that was a file or a folder when it was added may be a link by now, or lead elsewhere.
        named = os.path.abspath(path), path
        folders = os.path.join(resolved, ""), os.path.join(named[0], "")
        matches = [name for name in named if name in candidates]
        matches = matches[:1] or [name for name in (resolved,) if name in candidates]
        matches = matches or [name for name in candidates if name.startswith(folders)]
        if not matches and glob.has_magic(path):
            base = os.path.basename(path)
            patterns = os.path.join(os.path.realpath(os.path.dirname(path)), base), named[0]
            matches = [name for name in candidates if any(_matches(name, pattern) for pattern in patterns)]
        if not matches:
            raise PathNotFoundError(f"{path} is not watched and has no history; csv_watcher_list shows what is.")
        selected.update(dict.fromkeys(matches))
    return list(selected)


def _matches(path: str, pattern: str) -> bool:
    """Whether a path matches a glob, part by part: a star stands for no slash, two for any number of folders."""
    return matches_parts(path.split(os.sep), pattern.split(os.sep))


def matches_parts(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a glob; what is hidden matches only what says the dot too."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return matches_parts(parts, pattern[1:]) or (
            bool(parts) and not is_hidden(parts[0]) and matches_parts(parts[1:], pattern)
        )
    return bool(parts) and matches_part(parts[0], pattern[0]) and matches_parts(parts[1:], pattern[1:])


def matches_part(part: str, pattern: str) -> bool:
    """Whether one name matches one part of a glob."""
    return fnmatch.fnmatchcase(part, pattern) and (not is_hidden(part) or pattern[:1] == part[:1])


def is_hidden(part: str) -> bool:
    """Whether a name is hidden, or one of an editor's lock."""
    return part.startswith((".", "~"))
