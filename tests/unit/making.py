"""Small files for tests."""

from pathlib import Path


def touch(folder: Path, *names: str) -> list[str]:
    """Make files, and the folders that they lie in; their paths."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"a\n")
    return [str(folder / name) for name in names]
