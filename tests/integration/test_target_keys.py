"""Keys that a table cannot tell apart, or that are no keys, on each database: refused with the lines of the file."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from targets import KINDS, Targets, database

from csv_manager.core.errors import DuplicateKeyError
from csv_manager.sync.loading import MisfitError

#: How those keys begin that are texts in a database, which are told apart.
TEXTS = {"sqlite": ("2026", "6f"), "mysql": ("6f",), "postgresql": ()}


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with database(request.param, tmp_path_factory.mktemp("database")) as made:
        yield made


@pytest.fixture
def targets(engine: Engine, tmp_path: Path) -> Iterator[Targets]:
    made = Targets(tmp_path, engine)
    yield made
    made.close()
    for name in made.tables():
        made.run(f"DROP TABLE {engine.dialect.identifier_preparer.quote_identifier(name)}")


@pytest.mark.parametrize("rows", ["5,b\n,a\n", ",a\n1,b\n", "5,b\n\n,a\n"])
def test_a_key_without_a_value_is_refused_by_the_first_version_too(targets: Targets, rows: str) -> None:
    targets.write(f"id,name\n{rows}", key=("id",))
    line = 2 + rows[: rows.index(",a")].count("\n")
    with pytest.raises(MisfitError, match=rf"data\.csv: line {line}: column 'id': there is no value"):
        targets.sync(targets.add())
    assert "data" not in targets.tables()


def test_a_text_as_a_key_may_be_empty(targets: Targets) -> None:
    targets.write("id,name\nx,b\n,a\n", key=("id",))
    target = targets.add()
    targets.sync(target)
    assert sorted(targets.rows(target, "id", "name")) == [("", "a"), ("x", "b")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.0", "1.00"),
        ("TRUE", "true"),
        ("1e5", "100000.0"),
        ("2026-01-01T10:00:00Z", "2026-01-01T12:00:00+02:00"),
        ("6f1b0f4e-0a4c-4a1c-9a68-3b1f7b1c6d11", "6F1B0F4E-0A4C-4A1C-9A68-3B1F7B1C6D11"),
    ],
)
def test_keys_of_one_value_are_told_by_their_lines(targets: Targets, engine: Engine, one: str, other: str) -> None:
    targets.write(f"id,name\n{one},a\n{one.replace('1', '2').replace('TRUE', 'false')},b\n{other},c\n", key=("id",))
    if one.startswith(TEXTS[engine.dialect.name]):
        target = targets.add()
        targets.sync(target)
        assert sorted(name for _, name in targets.rows(target, "id", "name")) == ["a", "b", "c"]
        return
    said = re.escape(f"id='{one}' in line 2 and id='{other}' in line 4 are the same values")
    with pytest.raises(DuplicateKeyError, match=said + ".*--type 'id=text'"):
        targets.sync(targets.add())
    assert "data" not in targets.tables()


def test_a_key_that_a_later_version_has_in_another_way_is_told_by_its_lines(targets: Targets) -> None:
    targets.write("id,name\n1.0,a\n2.5,b\n", key=("id",))
    target = targets.add(types={"id": "double"})
    targets.sync(target)
    targets.write("id,name\n1.0,a\n2.5,b\n1.00,c\n")
    with pytest.raises(DuplicateKeyError, match=r"id='1\.0' in line 2 and id='1\.00' in line 4"):
        targets.sync(target)
    assert [name for _, name in sorted(targets.rows(target, "id", "name"))] == ["a", "b"]
