"""csv_demo: the first thing that a stranger runs."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Cli


def test_the_demo_shows_a_session_and_leaves_nothing_behind(cli: "Cli", tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    cli.environment["TMPDIR"] = str(temporary)
    shown = cli("csv_demo")
    told = [line for line in shown.splitlines() if "  version " in line]
    assert [line.partition("version ")[2] for line in told] == [
        "2  +0 ~1 -0  3 rows",
        "3  +2 ~0 -0  5 rows",
        "4  +0 ~0 -1  4 rows",
        "5  +0 ~1 -0  4 rows",
    ]
    for row in ("~ id=2  price 0.70 → 0.80", "+ id=5  fruit=kiwi  price=0.40", "- id=3  fruit=plum  price=0.20"):
        assert row in shown
    for command in ("csv_watcher_add fruit.csv", "csv_watch --rows", "csv_history_list", "csv_history_export"):
        assert f"$ csv_manager {command}" in shown
    assert "id,fruit,price\n1,apple,0.50\n2,pear,0.70\n3,plum,0.20\n" in shown.partition("csv_history_export")[2]
    assert list(temporary.iterdir()) == []


def test_the_demo_does_not_touch_the_stores_of_its_user(cli: "Cli") -> None:
    cli.write("data.csv", "id,v\n1,x\n")
    cli("csv_watcher_add", "data.csv")
    before = cli.state()
    cli("csv_demo")
    assert cli.state() == before
    assert sorted(path.name for path in cli.folder.iterdir()) == ["data.csv"]
