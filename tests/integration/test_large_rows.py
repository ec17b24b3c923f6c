"""Cells and headers of any size, on each database: a version is recorded, and its row changes can be told."""

import contextlib
import csv
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import servers
from sqlalchemy import text

from csv_manager.checks.running import Check
from csv_manager.core.errors import NotCsvError
from csv_manager.core.findings import Finding
from csv_manager.core.model import FormatOptions, WatcherOptions
from csv_manager.core.rules import Gate, Rule, RuleSet
from csv_manager.pipeline.store import Store
from csv_manager.store.copying import copy_store
from csv_manager.store.engine import reading
from csv_manager.store.rules import InForce
from csv_manager.store.schema import metadata

KEYED = WatcherOptions(key=("id",))
#: Characters that are many for a database without a limit that matters.
MANY = 2 << 20
pytestmark = pytest.mark.slow


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.csv"


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as stack:
        is_file = request.param == "sqlite"
        url = f"sqlite:///{tmp_path / 'store.db'}" if is_file else stack.enter_context(servers.database(request.param))
        yield stack.enter_context(Store(url=url, archive=tmp_path / "archive", row_limit=100_000))


only_on_mariadb = pytest.mark.parametrize("store", ["mariadb"], indirect=True)
only_on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def most_bytes(store: Store) -> int | None:
    """What the server of a store takes at once, if it says so."""
    if store.catalog.engine.dialect.name != "mysql":
        return None
    with reading(store.catalog.engine) as connection:
        return int(connection.execute(text("SELECT @@max_allowed_packet")).scalar_one())


def written(rows: list[list[str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def record(store: Store, path: Path, *rows: list[str], options: WatcherOptions = KEYED) -> None:
    path.write_text(written([*rows]))
    assert store.recorder.record(str(path), options).number is not None


def test_a_cell_that_the_server_does_not_take_is_recorded_and_told(store: Store, path: Path) -> None:
    most = most_bytes(store)
    large = "y" * ((most or MANY) + 1)
    record(store, path, ["id", "v"], ["1", "a"])
    store.catalog.outbox.register("receiver", replay=False)
    record(store, path, ["id", "v"], ["1", "b"], ["2", large])
    record(store, path, ["id", "v"], ["1", "b"], ["2", f"{large}z"])
    record(store, path, ["id", "v"], ["1", "c"], ["2", f"{large}z"])
    file = store.file(path)
    is_kept = most is None
    assert [version.stored for version in file.versions()] == [True, is_kept, is_kept, False]
    assert [(change.op, change.after) for change in file.changes(2)] == [
        ("update", {"id": "1", "v": "b"}),
        ("insert", {"id": "2", "v": large}),
    ]
    assert [(change.before, change.after) for change in file.changes(3)] == [
        ({"id": "2", "v": large}, {"id": "2", "v": f"{large}z"})
    ]
    told = [store.told(entry) for entry in store.catalog.outbox.since(1)]
    assert [change and len(list(change.change_set)) for change in told] == [2, 1, 1]
    with file.open(4) as content:
        assert content.read() == path.read_bytes()


def test_rows_that_are_more_together_than_the_server_takes_at_once_are_kept(store: Store, path: Path) -> None:
    record(store, path, ["id", "v"], ["0", "a"])
    rows = [[str(number), f"{number:0100000}"] for number in range(200)]
    record(store, path, ["id", "v"], *rows)
    file = store.file(path)
    version = file.version(2)
    assert (version.stored, version.inserted, version.updated) == (True, 199, 1)
    assert [list((change.after or {}).values()) for change in file.changes(2)] == rows


@only_on_mariadb
@pytest.mark.parametrize("cell", ['"', "'", "𝄞"])
def test_what_a_cell_becomes_in_a_statement_is_what_counts(store: Store, path: Path, cell: str) -> None:
    most = most_bytes(store) or MANY
    size = {'"': len(r"\\\""), "'": len(r"\'"), "𝄞": len(r"\\ud834\\udd1e")}[cell]
    almost = cell * ((most - 5000) // size)
    record(store, path, ["id", "v"], ["1", "a"])
    record(store, path, ["id", "v"], ["1", "a"], ["2", almost])
    record(store, path, ["id", "v"], ["1", "a"], ["3", almost + cell * (5000 // size)])
    file = store.file(path)
    assert [version.stored for version in file.versions()] == [False, True, False]
    assert [change.after for change in file.changes(2)] == [{"id": "2", "v": almost}]
    assert [(change.op, change.key) for change in file.changes(3)] == [("delete", {"id": "2"}), ("insert", {"id": "3"})]


def test_a_header_that_the_server_does_not_take_is_held(store: Store, path: Path) -> None:
    most = most_bytes(store)
    large = "y" * ((most or MANY) + 1)
    record(store, path, ["id", "v"], ["1", "a"])
    record(store, path, ["id", large], ["1", "a"])
    held = store.file(path).latest()
    assert held is not None
    if most is None:
        assert (held.status, held.columns) == ("ok", ("id", large))
    else:
        assert (held.status, held.columns) == ("held", ())
        assert f"the names of its columns have {len(large) + 2:,} characters" in held.findings[0].message
    record(store, path, ["id", "v"], ["1", "b"])
    file = store.file(path)
    assert [change.after for change in file.changes()] == [{"id": "1", "v": "b"}]
    with file.open(2) as content:
        assert content.read() == written([["id", large], ["1", "a"]]).encode()


@only_on_mariadb
def test_a_header_that_the_server_does_not_take_is_refused_for_a_new_watcher(store: Store, path: Path) -> None:
    large = "y" * ((most_bytes(store) or MANY) + 1)
    path.write_text(written([["id", large], ["1", "a"]]))
    with pytest.raises(NotCsvError, match="name them with --header, or raise its max_allowed_packet"):
        store.recorder.record(str(path), KEYED, store_watcher=True)
    assert (store.catalog.watchers.all(), store.catalog.history.files()) == ([], {})
    plain, headed = (WatcherOptions(format=FormatOptions(header=header)) for header in (False, True))
    record(store, path, ["id", large], ["1", "a"], options=plain)
    file = store.file(path)
    with pytest.raises(NotCsvError, match="the names of its columns have"):
        store.recorder.reread(file.record, headed)


@only_on_sqlite
def test_row_changes_that_are_too_large_together_stay_in_the_archive(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csv_manager.pipeline.new_versions._MOST", 330)
    record(store, path, ["id", "v"], ["1", "a"])
    record(store, path, ["id", "v"], ["1", "a"], *([str(number), "x" * 100] for number in range(2, 5)))
    record(store, path, ["id", "v"], ["1", "a"], *([str(number), "x" * 100] for number in range(2, 7)))
    file = store.file(path)
    assert [version.stored for version in file.versions()] == [True, False, False]
    assert [len(list(file.changes(number))) for number in (2, 3)] == [3, 2]


def test_a_quarantined_row_that_the_server_does_not_take_is_told_without_its_cells(
    store: Store, path: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(servers.database("mariadb"))
        target = stack.enter_context(Store(url=url, archive=tmp_path / "archive", row_limit=100_000))
        large = "y" * ((most_bytes(target) or MANY) + 1)
        record(store, path, ["id", "v"], ["1", "a"])
        rule_set = RuleSet(number=1, rules=(Rule(name="long", check="long"),), gate=Gate(on_bad="quarantine-rows"))
        store.recorder.judge.in_force = lambda *_: InForce(rule_set=rule_set, has_target=False)
        store.recorder.judge.checks = lambda: {"long": Check(name="long", function=long)}
        record(store, path, ["id", "v"], ["1", "b"], ["2", large], ["3", "no"])
        known = None if most_bytes(store) else {"id": "2", "v": large}
        told = [(row.line, row.cells) for row in store.file(path).quarantine()]
        assert told == [(3, known), (4, {"id": "3", "v": "no"})]
        place = store.file(path).quarantine_file()
        assert place is not None
        assert place.read_text() == written([["id", "v"], ["2", large], ["3", "no"]])
        copy_store(store.catalog.engine, target.catalog.engine, list(metadata.tables.values()), uncounted)
        copied = [(row.line, row.cells) for row in target.file(path).quarantine()]
        assert copied == [(3, None), (4, {"id": "3", "v": "no"})]


def long(rows: Any, _options: Any) -> Iterator[Finding]:
    yield from (Finding(code="long", message="it is", row=row.row) for row in rows if len(row["v"]) > 1)


@contextlib.contextmanager
def uncounted(_what: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _done: None


@only_on_mariadb
def test_a_finding_that_quotes_a_cell_has_its_beginning_and_its_end(store: Store, path: Path) -> None:
    large = "y" * ((most_bytes(store) or MANY) + 1)
    record(store, path, ["id", "v"], ["1", "a"])
    record(store, path, ["id", "v"], [large, "a"], [large, "b"])
    held = store.file(path).latest()
    assert held is not None
    [finding] = held.findings
    assert (held.status, finding.code) == ("held", "primary-key")
    assert f"{path}: the key is not unique: id='yyy" in finding.message
    assert finding.message.endswith("name more --key columns, or none.")
    assert len(finding.message) < 3000
