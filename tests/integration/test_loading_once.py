"""Files that are loaded once, on each database: again into the same table, and interrupted."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from sqlalchemy import Engine, event, inspect
from targets import KINDS, Databases, database

from csv_manager.core.sources import open_table
from csv_manager.core.targets import Target
from csv_manager.pipeline.loading import load
from csv_manager.store.engine import make_engine
from csv_manager.sync.loading import Counts

EVERY = (
    "id,truth,price,part,day,at,local,clock,unique,text\n"
    "1,true,1.50,0.25,2026-01-31,2026-01-31T10:00:00Z,2026-01-31 10:00:00,10:00:00,"
    "6f1b0f4e-0a4c-4a1c-9a68-3b1f7b1c6d11,a\n"
    "2,,,,,,,,,\n"
)
TARGET = Target(id="", database="db", table="data", key=("id",))


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with database(request.param, tmp_path_factory.mktemp("database")) as made:
        yield made


def test_a_file_of_every_type_is_loaded_twice(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text(EVERY)
    counts = [load(Databases(engine), open_table(str(file)), TARGET, mode=None).counts for _ in range(2)]
    assert counts == [Counts(inserted=2), Counts()]
    file.write_text(EVERY.replace("T10:00:00Z", "T12:00:00+02:00").replace(",a\n", ",b\n"))
    assert load(Databases(engine), open_table(str(file)), TARGET, mode=None).counts == Counts(updated=1)


@contextlib.contextmanager
def interrupted(engine: Engine, packet: int) -> Iterator[list[int]]:
    """Have each connection be interrupted within a packet of a file that it sends."""
    sent = []

    def watch(driver: Any, _: Any) -> None:
        send = driver._write_bytes

        def write(data: bytes) -> None:
            if driver._local_infile:
                sent.append(len(data))
                if len(sent) == packet:
                    send(data[: len(data) // 2])
                    raise KeyboardInterrupt
            send(data)

        driver._write_bytes = write

    event.listen(engine, "connect", watch)
    try:
        yield sent
    finally:
        event.remove(engine, "connect", watch)


@pytest.mark.parametrize("packet", [1, 3, 5])
def test_an_interrupt_within_a_packet_ends_a_load(tmp_path: Path, packet: int) -> None:
    file = tmp_path / "data.csv"
    file.write_text("id,name\n" + "".join(f"{number},{'x' * 80}\n" for number in range(2_000)))
    with servers.database("mariadb") as url:
        engine = make_engine(url)
        try:
            with interrupted(engine, packet) as sent, pytest.raises(KeyboardInterrupt):
                load(Databases(engine), open_table(str(file)), TARGET, mode=None)
            assert len(sent) >= packet
            assert inspect(engine).get_table_names() == []
            assert load(Databases(engine), open_table(str(file)), TARGET, mode=None).counts == Counts(inserted=2_000)
        finally:
            engine.dispose()
