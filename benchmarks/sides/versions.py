"""One piece of work with an archived version, in a process of its own; imports are made before the clock starts.

`versions.py compare ARCHIVE SHA256 NEW [KEY]` compares a file with a version, as recording does once it knows the
version's csv format; with a key, rows are paired by that column, and that it is unique is proven. `versions.py again`
does so twice and counts the second time, as in a running service. `versions.py digest FILE` reads a file and digests it
slot by slot, which is the least that any comparison with a version does. `versions.py rebuild ARCHIVE SHA256` reads a
version from its begin to its end, and `versions.py decompress FILE` a file of one zstd frame.
Each prints, as JSON, the time in ms, the process's peak memory in MB, and what was found: rows inserted, updated and
deleted, or the XXH3 digest of what was read.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from measuring import peak

_BLOCK = 1 << 16


def compare(archive: str, sha256: str, new: str, *key: str) -> Callable[[], object]:
    """The comparison of a file with a version of which nothing is in memory."""
    import xxhash  # noqa: F401 - loaded when it is needed
    import zstandard  # noqa: F401

    from csv_manager.archive import Archive
    from csv_manager.core.diff import diff, find_windows
    from csv_manager.core.model import CsvFormat
    from csv_manager.core.plain import PlainStream
    from csv_manager.core.reading import Table

    def run() -> object:
        store = Archive(Path(archive))
        content = store.content(sha256)
        old = Table(lambda: PlainStream(content), CsvFormat(), new)
        old.unique[key] = store.keys(sha256, key, CsvFormat().to_text())
        table = Table(lambda: open(new, "rb"), CsvFormat(), new)  # noqa: SIM115 - closed with the table
        counts = {"insert": 0, "update": 0, "delete": 0}
        for change in diff(old, table, key=key, windows=find_windows(old, table)):
            counts[change.op] += 1
        return [counts["insert"], counts["update"], counts["delete"]]

    return run


def again(archive: str, sha256: str, new: str, *key: str) -> Callable[[], object]:
    """The same comparison in a process that made it before."""
    run = compare(archive, sha256, new, *key)
    run()
    return run


def digest(path: str) -> Callable[[], object]:
    """A file's slots, read and digested."""
    import xxhash

    def run() -> object:
        digests = set()
        with open(path, "rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                digests.add(xxhash.xxh3_128_digest(block))
        return len(digests)

    return run


def rebuild(archive: str, sha256: str) -> Callable[[], object]:
    """A version's bytes out of its keyframe and the deltas since."""
    import xxhash  # noqa: F401
    import zstandard  # noqa: F401

    from csv_manager.archive import Archive

    def run() -> object:
        content = Archive(Path(archive)).content(sha256)
        return _read(lambda place: content.read(place, _BLOCK))

    return run


def decompress(path: str) -> Callable[[], object]:
    """The bytes of a file that is one zstd frame."""
    import xxhash  # noqa: F401
    import zstandard

    def run() -> object:
        with open(path, "rb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(file)
            return _read(lambda _: reader.read(_BLOCK))

    return run


def _read(block_at: Callable[[int], bytes]) -> str:
    """The digest of blocks, read to the end."""
    import xxhash

    digest, size = xxhash.xxh3_128(), 0
    while block := block_at(size):
        digest.update(block)
        size += len(block)
    return digest.hexdigest()


WAYS = (compare, again, digest, rebuild, decompress)


def main() -> None:
    way, *arguments = sys.argv[1:]
    run = {known.__name__: known for known in WAYS}[way](*arguments)
    start = time.perf_counter()
    found = run()
    passed, memory = 1000 * (time.perf_counter() - start), peak()
    print(json.dumps({"time": passed, "peak": memory, "found": found}))


if __name__ == "__main__":
    main()
