"""Runs in the ledger, where it matters what was noted when."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from csv_manager.core.errors import StoreError
from csv_manager.core.model import WatcherOptions
from csv_manager.pipeline.store import Store
from csv_manager.store.engine import writing


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(url=f"sqlite:///{tmp_path / 'store.db'}", archive=tmp_path / "archive", row_limit=9) as opened:
        yield opened


def test_a_run_whose_first_stage_takes_long_knows_its_configuration_still(store: Store) -> None:
    with store.runs.run("/a.csv", WatcherOptions(key=("id",)), cause="change") as run:
        store.runs.tick()  # as while a large file is read
        run.begin("0" * 64)
        run.note.state = "success"
    [noted] = store.catalog.ledger.all()
    assert (noted.id, noted.state) == (run.id, "success")
    assert store.catalog.ledger.configuration(noted.configuration)["arguments"]["key"] == ["id"]


def test_a_run_that_could_not_be_noted_is_noted_as_a_new_one_later(store: Store, tmp_path: Path) -> None:
    broken = "CREATE TRIGGER broken BEFORE INSERT ON csv_tasks BEGIN SELECT RAISE(ABORT, 'broken'); END"
    with writing(store.catalog.engine) as connection:
        connection.exec_driver_sql(broken)
    with store.runs.run("/a.csv", WatcherOptions(), cause="change") as run:
        with pytest.raises(StoreError, match="broken"):
            run.begin("0" * 64)
        assert run.id is None
        with writing(store.catalog.engine) as connection:
            connection.exec_driver_sql("DROP TRIGGER broken")
        run.note.state = "success"
    with closing(Store(url=f"sqlite:///{tmp_path / 'store.db'}", archive=tmp_path / "archive", row_limit=9)) as other:
        [noted] = other.catalog.ledger.all()
        assert (noted.id, noted.state, len(other.catalog.ledger.tasks(noted.id))) == (run.id, "success", 4)
