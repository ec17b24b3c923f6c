"""Which columns have another name now, guessed by their values."""

import itertools
from collections import Counter

from csv_manager.core.reading import Table

#: So many rows of both contents tell.
_SAMPLE = 100_000


def renamed_columns(old: Table, new: Table, fixed: set[str]) -> dict[str, str]:
    """Columns that have another name at the same place and at least half of their values as before: old to new names.

    Those in `fixed` are none; the first rows of both contents tell.
    """
    candidates = [
        (place, was, name)
        for place, (was, name) in enumerate(zip(old.columns, new.columns, strict=False))
        if was not in new.columns and name not in old.columns and not {was, name} & fixed
    ]
    if not candidates:
        return {}
    places = [place for place, _, _ in candidates]
    before, after = _values(old, places), _values(new, places)
    renamed = {}
    for (_, was, name), values, others in zip(candidates, before, after, strict=True):
        if 2 * (values & others).total() >= max(values.total(), others.total()):
            renamed[was] = name
    return renamed


def _values(table: Table, places: list[int]) -> list[Counter[str]]:
    """How often each value stands in each of the columns."""
    counters: list[Counter[str]] = [Counter() for _ in places]
    for row in itertools.islice(table.rows(numbered=False), _SAMPLE):
        for counter, place in zip(counters, places, strict=True):
            if place < len(row.cells):
                counter[row.cells[place]] += 1
    return counters
