"""What two rows are compared by: the cells under the names that both contents have, whatever their places."""

import operator
from collections.abc import Callable, Sequence

from csv_manager.core.reading import Table

#: What two rows are compared by: joined text, or a tuple where a separator in a cell, a missing cell or a surplus one
#: would make the text ambiguous. A text never equals a tuple, so the comparison is exact.
Content = str | tuple[object, ...]
_SEPARATOR = "\x1f"


class Projection:
    """How rows of two contents are made comparable: the shared columns, then the gained ones."""

    def __init__(self, old: Table, new: Table, renamed: dict[str, str], ignore: frozenset[str]) -> None:
        old_places = {renamed.get(name, name): place for place, name in enumerate(old.columns)}
        places = {name: place for place, name in enumerate(new.columns) if name not in ignore}
        shared = [name for name in places if name in old_places]
        gained = [place for name, place in places.items() if name not in old_places]
        self.old_content = _content_reader([old_places[name] for name in shared], len(old.columns), [], len(gained))
        self.new_content = _content_reader([places[name] for name in shared], len(new.columns), gained, 0)


def _content_reader(shared: list[int], width: int, gained: list[int], padding: int) -> Callable[[list[str]], Content]:
    """A function from a row's fields to what the row is compared by."""
    places = shared + gained
    pick: Callable[[list[str]], Sequence[str]] = (
        operator.itemgetter(*places) if len(places) > 1 else lambda cells: [cells[place] for place in places]
    )
    if places == list(range(width)):
        pick = list
    pad = [""] * padding
    separators = len(places) + padding - 1

    def content(cells: list[str]) -> Content:
        values: Sequence[str]
        if len(cells) == width:
            values = pick(cells)
        else:
            surplus = tuple(cells[width:])
            present: list[str | None] = [cells[place] if place < len(cells) else None for place in shared]
            rest = [(cells[place] if place < len(cells) else "") for place in gained]
            if surplus or None in present:
                return (*present, *rest, *pad, surplus)
            values = [cells[place] for place in shared] + rest
        if pad:
            values = [*values, *pad]
        text = _SEPARATOR.join(values)
        return text if text.count(_SEPARATOR) == separators or separators < 0 else (*values, ())

    return content
