"""Types of columns that every database of a store keeps alike."""

import datetime as dt
import hashlib
from typing import Any

from sqlalchemy import DateTime, Dialect, Text, TypeDecorator

#: The most characters of `Prose`; MySQL's TEXT has 65,535 bytes.
_MOST_WORDS = 10_000


class UtcDateTime(TypeDecorator[dt.datetime]):
    """A time in UTC: aware in Python, naive in the database, where not every engine keeps a zone."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Microseconds on MySQL, which drops them otherwise."""
        if dialect.name in ("mysql", "mariadb"):
            from sqlalchemy.dialects.mysql import DATETIME

            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Aware to naive UTC."""
        del dialect
        return None if value is None else value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Naive UTC to aware."""
        del dialect
        return None if value is None else value.replace(tzinfo=dt.UTC)


class Prose(TypeDecorator[str]):
    """Words for people, as every database takes them: not endless, without NUL and lone surrogates."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """As `prose`."""
        del dialect
        return None if value is None else prose(value)


def prose(text: str) -> str:
    """A text as `Prose` stores it: shortened, and what no database takes as an escape."""
    told = text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
    return told if len(told) <= _MOST_WORDS else f"{told[: _MOST_WORDS - 1]}…"


def path_sha(path: str) -> str:
    """What a path is found by, which may be too long for an index."""
    return hashlib.sha256(path.encode()).hexdigest()
