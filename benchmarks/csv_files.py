"""CSV files that are the same on every machine: a seeded generator makes a file and edits of it, row by row."""

import csv
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import IO

HEADER = ("id", "name", "city", "country", "born", "joined", "orders", "balance", "rating", "note")
_CITIES = ("Lisbon", "Oslo", "Kyoto", "Accra", "Quito", "Turin", "Perth", "Minsk", "San José", "Washington")
_COUNTRIES = ("PT", "NO", "JP", "GH", "EC", "IT", "AU", "BY", "CR", "US")
_WORDS = ("red", "swift", "cold", "open", "late", "plain", "early", "known", "quiet", "round")
_SHARE = 100
#: The edits of which the rows are drawn or changed one by one.
EDITS = ("identical", "one", "top", "hundred", "appended", "updated", "deleted")
#: Edits that touch every row; they take a list of all.
WHOLE = ("reordered", "crlf", "quoted")


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A file with other content than the base, and how many of its rows came, changed and went, as told by the key."""

    path: Path
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def keyed(self) -> list[int]:
        """What a comparison by the key finds: inserted, updated, deleted."""
        return [self.inserted, self.updated, self.deleted]

    @property
    def unkeyed(self) -> list[int]:
        """What a comparison of whole rows finds."""
        return [self.inserted + self.updated, 0, self.deleted + self.updated]


def write_edits(folder: Path, rows: int, edits: Iterable[str] = (*EDITS, *WHOLE)) -> tuple[Path, dict[str, Edit]]:
    """Write base.csv of so many rows and ten columns, and one file for each edit; returns their paths and truths.

    One row in a hundred is updated in one cell, deleted, or appended; 5 % of the rows have a quoted cell, one in a
    thousand has a line end in it.
    """
    base, names = folder / "base.csv", tuple(edits)
    rng = _seeded(20)
    part = max(rows // _SHARE, 1)
    updated = {
        "one": {rows // 2},
        "hundred": set(rng.sample(range(rows), min(100, rows))),
        "updated": set(rng.sample(range(rows), part)),
    }
    deleted = set(rng.sample(range(rows), part))
    kept: list[str] = []
    files = {name: (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") for name in names}
    streamed = [name for name in names if name in EDITS]
    with base.open("w", newline="", encoding="utf-8") as file:
        head = line(HEADER)
        for each in (file, *(files[name] for name in streamed)):
            each.write(head)
        if "top" in files:
            files["top"].write(line(row(rng, rows + part)))
        for number in range(rows):
            cells = row(rng, number)
            told = line(cells)
            file.write(told)
            if len(names) > len(streamed):
                kept.append(told)
            for name in streamed:
                if number in updated.get(name, ()):
                    files[name].write(line(_edited(rng, cells)))
                elif name != "deleted" or number not in deleted:
                    files[name].write(told)
    if "appended" in files:
        files["appended"].writelines(line(row(rng, rows + number)) for number in range(part))
    _write_whole(files, head, kept, rng)
    for each in files.values():
        each.close()
    truths = {
        "top": {"inserted": 1},
        "appended": {"inserted": part},
        "deleted": {"deleted": part},
        **{name: {"updated": len(numbers)} for name, numbers in updated.items()},
    }
    return base, {name: Edit(path=folder / f"{name}.csv", **truths.get(name, {})) for name in names}


def _write_whole(files: dict[str, IO[str]], head: str, rows: list[str], rng: random.Random) -> None:
    """The edits that touch every row."""
    if "crlf" in files:
        _writer(files["crlf"], lineterminator="\r\n").writerows(csv.reader([head, *_lines(rows)]))
    if "quoted" in files:
        _writer(files["quoted"], quoting=csv.QUOTE_ALL).writerows(csv.reader([head, *_lines(rows)]))
    if "reordered" in files:
        rng.shuffle(rows)
        files["reordered"].writelines((head, *rows))


def write_unquoted(folder: Path, rows: int) -> tuple[Path, Edit]:
    """Write a file of so many rows, none of which has a quote, and one in which the last row is updated."""
    base, edited = folder / "unquoted.csv", folder / "unquoted_last.csv"
    rng = _seeded(30)
    with base.open("w", encoding="utf-8") as one, edited.open("w", encoding="utf-8") as other:
        for number in range(-1, rows):
            cells = row(rng, number)[:-1] if number >= 0 else list(HEADER[:-1])
            one.write(line(cells))
            other.write(line(_edited(rng, cells) if number == rows - 1 else cells))
    return base, Edit(path=edited, updated=1)


def write_updates(path: Path, rows: int, versions: int, changed: int) -> Iterator[int]:
    """Write a file of so many rows, then again with other cells in `changed` of them; yields before each further one.

    What is yielded is the number of the version that was written.
    """
    rng = _seeded(50)
    tables = [row(rng, number) for number in range(rows)]
    told = [line(cells) for cells in tables]
    for version in range(1, versions + 1):
        with path.open("w", newline="", encoding="utf-8") as file:
            file.writelines((line(HEADER), *told))
        yield version
        for number in rng.sample(range(rows), changed):
            tables[number] = _edited(rng, tables[number])
            told[number] = line(tables[number])


def row(rng: random.Random, number: int) -> list[str]:
    """A row of about 100 bytes whose id is `number`; one in twenty has a cell that needs quotes."""
    draw, choice = rng.random, rng.choice
    words = [choice(_WORDS), choice(_WORDS), choice(_WORDS), choice(_WORDS)]
    kind = draw()
    if kind < 0.001:
        words[1] += "\n"
    elif kind < 0.01:
        words[1] = f'so-called "{words[1]}"'
    elif kind < 0.05:
        words[1] += ","
    place = int(draw() * len(_CITIES))
    return [
        str(number),
        f"{choice(_WORDS)} {int(draw() * 10_000)}",
        _CITIES[place],
        _COUNTRIES[place],
        f"{1940 + int(draw() * 65)}-{1 + int(draw() * 12):02}-{1 + int(draw() * 28):02}",
        f"20{10 + int(draw() * 16)}-{1 + int(draw() * 12):02}-{1 + int(draw() * 28):02}T{int(draw() * 24):02}:00:00Z",
        str(int(draw() * 500)),
        f"{int(draw() * 10_000_000) / 100:.2f}",
        f"{draw():.4f}",
        " ".join(words),
    ]


def line(cells: Iterable[str]) -> str:
    """A row as its line."""
    told: list[str] = []
    _writer(SimpleNamespace(write=told.append)).writerow(cells)  # type: ignore[arg-type]
    return told[0]


def _edited(rng: random.Random, cells: list[str]) -> list[str]:
    """The row with another cell, which is not its id: one that another row could have there."""
    place = rng.randrange(1, len(cells))
    while (drawn := row(rng, 0)[place]) == cells[place]:
        pass
    return [*cells[:place], drawn, *cells[place + 1 :]]


def _lines(rows: Iterable[str]) -> Iterator[str]:
    """Records as the lines that csv.reader wants."""
    for record in rows:
        yield from record.splitlines(keepends=True)


def _writer(file: IO[str], *, lineterminator: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> "csv.Writer":
    return csv.writer(file, lineterminator=lineterminator, quoting=quoting)


def _seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - data, no secrets
