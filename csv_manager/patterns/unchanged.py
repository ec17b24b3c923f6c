"""What there is to say of two contents of which neither a row nor a column differs."""

from typing import TYPE_CHECKING, Any

from csv_manager.core.errors import CsvManagerError
from csv_manager.core.model import WatcherOptions

if TYPE_CHECKING:  # what compares is loaded by the commands that do
    from csv_manager.core.comparing import Comparison

#: Contents of up to so many bytes are read, to say how else they are written; compressed ones grow.
_READ, _READ_COMPRESSED = 1 << 26, 1 << 23
#: What is said if the bytes differ and nothing else can be told.
OTHERWISE = "written in another way"


def ways(comparison: "Comparison", *, is_whole: bool = True) -> list[str]:
    """How else the same rows are written, in words.

    That the bytes differ, if nothing else can be said, is only said if `is_whole`: if no column was left out.
    """
    from csv_manager.core.rewriting import differs, rewriting

    told = list(rewriting(comparison.old, comparison.new))
    if told or not is_whole or comparison.change_set or comparison.change_set.reordered:
        return told
    return [OTHERWISE] if differs(comparison.old, comparison.new) else []


def version_ways(file: Any, version: Any) -> list[str]:
    """How else a version is written than the one before it; nothing if a row or a column changed, or nobody knows."""
    if version.base is None or not version.is_through or version.column_change:
        return []
    if version.inserted or version.updated or version.deleted:
        return []
    try:
        base = file.version(version.base)
        if base.sha256 == version.sha256:
            return [f"the bytes of version {base.number}"]
        told = _read(file, base, version) if _are_small(base, version) else _formats(base, version)
    except CsvManagerError:  # the one before was pruned, or is damaged; that is told by who asks for it
        return []
    return told or ([] if version.ignore else [OTHERWISE])


def _are_small(*versions: Any) -> bool:
    return all(version.size <= (_READ_COMPRESSED if version.csv_format.compression else _READ) for version in versions)


def _read(file: Any, base: Any, version: Any) -> list[str]:
    # Without the key, which tells nothing of equal rows and would have to be proved unique.
    comparison = file.compare(base.number, version.number, WatcherOptions(ignore=version.ignore))
    told = ["rows reordered"] if comparison.change_set.reordered else []
    return told + ways(comparison, is_whole=False)


def _formats(base: Any, version: Any) -> list[str]:
    from csv_manager.core.rewriting import format_changes

    return list(format_changes((base.csv_format, base.columns), (version.csv_format, version.columns)))
