"""One comparison of two CSV files, by one way of doing it, in a process of its own.

Called as `compare.py WAY OLD NEW`; prints, as JSON, the CPU time in ms from opening the files to the last change, the
process's peak memory in MB, and how many rows the way found inserted (or new), updated and deleted (or missing).
Imports are made before the clock starts. The csv dialect is given, so that comparing is compared; the ways whose name
ends with `_detecting` find it out first, as each library does if it is told nothing.
"""

import csv
import json
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

Found = tuple[int, int, int]


def csv_manager_unkeyed() -> Callable[[str, str], Found]:
    """csv_manager, rows as a multiset."""
    return _csv_manager(())


def csv_manager_keyed() -> Callable[[str, str], Found]:
    """csv_manager, rows paired by the column id."""
    return _csv_manager(("id",))


def csv_manager_keyed_detecting() -> Callable[[str, str], Found]:
    """csv_manager, rows paired by the column id, encoding and csv format found out."""
    return _csv_manager(("id",), detecting=True)


def csv_diff_keyed() -> Callable[[str, str], Found]:
    """The library csv-diff, rows paired by the column id."""
    return _csv_diff("excel")


def csv_diff_keyed_detecting() -> Callable[[str, str], Found]:
    """The library csv-diff, rows paired by the column id; it sniffs the csv dialect in the first megabyte."""
    return _csv_diff(None)


def _csv_diff(csv_dialect: str | None) -> Callable[[str, str], Found]:
    from csv_diff import compare, load_csv

    def run(old: str, new: str) -> Found:
        with open(old, newline="", encoding="utf-8") as before, open(new, newline="", encoding="utf-8") as after:
            result = compare(load_csv(before, "id", csv_dialect), load_csv(after, "id", csv_dialect))
        return len(result["added"]), len(result["changed"]), len(result["removed"])

    return run


def tutorial() -> Callable[[str, str], Found]:
    """What groundwork's tutorial does: lists of csv.DictReader's rows, and for each row whether the other has it."""

    def run(old: str, new: str) -> Found:
        with open(old, newline="", encoding="utf-8") as before, open(new, newline="", encoding="utf-8") as after:
            was, now = list(csv.DictReader(before)), list(csv.DictReader(after))
        new_rows = [row for row in now if row not in was]
        missing_rows = [row for row in was if row not in now]
        return len(new_rows), 0, len(missing_rows)

    return run


def csv_reader() -> Callable[[str, str], Found]:
    """The floor of all that parse: csv.reader over both files, once, and nothing is compared."""

    def run(old: str, new: str) -> Found:
        for path in (old, new):
            with open(path, newline="", encoding="utf-8") as file:
                for _ in csv.reader(file):
                    pass
        return 0, 0, 0

    return run


def _csv_manager(key: tuple[str, ...], *, detecting: bool = False) -> Callable[[str, str], Found]:
    from csv_manager.core.detecting import detect
    from csv_manager.core.diff import diff
    from csv_manager.core.model import CsvFormat, FormatOptions
    from csv_manager.core.reading import Table

    def table(path: str) -> Table:
        def open_raw() -> BinaryIO:
            return open(path, "rb")

        return Table(open_raw, detect(open_raw, path, FormatOptions()) if detecting else CsvFormat(), path)

    def run(old: str, new: str) -> Found:
        counts = {"insert": 0, "update": 0, "delete": 0}
        for change in diff(table(old), table(new), key=key):
            counts[change.op] += 1
        return counts["insert"], counts["update"], counts["delete"]

    return run


WAYS = {
    "csv_manager_unkeyed": csv_manager_unkeyed,
    "csv_manager_keyed": csv_manager_keyed,
    "csv_manager_keyed_detecting": csv_manager_keyed_detecting,
    "csv_diff_keyed": csv_diff_keyed,
    "csv_diff_keyed_detecting": csv_diff_keyed_detecting,
    "tutorial": tutorial,
    "csv_reader": csv_reader,
}


def peak() -> float:
    """The largest resident memory of this process so far, in MB.

    Linux counts in ru_maxrss what the parent had at the fork, which is as much as a small child ever has; VmHWM is
    the same figure of this program alone.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="ascii"), re.MULTILINE)
        if found:
            return int(found[1]) / (1 << 10)
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    way, old, new = sys.argv[1:]
    run = WAYS[way]()
    start = time.process_time()
    found = run(old, new)
    print(json.dumps({"cpu": 1000 * (time.process_time() - start), "peak": peak(), "found": found}))


if __name__ == "__main__":
    main()
