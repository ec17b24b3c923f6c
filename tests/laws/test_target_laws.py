"""Whatever the versions, and whatever the mode: a table is as the versions say, also when it goes back and forth."""

import csv
import decimal
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from targets import KINDS, Targets, database

from csv_manager.core.targets import Target

COLUMNS = ("id", "kind", "much")
TEXTS = st.sampled_from(["", " ", "a", "A", "a ", "ä", "NULL", "\\N", "x\ty", "x\ny", "\\", '"', "😀", "%s"])
NUMBERS = st.sampled_from(["", "0", "7", "-1", "1.5", "1.50", "007", "x", "1e5", "12345678901234567890"])
ROWS = st.dictionaries(st.integers(0, 9).map(str), st.tuples(TEXTS, NUMBERS), max_size=8)
#: What is done with a file and its target: a new version, to bring the target to the head, or back by so many versions.
STEPS = st.lists(st.one_of(ROWS, st.just("sync"), st.integers(1, 3)), min_size=2, max_size=7)

Version = Counter[tuple[str, ...]]


def text_of(version: dict[str, tuple[str, str]], repeats: int) -> str:
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    rows = [(key, *row) for key, row in version.items()]
    writer.writerows([COLUMNS, *rows, *(rows * repeats)])
    return written.getvalue()


def meant(cell: str, is_text: bool) -> Any:
    """The value of a cell in a column: of numbers, what they are."""
    if is_text:
        return cell
    return decimal.Decimal(cell) if cell else ""


def found(targets: Targets, target: Target, where: str = "1 = 1") -> Counter[Any]:
    rows = targets.rows(target, *COLUMNS, where=where)
    return Counter((row[0], row[1], _value(row[2]) if row[2] is not None else "") for row in rows)


def _value(cell: Any) -> Any:
    return decimal.Decimal(repr(cell)) if isinstance(cell, float) else cell


def expected(version: Version, rows: Counter[Any]) -> Counter[Any]:
    """A version's rows, with values as the columns of a table have them: texts, if one of them is a text.

    A number that SQLite keeps as a text has no value where its cell is empty.
    """
    is_text = [any(isinstance(row[place], str) and row[place] for row in rows) for place in range(len(COLUMNS))]
    told: Counter[Any] = Counter()
    for row, count in version.items():
        cells = tuple(meant(*each) for each in zip(row, is_text, strict=True))
        told[cells] += count
    return told


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["mirror", "history"])
def test_a_table_is_as_its_version(kind: str, mode: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    number = 0

    @given(steps=STEPS, key=st.sampled_from([(), ("id",)]), own=st.booleans())
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    def hold(engine: Engine, folder: Path, steps: list[Any], key: tuple[str, ...], own: bool) -> None:
        nonlocal number
        number += 1
        (folder / str(number)).mkdir()
        targets = Targets(folder / str(number), engine)
        try:
            versions: list[Version] = []
            write(targets, versions, {"0": ("a", "1")}, () if own else key)
            target = targets.add(table=f"data{number}", mode=mode, key=key, evolution="evolve")
            targets.sync(target)
            for step in [*steps, "sync"]:
                if isinstance(step, dict):
                    write(targets, versions, step, () if own else key, repeats=0 if key else len(step) % 2)
                elif step == "sync":
                    targets.syncing.unpin(targets.file(target))
                    targets.sync(target)
                    holds(targets, target, versions, len(versions))
                elif (at := (targets.file(target).version or 0) - step) > 0:
                    targets.syncing.roll_back(targets.file(target), at)
                    holds(targets, target, versions, at)
        finally:
            targets.close()

    with database(kind, tmp_path_factory.mktemp("database")) as engine:
        folder = tmp_path_factory.mktemp("files")
        hold(engine, folder)  # type: ignore[call-arg] # hypothesis gives the others


def write(
    targets: Targets, versions: list[Version], rows: dict[str, tuple[str, str]], key: tuple[str, ...], repeats: int = 0
) -> None:
    head = targets.write(text_of(rows, repeats), key=key)
    version: Version = Counter()
    for name, row in rows.items():
        version[name, *row] += 1 + repeats
    if head > len(versions):
        versions.append(version)


def holds(targets: Targets, target: Target, versions: list[Version], number: int) -> None:
    """Check a target against the version that it is to be at, and of a history, against each before."""
    assert targets.file(target).version == number
    if target.mode == "mirror":
        rows = found(targets, target)
        assert rows == expected(versions[number - 1], rows)
        assert targets.syncing.verify(targets.file(target)) is None
        return
    everything = found(targets, target)
    for at in range(1, number + 1):
        rows = found(
            targets,
            target,
            where=f"valid_from_version <= {at} AND (valid_to_version IS NULL OR valid_to_version > {at})",
        )
        assert rows == expected(versions[at - 1], everything), at
