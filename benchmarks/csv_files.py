"""Two contents of one CSV file, the same on every machine: a seeded generator makes them row by row."""

import csv
import random
from pathlib import Path

HEADER = ("id", "name", "city", "country", "born", "joined", "orders", "balance", "rating", "note")
_CITIES = ("Lisbon", "Oslo", "Kyoto", "Accra", "Quito", "Turin", "Perth", "Minsk", "San José", "Washington, D.C.")
_WORDS = ("red", "swift", "cold", "open", "late", "plain", "early", 'so-called "new"', "quiet", "round")


def write_pair(folder: Path, rows: int, *, updated: float, seed: int = 20) -> tuple[Path, Path, int]:
    """Write old.csv and new.csv of so many rows and ten columns; the new one has one other cell in a share of the rows.

    Returns both paths and the number of rows that differ. All rows of a file are different, by their id.
    """
    rng = random.Random(seed)  # noqa: S311 - data, no secrets
    chosen = frozenset(rng.sample(range(rows), round(rows * updated)))
    old_path, new_path = folder / "old.csv", folder / "new.csv"
    with (
        old_path.open("w", newline="", encoding="utf-8") as old_file,
        new_path.open("w", newline="", encoding="utf-8") as new_file,
    ):
        old, new = csv.writer(old_file), csv.writer(new_file)
        old.writerow(HEADER)
        new.writerow(HEADER)
        for number in range(rows):
            cells = row(rng, number)
            old.writerow(cells)
            if number in chosen:
                cells[rng.randrange(1, len(cells))] += "*"
            new.writerow(cells)
    return old_path, new_path, len(chosen)


def row(rng: random.Random, number: int) -> list[str]:
    """A row of about 100 bytes whose id is `number`; some cells need quotes."""
    return [
        str(number),
        f"{rng.choice(_WORDS)} {rng.randrange(10_000)}",
        rng.choice(_CITIES),
        rng.choice(("PT", "NO", "JP", "GH", "EC", "IT", "AU", "BY", "CR", "US")),
        f"{rng.randrange(1940, 2005)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}",
        f"20{rng.randrange(10, 26)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:00:00Z",
        str(rng.randrange(500)),
        f"{rng.randrange(-100_000, 10_000_000) / 100:.2f}",
        f"{rng.random():.4f}",
        " ".join(rng.choice(_WORDS) for _ in range(4)),
    ]
