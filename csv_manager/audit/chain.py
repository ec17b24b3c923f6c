"""What is hashed of entries: each of them, what their tables are, and who made them."""

import functools
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from csv_manager.audit.entries import AuditedTable, Row
from csv_manager.audit.ranges import Ranges


class Hashed:
    """The hash of entries behind that of the seal before; `tokens` are those of their transactions."""

    def __init__(self, before: str) -> None:
        self._digest = hashlib.sha256(before.encode())
        self._tables: set[int] = set()
        self._numbers: list[int] = []
        self.tokens: set[str] = set()

    @functools.cached_property
    def ranges(self) -> Ranges:
        """The numbers of the entries, once all are added."""
        return Ranges.of(sorted(self._numbers))

    def add(self, table: AuditedTable, rows: Sequence[Row]) -> None:
        """Add entries of a table, and before the first ones what it is."""
        if not rows:
            return
        if table.number not in self._tables:
            self.tell((table.number, row_of(table)))
            self._tables.add(table.number)
        self._digest.update("\n".join(map(ascii, rows)).encode() + b"\n")
        self._numbers += [row[0] for row in rows]
        self.tokens.update({row[2] for row in rows} - {None})

    def add_snapshot(self, row: Sequence[Any], number: int, token: str) -> None:
        """Add what is told of a snapshot, which has the number of an entry."""
        self.tell(list(row))
        self._numbers.append(number)
        self.tokens.add(token)

    def tell(self, told: Any) -> None:
        """Add anything that JSON has."""
        self._digest.update(json.dumps(told, sort_keys=True).encode() + b"\n")

    def hash(self) -> str:
        """The hash of all of them."""
        return self._digest.hexdigest()


def row_of(table: AuditedTable) -> dict[str, Any]:
    """A table as its row has it."""
    told = {"columns": table.columns, "row_key": table.key, "types": table.types, "redacted": table.redacted}
    return {"schema_name": table.schema, "table_name": table.name, **{name: list(told[name]) for name in told}}
