"""The migrations of plugins: folders that their authors wrote, and what may be wrong with them."""

import contextlib
import hashlib
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csv_manager.core.errors import CsvManagerError, PluginError
from csv_manager.framework.databases import LINES
from csv_manager.framework.errors import reason_of

if TYPE_CHECKING:
    from csv_manager.store.upgrade import Migrations

#: The most bytes of a table's name; PostgreSQL has room for 63, MySQL for 64 characters.
_MOST_BYTES = 60
_HASH_DIGITS = 8


def line_of_plugin(plugin: Any, folder: str) -> "Migrations":
    """The line of migrations of a plugin, whose modules are in a folder."""
    from csv_manager.store.upgrade import Migrations

    return Migrations(name=plugin.name, folder=Path(folder).absolute(), version_table=_version_table(plugin.name))


def _version_table(name: str) -> str:
    """The table of a plugin's revision; where its name is too long, it is cut, and a hash keeps it one of its own."""
    table = f"{LINES}{name.lower()}"
    if len(table.encode()) <= _MOST_BYTES:
        return table
    cut = table.encode()[: _MOST_BYTES - _HASH_DIGITS - 1].decode(errors="ignore")
    return f"{cut}_{hashlib.sha256(name.encode()).hexdigest()[:_HASH_DIGITS]}"


def check_line(line: "Migrations") -> None:
    """Raise `PluginError` for migrations that cannot be read, or do not lead to one newest revision."""
    from alembic.script import ScriptDirectory

    if not line.folder.is_dir():
        raise PluginError(f"{_named(line)}: there is no such folder.")
    with telling(line), warnings.catch_warnings():
        # Alembic warns of revisions that are there twice, or follow one that is not there, and goes on for a while.
        warnings.filterwarnings("error", message=r"Revision ", category=UserWarning)
        heads = ScriptDirectory(str(line.folder), version_locations=[str(line.folder)]).get_heads()
    if not heads:
        raise PluginError(f"{_named(line)}: there is no migration in it.")
    if len(heads) > 1:
        raise PluginError(
            f"{_named(line)}: {' and '.join(sorted(heads))} are both the newest; let one follow the other."
        )


@contextlib.contextmanager
def telling(line: "Migrations") -> Iterator[None]:
    """Turn what a plugin's migrations raise into one `PluginError`; an error of ours is raised as itself."""
    try:
        yield
    except CsvManagerError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{_named(line)}{_place(error, line)}: {_reason(error)}.") from error


def _named(line: "Migrations") -> str:
    return f"The migrations of plugin {line.name} in {line.folder}"


def _place(error: BaseException, line: "Migrations") -> str:
    """The file of the migrations, and its line, on which an error arose."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == line.folder
    ]
    return f", {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""


def _reason(error: BaseException) -> str:
    # A bare KeyError says nothing but its key.
    return f"{type(error).__name__}: {reason_of(error)}" if isinstance(error, LookupError) else reason_of(error)
