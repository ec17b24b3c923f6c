"""database_copy: a store that moves from one database to another."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cli, Service

pytestmark = pytest.mark.sqlite
_WAYS = [("sqlite", "postgresql"), ("postgresql", "mariadb"), ("mariadb", "sqlite")]
_TEXTS = "id,v\n1,a\n2,b\n", 'id,v\n1,"a\n☃"\n3,c\n', "id,v\n1,A\n3,c\n4,\n"


class Moving:
    """A command line whose store is in the database `here` of two, `old` and `new`."""

    def __init__(self, cli: "Cli", urls: dict[str, str]) -> None:
        self.cli = cli
        self._urls = urls

    def use(self, name: str) -> None:
        """Have the store be one of them, and the other one be known by its name."""
        other = "old" if name == "new" else "new"
        told = f"databases:\n  default: {self._urls[name]!r}\n  {other}: {self._urls[other]!r}\n"
        self.cli.home.mkdir(exist_ok=True)
        (self.cli.home / "configuration.yaml").write_text(told)


@pytest.fixture(params=_WAYS, ids="-".join)
def moving(request: pytest.FixtureRequest, cli: "Cli") -> Iterator[Moving]:
    with contextlib.ExitStack() as stack:
        urls = {}
        for name, kind in zip(("old", "new"), request.param, strict=True):
            url = f"sqlite:///{cli.home / name}.db" if kind == "sqlite" else stack.enter_context(servers.database(kind))
            urls[name] = str(url)
        made = Moving(cli, urls)
        made.use("old")
        yield made


def _told(cli: "Cli") -> list[object]:
    """What a store tells of its files, versions, row changes and runs."""
    changes = [cli.changes("data.csv", number) for number in (1, 2, 3)]
    lists = [cli.json(*told) for told in (["csv_watcher_list"], ["csv_history_list", "data.csv"], ["csv_run_list"])]
    return [*changes, *lists, cli.json("csv_run_show", 2)]


def test_a_store_goes_on_in_another_database_as_it_was(moving: Moving) -> None:
    cli = moving.cli
    cli.write("data.csv", _TEXTS[0])
    cli("csv_watcher_add", "data.csv", "--key", "id", "--name", "the data")
    for text in _TEXTS[1:]:
        cli.write("data.csv", text)
        cli("csv_watch", "--once")
    before = _told(cli)
    moving.use("new")
    assert "csv_manager database_upgrade" in cli.refused("database_copy", "old")
    cli("database_upgrade", "default")
    told = cli("database_copy", "old")
    assert told == "Copied old to default: 1 file, 3 versions, 1 watcher, 3 runs.\n"
    assert _told(cli) == before
    assert [cli.export("data.csv", number).decode() for number in (1, 2, 3)] == list(_TEXTS)
    # Numbers and positions go on where they were.
    cli.write("data.csv", "id,v\n1,A\n")
    cli.write("other.csv", "id\n1\n")
    cli("csv_watcher_add", "other.csv")
    lines = cli("csv_watch", "--once", "--format", "jsonl", "--from", "0").splitlines()
    assert len(lines) == 10
    assert [run["run"] for run in cli.json("csv_run_list")] == [5, 4, 3, 2, 1]
    # Who has something is not overwritten, and the old store is as it was.
    assert "is not empty" in cli.refused("database_copy", "old")
    moving.use("old")
    assert cli.json("csv_history_list", "data.csv") == before[4]


def test_nothing_is_copied_from_a_store_that_is_watched_or_empty_or_is_not_there(
    cli: "Cli", service: "Callable[..., Service]"
) -> None:
    moving = Moving(cli, {name: f"sqlite:///{cli.home / name}.db" for name in ("old", "new")})
    moving.use("new")
    cli("database_upgrade")
    assert "There is no store in old " in cli.refused("database_copy", "old")
    assert not (cli.home / "old.db").exists()
    (cli.home / "old.db").touch()
    assert "There is no store in old " in cli.refused("database_copy", "old")
    assert "did you mean old?" in cli.refused("database_copy", "olds")
    assert "default is the store itself" in cli.refused("database_copy", "default")
    moving.use("old")
    cli("csv_watcher_list")
    moving.use("new")
    assert "is empty; there is nothing to copy." in cli.refused("database_copy", "old")
    moving.use("old")
    cli.write("data.csv", _TEXTS[0])
    cli("csv_watcher_add", "data.csv")
    with service():
        moving.use("new")
        assert "stop it first" in cli.refused("database_copy", "old")
    assert cli.json("csv_watcher_list") == []
    archive = cli.home / "archive"
    archive.rename(cli.home / "elsewhere")
    assert f"The archive {archive} lacks 1 of the contents" in cli.notes("database_copy", "old")
    assert len(cli.json("csv_watcher_list")) == 1


def test_row_changes_that_the_other_server_does_not_take_are_read_from_the_archive(cli: "Cli") -> None:
    with servers.database("mariadb") as url:
        [(most,)] = servers.ask(url, "SELECT @@max_allowed_packet")
        moving = Moving(cli, {"old": f"sqlite:///{cli.home / 'old.db'}", "new": str(url)})
        moving.use("old")
        cli.write("data.csv", _TEXTS[0])
        cli("csv_watcher_add", "data.csv", "--key", "id")
        for cell in ("x" * most, "A"):
            cli.write("data.csv", f"id,v\n1,{cell}\n2,b\n")
            cli("csv_watch", "--once")
        before = [cli.changes("data.csv", number) for number in (1, 2, 3)]
        assert len(before[1][0]["after"]["v"]) == most
        moving.use("new")
        cli("database_upgrade", "default")
        cli("database_copy", "old")
        assert [cli.changes("data.csv", number) for number in (1, 2, 3)] == before
