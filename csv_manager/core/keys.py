"""Row keys: how they are read, and that no two rows of a content share one."""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter

from csv_manager.core.errors import DuplicateKeyError, UnknownColumnError
from csv_manager.core.key_hashes import BuiltHashes, ChangedHashes, key_hash
from csv_manager.core.reading import Table

_OFFENDERS = 3


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
    check_columns(table, key)
    read = key_reader(table.columns, key)
    hashes = BuiltHashes()
    for row in table.rows(numbered=False):
        hashes.add(key_hash(read(row.cells)))
    repeated = hashes.repeated()
    offenders = _offenders(table, key, repeated) if repeated else []
    if offenders:
        more = len(offenders) - _OFFENDERS
        rest = f" and {more} more" if more > 0 else ""
        raise DuplicateKeyError(
            f"{table.csv_file}: the key is not unique: {'; '.join(offenders[:_OFFENDERS])}{rest}; "
            "name more --key columns, or none."
        )
    table.unique[tuple(key)] = hashes


def check_columns(table: Table, key: Sequence[str]) -> None:
    """Raise unless `key` are columns of the table, if it has any."""
    for column in key:
        if table.columns and column not in table.columns:
            raise UnknownColumnError(
                f"{table.csv_file}: key column {column!r} is not in the header: {', '.join(table.columns)}."
            )


def check_changed_key(
    old: Table, new: Table, key: Sequence[str], gone: Iterable[object], come: Iterable[object]
) -> None:
    """Raise unless the key is unique in `new`, which differs from `old`, in which it is, in the keys of some rows.

    `come` are the keys of the rows without a row of the same key in what of the old content differs; they are looked
    for among the hashes of all its keys. Only where these cannot exclude them is the new content read.
    """
    hashes = old.unique[tuple(key)]
    gone_hashes, come_hashes = {key_hash(each) for each in gone}, {key_hash(each) for each in come}
    if not come_hashes and not gone_hashes:
        new.unique[tuple(key)] = hashes
    elif hashes is not None and not hashes.may_hold(come_hashes):
        new.unique[tuple(key)] = ChangedHashes(hashes, gone_hashes, come_hashes)
    elif come_hashes:
        check_key(new, key)
    else:
        new.unique[tuple(key)] = None


def _offenders(table: Table, key: Sequence[str], hashes: set[int]) -> list[str]:
    """The rows that share their key with one before, in words."""
    read = key_reader(table.columns, key)
    lines: dict[object, int | None] = {}
    offenders = []
    for row in table.rows():
        value = read(row.cells)
        if key_hash(value) not in hashes:
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
