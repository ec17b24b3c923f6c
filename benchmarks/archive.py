"""What a new version costs: comparing it with the one before, storing it, and getting an old one back."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from csv_files import EDITS, HEADER, Edit, write_edits, write_updates
from harness import (
    Child,
    Figure,
    Side,
    clean_environment,
    console_script,
    figure,
    run_child,
    run_side,
    say,
    take_turns,
)

SUMMARY = "a file against its last version, in time and memory; the storage of 50 versions and their way back"
_SIZES, _QUICK_SIZES = (1_000_000, 5_000_000), (20_000,)
_ROUNDS, _QUICK_ROUNDS = 7, 2
_VERSIONS, _QUICK_VERSIONS, _ROWS, _QUICK_ROWS = 50, 4, 1_000_000, 20_000
_CHANGED = 1000  # one row in so many, from version to version
_LEVEL = 3
_CMP = "cmp of equal copies"
_TOLD = {
    "identical": "identical rewrite",
    "one": "one row updated",
    "top": "a row inserted at the top",
    "hundred": "100 rows updated, scattered",
    "appended": "1 % appended",
    "updated": "1 % updated, scattered",
    "deleted": "1 % deleted, scattered",
    "reordered": "all rows in another order",
}
_AGAIN = f"{_TOLD['updated']}, once more in one process"
#: Compared by the key too.
_BY_KEY = ("one", "top", "appended", "updated")
#: Aimed at are these ratios to cmp, at a million rows; of peak memory in MB at any size; and of what is stored.
_TARGETS = {"identical": 0.15, "one": 0.3, "top": 0.3, "hundred": 1.0, "appended": 1.2, "updated": 7.0, _AGAIN: 3.0}
_SMALL_EDITS, _MEMORY = ("identical", "one", "top", "hundred"), 25.0
_BYTES_A_ROW, _REBUILD = 45.0, 3.0


def measure(*, quick: bool) -> Iterator[Figure]:
    """The figures."""
    for rows in _QUICK_SIZES if quick else _SIZES:
        with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as name:
            yield from _compared(Path(name), rows, _QUICK_ROUNDS if quick else _ROUNDS)
    with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as name:
        yield from _stored(Path(name), quick=quick)


def _compared(folder: Path, rows: int, rounds: int) -> Iterator[Figure]:
    """A file against the version that the archive has of it."""
    say(f"  {rows:,} rows x {len(HEADER)} columns")
    environment = clean_environment(folder)
    # So many rows in another order make a list of all; five million of them take too much room.
    base, files = write_edits(folder, rows, (*EDITS, "reordered") if rows <= _SIZES[0] else EDITS)
    csv_manager = console_script("csv_manager")
    run_child([csv_manager, "csv_watcher_add", str(base), "--key", "id", "--settle", "0"], environment)
    home = folder / "home" / "archive"
    version = str(home), _sha256(base)

    def side(edit: Edit, *key: str, way: str = "compare") -> Callable[[], Side]:
        arguments = way, *version, str(edit.path), *key
        right = edit.keyed if key else edit.unkeyed
        return lambda: run_side("versions", *arguments, environment=environment, right=right)

    def compared() -> Side:
        child = run_child(["cmp", str(base), str(files["identical"].path)])
        return Side(time=child.time, peak=0.0, found=None)

    names = {_TOLD[name]: name for name in files}
    sides = {told: side(files[name]) for told, name in names.items()}
    sides |= {f"{_TOLD[name]}, by key": side(files[name], "id") for name in _BY_KEY}
    sides[_AGAIN] = side(files["updated"], way="again")
    sides["the new file read and digested"] = lambda: run_side(
        "versions", "digest", str(base), environment=environment, right=None
    )
    costs = take_turns(sides | {"cmp": compared}, rounds)
    for told in sides:
        target = _TARGETS.get(names.get(told, told)) if rows == _SIZES[0] else None
        pairs = [(cost[told].time, cost["cmp"].time) for cost in costs]
        yield figure("archive", f"{rows:,} rows, {told}", _CMP, "ms", pairs, target)
    for told in sides:
        peaks = [(cost[told].peak, _MEMORY) for cost in costs]
        target = 1.0 if names.get(told) in _SMALL_EDITS and rows in _SIZES else None
        yield figure("archive", f"{rows:,} rows, {told}, peak memory", f"{_MEMORY:g} MB", "MB", peaks, target)
    yield from _recorded(base, files["one"], rows, csv_manager, environment, rounds)


def _recorded(
    base: Path, edit: Edit, rows: int, csv_manager: str, environment: Mapping[str, str], rounds: int
) -> Iterator[Figure]:
    """`csv_watch --once` that records a one-row edit, as a process from its start to its end."""
    contents = [edit.path.read_bytes(), base.read_bytes()]
    identical, copy = base.with_name("identical.csv"), base.with_name("copy.csv")
    shutil.copyfile(identical, copy)

    def recorded() -> Child:
        base.write_bytes(contents[0])
        contents.reverse()
        return run_child([csv_manager, "csv_watch", "--once"], environment)

    sides: dict[str, Callable[[], Child]] = {
        "ours": recorded,
        "list": lambda: run_child([csv_manager, "csv_watcher_list"], environment),
        "cmp": lambda: run_child(["cmp", str(identical), str(copy)]),
    }
    costs = take_turns(sides, rounds)
    pairs = [(cost["ours"].time - cost["list"].time, cost["cmp"].time) for cost in costs]
    yield figure("archive", f"{rows:,} rows, one-row edit recorded, beyond csv_watcher_list", _CMP, "ms", pairs)


def _stored(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Versions that differ in one row of a thousand each: what they take, and the last one's way back."""
    import zstandard

    rows, versions = (_QUICK_ROWS, _QUICK_VERSIONS) if quick else (_ROWS, _VERSIONS)
    say(f"  {versions} versions of {rows:,} rows")
    environment = clean_environment(folder)
    csv_manager, path, archive = console_script("csv_manager"), folder / "data.csv", folder / "home" / "archive"
    changed = rows // _CHANGED
    sizes = {}
    for version in write_updates(path, rows, versions, changed):
        command = ["csv_watcher_add", str(path), "--settle", "0"] if version == 1 else ["csv_watch", "--once"]
        run_child([csv_manager, *command], environment)
        sizes[version] = _size(archive)
        if version % 10 == 0:
            say(f"  version {version}")
    whole = folder / "whole.zst"
    whole.write_bytes(zstandard.ZstdCompressor(level=_LEVEL).compress(path.read_bytes()))
    compressed = whole.stat().st_size
    deltas = sizes[versions] - sizes[1]
    what = f"{versions} versions of {rows:,} rows, {changed:,} updated each"
    pairs = [(sizes[versions] / (1 << 20), versions * compressed / (1 << 20))]
    yield figure("archive", what, "zstd -3 of each version", "MB", pairs)
    stored = [(deltas / (versions - 1) / changed, _BYTES_A_ROW)]
    yield figure(
        "archive", f"{what}, stored per updated row", f"{_BYTES_A_ROW:g} bytes", "bytes", stored, None if quick else 1.0
    )
    sha256 = _sha256(path)
    plain = run_side("versions", "decompress", str(whole), environment=environment, right=None).found
    ways = {"ours": ("rebuild", str(archive), sha256), "plain": ("decompress", str(whole))}
    sides = {
        name: lambda way=way: run_side("versions", *way, environment=environment, right=plain)
        for name, way in ways.items()
    }
    costs = take_turns(sides, _QUICK_ROUNDS if quick else _ROUNDS)
    pairs = [(cost["ours"].time, cost["plain"].time) for cost in costs]
    yield figure(
        "archive", f"{what}, rebuild of the last", "plain decompression of it", "ms", pairs, None if quick else _REBUILD
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(folder: Path) -> int:
    """The bytes of all files in it, but for the digests of the head, which are replaced."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix != ".slots")
