"""What rows without a key are known by: their content, and which of its equals each is."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from csv_manager.core.key_hashes import BuiltHashes
from csv_manager.sync.rows import Cells, Rows

_SEPARATOR = "\x1f"
_OTHERWISE = "\x1e"


class Identity:
    """What rows of some columns are known by: their cells, in the order of the columns' names."""

    def __init__(self, columns: Sequence[str]) -> None:
        order = sorted(range(len(columns)), key=columns.__getitem__)
        self._order = None if order == list(range(len(columns))) else order

    def of(self, cells: Cells) -> str:
        """A number of 128 bits for a row, the first of the SHA-256 of its content, written as a UUID."""
        return written(self.hash(cells))

    def hash(self, cells: Cells) -> "hashlib._Hash":
        """The SHA-256 of a row's content."""
        return _hash(cells if self._order is None else [cells[place] for place in self._order])


def written(hashed: "hashlib._Hash") -> str:
    """The first 128 bits of a hash, as a UUID."""
    told = hashed.hexdigest()
    return f"{told[:8]}-{told[8:12]}-{told[12:16]}-{told[16:20]}-{told[20:32]}"


def _hash(cells: Cells) -> "hashlib._Hash":
    try:
        text = _SEPARATOR.join(cells)  # type: ignore[arg-type] # see below
        if text.count(_SEPARATOR) != len(cells) - 1 or text.startswith(_OTHERWISE):
            text = _OTHERWISE + repr(list(cells))
    except TypeError:  # a cell is missing
        text = _OTHERWISE + repr(list(cells))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass"))


class IdentifiedRows(Rows):
    """Rows of a content, each with its identity and its number among its equals, counted from 0, at the end."""

    def __init__(self, rows: Rows, columns: Sequence[str]) -> None:
        self._rows = rows
        self.name = rows.name
        self.columns = (*rows.columns, *columns)
        self._identity = Identity(rows.columns)
        self._repeated: set[int] | None = None

    def chunks(self) -> Iterator[Sequence[Cells]]:
        """Those of the content; what comes more than once is found by a pass before, of eight bytes a row."""
        repeated = self._find_repeated()
        seen: Counter[bytes] = Counter()
        for chunk in self._rows.chunks():
            told = []
            for cells in chunk:
                hashed = self._identity.hash(cells)
                digest, copy = hashed.digest(), 0
                if repeated and int.from_bytes(digest[:8]) in repeated:
                    copy = seen[digest]
                    seen[digest] += 1
                told.append((*cells, written(hashed), str(copy)))
            yield told

    def place(self, number: int) -> str:
        """Where the row is in the content."""
        return self._rows.place(number)

    def _find_repeated(self) -> set[int]:
        if self._repeated is None:
            hashes = BuiltHashes()
            for cells in self._rows:
                hashes.add(int.from_bytes(self._identity.hash(cells).digest()[:8]))
            self._repeated = hashes.repeated()
        return self._repeated


def numbered(identities: Iterable[str], first: Counter[str]) -> Iterator[int]:
    """The number of each row among its equals, of which there are `first` so many already."""
    seen = Counter(first)
    for identity in identities:
        yield seen[identity]
        seen[identity] += 1


def last_copies(identities: Sequence[str], there: Counter[str]) -> Iterator[tuple[str, int]]:
    """For rows that go, the last of their equals, of which `there` are so many."""
    left = Counter(there)
    for identity in identities:
        left[identity] -= 1
        yield identity, left[identity]
