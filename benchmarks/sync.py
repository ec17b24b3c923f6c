"""What it costs to have a table follow a file: loaded, merged, and changed by what differs, on each database."""

import csv
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from csv_files import HEADER, write_edits
from databases import KINDS, Kind, new_database
from harness import Figure, Side, clean_environment, figure, run_side, say, take_turns
from sqlalchemy.engine import URL

SUMMARY = "a file into a table: loaded, merged and changed, against each database's own loader and other libraries"
_ROWS, _QUICK_ROWS = 300_000, 1_000
_ROUNDS, _QUICK_ROUNDS = 5, 1
_CHANGED = 10  # one row in so many
_SUMMED = HEADER.index("orders")
#: The clients that the floors are made with.
_CLIENTS = {"PostgreSQL": "psql", "SQLite": "sqlite3", "MariaDB": "mysql"}
_FLOORS = {
    "PostgreSQL": ("psql \\copy", "psql \\copy, ON CONFLICT"),
    "MariaDB": ("LOAD DATA", "LOAD DATA, ON DUPLICATE KEY"),
    "SQLite": ("sqlite3 .import", "sqlite3 .import, ON CONFLICT"),
}
_PEERS = {
    "PostgreSQL": ("pysqlsync", "sqlalchemy"),
    "MariaDB": ("pysqlsync",),
    "SQLite": ("sqlite-utils", "dlt"),
}
_MEMORY = 64.0


@dataclass(frozen=True, kw_only=True)
class _Files:
    """A file, another one in which a row in ten differs, and one that lacks these; each with its rows and their sum."""

    old: Path
    new: Path
    less: Path
    found: dict[Path, list[int]]


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """An action of csv_manager's, its peers, each with an action of its own, and the ratios that are aimed at."""

    what: str
    ours: tuple[str, str]
    peers: Sequence[tuple[str, str, str, float | None]]


def measure(*, quick: bool) -> Iterator[Figure]:
    """The figures."""
    with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as name:
        folder = Path(name)
        say(f"  {_QUICK_ROWS if quick else _ROWS:,} rows x {len(HEADER)} columns")
        files = _write(folder, _QUICK_ROWS if quick else _ROWS)
        for kind in sorted(KINDS, key=lambda kind: list(_CLIENTS).index(kind.name)):
            if shutil.which(_CLIENTS[kind.name]) is None:
                say(f"  {kind.name} is left out: there is no {_CLIENTS[kind.name]} here.")
                continue
            with new_database(kind, folder) as url:
                if url is not None:
                    yield from _measured(kind, url, files, quick=quick)


def _measured(kind: Kind, url: URL, files: _Files, *, quick: bool) -> Iterator[Figure]:
    rounds = _QUICK_ROUNDS if quick else _ROUNDS
    environment = clean_environment(files.old.parent)
    for case in _cases(kind.name):
        say(f" {kind.name}, {case.what}")

        def side(way: str, action: str) -> Side:
            file = files.less if action == "delete" else files.new
            right = files.found[file]
            arguments = (way, action, url.render_as_string(hide_password=False), str(files.old), str(file))
            return run_side("loading", *arguments, environment=environment, right=right)

        ours = case.ours
        sides = {"ours": lambda ours=ours: side(*ours)}
        sides |= {name: lambda way=way, action=action: side(way, action) for name, way, action, _ in case.peers}
        turns = take_turns(sides, rounds, warm_up=not quick)
        what = f"{kind.name}, {case.what}"
        for name, _, _, target in case.peers:
            pairs = [(turn["ours"].time, turn[name].time) for turn in turns]
            yield figure("sync", what, name, "ms", pairs, target)
        if case.ours[0] == "ours":
            peaks = [(turn["ours"].peak, _MEMORY) for turn in turns]
            yield figure("sync", f"{what}, peak memory", f"{_MEMORY:g} MB", "MB", peaks, 1.0)


def _cases(name: str) -> Iterator[_Measured]:
    """What is measured on a database. The targets are times; the speeds that are aimed at are one by these."""
    loader, merger = _FLOORS[name]
    speed = {"PostgreSQL": 0.9, "MariaDB": 0.9, "SQLite": 0.7}[name]
    peers = _PEERS[name]
    others = [(peer, peer, "load", None) for peer in peers]
    yield _Measured(what="loaded", ours=("ours", "load"), peers=[(loader, "floor", "load", 1 / speed), *others])
    yield _Measured(
        what="loaded, types and table made", ours=("whole", "load"), peers=[(loader, "floor", "load", None)]
    )
    merged = {"pysqlsync": 1 / 2.5}
    others = [(peer, peer, "upsert", merged.get(peer)) for peer in peers]
    target = 1 / 0.9 if name == "SQLite" else None
    yield _Measured(
        what="10 % changed, all merged", ours=("ours", "upsert"), peers=[(merger, "floor", "upsert", target), *others]
    )
    others = [(f"{peer}, all merged", peer, "upsert", 1 / 5 if name == "PostgreSQL" else None) for peer in peers[:1]]
    yield _Measured(what="10 % changed, compared and applied", ours=("ours", "change"), peers=others)
    if name == "MariaDB":
        yield _Measured(
            what="10 % deleted, compared and applied",
            ours=("ours", "delete"),
            peers=[("pysqlsync, told which", "pysqlsync", "delete", 1 / 20)],
        )


def _write(folder: Path, rows: int) -> _Files:
    base, _ = write_edits(folder, rows, ())
    names = {name: folder / f"{name}.csv" for name in ("old", "new", "less")}
    found = {path: [0, 0] for path in names.values()}
    with base.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        header = next(reader)
        opened = {name: path.open("w", newline="", encoding="utf-8") for name, path in names.items()}
        writers = {name: csv.writer(each, lineterminator="\n") for name, each in opened.items()}
        for writer in writers.values():
            writer.writerow(header)
        for number, row in enumerate(reader):
            is_changed = number % _CHANGED == 0
            changed = [*row[:_SUMMED], str(int(row[_SUMMED]) + 1), *row[_SUMMED + 1 :]] if is_changed else row
            for name, written in (("old", row), ("new", changed), ("less", None if is_changed else row)):
                if written is not None:
                    writers[name].writerow(written)
                    found[names[name]][0] += 1
                    found[names[name]][1] += int(written[_SUMMED])
        for each in opened.values():
            each.close()
    return _Files(**names, found=found)
