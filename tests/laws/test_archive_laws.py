"""Chains of versions through the archive, pruned and reopened on the way: each comes back byte for byte."""

import contextlib
import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import fuzzing
import pytest

from csv_manager.archive import Archive, contents, cutting, encoding, open_snapshot, snapshots
from csv_manager.archive import archive as archiving
from csv_manager.core import digests
from csv_manager.core.diff import diff, find_windows, whole_windows
from csv_manager.core.errors import ArchiveError
from csv_manager.core.model import CsvFormat
from csv_manager.core.plain import PlainStream
from csv_manager.core.reading import Table

FORMAT = CsvFormat(header=False, names=("a", "b", "c", "d"))


@contextlib.contextmanager
def tiny(rng: random.Random) -> Iterator[None]:
    """Slots of a few bytes, and keyframes after a few deltas, besides what the comparison has tiny."""
    slot = rng.choice((4, 16, 64))
    sizes = (
        (cutting, "SLOT", slot),
        (contents, "SLOT", slot),
        (encoding, "_LONGEST", 2 * slot),
        (cutting, "_LONGEST", rng.choice((slot, 4 * slot, 1000))),
        (cutting, "_BACK", rng.choice((2, 8, 1000))),
        (contents, "_AT_HAND", rng.choice((1, 2))),
        (archiving, "_WHOLE", 0),
        (snapshots, "_IN_MEMORY", rng.choice((0, 1 << 20))),
        (archiving, "_DELTAS", rng.choice((2, 5, 64))),
        (archiving, "_PART", rng.choice((4, 0.001, 0.001))),
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(fuzzing.tiny(rng))
        for module, name, value in sizes:
            stack.enter_context(mock.patch.object(module, name, value))
        yield


class Chain:
    """A file, and an archive in which each of its contents is kept as the recorder keeps it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "data.csv"
        self.folder = folder / "archive"
        self.kept: dict[str, bytes] = {}
        self.head: str | None = None
        self.deltas = 0

    def add(self, data: bytes, rng: random.Random) -> None:
        """Write the file, and keep what it holds; its row changes are checked too."""
        archive = Archive(self.folder)
        self.path.write_bytes(data)
        with tiny(rng), open_snapshot(str(self.path)) as snapshot:
            new = Table(snapshot.open, FORMAT, "data.csv")
            base = windows = None
            if self.head is not None:
                content = archive.content(self.head)
                old = Table(lambda: PlainStream(content), FORMAT, "data.csv")
                found = find_windows(old, new)
                self._check_changes(old, new, self.kept[self.head], data)
                if found is not None:
                    base, windows = (self.head, content), list(whole_windows(old, new, found))
            archive.keep(snapshot, new.records, base, windows, start=new.start)
            self.head = snapshot.sha256
        self.kept[self.head] = data
        self.deltas += archive.base(self.head) is not None

    @staticmethod
    def _check_changes(old: Table, new: Table, before: bytes, after: bytes) -> None:
        rows = [fuzzing._oracle(data, FORMAT) for data in (before, after)]
        changes = list(diff(old, new))
        lines = [dict(side) for side in rows]
        deleted = Counter(lines[0][change.line or 0] for change in changes if change.op == "delete")
        inserted = Counter(lines[1][change.line or 0] for change in changes if change.op == "insert")
        counters = [Counter(row for _, row in side) for side in rows]
        if all(rows):
            assert (deleted, inserted) == (counters[0] - counters[1], counters[1] - counters[0])

    def prune(self, rng: random.Random) -> None:
        """Forget some contents, never the head."""
        live = {sha256 for sha256 in self.kept if sha256 == self.head or rng.random() < 0.6}
        assert Archive(self.folder).collect(live) == len(self.kept) - len(live)
        self.kept = {sha256: self.kept[sha256] for sha256 in live}

    def check(self, rng: random.Random) -> None:
        """Every content comes back, as a whole and in parts."""
        archive = Archive(self.folder)
        assert archive.contents() == set(self.kept)
        for sha256, data in self.kept.items():
            assert hashlib.sha256(data).hexdigest() == sha256
            with archive.open(sha256) as file:
                assert file.read() == data
            content = archive.content(sha256)
            assert content.size == len(data)
            low = rng.randint(0, len(data))
            size = rng.randint(0, len(data))
            assert content.read(low, size) == data[low : low + size]
            known = content.digests
            if known is not None:
                cuts = list(zip(known.starts, known.starts[1:], strict=False))
                assert [digests.digest(data[low:high], known.seed) for low, high in cuts] == known.digests

    def spoil(self, rng: random.Random) -> None:
        """Damage one file of all, and see that it takes at most its own content; then have it as it was."""
        files = sorted(file for name in ("objects", "copies") for file in (self.folder / name).glob("??/*"))
        spoiled = rng.choice(files)
        whole = spoiled.read_bytes()
        place = rng.randrange(len(whole))
        damaged = rng.choice((whole[:place], bytes([*whole[:place], whole[place] ^ 1, *whole[place + 1 :]]), None))
        if damaged is None:
            spoiled.unlink()
        else:
            spoiled.write_bytes(damaged)
        archive = Archive(self.folder)
        for sha256, data in self.kept.items():
            try:
                with archive.open(sha256) as file:
                    assert file.read() == data
            except ArchiveError:
                assert spoiled.parent.name + spoiled.stem == sha256
        spoiled.write_bytes(whole)


@pytest.mark.parametrize("seed", range(60))
def test_a_chain_of_versions_comes_back_byte_for_byte(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    chain = Chain(tmp_path)
    make = rng.choice((fuzzing._strict, fuzzing._strict, fuzzing._lax))
    rows = make(rng) + make(rng)
    for _ in range(12):
        chain.add("".join(rows).encode(), rng)
        if rng.random() < 0.15:
            chain.prune(rng)
        chain.check(rng)
        chain.spoil(rng)
        rows = fuzzing._edited(rows, rng, make)


def test_the_chains_hold_deltas_and_keyframes(tmp_path: Path) -> None:
    deltas = kept = 0
    for seed in range(20):
        rng = random.Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        chain = Chain(folder)
        rows = fuzzing._strict(rng) + ["x,y\n"] * 5
        for _ in range(6):
            chain.add("".join(rows).encode(), rng)
            rows = fuzzing._edited(rows, rng, fuzzing._strict)
        deltas, kept = deltas + chain.deltas, kept + len(chain.kept)
    assert kept // 8 < deltas < kept
