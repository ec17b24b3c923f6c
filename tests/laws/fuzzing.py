"""Random contents, nasty ones too, against an oracle of csv.reader, Counter and dict.

Called as `python tests/laws/fuzzing.py [--cases N] [--seed N] [--processes N]`; prints each case that is wrong and ends
with 1 if there is one. The sizes by which the comparison decides are made tiny at random, so that a content of a
hundred bytes takes every way that one of gigabytes does.
"""

import argparse
import contextlib
import csv
import io
import itertools
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest import mock

from csv_manager.archive import cutting
from csv_manager.core import cancelling, pairing, plain, ranges, reading, records, walking
from csv_manager.core import diff as diffing
from csv_manager.core.changes import ChangeSet
from csv_manager.core.digests import DigestsBuilder
from csv_manager.core.errors import DuplicateKeyError
from csv_manager.core.model import CsvFormat
from csv_manager.core.reading import Table

Rows = list[tuple[int, tuple[str, ...]]]

_CELLS = ["", "a", "b", "1", "01", " x", "a,b", 'q"q', "l\nm", "l\r\nm", "l\rm", "é", "\x00", "\u2028", "x\x0by", '""']
_TOKENS = [
    "a",
    "b",
    ",",
    '"',
    "\n",
    "\r\n",
    "\r",
    '""',
    ',"',
    '",',
    "é",
    "\x00",
    '"\n',
    " ",
    '\\"',
    "\n\n",
    '"a"',
    '\n"',
]


#: Given, since what no header names would be as many columns as the first row has.
_NAMES = ("a", "b", "c", "d")


class Case(NamedTuple):
    """Two contents, without a header, and how they are written and compared.

    The old one is cut into `slots` if that can be done; its key is unique, and that is known or not (`trusted`).
    """

    old: bytes
    new: bytes
    csv_format: CsvFormat
    key: tuple[str, ...] = ()
    slots: bool = False
    trusted: bool = False


class WrongError(AssertionError):
    """What was told is not what the oracle tells."""


def check(case: Case) -> bool:
    """Raise `WrongError` unless the changes of a case are right; tells whether it has any."""
    old, new = _oracle(case.old, case.csv_format), _oracle(case.new, case.csv_format)
    change_set = _compared(case, old, new)
    if change_set is None:
        return True
    changes = list(change_set)
    numbers = {op: [change.line for change in changes if change.op == op] for op in ("delete", "insert", "update")}
    if tuple(map(len, (numbers["insert"], numbers["update"], numbers["delete"]))) != change_set.counts:
        raise WrongError(f"the counts of {case!r}")
    if any(lines != sorted(set(lines)) for lines in (numbers["delete"], sorted(numbers["insert"] + numbers["update"]))):
        raise WrongError(f"the order of {case!r}")
    at_old, at_new = dict(old), dict(new)
    deleted = Counter(at_old[line] for line in numbers["delete"])
    inserted = Counter(at_new[line] for line in numbers["insert"])
    updated = Counter(at_new[line] for line in numbers["update"])
    before, after = Counter(row for _, row in old), Counter(row for _, row in new)
    if case.key:
        if (inserted, updated, deleted) != _keyed(before, after):
            raise WrongError(f"the keyed changes of {case!r}: {changes}")
    elif (inserted, deleted) != (after - before, before - after):
        raise WrongError(f"the changes of {case!r}: {changes}")
    if not changes:
        _check_order(case, change_set, [row for _, row in old] != [row for _, row in new])
    return bool(changes)


def _compared(case: Case, old: Rows, new: Rows) -> ChangeSet | None:
    """The change set of a case, or None if the key is repeated in the new content and that was told."""
    tables = [Table(lambda data=data: io.BytesIO(data), case.csv_format, "data.csv") for data in case[:2]]
    for table, rows in zip(tables, (old, new), strict=True):
        if [(row.line, tuple(row.cells)) for row in table.rows()] != rows:
            raise WrongError(f"the rows of {case!r}")
    if case.slots:
        _cut(tables[0])
    if case.trusted and case.key:
        tables[0].unique[case.key] = None
    firsts = Counter(row[0] for _, row in new)
    is_repeated = bool(case.key) and firsts.total() > len(firsts)
    try:
        change_set = diffing.diff(*tables, key=case.key)
    except DuplicateKeyError as error:
        if is_repeated:
            return None
        raise WrongError(f"the key of {case!r}: {error}") from error
    if is_repeated:
        raise WrongError(f"a repeated key of {case!r}")
    return change_set


def _check_order(case: Case, change_set: ChangeSet, reordered: bool) -> None:
    """Raise `WrongError` unless it is told whether rows changed their places."""
    # Rows that are cancelled as bytes and others that are parsed may change places unseen.
    may_miss = len(case.old) > diffing._CANCELLED
    if change_set.reordered != reordered and not (may_miss and reordered):
        raise WrongError(f"the order of the rows of {case!r}")


def _cut(table: Table) -> None:
    """Give a content digests of its slots, as the archive does, if each of them certainly ends with a record."""
    slots = DigestsBuilder()
    for data, ends_certainly in cutting.cut(table.plain, 0, table.plain.size, table.records, table.start):
        slots.add(data, ends_certainly=ends_certainly)
    if slots.certain:
        table.plain.digests = slots.digests(table.records.form)


def _keyed(before: Counter[Any], after: Counter[Any]) -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
    """Rows inserted, updated (as they are after) and deleted, where the first cell is the key."""
    olds, news = {row[0]: row for row in before}, {row[0]: row for row in after}
    return (
        Counter(row for key, row in news.items() if key not in olds),
        Counter(row for key, row in news.items() if key in olds and olds[key] != row),
        Counter(row for key, row in olds.items() if key not in news),
    )


def _oracle(data: bytes, csv_format: CsvFormat) -> Rows:
    """The rows that csv.reader reads, each with the line that it starts on."""
    text = data.decode(csv_format.encoding, csv_format.errors)
    quotechar = csv_format.quotechar
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=csv_format.delimiter,
        quotechar=quotechar or None,
        quoting=csv.QUOTE_MINIMAL if quotechar else csv.QUOTE_NONE,
    )
    rows, line = [], 1
    for cells in reader:
        if cells:
            rows.append((line, tuple(cells)))
        line = reader.line_num + 1
    return rows


@contextlib.contextmanager
def tiny(rng: random.Random) -> Iterator[None]:
    """Every size by which the comparison decides is a few bytes."""
    least = rng.choice((1, 2, 8))
    with contextlib.ExitStack() as stack:
        for module, name, value in (
            (walking, "_LEAST", least),
            (walking, "_MOST", least * rng.choice((1, 4))),
            (walking, "_SEARCHES", rng.choice(((4, 16), (8, 64, 512), (32,), (2, 4, 8)))),
            (walking, "_BACK", rng.choice(((2, 8), (4, 16, 64), (1,), (1000,)))),
            (walking, "_AHEAD", rng.choice((1, 8, 1 << 20))),
            (walking, "_MANY", rng.choice((0, 1, 3, 1000))),
            (walking, "_SHARE", rng.choice((1, 4, 16))),
            (walking, "_MORE", rng.choice((0, 3, 1 << 11))),
            (walking, "_FEW", rng.choice((1, 4, 64))),
            (cutting, "SLOT", rng.choice((4, 16, 64))),
            (cutting, "_LONGEST", rng.choice((64, 1000))),
            (cutting, "_BACK", rng.choice((2, 8, 1000))),
            (records, "_FEW", rng.choice((1, 3, 1 << 12))),
            (records, "_AHEAD", rng.choice((1, 3, 16, 100))),
            (records, "_FEW_MATCHED", rng.choice((0, 2, 16))),
            (diffing, "_CANCELLED", rng.choice((0, 0, 5, 1000))),
            (diffing, "_WIDE", rng.choice((0, 0, 20, 1000))),
            (diffing, "_SAMPLE", rng.choice((0, 20, 1 << 16))),
            (pairing, "_FEW", rng.choice((0, 100, 1 << 21))),
            (reading, "_CHUNK", rng.choice((1, 2, 512))),
            (cancelling, "_TOGETHER", rng.choice((1, 2, 5, 2_000))),
            (ranges, "_SMALL", rng.choice((0, 10, 1 << 14))),
            (ranges, "_TOGETHER", rng.choice((1, 7, 1 << 16))),
            (plain, "_BLOCK", rng.choice((1, 7, 1 << 16))),
            (plain, "_BEHIND", rng.choice((0, 5))),
            (plain, "_IN_MEMORY", rng.choice((0, 1 << 20, 1 << 20, 1 << 20))),
        ):
            stack.enter_context(mock.patch.object(module, name, value))
        yield


def cases(rng: random.Random) -> Iterator[Case]:
    """Random cases without end: each content is the one before with some edits, now and then a wholly new one."""
    while True:
        make = rng.choice((_strict, _strict, _lax))
        delimiter, quotechar = rng.choice(
            ((",", '"'), (",", '"'), (",", '"'), (";", "'"), (",", ""), ("§", '"'), (",", "§"))
        )
        encoding = rng.choice(("utf-8", "utf-8", "utf-8", "utf-16", "latin-1", "utf-8-sig"))
        csv_format = CsvFormat(delimiter=delimiter, quotechar=quotechar, encoding=encoding, header=False, names=_NAMES)
        marks = str.maketrans({",": delimiter, '"': quotechar or '"', "\u2028": "\u2028" if "utf" in encoding else "x"})
        rows = make(rng)
        old = "".join(rows)
        for _ in range(rng.randint(1, 4)):
            rows = _edited(rows, rng, make)
            new = _spoiled("".join(rows), rng)
            key = ("a",) if _is_keyed(old) and _rows(new) and encoding != "utf-16" and delimiter == "," else ()
            sides = (text.translate(marks).encode(encoding) for text in (old, new))
            keyed = key if quotechar == '"' else ()
            yield Case(*sides, csv_format, keyed, slots=rng.random() < 0.5, trusted=rng.random() < 0.5)
            old = new


def _is_keyed(text: str) -> bool:
    """Whether the first cells are a key of a content."""
    firsts = [row[0] for row in _rows(text)]
    return bool(firsts) and len(set(firsts)) == len(firsts)


def _rows(text: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


def _strict(rng: random.Random) -> list[str]:
    """Rows as a program writes them, ragged at times."""
    end = rng.choice(["\n", "\r\n", "\n", "\r"])
    quote_all, keyed = rng.random() < 0.2, rng.random() < 0.4
    rows: list[str] = []
    for number in range(rng.randint(0, 30)):
        cells = [str(number) if keyed else rng.choice(_CELLS)]
        cells += [rng.choice(_CELLS) for _ in range(rng.choice([0, 2, 2, 2, 1, 3]))]
        cells = [
            f'"{cell.replace(chr(34), chr(34) * 2)}"' if quote_all or set(cell) & set(',"\n\r') else cell
            for cell in cells
        ]
        rows.append(",".join(cells) + end)
        if not keyed and rng.random() < 0.2:
            rows.append(rng.choice(rows))
    return rows


def _lax(rng: random.Random) -> list[str]:
    """Anything."""
    return ["".join(rng.choice(_TOKENS) for _ in range(rng.randint(0, 40))) for _ in range(rng.randint(0, 4))]


def _edited(rows: list[str], rng: random.Random, make: Any) -> list[str]:
    """The rows with some edits: rows deleted, inserted, moved, changed, written in another way."""
    rows = list(rows)
    for _ in range(rng.randint(0, 4)):
        place = rng.randrange(len(rows)) if rows else 0
        kind = rng.random()
        if kind < 0.25 and rows:
            del rows[place : place + rng.choice((1, 1, 2, 8))]
        elif kind < 0.5:
            rows[place:place] = make(rng)[: rng.choice((1, 1, 2, 10))]
        elif kind < 0.58:
            rng.shuffle(rows)
        elif kind < 0.8 and rows:
            rows[place] = rows[place].replace("a", "c", 1) if rng.random() < 0.5 else rows[place].replace(",", ",z", 1)
        elif kind < 0.86:
            rows = [row.replace("\r\n", "\n") for row in rows]
        elif kind < 0.92 and rows:
            rows[-1] = rows[-1].rstrip("\r\n")
        elif rows:
            rows.append(rows[0])
    return rows


def _spoiled(text: str, rng: random.Random) -> str:
    """The text, now and then with one character put in or overwritten."""
    if text and rng.random() < 0.15:
        place = rng.randrange(len(text))
        return text[:place] + rng.choice('",\n\r\x00aé') + text[place + rng.randint(0, 1) :]
    return text


def run(cases_to_run: int, seed: int) -> tuple[int, int]:
    """Run so many cases; raises what the first wrong one raises. Tells how many ran, and had changes."""
    rng = random.Random(seed)
    changed = 0
    for case in itertools.islice(cases(rng), cases_to_run):
        with tiny(rng):
            changed += check(case)
    return cases_to_run, changed


_PORTION = 2000


def _portion(seed: int) -> tuple[int, int, str]:
    try:
        return *run(_PORTION, seed), ""
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent tells it with the seed
        return 0, 0, f"seed {seed}: {type(error).__name__}: {error}"


def main() -> int:
    """Run many cases in several processes."""
    parser = argparse.ArgumentParser(description="Fuzz the comparison against an oracle.")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    told = parser.parse_args()
    portions = -(-told.cases // _PORTION)
    ran = changed = 0
    wrong: list[str] = []
    with multiprocessing.Pool(told.processes) as pool:
        for number, (some, with_changes, error) in enumerate(
            pool.imap_unordered(_portion, range(told.seed, told.seed + portions)), 1
        ):
            ran, changed = ran + some, changed + with_changes
            if error:
                wrong.append(error)
                print(error, file=sys.stderr)
            if number % 10 == 0:
                print(f"{ran:,} cases, {changed:,} with changes, {len(wrong)} wrong", file=sys.stderr)
    print(f"seed {told.seed}: {ran:,} cases, {changed:,} with changes, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
