"""The event record in each store: what it has after what happened, and that nobody changes it."""
# ruff: noqa: S608 - the statements are the test's own

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import servers
from at_once import make_at_once
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from csv_manager.checks.running import Check
from csv_manager.core.errors import StoreError, TornReadError
from csv_manager.core.events import NAMED_FILE, Event
from csv_manager.core.findings import Finding
from csv_manager.core.model import WatcherOptions
from csv_manager.core.paths import identity
from csv_manager.core.rules import Rule
from csv_manager.pipeline.runs import Runs
from csv_manager.pipeline.store import Store
from csv_manager.store.engine import reading, writing
from csv_manager.store.schema import event_tables

FRUIT = "id,price\n1,5\n2,7\n3,2\n"
_, _, GROUP_RUN, INSTANCE_RUN = event_tables
POSITIVE = Rule(name="positive", check="positive")
KNOWN = Rule(name="known", check="broken")
#: As somebody asks who knows CsvPath's tables.
JOINED = """
SELECT f.named_file_name, f.mark, p.paths_count, r.status, r.all_valid, i.instance_identity, i.valid, i.error_count
FROM named_paths_group_run r
JOIN named_file f ON f.uuid = r.named_file_uuid
JOIN named_paths p ON p.uuid = r.named_paths_uuid
LEFT JOIN instance_run i ON i.group_run_uuid = r.uuid
ORDER BY r.time_completed, i.instance_index
"""


class Files:
    """A store, and a watched file in a folder."""

    def __init__(self, folder: Path, url: Any) -> None:
        self.folder, self.url = folder, url
        self.store = Store(url=url, archive=folder / "archive", row_limit=100)
        self.store.recorder.judge.checks = lambda: {
            "positive": Check(name="positive", function=_positive, description="", scope="rows", options=()),
            "broken": Check(name="broken", function=_fail, description="", scope="version", options=()),
        }
        self.path = identity(str(folder / "data.csv"))

    def write(self, content: str, **told: Any) -> int | None:
        """Record a content; the number of the version, if it is a new one."""
        Path(self.path).write_text(content, encoding="utf-8")
        known = self.store.catalog.watchers.of(self.path)
        options = known.options if known else WatcherOptions(key=("id",), name="fruit")
        watcher = None if known is None else known.id
        record = self.store.recorder.record
        return record(self.path, options, store_watcher=known is None, watcher_id=watcher, **told).number

    def rule(self, *rules: Rule) -> None:
        [watcher] = self.store.catalog.watchers.all()
        self.store.catalog.rules.change(watcher, lambda before: replace(before, rules=rules))

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        with reading(self.store.catalog.engine) as connection:
            return [tuple(row) for row in connection.execute(text(question))]

    def do(self, statement: str) -> int:
        with writing(self.store.catalog.engine) as connection:
            return connection.execute(text(statement)).rowcount


def _positive(rows: Any, _: Any) -> Iterator[Finding]:
    for row in rows:
        if int(row["price"]) < 0:
            yield Finding(code="negative", line=row.line, column="price", message="it is negative")


def _fail(*_: Any) -> Iterator[Any]:
    raise RuntimeError("it is broken")


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Files]:
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            url: Any = f"sqlite:///{tmp_path / 'store.db'}"
        else:
            url = stack.enter_context(servers.database(request.param))
        made = Files(tmp_path, url)
        stack.callback(made.store.close)
        made.write(FRUIT)
        yield made


def test_the_four_tables_join_as_somebody_expects_who_knows_them(files: Files) -> None:
    files.rule(POSITIVE)
    files.write(FRUIT + "4,-1\n")
    files.write(FRUIT + "4,1\n")
    assert files.ask(JOINED) == [
        ("fruit", "1", 0, "complete", "Y", None, None, None),
        ("fruit", "2", 1, "complete", "N", "positive", "N", 1),
        ("fruit", "3", 1, "complete", "Y", "positive", "Y", 0),
    ]
    # A row for each time that the rules changed, with what they were read from, and no more.
    assert files.ask("SELECT paths_name, paths_count, source_path FROM named_paths ORDER BY paths_count") == [
        ("fruit", 0, files.path),
        ("fruit", 1, files.path),
    ]


def test_what_is_filled_is_true(files: Files) -> None:
    files.rule(POSITIVE)
    content = FRUIT + "4,-1\n5,-2\n"
    files.write(content)
    [version, _] = files.store.file(files.path).versions()
    stored = str(files.store.archive.place(version.sha256))
    assert Path(stored).is_file()
    [(path, file_path, size, mark, kind, host, who, ip)] = files.ask(
        "SELECT origin_path, file_path, file_size, mark, type, hostname, username, ip_address FROM named_file "
        "WHERE mark = '2'"
    )
    assert (path, file_path, size, mark, kind) == (files.path, stored, len(content), "2", "csv")
    assert all((host, who, ip))
    [(run, fingerprint, began, ended, count)] = files.ask(
        "SELECT r.uuid, named_file_fingerprint, r.at, time_completed, error_count FROM named_paths_group_run r "
        "JOIN csv_runs ON csv_runs.uuid = r.uuid WHERE named_file_size = " + str(len(content))
    )
    assert (fingerprint, count) == (version.sha256, 2)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    times = [value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value) for value in (began, ended)]
    assert now - dt.timedelta(minutes=5) < times[0] <= times[1] <= now
    assert files.ask(
        "SELECT lines_scanned, lines_total, lines_matched, error_count, completed, instance_index FROM instance_run "
        f"WHERE group_run_uuid = '{run}'"
    ) == [(5, 5, 3, 2, "Y", 0)]


def test_a_rule_that_fails_is_no_success(files: Files) -> None:
    files.rule(POSITIVE, KNOWN)
    files.write(FRUIT + "4,1\n")
    assert files.ask("SELECT status, all_completed, all_valid, error_count FROM named_paths_group_run ORDER BY at") == [
        ("complete", "Y", "Y", 0),
        ("failed", "N", "N", 1),
    ]
    parts = files.ask(
        "SELECT instance_identity, preceding_instance_identity, valid, completed FROM instance_run "
        "ORDER BY instance_index"
    )
    assert parts == [("positive", None, "Y", "Y"), ("known", "positive", "N", "N")]
    with pytest.raises(StoreError, match="immutable"):  # its run is over
        files.do("UPDATE instance_run SET completed = 'Y' WHERE instance_identity = 'known'")


def test_what_cannot_be_read_is_a_run_that_failed(files: Files) -> None:
    files.write("id,price\n1,5\n1,6\n")
    [latest, _] = files.store.file(files.path).versions()
    assert latest.status == "held"
    asked = "SELECT status, all_completed, all_valid, error_count FROM named_paths_group_run WHERE all_valid = 'N'"
    assert files.ask(asked) == [("failed", "N", "N", 1)]
    assert files.ask("SELECT count(*) FROM named_file") == [(2,)]


def test_a_run_that_raises_is_recorded_as_failed_once(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(files.store.archive, "keep", full)
        for _ in range(3):  # the same failure again is counted, and no run of its own
            with pytest.raises(StoreError, match="full"):
                files.write(FRUIT + "4,1\n")
    asked = "SELECT status, all_valid FROM named_paths_group_run ORDER BY at"
    assert files.ask(asked) == [("complete", "Y"), ("failed", "N")]
    assert files.write(FRUIT + "4,1\n") == 2
    assert files.ask(asked) == [("complete", "Y"), ("failed", "N"), ("complete", "Y")]


def test_no_run_stays_started_that_came_to_nothing(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(*_: Any, **__: Any) -> int:
        raise TornReadError("it moved")

    with monkeypatch.context() as patch:
        patch.setattr(files.store.catalog.history, "commit", torn)
        with pytest.raises(TornReadError):
            files.write(FRUIT + "4,1\n")
    assert files.ask("SELECT status FROM named_paths_group_run ORDER BY at") == [("complete",), ("failed",)]


def test_the_run_of_a_process_that_died_is_finished_by_the_next(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files.store.catalog.history, "commit", die)
        patch.setattr(Runs, "_end", lambda *_: None)  # nobody says that it ended
        with pytest.raises(KeyboardInterrupt):
            files.write(FRUIT + "4,1\n")
    states = "SELECT status FROM named_paths_group_run ORDER BY at"
    assert files.ask(states) == [("complete",), ("started",)]
    monkeypatch.setattr("csv_manager.store.ledger.is_process_gone", lambda _: True)
    assert len(files.store.runs.ledger.finish_dead()) == 1
    assert files.ask(states) == [("complete",), ("failed",)]


TAMPERING = [
    "UPDATE named_file SET file_size = 1",
    "DELETE FROM named_file",
    "UPDATE named_paths SET paths_count = 0",
    "DELETE FROM named_paths",
    "UPDATE named_paths_group_run SET all_valid = 'Y'",
    "UPDATE named_paths_group_run SET status = 'started'",
    "DELETE FROM named_paths_group_run",
    "UPDATE instance_run SET valid = 'Y'",
    "UPDATE instance_run SET group_run_uuid = 'other'",
    "DELETE FROM instance_run",
]


@pytest.mark.parametrize("statement", TAMPERING)
def test_no_row_is_changed_or_deleted(files: Files, statement: str) -> None:
    files.rule(POSITIVE)
    files.write(FRUIT + "4,-1\n")
    before = [files.ask(f"SELECT * FROM {table.name} ORDER BY uuid") for table in event_tables]
    with pytest.raises(StoreError, match="the event record is immutable"):
        files.do(statement)
    assert [files.ask(f"SELECT * FROM {table.name} ORDER BY uuid") for table in event_tables] == before


def test_no_row_is_replaced(files: Files) -> None:
    [(uuid,)] = files.ask("SELECT uuid FROM named_file")
    columns = "uuid, at, named_file_name, origin_path, name_home, files_root, manifest_path"
    values = f"VALUES ('{uuid}', '2020-01-01 00:00:00', 'x', 'x', 'x', 'x', 'x')"
    verbs = {"sqlite": "INSERT OR REPLACE INTO", "mysql": "REPLACE INTO"}
    verb = verbs.get(files.store.catalog.engine.dialect.name, "INSERT INTO")
    end = " ON CONFLICT (uuid) DO UPDATE SET named_file_name = 'x'" if verb == "INSERT INTO" else ""
    with pytest.raises(StoreError, match="immutable"):
        files.do(f"{verb} named_file ({columns}) {values}{end}")
    assert files.ask("SELECT named_file_name FROM named_file") == [("fruit",)]


def test_a_row_that_is_started_is_completed_once_and_by_nothing_else(files: Files) -> None:
    """As CsvPath's own listener does, whose word for a run that goes on is another one."""
    now = dt.datetime.now(dt.UTC)
    named = {"named_paths_uuid": "p", "named_paths_name": "p", "named_paths_home": "p"}
    named |= {f"named_file_{each}": "f" for each in ("uuid", "name", "home", "path")}
    with writing(files.store.catalog.engine) as connection:
        for uuid, status in (("one", "started"), ("two", "start")):
            connection.execute(insert(GROUP_RUN), {"uuid": uuid, "at": now, "status": status, **named})
            row = {"uuid": f"part of {uuid}", "group_run_uuid": uuid, "at": now}
            connection.execute(insert(INSTANCE_RUN), {**row, "instance_home": "h", "manifest_path": "m"})
    for uuid in ("one", "two"):
        of_run, of_part = f"WHERE uuid = '{uuid}'", f"WHERE uuid = 'part of {uuid}'"
        for refused in (
            f"UPDATE named_paths_group_run SET status = 'complete', hostname = 'x' {of_run}",
            f"UPDATE named_paths_group_run SET status = NULL {of_run}",
            f"UPDATE instance_run SET completed = 'Y', actual_data_file = 'x' {of_part}",
        ):
            with pytest.raises(StoreError, match="immutable"):
                files.do(refused)
        assert files.do(f"UPDATE instance_run SET completed = 'Y', lines_total = 3 {of_part}") == 1
        assert files.do(f"UPDATE named_paths_group_run SET status = 'complete', all_valid = 'Y' {of_run}") == 1
        for refused in (
            f"UPDATE instance_run SET lines_total = 4 {of_part}",
            f"UPDATE named_paths_group_run SET status = 'failed' {of_run}",
        ):
            with pytest.raises(StoreError, match="immutable"):
                files.do(refused)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
@pytest.mark.parametrize("statement", [*TAMPERING, "TRUNCATE TABLE named_file", "DROP TRIGGER csv_named_file_delete"])
def test_the_user_of_a_store_cannot_tamper(kind: str, statement: str, tmp_path: Path) -> None:
    with servers.users(kind) as users:
        store = Store(url=users.user, admin=users.admin, archive=tmp_path / "archive", row_limit=100)
        with contextlib.closing(store):
            (tmp_path / "data.csv").write_text(FRUIT)
            path = identity(str(tmp_path / "data.csv"))
            store.recorder.record(path, WatcherOptions(), store_watcher=True)
            [watcher] = store.catalog.watchers.all()
            store.recorder.judge.checks = dict
            store.catalog.rules.change(watcher, lambda before: replace(before, rules=(KNOWN,)))
            (tmp_path / "data.csv").write_text(FRUIT + "4,1\n")
            store.recorder.record(path, WatcherOptions())
            with pytest.raises(DBAPIError), store.catalog.engine.begin() as connection:
                connection.execute(text(statement))


def test_names_that_are_too_long_and_files_that_are_too_large_do_not_stop_a_version(tmp_path: Path) -> None:
    for kind in ("postgresql", "mariadb"):
        with servers.database(kind) as url, contextlib.ExitStack() as stack:
            folder = tmp_path.joinpath(kind, *["f" * 200] * 3)
            folder.mkdir(parents=True)
            files = Files(folder, url)
            stack.callback(files.store.close)
            for name in ("x" * 60 + "1", "x" * 60 + "2"):
                path = str(folder / f"{name}.csv")
                Path(path).write_text(FRUIT)
                files.store.recorder.record(path, WatcherOptions(), store_watcher=True)
            names = [name for (name,) in files.ask("SELECT named_file_name FROM named_file")]
            assert [len(name) for name in names] == [40, 40]
            assert len(set(names)) == 2
            [row] = files.ask(
                "SELECT named_file_name, origin_path, name_home, files_root, manifest_path FROM named_file "
                "WHERE named_file_name LIKE 'x%' LIMIT 1"
            )
            names = ("named_file_name", "origin_path", "name_home", "files_root", "manifest_path")
            values = {**dict(zip(names, row, strict=True)), "uuid": "huge", "at": dt.datetime.now(dt.UTC)}
            huge = Event(table=NAMED_FILE, values={**values, "file_size": 3 << 30})
            files.store.catalog.events.write([huge])
            assert files.ask("SELECT file_size FROM named_file WHERE uuid = 'huge'") == [(None,)]
            assert files.ask("SELECT count(*) FROM named_paths_group_run") == [(2,)]


AT_ONCE = """
import sys
from pathlib import Path
from sqlalchemy.engine import make_url
from csv_manager.core.model import WatcherOptions
from csv_manager.pipeline.store import Store
url, folder, number = sys.argv[1].rsplit("|", 2)[0], Path(sys.argv[1].rsplit("|", 2)[1]), None
import os
mine = folder / f"{os.getpid()}.csv"
store = Store(url=make_url(url), archive=folder / "archive", row_limit=100)
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    mine.write_text(f"id,price\\n1,{number}\\n")
    store.recorder.record(str(mine), WatcherOptions(), store_watcher=not number)
store.close()
print("made")
"""


def test_ten_processes_at_once_lose_no_row(files: Files) -> None:
    url = files.store.catalog.engine.url.render_as_string(hide_password=False)
    make_at_once(AT_ONCE, f"{url}|{files.folder}|", 10)
    assert files.ask("SELECT count(*) FROM named_file") == [(101,)]
    assert files.ask("SELECT status, count(*) FROM named_paths_group_run GROUP BY status") == [("complete", 101)]
    assert files.ask("SELECT count(*) FROM named_paths") == [(11,)]
    joined = "SELECT count(*) FROM named_paths_group_run r JOIN named_file f ON f.uuid = r.named_file_uuid"
    assert files.ask(f"{joined} JOIN named_paths p ON p.uuid = r.named_paths_uuid") == [(101,)]
