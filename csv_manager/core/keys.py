"""Row keys: how they are read, and that no two rows of a content share one."""

from array import array
from collections.abc import Callable, Sequence
from operator import itemgetter

from csv_manager.core.errors import DuplicateKeyError, UnknownColumnError
from csv_manager.core.reading import Table

_OFFENDERS = 3
_BUCKETS = 256


def key_reader(columns: Sequence[str], key: Sequence[str]) -> Callable[[list[str]], object]:
    """A function from a row's fields to its key: one text, or a tuple of them; None for a missing cell."""
    places = [columns.index(column) for column in key]
    furthest = max(places)
    pick = itemgetter(*places)

    def read(cells: list[str]) -> object:
        if len(cells) > furthest:
            return pick(cells)
        values = tuple(cells[place] if place < len(cells) else None for place in places)
        return values if len(places) > 1 else values[0]

    return read


def check_key(table: Table, key: Sequence[str]) -> None:
    """Raise unless `key` are columns of the table and no two rows share their values.

    Holds eight bytes a row; the rows of a hash that comes twice are read once more.
    """
    if not key or not table.columns or tuple(key) in table.unique:
        return
    for column in key:
        if column not in table.columns:
            raise UnknownColumnError(
                f"{table.csv_file}: key column {column!r} is not in the header: {', '.join(table.columns)}."
            )
    read = key_reader(table.columns, key)
    buckets = [array("q") for _ in range(_BUCKETS)]
    for row in table.rows(numbered=False):
        hashed = hash(read(row.cells))
        buckets[hashed % _BUCKETS].append(hashed)
    repeated = {hashed for bucket in buckets for hashed in _repeated(bucket)}
    offenders = _offenders(table, key, repeated) if repeated else []
    if offenders:
        more = len(offenders) - _OFFENDERS
        rest = f" and {more} more" if more > 0 else ""
        raise DuplicateKeyError(
            f"{table.csv_file}: the key is not unique: {'; '.join(offenders[:_OFFENDERS])}{rest}; "
            "name more --key columns, or none."
        )
    table.unique.add(tuple(key))


def _repeated(hashes: "array[int]") -> set[int]:
    """Those that are there more than once."""
    seen: set[int] = set()
    if len(set(hashes)) == len(hashes):
        return seen
    return {hashed for hashed in hashes if hashed in seen or seen.add(hashed)}  # type: ignore[func-returns-value]


def _offenders(table: Table, key: Sequence[str], hashes: set[int]) -> list[str]:
    """The rows that share their key with one before, in words."""
    read = key_reader(table.columns, key)
    lines: dict[object, int | None] = {}
    offenders = []
    for row in table.rows():
        value = read(row.cells)
        if hash(value) not in hashes:
            continue
        first = lines.setdefault(value, row.line)
        if first != row.line:
            values = value if isinstance(value, tuple) else (value,)
            named = ", ".join(
                f"{column if column.isprintable() else repr(column)}={cell!r}"
                for column, cell in zip(key, values, strict=True)
            )
            offenders.append(f"{named} in lines {first} and {row.line}")
    return offenders
