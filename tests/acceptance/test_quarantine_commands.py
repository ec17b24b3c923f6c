"""`--on-bad quarantine-rows`: good rows go through, bad ones wait in a file that can be mended."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cli

FRUIT = "id,fruit,price\n1,apple,0.50\n2,pear,0.70\n3,plum,0.20\n4,fig,1.10\n5,lime,0.30\n"
BAD = FRUIT.replace("0.70", "-0.70").replace("fig,1.10", '"fig\nold",cheap').replace("0.30", "0.35")


@pytest.fixture
def prices(cli: "Cli") -> Path:
    """A watched file that a table follows, whose bad rows are quarantined."""
    file = cli.write("prices.csv", FRUIT)
    cli("csv_watcher_add", file, "--key", "id")
    cli("csv_sync_add", file, "--database", "sqlite:///shop.db")
    told = cli("csv_check_add", file, "--rule", "price > 0", "--on-bad", "quarantine-rows")
    assert "prices.csv: quarantines rows with errors" in told
    return file


def rows_of(cli: "Cli") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(cli.folder / "shop.db")) as database:
        return database.execute("SELECT id, price FROM prices ORDER BY id").fetchall()


def test_good_rows_go_through_and_bad_ones_are_shown(cli: "Cli", prices: Path) -> None:
    cli.write("prices.csv", BAD)
    assert "version 2  +0 ~1 -2  3 rows  2 rows quarantined" in cli("csv_watch", "--once")
    assert rows_of(cli) == [(1, 0.5), (3, 0.2), (5, 0.35)]
    [newest, oldest] = cli.json("csv_history_list", prices)
    assert (newest["quarantined"], newest["rows"], newest["status"], oldest["quarantined"]) == (2, 3, "ok", 0)
    assert "quarantined" in cli("csv_history_list", prices).splitlines()[0]
    shown = cli("csv_history_show", prices)
    assert "! rule-1: line 3: column 'price': price > 0: price=-0.7" in shown
    place = cli.home / "archive" / "quarantine"
    [aside] = place.glob("prices.csv-*/2.csv")
    assert f"  2 rows quarantined in {aside}" in shown
    assert aside.read_text() == 'id,fruit,price\n2,pear,-0.70\n4,"fig\nold",cheap\n'
    shown = cli("csv_history_show", prices, "--quarantine")
    assert "  ? line 3  id=2  fruit=pear  price=-0.70  price > 0: price=-0.7" in shown
    assert "  ? line 5  id=4  fruit=fig\\nold  price=cheap  price: cheap is no number" in shown
    assert "… and 1 more" in cli("csv_history_show", prices, "--quarantine", "--limit", 1)
    rows = cli.json("csv_history_show", prices, 2, "--quarantine")
    assert [(row["version"], row["line"], row["row"]["id"]) for row in rows] == [(2, 3, "2"), (2, 5, "4")]
    assert rows[1]["reasons"] == [
        {"rule": "rule-1", "code": "type-error", "column": "price", "message": "cheap is no number"}
    ]
    assert cli("csv_history_export", prices, "2") == BAD
    found = json.loads(cli("csv_check_run", prices, "--version", 2, "--format", "json", code=1))
    assert [(finding["row"], finding["line"]) for finding in found] == [(2, 3), (4, 5)]
    cli("csv_history_verify")
    cli("csv_status")
    assert (
        cli.notes("csv_history_show", prices, 1, "--quarantine") == "prices.csv: version 1 has all rows of its file.\n"
    )
    assert "is no version yet" in cli.refused("csv_history_show", prices, "file", "--quarantine")


def test_rows_that_were_mended_come_back(cli: "Cli", prices: Path) -> None:
    cli.write("prices.csv", BAD)
    cli("csv_watch", "--once")
    cli.write("prices.csv", FRUIT)
    assert "version 3  +2 ~1 -0  5 rows\n" in cli("csv_watch", "--once")
    assert rows_of(cli)[1] == (2, 0.7)
    assert "quarantined" not in cli("csv_history_show", prices)
    cli("csv_history_restore", prices, 2)
    assert prices.read_text() == BAD
    assert cli.json("csv_history_list", prices)[0]["quarantined"] == 2
    cli("csv_history_prune", prices, "--keep", 1, "--yes")
    assert [path.name for path in (cli.home / "archive" / "quarantine").glob("*/*")] == ["4.csv"]


def test_a_file_is_checked_as_it_would_be_recorded(cli: "Cli", prices: Path) -> None:
    cli.write("prices.csv", BAD)
    told = cli.notes("csv_check_run", prices, code=1)
    assert "5 rows, 2 findings, errors in 2 rows; it would go through without 2 rows." in told
    cli("csv_check_add", prices, "--max-bad", 1)
    told = cli.notes("csv_check_run", prices, code=1)
    assert "it would be held" in told
    assert cli("csv_check_list", prices).splitlines()[-1].count("quarantines rows with errors, up to 1 row") == 1
    assert "version 2  held: 2 of 5 rows are bad, more than 1; 2 more findings" in cli("csv_watch", "--once", code=1)
    cli("csv_history_accept", prices)
    assert rows_of(cli)[3] == (4, "cheap")


def test_the_folder_of_the_files_is_a_setting(cli: "Cli") -> None:
    cli.home.mkdir(exist_ok=True)
    (cli.home / "configuration.yaml").write_text(f"QUARANTINE_PATH: {cli.folder}/aside\n")
    file = cli.write("prices.csv", FRUIT)
    cli("csv_watcher_add", file)
    cli.write("schema.json", json.dumps({"fields": [{"name": "price", "type": "number"}], "fieldsMatch": "subset"}))
    cli("csv_check_add", file, "--schema", "schema.json", "--on-bad", "quarantine-rows")
    cli.write("prices.csv", FRUIT.replace("0.20", "?"))
    cli("csv_watch", "--once")
    [aside] = (cli.folder / "aside").glob("prices.csv-*/2.csv")
    assert aside.read_text() == "id,fruit,price\n3,plum,?\n"
