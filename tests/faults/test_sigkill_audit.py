"""SIGKILL of a process whose changes and statements are logged elsewhere: the data, its log and the other one agree."""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session

from csv_manager.audit import ChangeLog, QueryLog, deliver
from csv_manager.audit.log import AuditLog
from csv_manager.audit.nets import nets
from csv_manager.audit.sql_dialects import sql_dialect_of

WRITER = Path(__file__).with_name("audited_writer.py")


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[Engine]:
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder / 'data.db'}" if kind == "sqlite" else stack.enter_context(servers.database(kind))
        engine = create_engine(url)
        stack.callback(engine.dispose)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE counted (number BIGINT PRIMARY KEY, twice BIGINT)")
        yield engine


def kill(engine: Engine, log: str, seconds: float) -> None:
    """Have the writer write for so long once it has begun, and kill it."""
    url = engine.url.render_as_string(hide_password=False)
    before = committed(engine)
    with subprocess.Popen([sys.executable, str(WRITER), url, log], stderr=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 120
            while committed(engine) == before:
                assert process.poll() is None, process.communicate()[1].decode()
                assert time.monotonic() < deadline, "the writer wrote nothing"
                time.sleep(0.01)
            time.sleep(seconds)
        finally:
            process.kill()


def committed(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT coalesce(max(number), 0) FROM counted").scalar_one())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_what_is_killed_leaves_data_and_logs_that_agree(kind: str, tmp_path: Path) -> None:
    chance = random.Random(kind)
    there = create_engine(f"sqlite:///{tmp_path / 'log.db'}")
    with database(kind, tmp_path) as engine:
        for _ in range(8):
            kill(engine, str(there.url), chance.uniform(0, 0.4))
            with engine.begin() as connection:
                log = AuditLog(connection)
                log.seal()
                verified = log.verify()
                assert (verified.broken, verified.unsealed) == (None, 0)
                [table] = log.tables()
                entries = list(log.entries())
                rows = sorted(sql_dialect_of(connection).rows(connection, table))
                assert rows == sorted(change.after for change in nets(entries) if change.after is not None)
        deliver(of=engine, to=there)
        assert deliver(of=engine, to=there) == 0
        tokens = {entry.token for entry in entries}
        with Session(there) as session:
            assert session.scalar(select(func.count(ChangeLog.id))) == len(entries)
            told = session.execute(select(ChangeLog.type, ChangeLog.diff, ChangeLog.primary_key)).all()
            assert sorted(map(str, told)) == sorted(
                str((entry.type, entry.diff(), entry.primary_key)) for entry in entries
            )
            assert session.scalar(select(func.count(QueryLog.id))) == 3 * len(tokens)
    there.dispose()
