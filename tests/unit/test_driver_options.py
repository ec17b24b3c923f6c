"""Options of drivers that cannot be used: one line that names the database and the option, before a server is asked."""

from pathlib import Path

import pytest

from csv_manager.core.errors import ConfigurationError
from csv_manager.store.engine import reading, using

SERVER = "mysql://me:hunter2@127.0.0.1:1/db"


@pytest.mark.parametrize(
    ("url", "line"),
    [
        (f"{SERVER}?foo=x", "mysql://127.0.0.1:1/db .* (foo): .*'foo'"),
        (f"{SERVER}?read_timeout=abc", "(read_timeout): .*'abc'"),
        (f"{SERVER}?connect_timeout=0", "(connect_timeout): connect_timeout should be >0"),
        (f"{SERVER}?charset=latin1&ssl_ca=x", "(charset, ssl_ca): charset has to be utf8mb4; take it out."),
        (f"{SERVER}?charset=utf8", "(charset): charset has to be utf8mb4"),
        (f"{SERVER}?ssl_ca=/nothing", "(ssl_ca): .*No such file"),
        (f"{SERVER}?autocommit=1", "(autocommit): there is no option autocommit here"),
        ("postgresql://127.0.0.1:1/db?client_encoding=latin1", "(client_encoding): client_encoding has to be utf8"),
        ("postgresql://127.0.0.1:1/db?row_factory=x", "(row_factory): there is no option row_factory here"),
        ("sqlite:///{folder}/a.db?foo=abc", "{folder}/a.db .* (foo): there is no option foo here; take it out."),
        ("sqlite:///{folder}/a.db?timeout=abc", "(timeout): .*'abc'"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, url: str, line: str) -> None:
    wanted = line.format(folder=tmp_path).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ConfigurationError, match=wanted) as caught, using(url.format(folder=tmp_path)) as engine:
        reading(engine).__enter__()
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "a.db").exists()


@pytest.mark.parametrize("query", ["timeout=5", "uri=true&mode=rwc", ""])
def test_what_sqlite_knows_is_taken(tmp_path: Path, query: str) -> None:
    with using(f"sqlite:///{tmp_path}/a.db?{query}") as engine, reading(engine) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
