"""What is noted of files and folders that were looked at, besides versions."""

import datetime as dt
from dataclasses import dataclass

from csv_manager.core.model import Signature


@dataclass(frozen=True, kw_only=True)
class FolderCheck:
    """When every watched file of a folder was last looked at, and why it has no file events, if so.

    `reason` is why something in it that is to be watched cannot be.
    """

    last_check: dt.datetime
    polled: str | None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file of a series, and what it looked like when it was read; None if it is to be read again."""

    path: str
    signature: Signature | None


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of one file of a series: the version of the dataset that it is, and whether that is held.

    Without a `signature` it is to be read again.
    """

    signature: Signature | None
    version: int
    is_held: bool


@dataclass(frozen=True, kw_only=True)
class Origin:
    """How a file comes to be watched: the link that it is read through, and the feed's watcher; None for neither."""

    link: str | None = None
    feed_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a check of a file found, where it recorded no version; the signature only if the content was read."""

    path: str
    state: str
    reason: str | None = None
    signature: Signature | None = None
    origin: Origin | None = None
    watcher_id: int | None = None
