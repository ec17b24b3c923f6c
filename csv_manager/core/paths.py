"""PATH on the command line: a file, a folder or a glob; a file's identity is its resolved absolute path."""

import errno
import fnmatch
import glob
import os
import stat
from collections.abc import Iterable, Sequence

from csv_manager.core.errors import PathNotFoundError, UnreadableError

#: What counts as CSV in a folder; a file that is named outright may have any name.
_SUFFIXES = (".csv", ".tsv")
_COMPRESSED = ("", ".gz", ".bz2", ".xz", ".zst", ".zip")
_ENDINGS = tuple(suffix + packed for suffix in _SUFFIXES for packed in _COMPRESSED)


def identity(path: str) -> str:
    """The resolved absolute path, one for all spellings. Raises `PathNotFoundError` for a name that is no text."""
    resolved = os.path.realpath(path)
    try:
        resolved.encode()
    except UnicodeEncodeError:
        shown = resolved.encode(errors="backslashreplace").decode()
        raise PathNotFoundError(f"{shown}: the name is not valid UTF-8; rename the file.") from None
    return resolved


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


def expand(paths: Iterable[str], *, missing_ok: bool = False) -> list[str]:
    """The files that exist under these paths, each once. Raises `PathNotFoundError`, unless `missing_ok`."""
    found: dict[str, None] = {}
    for path in paths:
        matches = _expand(path)
        if not matches and not missing_ok:
            raise PathNotFoundError(_missing(path))
        several = glob.has_magic(path) or os.path.isdir(path)
        found.update(dict.fromkeys(matches or ([] if several else [identity(path)])))
    return list(found)


def select(paths: Sequence[str], known: Iterable[str]) -> list[str]:
    """The known files that these paths name, whether they exist or not. Raises `PathNotFoundError` for one without."""
    candidates = list(known)
    selected: dict[str, None] = {}
    for path in paths:
        resolved = identity(path)
        folder = os.path.join(resolved, "")
        matches = [name for name in candidates if name in (resolved, path)]
        matches = matches or [name for name in candidates if name.startswith(folder)]
        if not matches and glob.has_magic(path):
            pattern = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            matches = [name for name in candidates if _matches(name, pattern)]
        if not matches:
            raise PathNotFoundError(f"{path} is not watched and has no history; csv_watcher_list shows what is.")
        selected.update(dict.fromkeys(matches))
    return list(selected)


def _matches(path: str, pattern: str) -> bool:
    """Whether a path matches a glob, part by part: a star stands for no slash."""
    parts, patterns = path.split(os.sep), pattern.split(os.sep)
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def _expand(path: str) -> list[str]:
    try:
        if os.path.isdir(path):
            names = sorted(entry.name for entry in os.scandir(path) if entry.is_file() and is_csv_name(entry.name))
            return [identity(os.path.join(path, name)) for name in names]
        stat_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):
            return []
        return [identity(match) for match in sorted(glob.glob(path)) if os.path.isfile(match)]
    except OSError as error:
        raise UnreadableError(f"{path}: {os_reason(error)}.") from error
    return [identity(path)]


def _missing(path: str) -> str:
    if os.path.isdir(path):
        return f"{path}: the folder holds no CSV file ({', '.join(_SUFFIXES)}, compressed or not)."
    if glob.has_magic(path):
        return f"{path}: no file matches."
    return f"{path}: no such file. Check the spelling, or pass --missing-ok to watch it once it is there."
