"""One comparison of two CSV files, by one way of doing it, in a process of its own.

Called as `compare.py WAY OLD NEW`; prints, as JSON, the time and the CPU time in ms from opening the files to the last
change, the process's peak memory in MB, and how many rows the way found inserted (or new), updated and deleted (or
missing). Imports are made before the clock starts. The csv dialect is told to the peers, so that comparing is compared;
csv_manager finds it out.
"""

import csv
import json
import sys
import time
from collections.abc import Callable

from measuring import peak

Found = tuple[int, int, int]


def csv_manager_unkeyed() -> Callable[[str, str], Found]:
    """csv_manager, rows as a multiset."""
    return _csv_manager(())


def csv_manager_keyed() -> Callable[[str, str], Found]:
    """csv_manager, rows paired by the column id."""
    return _csv_manager(("id",))


def _csv_manager(key: tuple[str, ...]) -> Callable[[str, str], Found]:
    from csv_manager.core.comparing import compare

    def run(old: str, new: str) -> Found:
        counts = {"insert": 0, "update": 0, "delete": 0}
        for change in compare(old, new, key=key).change_set:
            counts[change.op] += 1
        return counts["insert"], counts["update"], counts["delete"]

    return run


def csv_diff() -> Callable[[str, str], Found]:
    """The library csv-diff, rows paired by the column id."""
    from csv_diff import compare, load_csv

    def run(old: str, new: str) -> Found:
        with open(old, newline="", encoding="utf-8") as before, open(new, newline="", encoding="utf-8") as after:
            result = compare(load_csv(before, "id", "excel"), load_csv(after, "id", "excel"))
        return len(result["added"]), len(result["changed"]), len(result["removed"])

    return run


def daff() -> Callable[[str, str], Found]:
    """The library daff, rows paired by the column id; its table of differences is counted."""
    from daff import CompareFlags, Coopy, PythonTableView, TableDiff

    def run(old: str, new: str) -> Found:
        views = []
        for path in (old, new):
            with open(path, newline="", encoding="utf-8") as file:
                views.append(PythonTableView(list(csv.reader(file))))
        flags = CompareFlags()
        flags.addPrimaryKey("id")
        result = PythonTableView([])
        TableDiff(Coopy.compareTables(*views, flags).align(), flags).hilite(result)
        marks = [result.getCell(0, number) for number in range(result.get_height())]
        return marks.count("+++"), marks.count("->"), marks.count("---")

    return run


def datacompy() -> Callable[[str, str], Found]:
    """The library datacompy on Polars, rows paired by the column id, all cells as text."""
    import polars as pl
    from datacompy import PolarsCompare

    def run(old: str, new: str) -> Found:
        tables = [pl.read_csv(path, infer_schema=False) for path in (old, new)]
        result = PolarsCompare(*tables, join_columns="id")
        both = len(result.intersect_rows)
        return len(result.df2_unq_rows), both - result.count_matching_rows(), len(result.df1_unq_rows)

    return run


def duckdb() -> Callable[[str, str], Found]:
    """DuckDB, EXCEPT ALL in both directions, all cells as text."""
    import duckdb

    def run(old: str, new: str) -> Found:
        connection = duckdb.connect()
        for name, path in (("old", old), ("new", new)):
            connection.execute(
                f"CREATE TEMP TABLE {name} AS FROM read_csv($path, header = true, all_varchar = true, "
                "delim = ',', quote = '\"', escape = '\"')",
                {"path": path},
            )
        come, gone = (
            len(connection.execute(f"FROM {one} EXCEPT ALL FROM {other}").fetchall())
            for one, other in (("new", "old"), ("old", "new"))
        )
        return come, 0, gone

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


WAYS = (csv_manager_unkeyed, csv_manager_keyed, csv_diff, daff, datacompy, duckdb, tutorial, csv_reader)


def main() -> None:
    way, old, new = sys.argv[1:]
    run = {known.__name__: known for known in WAYS}[way]()
    start, cpu = time.perf_counter(), time.process_time()
    found = run(old, new)
    times = {"time": 1000 * (time.perf_counter() - start), "cpu": 1000 * (time.process_time() - cpu)}
    print(json.dumps({**times, "peak": peak(), "found": found}))


if __name__ == "__main__":
    main()
