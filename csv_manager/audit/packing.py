"""Many rows in few bytes, and back without loss."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import zstandard

from csv_manager.audit.values import RawText

_LEVEL = 5
#: What of rows that were packed cannot be read raises one of these.
UNREADABLE = (ValueError, TypeError, IndexError, zstandard.ZstdError)


def packed(rows: Sequence[tuple[Any, ...]]) -> bytes:
    """Rows column by column, since what is alike compresses best."""
    columns = list(zip(*rows, strict=True))
    return zstandard.compress(json.dumps(columns, separators=(",", ":"), default=_told).encode(), _LEVEL)


def unpacked(content: bytes) -> list[tuple[Any, ...]]:
    """The rows as they were. Raises one of `UNREADABLE`."""
    return list(zip(*json.loads(zstandard.decompress(content), object_hook=_bytes_of), strict=True))


def _told(value: Any) -> dict[str, str]:
    """Bytes, and the bytes of a text, in JSON."""
    return {"t" if isinstance(value, RawText) else "b": base64.b64encode(value).decode()}


def _bytes_of(told: dict[str, str]) -> bytes:
    [(kind, content)] = told.items()
    return (RawText if kind == "t" else bytes)(base64.b64decode(content))
