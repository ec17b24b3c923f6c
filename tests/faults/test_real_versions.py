"""Successive versions of one file, copied one by one over a watched file, give exactly the changes of a Counter.

CSV_MANAGER_TEST_VERSIONS names a folder of real ones (*.csv, in the order of their names); without it, versions are
made here in which the same things happen: columns come and go, the quoting changes, rows move and repeat.
"""

import csv
import io
import itertools
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cli, Service

    from csv_manager.pipeline.store import Store

Row = dict[str, Any]
Start = Callable[..., "Service"]


def made() -> list[bytes]:
    """Twenty versions of a list of companies, as people and scripts leave them."""
    chance = random.Random(5)
    columns = ["Symbol", "Name", "Sector"]
    rows = [
        {
            "Symbol": f"S{n}",
            "Name": f"Company {n}, Inc.",
            "Sector": chance.choice(["Energy", "Health", 'So-called "IT"']),
        }
        for n in range(60)
    ]
    versions = []
    for step in range(20):
        if step == 6:
            columns = [*columns, "Founded"]
            rows = [row | {"Founded": chance.choice(["", "1901", "1984\n(again)"])} for row in rows]
        if step == 11:
            columns = ["Name", "Symbol", "Sector", "Founded"]
        if step == 15:
            columns = ["Name", "Symbol", "Founded"]
        if step == 17:
            columns = ["Security", "Symbol", "Founded"]
            rows = [row | {"Security": row["Name"]} for row in rows]
        for row in chance.sample(rows, 3):
            for name in {"Name", "Security"} & set(row):
                row[name] = row[name].replace("Inc.", "Ltd.") + "."
        del rows[chance.randrange(len(rows))]
        rows.append(chance.choice(rows) | {"Symbol": f"N{step}"})
        rows.append(dict(chance.choice(rows)))
        if step % 5 == 4:
            chance.shuffle(rows)
        text = io.StringIO(newline="")
        quoting = csv.QUOTE_ALL if step % 4 == 3 else csv.QUOTE_MINIMAL
        end = "\r\n" if step % 6 == 5 else "\n"
        writer = csv.DictWriter(text, columns, extrasaction="ignore", quoting=quoting, lineterminator=end)
        writer.writeheader()
        writer.writerows(rows)
        versions += [text.getvalue().encode()] * (2 if step == 8 else 1)
    return versions


def contents() -> list[bytes]:
    """The versions to copy; one that repeats the one before it is among them."""
    folder = os.environ.get("CSV_MANAGER_TEST_VERSIONS")
    return [path.read_bytes() for path in sorted(Path(folder).glob("*.csv"))] if folder else made()


def read(data: bytes) -> tuple[list[str], list[Row]]:
    """A content by csv.DictReader, surplus fields under `_extra`."""
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), restkey="_extra")
    rows = list(reader)
    return list(reader.fieldnames or ()), rows


def projected(rows: Iterable[Row], shared: Sequence[str], gained: Sequence[str]) -> Counter[tuple[object, ...]]:
    """Rows as what they are compared by: shared columns as they stand, gained ones with nothing for missing."""
    return Counter(
        (*(row[name] for name in shared), *(row.get(name) or "" for name in gained), tuple(row.get("_extra", ())))
        for row in rows
    )


def expected(
    old: bytes, new: bytes, renamed: dict[str, str]
) -> tuple[Counter[Any], Counter[Any], list[str], list[str]]:
    """Deleted and inserted rows by a Counter, and the columns that they are projected to."""
    old_columns, old_rows = read(old)
    new_columns, new_rows = read(new)
    old_columns = [renamed.get(name, name) for name in old_columns]
    old_rows = [{renamed.get(name, name): cell for name, cell in row.items()} for row in old_rows]
    shared = [name for name in new_columns if name in old_columns]
    gained = [name for name in new_columns if name not in old_columns]
    before, after = projected(old_rows, shared, gained), projected(new_rows, shared, gained)
    return before - after, after - before, shared, gained


@pytest.mark.slow
def test_successive_versions_give_the_changes_of_a_counter_across_a_restart(
    cli: "Cli", service: Start, store: "Store"
) -> None:
    found = contents()
    assert len(found) >= 20
    path = cli.write("data.csv", found[0])
    cli("csv_watcher_add", "data.csv", "--settle", "0.05")
    versions = [found[0]]
    half = len(found) // 2
    for part in (found[1:half], found[half:]):
        running = service()
        for data in part:
            path.write_bytes(data)
            if data != versions[-1]:
                versions.append(data)
                running.wait_told(f"version {len(versions)} ")
        assert running.stop() == 0
        assert len(running.told) == len(running.version_lines())
        path.write_bytes(versions[-1])
        assert cli("csv_watch", "--once") == ""  # the same content again is no version
    file = store.file(os.path.realpath(path))
    recorded = file.versions()[::-1]
    assert [version.number for version in recorded] == list(range(1, len(versions) + 1))
    assert {version.status for version in recorded} == {"ok"}
    for version, data in zip(recorded, versions, strict=True):
        with file.open(version.number) as stream:
            assert stream.read() == data, version.number
        assert version.rows == len(read(data)[1])
    for version, (old, new) in zip(recorded[1:], itertools.pairwise(versions), strict=True):
        renamed = dict(version.column_change.renamed)
        deleted, inserted, shared, gained = expected(old, new, renamed)
        assert sorted([*version.column_change.added]) == sorted(gained), version.number
        changes = list(file.changes(version.number))
        before = [change.before or {} for change in changes if change.op == "delete"]
        before = [{renamed.get(name, name): cell for name, cell in row.items()} for row in before]
        after = [change.after or {} for change in changes if change.op == "insert"]
        assert projected(before, shared, gained) == deleted, version.number
        assert projected(after, shared, gained) == inserted, version.number
        assert len(before) + len(after) == len(changes)
        assert (version.inserted, version.updated, version.deleted) == (len(after), 0, len(before))


def test_the_versions_that_are_made_here_have_what_real_ones_have() -> None:
    versions = made()
    headers = [read(data)[0] for data in versions]
    assert len(versions) >= 20
    assert {len(header) for header in headers} >= {3, 4}
    assert any(old != new and sorted(old) == sorted(new) for old, new in itertools.pairwise(headers))
    assert any(old == new for old, new in itertools.pairwise(versions))
    assert any(b"\r\n" in data for data in versions)
