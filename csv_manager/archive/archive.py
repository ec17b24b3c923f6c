"""The bytes of every version, under the SHA-256 of what they are: keyframes, and deltas to the content before."""

import contextlib
import hashlib
import io
import itertools
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import BinaryIO

from csv_manager.archive.contents import Content, Step
from csv_manager.archive.cutting import cut, recut
from csv_manager.archive.deltas import Delta
from csv_manager.archive.encoding import encode
from csv_manager.archive.frames import FrameFile, damaged
from csv_manager.archive.keyfiles import load_keys, store_keys
from csv_manager.archive.manifests import load_digests, store_digests
from csv_manager.archive.objects import Objects, move
from csv_manager.archive.snapshots import Keepable
from csv_manager.core.digests import Digests, DigestsBuilder, count_line_ends
from csv_manager.core.digests import digest as slot_digest
from csv_manager.core.errors import ArchiveError, DamagedError, TornReadError
from csv_manager.core.key_hashes import KeyHashes
from csv_manager.core.plain import Plain
from csv_manager.core.ranges import Window
from csv_manager.core.records import Records

log = logging.getLogger("csv_manager.archive")

_BLOCK = 1 << 20
#: A content up to so many bytes is stored whole: no damage to another one reaches it.
_WHOLE = 1 << 16
#: Digests are of use if there are so many slots.
_SEVERAL = 2
#: A keyframe is stored when so many deltas follow the last one, or when they weigh this part of it.
_DELTAS, _PART = 64, 4


class Archive:
    """Contents in a folder; each is written once, under a temporary name first.

    `objects/ab/cdef….zst` is a keyframe, `objects/ab/cdef….delta` a delta. What a delta may be made of has a copy in
    `copies`, so that damage to one file takes at most the content that it holds. Of a content that the next one will
    be compared with, `….slots` are the digests of the slots and `….keys` the hashes of the keys; they can be spared.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._objects = Objects(folder)

    def keep(
        self,
        snapshot: Keepable,
        records: Records | None = None,
        base: tuple[str, Content] | None = None,
        windows: Iterable[Window] | None = None,
        *,
        start: int = 0,
    ) -> None:
        """Make a snapshot safe under its content's name, before the version that refers to it is committed.

        With `records`, of which the first begins at `start`, slots end where records do. With a `base`, its SHA-256 and
        content, and the `windows` in which the snapshot differs from it, only these are stored, if they are little.
        What is there already is stored anew only if it proves to be damaged. Raises `TornReadError`.
        """
        with self._objects.telling():
            if self._objects.is_stored(snapshot.sha256):
                self._keep_again(snapshot, records, start)
            elif base is None or windows is None or not self._keep_delta(snapshot, records, start, base, windows):
                self._keep_whole(snapshot, cut(snapshot.plain, 0, snapshot.size, records, start), records)
        snapshot.check()

    def place(self, sha256: str) -> Path:
        """The file that holds a content, or will once it is kept."""
        return self._objects.stored(sha256).absolute()

    def content(self, sha256: str) -> Content:
        """The bytes of a content, to be read at any place. Raises `ArchiveError` if what it is made of is missing."""
        return Content(self._steps(sha256), load_digests(self._objects.path(sha256, "slots")))

    def open(self, sha256: str) -> BinaryIO:
        """The bytes of a content; damage raises `ArchiveError` while they are read, at the latest at their end."""
        return io.BufferedReader(_Checked(self.content(sha256), sha256, self._objects.stored(sha256)), _BLOCK)

    def base(self, sha256: str) -> str | None:
        """The content that another is stored as a delta to, if it is."""
        if self._objects.stored(sha256).suffix == ".zst":
            return None
        delta = self._step(sha256).delta
        return delta.base if delta else None

    def keep_keys(self, sha256: str, key: Sequence[str], form: str, hashes: KeyHashes) -> None:
        """Keep the hashes of the keys of a content that the next one will be compared with; `form` is how it is read.

        Other bytes are other keys, but in another encoding the same bytes are too.
        """
        with self._objects.telling():
            store_keys(self._objects.path(sha256, "keys"), key, form, hashes)

    def keys(self, sha256: str, key: Sequence[str], form: str) -> KeyHashes | None:
        """The hashes of the keys of a content that is read in a form, if they were kept."""
        return load_keys(self._objects.path(sha256, "keys"), key, form)

    def has_aids(self, sha256: str) -> bool:
        """Whether anything is kept beside a content to compare the next one with it."""
        return self._objects.has_aids(sha256)

    def forget_aids(self, sha256: str) -> None:
        """Remove what was kept beside a content to compare the next one with it."""
        self._objects.remove_aids(sha256)

    def mend(self, sha256: str) -> str | None:
        """Write the file of a content anew if it is not like its copy, or the copy; what was damaged, if anything was.

        What has no copy, or cannot be mended, is told of by who reads it.
        """
        path = self._objects.stored(sha256)
        if self._objects.is_like_its_copy(path):
            return None
        found = self._find_whole(sha256, path, self._objects.copy_of(path))
        if found is None:
            return None
        file, told = found
        try:
            with self._objects.incoming(file.each(), sha256) as incoming:
                move(incoming, path)
            self._objects.copy(path)
        except OSError as error:
            return f"{told}; it could not be written anew: {error.strerror}."
        return f"{told}; it was written anew."

    def collect(self, live: Collection[str]) -> int:
        """Remove every content but these; the number of those removed.

        A content that is a delta to one of those removed is stored as a keyframe before; if it cannot be read, what it
        is made of stays, for a backup may mend it. Nobody may keep contents meanwhile (`FileLocks.hold_all`). May be
        interrupted: what was not removed is at the next time, and can be read until then, since it may be kept again.
        """
        with self._objects.telling():
            stored, needed = self.contents(), set(live)
            for sha256 in stored & needed:
                base = next(self._chain(sha256), None)
                if base is not None and base not in live:
                    try:
                        self._rewrite(sha256)
                    except ArchiveError as error:
                        log.warning("%s What it is made of is kept.", error)
                        needed.update(self._chain(sha256))
            for sha256 in self._deltas_first(stored - needed):
                self._objects.remove(sha256)
            self._objects.remove_left(live)
            return len(stored - needed)

    def contents(self) -> set[str]:
        """The SHA-256 of everything that is stored."""
        return self._objects.contents()

    def clean(self) -> None:
        """Remove what a killed process left behind on its way in."""
        self._objects.clean()

    def _steps(self, sha256: str) -> list[Step]:
        """The keyframe of a content and the deltas since. Raises `ArchiveError` for one that is missing or damaged."""
        steps = [self._step(sha256)]
        while (delta := steps[0].delta) is not None:
            if len(steps) > 2 * _DELTAS:
                raise damaged(steps[0].file.path)
            steps.insert(0, self._step(delta.base))
        return steps

    def _step(self, sha256: str) -> Step:
        file = self._objects.frames(self._objects.stored(sha256))
        if file.path.suffix == ".zst":
            return Step(file, None)
        try:
            return Step(file, Delta.decode(file.read(0)))
        except (ValueError, KeyError, IndexError) as error:
            raise damaged(file.path) from error

    def _keep_whole(self, snapshot: Keepable, cuts: Iterable[tuple[bytes, bool]], records: Records | None) -> None:
        """Store a keyframe of these slots. Raises `TornReadError` if the bytes are no longer those of the SHA-256."""
        digest, slots = hashlib.sha256(), DigestsBuilder()

        def frames() -> Iterator[bytes]:
            for data, ends_certainly in cuts:
                digest.update(data)
                slots.add(data, ends_certainly=ends_certainly)
                yield data

        with self._objects.incoming(frames(), snapshot.sha256) as incoming:
            if digest.hexdigest() != snapshot.sha256:
                raise _torn(snapshot)
            move(incoming, self._objects.path(snapshot.sha256, "zst"))
        if snapshot.size > _WHOLE:
            self._objects.copy(self._objects.path(snapshot.sha256, "zst"))
        self._keep_slots(snapshot, records, slots)

    def _keep_again(self, snapshot: Keepable, records: Records | None, start: int) -> None:
        """Compare a content that is stored with the file; if it is damaged, it is stored anew, else its digests are."""
        cuts = cut(snapshot.plain, 0, snapshot.size, records, start)
        try:
            content = self.content(snapshot.sha256)
            if content.size != snapshot.size:
                raise damaged(self._objects.stored(snapshot.sha256))
            lengths = [slot.length for slot in content.slots]
            # With the same slots, so that what is a delta to it stays what it is.
            cuts, slots = recut(snapshot.plain, lengths, records, start), DigestsBuilder()
            for number, (data, ends_certainly) in enumerate(recut(snapshot.plain, lengths, records, start)):
                if data != content.slots[number].read():
                    raise damaged(self._objects.stored(snapshot.sha256))
                slots.add(data, ends_certainly=ends_certainly)
        except DamagedError as error:
            self._keep_whole(snapshot, cuts, records)
            log.warning("%s It was stored anew, since the file holds it.", error)
        else:
            if snapshot.size > _WHOLE:
                self._objects.ensure_copy(self._objects.stored(snapshot.sha256))
            if not content.digests:
                self._keep_slots(snapshot, records, slots)

    def _keep_slots(self, snapshot: Keepable, records: Records | None, slots: DigestsBuilder) -> None:
        """Store the digests of slots, if they can be of use."""
        if records is not None and slots.certain and len(slots) >= _SEVERAL:
            store_digests(self._objects.path(snapshot.sha256, "slots"), slots.digests(records.form))

    def _keep_delta(
        self,
        snapshot: Keepable,
        records: Records | None,
        start: int,
        base: tuple[str, Content],
        windows: Iterable[Window],
    ) -> bool:
        """Store a delta, once what it makes of the base was compared with the file; False if it would not be little."""
        base_sha256, content = base
        keyframe, *deltas = (step.file.size for step in content.steps)
        known = content.digests is not None and records is not None and content.digests.form == records.form
        if snapshot.size <= _WHOLE or not known or len(deltas) + 1 >= _DELTAS:
            return False
        encoded = encode(content, snapshot.plain, windows, records, start)
        if not encoded.certain:
            return False
        delta = Delta(base=base_sha256, size=snapshot.size, splices=encoded.splices)
        with self._objects.incoming((delta.encode(), *encoded.slots), snapshot.sha256) as incoming:
            file = FrameFile(incoming, snapshot.sha256)
            if (sum(deltas) + file.size) * _PART > keyframe:
                return False
            digests = _updated(content, Content([*content.steps, Step(file, delta)]), snapshot)
            try:
                for step in content.steps:
                    self._objects.ensure_copy(step.file.path)
            except DamagedError as error:
                log.warning("%s The next version is stored whole.", error)
                return False
            move(incoming, self._objects.path(snapshot.sha256, "delta"))
        self._objects.copy(self._objects.path(snapshot.sha256, "delta"))
        store_digests(self._objects.path(snapshot.sha256, "slots"), digests)
        return True

    def _rewrite(self, sha256: str) -> None:
        """Store a content that is a delta as a keyframe, with the same slots."""
        digest = hashlib.sha256()

        def frames() -> Iterator[bytes]:
            for data in Content(self._steps(sha256)).each_slot():
                digest.update(data)
                yield data

        delta, keyframe = (self._objects.path(sha256, suffix) for suffix in ("delta", "zst"))
        with self._objects.incoming(frames(), sha256) as incoming:
            if digest.hexdigest() != sha256:
                raise damaged(delta)
            move(incoming, keyframe)
        self._objects.copy(keyframe)
        self._objects.remove(sha256, ["delta"])

    def _find_whole(self, sha256: str, path: Path, copy: Path) -> tuple[FrameFile, str] | None:
        """What a content can be read from, its file, the copy, or each where the other is damaged; and what is."""
        ways: tuple[tuple[Path, Path | None, str], ...] = (
            (path, None, f"The copy {copy} is damaged"),
            (copy, None, f"{path} is damaged, its copy is not"),
            (path, copy, f"{path} and its copy are damaged in different places"),
        )
        for first, second, told in ways:
            with contextlib.suppress(ArchiveError, ValueError, KeyError, IndexError):
                file = FrameFile(first, sha256, second)
                if self._makes(file, sha256):
                    return file, told
        return None

    def _makes(self, file: FrameFile, sha256: str) -> bool:
        """Whether a file makes the content that it should, with the ones that it is a delta to."""
        delta = Delta.decode(file.read(0)) if file.path.suffix == ".delta" else None
        steps = self._steps(delta.base) if delta else []
        digest = hashlib.sha256()
        for data in Content([*steps, Step(file, delta)]).each_slot():
            digest.update(data)
        return digest.hexdigest() == sha256

    def _deltas_first(self, contents: set[str]) -> list[str]:
        """Contents, each before the one that it is a delta to."""
        bases = {sha256: contents.intersection(itertools.islice(self._chain(sha256), 1)) for sha256 in contents}
        return list(TopologicalSorter(bases).static_order())[::-1]

    def _chain(self, sha256: str) -> Iterator[str]:
        """The contents that a content is made of, as far as they can be read."""
        with contextlib.suppress(ArchiveError):
            while (base := self.base(sha256)) is not None:
                yield base
                sha256 = base


class _Checked(io.RawIOBase):
    """The bytes of a content in their order, compared with its name when their end is reached."""

    def __init__(self, plain: Plain, sha256: str, path: Path) -> None:
        self._plain = plain
        self._sha256 = sha256
        self._path = path
        self._digest = hashlib.sha256()
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        """Fill the buffer."""
        block = self._plain.read(self._at, len(buffer))
        if not block and self._digest.hexdigest() != self._sha256:
            raise damaged(self._path)
        self._digest.update(block)
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)


def _updated(base: Content, made: Content, snapshot: Keepable) -> Digests:
    """The digests of a content's slots: those of its base, and new ones for what changed, compared with the file."""
    if base.digests is None or made.size != snapshot.size:
        raise damaged(made.steps[-1].file.path)
    known = {slot.state: number for number, slot in enumerate(base.slots)}
    lengths, lines, digests = [], [], []
    for number, slot in enumerate(made.slots):
        lengths.append(slot.length)
        before = known.get(slot.state)
        if before is None:
            data = slot.read()
            if data != snapshot.plain.read(made.starts[number], slot.length):
                raise _torn(snapshot)
            lines.append(count_line_ends(data))
            digests.append(slot_digest(data, base.digests.seed))
        else:
            lines.append(base.digests.lines[before])
            digests.append(base.digests.digests[before])
    return Digests(base.digests.form, base.digests.seed, lengths, lines, digests)


def _torn(snapshot: Keepable) -> TornReadError:
    return TornReadError(f"{snapshot.path} changed while it was stored; it is read again once it rests.")
