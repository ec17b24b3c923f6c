"""csv_sync_run is killed at any moment: the table has the old version or the new one, and its watermark says which."""

import random
import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import servers
from sqlalchemy import Engine

from csv_manager.store.engine import make_engine

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Cli

ROWS, SHOTS = 20_000, 8


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def target(request: pytest.FixtureRequest, tmp_path: "Path") -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = make_engine(f"sqlite:///{tmp_path / 'target.db'}")
        yield engine
        engine.dispose()
        return
    with servers.database(request.param) as url:
        engine = make_engine(url)
        yield engine
        engine.dispose()


def content(version: int) -> str:
    """Every row differs from that of other versions, and there are as many more rows."""
    rows = "".join(f"{number},{version},{'x' * 40}\n" for number in range(ROWS + version))
    return f"id,v,note\n{rows}"


def found(engine: Engine) -> tuple[int, int]:
    """The version that the rows of the table are of, all of them, and that of its watermark."""
    with engine.connect() as connection:
        rows, low, high = connection.exec_driver_sql("SELECT count(*), min(v), max(v) FROM data").one()
        mark = connection.exec_driver_sql("SELECT version FROM csv_sync_watermarks").scalar_one()
    assert low == high
    assert rows == ROWS + low
    return int(low), int(mark)


def test_a_killed_load_leaves_the_old_version_or_the_new_one(cli: "Cli", target: Engine) -> None:
    chance = random.Random(7)
    cli.environment["CSV_MANAGER_DATABASES"] = f"{{target: '{target.url.render_as_string(hide_password=False)}'}}"
    cli.write("data.csv", content(1))
    cli("csv_watcher_add", "data.csv", "--key", "id")
    cli("csv_sync_add", "data.csv", "--database", "target")
    cli.write("data.csv", content(2))
    cli("csv_sync_rollback", "data.csv", "--to", "1", "--yes")  # which keeps it there
    cli("csv_watch", "--once")
    began = time.monotonic()
    cli("csv_sync_run")
    took = time.monotonic() - began
    cli("csv_sync_rollback", "data.csv", "--to", "1", "--yes")
    for _ in range(SHOTS):
        null = subprocess.DEVNULL
        command = cli.command("csv_sync_run")
        process = subprocess.Popen(command, cwd=cli.folder, env=cli.environment, stdout=null, stderr=null)
        time.sleep(chance.uniform(0.3, 1.0) * took)
        process.kill()
        process.wait()
        version, mark = found(target)
        assert version == mark
        if version == 2:
            cli("csv_sync_rollback", "data.csv", "--to", "1", "--yes")
    cli("csv_sync_run")
    assert found(target) == (2, 2)
    assert "Every table is as its version is." in cli.notes("csv_sync_run", "--verify")
