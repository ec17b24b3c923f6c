"""The versions of a file that a target is brought to, and the row changes that are enough for it."""

import hashlib
from collections.abc import Callable, Sequence

from csv_manager.core.changes import ChangeSet
from csv_manager.core.errors import VersionNotFoundError
from csv_manager.core.model import Version, WatcherOptions
from csv_manager.core.targets import Target
from csv_manager.pipeline.stopping import Observed
from csv_manager.pipeline.store import File
from csv_manager.sync.applying import Changes, Step
from csv_manager.sync.checking import Sifting
from csv_manager.sync.loading import TargetError
from csv_manager.sync.watermarks import Mark


class TargetVersions:
    """The versions of one file, as one target needs them.

    `done` is told how many more bytes of a content were read; `go_on` raises what is to end that.
    """

    def __init__(
        self,
        target: Target,
        file: File,
        go_on: Callable[[], None],
        done: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._target, self._file, self._go_on, self._done = target, file, go_on, done

    def steps(self, mark: Mark | None, number: int) -> list[int]:
        """The versions to bring the target to, one by one."""
        if mark is not None and self.is_of_another(mark):
            return [self._refuse_another(number)]
        if mark is not None and mark.version >= number:
            return []
        mode = self._target.mode
        if mode == "mirror" or (mark is None and mode != "history"):
            return [number]
        since = mark.version if mark is not None else 0
        return [version.number for version in self.loaded(number) if version.number > since]

    def is_of_another(self, mark: Mark) -> bool:
        """Whether the version that the table has is none of this history: that was purged, and begun anew."""
        version = self.kept(mark.version)
        return mark.version > self._file.record.latest if version is None else version.sha256 != mark.sha256

    def _refuse_another(self, number: int) -> int:
        """A version to load as a whole, where that says all. Raises `TargetError` elsewhere."""
        if self._target.mode in ("mirror", "upsert"):
            return number
        raise TargetError(
            f"{self._target.name} has versions of a history of {self._file.path} that was purged; csv_sync_delete ends "
            "that, and csv_sync_add begins another --table."
        )

    def kept(self, number: int) -> Version | None:
        """A version, unless it was pruned."""
        try:
            return self._file.version(number)
        except VersionNotFoundError:
            return None

    def loaded(self, number: int) -> list[Version]:
        """The versions that were loaded up to one, as far as they are kept, in their order."""
        found = [version for version in self._file.versions() if version.is_through]
        return sorted((version for version in found if version.number <= number), key=lambda version: version.number)

    def changes(self, mark: Mark | None, version: Version) -> Changes | None:
        """The row changes from the version that the target has; None if all rows are to be loaded."""
        if mark is None or (self._target.discards and self._target.mode != "append"):
            return None  # what was left out is no row to delete or update
        base = self.kept(mark.version)
        is_next = version.base == mark.version and self._file.has_changes(version)
        if self._target.mode == "append":
            change_set = self._file.changes(version.number) if is_next else self._since(mark, base, version)
        elif is_next and base is not None and self._is_enough(mark, base, version):
            change_set = self._file.changes(version.number)
        else:
            return None
        return Changes(change_set=change_set, key=version.key)

    def _is_enough(self, mark: Mark, base: Version, version: Version) -> bool:
        """Whether the row changes of a version are all that is to be loaded, and few."""
        is_read_so = (base.sha256, reading(base)) == (mark.sha256, mark.reading)
        is_like = base.columns == version.columns and base.ignore == version.ignore and not version.column_change
        is_small = 2 * (version.inserted + version.updated + version.deleted) <= (version.rows or 0)
        # Of an upsert without a key, a row that went may be there still.
        return is_read_so and is_like and is_small and (self._target.mode != "upsert" or bool(self._target.key))

    def _since(self, mark: Mark, base: Version | None, version: Version) -> ChangeSet:
        """The row changes since the version that the target has. Raises `TargetError` if that was pruned."""
        if base is None:
            raise TargetError(
                f"{self._target.name} is at version {mark.version}, which was pruned: nothing tells which rows came "
                f"with version {version.number}."
            )
        options = WatcherOptions(key=version.key, ignore=version.ignore)
        return self._file.compare(base.number, version.number, options).change_set

    def step(
        self,
        version: Version,
        columns: Sequence[str] | None = None,
        *,
        is_checked: bool = False,
        sifting: Sifting | None = None,
    ) -> Step:
        """A version to load; it is read through what tells how far that is, and stops where it should."""
        loaded = tuple(name for name in version.columns if name not in version.ignore)
        content = self._file.table(version.number).observed(lambda plain: Observed(plain, self._go_on, self._done))
        return Step(
            csv_file=self._file.path,
            number=version.number,
            created=version.created,
            content=content,
            columns=loaded if columns is None else tuple(columns),
            is_checked=is_checked,
            sifting=sifting,
        )

    def mark(self, version: Version, rows: int) -> Mark:
        """What a target's database notes of a version that its table has."""
        told = rows if self._target.deletes else None
        return Mark(version=version.number, rows=told, sha256=version.sha256, reading=reading(version))


def reading(version: Version) -> str:
    """What differs once a version is read otherwise."""
    told = (version.csv_format.to_text(), version.columns, version.ignore)
    return hashlib.sha256(repr(told).encode("utf-8", "surrogatepass")).hexdigest()
