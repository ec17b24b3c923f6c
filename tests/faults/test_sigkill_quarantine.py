"""SIGKILL while a version is recorded without its bad rows: each of them is somewhere, and none is told twice."""

import json
from typing import TYPE_CHECKING

import pytest
from killing import Killer

if TYPE_CHECKING:
    from conftest import Cli

FRUIT = "id,price\n1,5\n2,7\n3,2\n"
BAD = "id,price\n1,6\n2,x\n3,2\n4,y\n"
SCHEMA = {"fields": [{"name": "id", "type": "integer"}, {"name": "price", "type": "integer"}]}


@pytest.mark.slow
def test_a_check_killed_before_any_of_its_changes_leaves_no_half_of_a_quarantine(cli: "Cli", killer: Killer) -> None:
    path = cli.write("data.csv", FRUIT)
    cli.write("schema.json", json.dumps(SCHEMA))
    cli("csv_watcher_add", path, "--key", "id", "--settle", "0.1")
    cli("csv_check_add", path, "--schema", "schema.json", "--on-bad", "quarantine-rows")
    cli.write("data.csv", BAD)
    aside = cli.home / "archive" / "quarantine"
    changes = []
    for change in killer.each_change("csv_watch", "--once"):
        changes.append(change)
        versions = cli.json("csv_history_list", path)
        if len(versions) == 2:
            [place] = aside.glob("data.csv-*/2.csv")
            assert place.read_text() == "id,price\n2,x\n4,y\n"
        if len(changes) % 2:
            # What is recorded under this number now has no bad rows: nothing of the dead process may stand for it.
            cli.write("data.csv", FRUIT.replace("1,5", "1,6"))
            cli("csv_watch", "--once")
            versions = cli.json("csv_history_list", path)
            kept = [f"{version['version']}.csv" for version in versions if version.get("quarantined")]
            assert [place.name for place in aside.glob("data.csv-*/*.csv")] == kept
            assert not versions[0].get("quarantined")
        else:
            cli("csv_watch", "--once")
            [newest, _] = cli.json("csv_history_list", path)
            assert (newest["version"], newest["quarantined"], newest["rows"]) == (2, 2, 2)
            lines = [row["line"] for row in cli.json("csv_history_show", path, "--quarantine")]
            assert lines == [3, 5]
            [place] = aside.glob("data.csv-*/2.csv")
            assert place.read_text() == "id,price\n2,x\n4,y\n"
        assert cli("csv_watch", "--once") == ""
        cli("csv_history_verify")
    assert sum("quarantine" in change for change in changes) >= 2, changes
