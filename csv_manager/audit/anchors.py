"""Hashes of seals kept outside of the database, where who can rewrite the whole chain cannot rewrite them too.

A file of anchors has a line for each: the time, the number of a seal, and its hash.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from csv_manager.core import clock
from csv_manager.core.errors import ConfigurationError

_LINE = re.compile(r"\S+ (?P<number>\d{1,18}) (?P<hash>[0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A seal as it was."""

    number: int
    hash: str


def read_anchors(path: str | os.PathLike[str]) -> list[Anchor]:
    """The anchors of a file, none if there is no such file. Raises `ConfigurationError` for a line that is none."""
    found = []
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"The anchors {os.fspath(path)} cannot be read: {error}.") from error
    for place, line in enumerate(lines, 1):
        told = _LINE.fullmatch(line)
        if told is None:
            raise ConfigurationError(f"Line {place} of {os.fspath(path)} is no anchor: a time, a number and a hash.")
        found.append(Anchor(number=int(told["number"]), hash=told["hash"]))
    return found


def add_anchor(path: str | os.PathLike[str], anchor: Anchor) -> None:
    """Add an anchor at the end of a file, so that it is on the disk. Raises `ConfigurationError`."""
    when = clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{when} {anchor.number} {anchor.hash}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigurationError(f"The anchor cannot be written to {os.fspath(path)}: {error.strerror}.") from error
