"""csv_check_* and csv_history_accept and reject: a bad version is held, and let through or closed by somebody."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cli

FRUIT = "id,fruit,price\n1,apple,0.50\n2,pear,0.70\n3,plum,0.20\n4,fig,1.10\n5,lime,0.30\n"
SCHEMA = {
    "fields": [
        {"name": "id", "type": "integer", "constraints": {"required": True, "unique": True}},
        {"name": "fruit", "type": "string", "constraints": {"required": True}},
        {"name": "price", "type": "number", "constraints": {"minimum": 0}},
    ]
}
PLUGIN = '''
from csv_manager.core.findings import Finding
from csv_manager.patterns import CsvCheckPattern

class Shouting(CsvCheckPattern):
    """No fruit shouts."""

    def activate(self):
        self.csv_checks.register("quiet", self.quiet, "No capitals.", options=["column"])

    def quiet(self, rows, options):
        for row in rows:
            if row[options.get("column", "fruit")].isupper():
                yield Finding(code="shouting", line=row.line, column="fruit", message=row["fruit"] + " shouts")
'''


@pytest.fixture
def prices(cli: "Cli") -> Path:
    """A watched file."""
    file = cli.write("prices.csv", FRUIT)
    cli("csv_watcher_add", file, "--key", "id")
    cli.write("prices.schema.json", json.dumps(SCHEMA))
    return file


def statuses(cli: "Cli") -> list[str]:
    return [version["status"] for version in cli.json("csv_history_list", "prices.csv")]


def rows_of(cli: "Cli") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(cli.folder / "shop.db")) as database:
        return database.execute("SELECT id, price FROM prices ORDER BY id").fetchall()


@pytest.mark.usefixtures("prices")
def test_a_bad_version_waits_and_the_next_good_one_goes_through_by_itself(cli: "Cli") -> None:
    cli("csv_sync_add", "prices.csv", "--database", "sqlite:///shop.db")
    cli("csv_check_add", "prices.csv", "--schema", "prices.schema.json")
    good = rows_of(cli)
    cli.write("prices.csv", FRUIT.replace("0.70", "-1").replace("fig,1.10", ",x"))
    told = cli("csv_watch", "--once", code=1)
    assert "version 2  held: line 3: column 'price': '-1' is less than the minimum 0; 2 more findings" in told
    [watcher] = cli.json("csv_watcher_list")
    assert (watcher["state"], watcher["reason"]) == (
        "held",
        "line 3: column 'price': '-1' is less than the minimum 0; 2 more findings",
    )
    assert rows_of(cli) == good
    shown = cli("csv_history_show", "prices.csv")
    assert "! prices.schema: line 5: column 'fruit': there is no value, and one is required" in shown
    assert "~ id=2  price 0.70 → -1" in shown
    cli.write("prices.csv", FRUIT.replace("0.70", "0.75"))
    assert "version 3  +0 ~1 -0  5 rows" in cli("csv_watch", "--once")
    assert statuses(cli) == ["ok", "held", "ok"]
    assert rows_of(cli)[1] == (2, 0.75)


@pytest.mark.usefixtures("prices")
def test_somebody_lets_a_held_version_through(cli: "Cli") -> None:
    cli("csv_sync_add", "prices.csv", "--database", "sqlite:///shop.db")
    cli("csv_check_add", "prices.csv", "--rule", "price < 5")
    cli.write("prices.csv", FRUIT.replace("0.70", "7.00").replace("5,lime,0.30\n", ""))
    cli("csv_watch", "--once", code=1)
    assert "version 2  +0 ~1 -1  4 rows" in cli("csv_history_accept", "prices.csv")
    assert rows_of(cli) == [(1, 0.5), (2, 7.0), (3, 0.2), (4, 1.1)]
    assert statuses(cli) == ["accepted", "ok"]
    assert "accepted" in cli("csv_history_show", "prices.csv").splitlines()[1]
    assert [row["op"] for row in cli.json("csv_history_show", "prices.csv")] == ["delete", "update"]
    assert cli("csv_watch", "--once") == ""
    [watcher] = cli.json("csv_watcher_list")
    assert (watcher["state"], watcher["reason"], watcher["version"]) == ("ok", None, 2)
    assert "version 2 is not held; it was accepted by" in cli.refused("csv_history_accept", "prices.csv", "2")
    assert "prices.csv has no held version" in cli.refused("csv_history_reject", "prices.csv")
    cli.write("prices.csv", FRUIT.replace("0.70", "4.00"))
    assert "version 3  +1 ~1 -0  5 rows" in cli("csv_watch", "--once")


@pytest.mark.usefixtures("prices")
def test_somebody_closes_a_held_version(cli: "Cli") -> None:
    cli("csv_check_add", "prices.csv", "--max-deleted", "20%")
    cli.write("prices.csv", "id,fruit,price\n1,apple,0.50\n")
    assert "version 2  held: 4 of 5 rows are gone, more than 20%" in cli("csv_watch", "--once", code=1)
    assert "held" in cli("csv_status", code=1)
    assert "version 2 is rejected; the head is version 1" in cli("csv_history_reject", "prices.csv")
    assert statuses(cli) == ["rejected", "ok"]
    assert cli("csv_watch", "--once") == ""
    assert cli.json("csv_watcher_list")[0]["state"] == "ok"
    cli("csv_history_export", "prices.csv", "2", "-o", "rejected.csv")
    assert (cli.folder / "rejected.csv").read_text() == "id,fruit,price\n1,apple,0.50\n"
    cli("csv_history_restore", "prices.csv", "1")
    assert (cli.folder / "prices.csv").read_text() == FRUIT
    assert statuses(cli)[0] == "ok"


@pytest.mark.usefixtures("prices")
def test_what_is_accepted_is_compared_with_the_head_of_now(cli: "Cli") -> None:
    cli("csv_check_add", "prices.csv", "--rule", "price < 5")
    cli.write("prices.csv", FRUIT.replace("0.70", "7.00"))
    cli("csv_watch", "--once", code=1)
    cli.write("prices.csv", FRUIT.replace("0.70", "8.00").replace("0.20", "9.00"))
    cli("csv_watch", "--once", code=1)
    cli("csv_history_accept", "prices.csv", "2")
    assert "version 3  +0 ~2 -0" in cli("csv_history_accept", "prices.csv", "3")
    assert [row["before"]["price"] for row in cli.json("csv_history_show", "prices.csv", "3")] == ["7.00", "0.20"]
    cli.write("prices.csv", FRUIT.replace("0.70", "9.00"))
    cli("csv_watch", "--once", code=1)
    cli.write("prices.csv", FRUIT)
    cli("csv_watch", "--once")
    assert "version 4 is older than the head, version 5" in cli.refused("csv_history_accept", "prices.csv", "4")


@pytest.mark.parametrize("content", ["id,fruit,price\n", FRUIT[:40], 'id,fruit,price\n1,"apple,0.50\n2,pear,0.70\n'])
@pytest.mark.usefixtures("prices")
def test_what_a_table_follows_is_not_emptied_by_a_truncated_file(cli: "Cli", content: str) -> None:
    cli("csv_sync_add", "prices.csv", "--database", "sqlite:///shop.db")
    good = rows_of(cli)
    cli.write("prices.csv", content)
    assert "held" in cli("csv_watch", "--once", code=1)
    assert rows_of(cli) == good
    cli("csv_check_add", "prices.csv", "--max-deleted", "100%", "--on-bad", "warn")
    cli("csv_watch", "--once")
    assert statuses(cli) == ["ok", "held", "ok"]
    assert len(rows_of(cli)) < len(good)


@pytest.mark.usefixtures("prices")
def test_without_rules_and_tables_any_content_is_a_version(cli: "Cli") -> None:
    cli.write("prices.csv", "id,fruit,price\n")
    cli("csv_watch", "--once")
    assert statuses(cli) == ["ok", "ok"]


@pytest.mark.usefixtures("prices")
def test_some_bad_rows_are_let_through(cli: "Cli") -> None:
    cli("csv_check_add", "prices.csv", "--schema", "prices.schema.json", "--max-bad", "1")
    cli.write("prices.csv", FRUIT.replace("0.70", "-1"))
    cli("csv_watch", "--once")
    assert "! prices.schema: line 3" in cli("csv_history_show", "prices.csv")
    cli.write("prices.csv", FRUIT.replace("0.70", "-1").replace("0.20", "-1"))
    assert "held: 2 of 5 rows are bad, more than 1; 2 more findings" in cli("csv_watch", "--once", code=1)


@pytest.mark.usefixtures("prices")
def test_rules_are_listed_and_taken_away(cli: "Cli") -> None:
    told = cli(
        "csv_check_add", "prices.csv", "--schema", "prices.schema.json", "--rule", "price < 5", "--rule", "id > 0"
    )
    assert [line.split(": ")[1] for line in told.splitlines()] == ["prices.schema", "rule-1", "rule-2"]
    cli(
        "csv_check_add",
        "prices.csv",
        "--query",
        "SELECT * FROM current WHERE id > 99",
        "--name",
        "high",
        "--level",
        "warning",
    )
    cli("csv_check_add", "prices.csv", "--max-bad", "2%")
    listed = cli.json("csv_check_list", "prices.csv")
    assert [(rule["name"], rule["check"], rule["level"]) for rule in listed] == [
        ("prices.schema", "schema", "error"), ("rule-1", "rule", "error"), ("rule-2", "rule", "error"),
        ("high", "query", "warning"), (None, "gate", None),
    ]  # fmt: skip
    assert listed[1]["what"] == {"sql": "price < 5", "types": {"price": "number"}}
    assert "price < 5" in cli("csv_check_list")
    assert "There is no rule 'low'" in cli.refused("csv_check_delete", "prices.csv", "low")
    assert "is checked by prices.schema, rule-2, high" in cli("csv_check_delete", "prices.csv", "rule-1")
    cli("csv_check_delete", "prices.csv", "--gate")
    assert [rule["check"] for rule in cli.json("csv_check_list")] == ["schema", "rule", "query"]
    cli("csv_check_delete", "prices.csv")
    assert cli.json("csv_check_list") == []
    assert "has no rules" in cli.refused("csv_check_delete", "prices.csv")
    cli("csv_check_add", "prices.csv", "--rule", "price < 0.1", code=0)
    cli("csv_watcher_delete", "prices.csv")
    cli("csv_watcher_add", "prices.csv", "--key", "id")
    assert cli.json("csv_check_list") == []


@pytest.mark.usefixtures("prices")
def test_a_new_rule_says_what_the_head_is_like(cli: "Cli") -> None:
    said = cli.notes("csv_check_add", "prices.csv", "--rule", "price < 1")
    assert "5 rows, 1 finding, errors in 1 row" in said
    assert "The first: line 5: column 'price': price < 1: price=1.1. It stays the head" in said


@pytest.mark.usefixtures("prices")
def test_a_file_is_checked_without_being_recorded(cli: "Cli") -> None:
    cli("csv_check_add", "prices.csv", "--rule", "price < 5")
    cli("csv_check_run", "prices.csv")
    cli.write("prices.csv", FRUIT.replace("0.70", "7.00"))
    findings = json.loads(cli("csv_check_run", "prices.csv", "--format", "json", code=1))
    assert findings == [
        {"level": "error", "rule": "rule-1", "code": "row-constraint", "row": 2, "line": 3, "column": "price",
         "value": "7", "message": "price < 5: price=7"},
    ]  # fmt: skip
    assert statuses(cli) == ["ok"]
    assert "no findings" in cli.notes("csv_check_run", "prices.csv", "--version", "1")
    other = cli.write("other.csv", "a\n1\nx\n")
    assert "has no rules" in cli.refused("csv_check_run", other)
    assert "it would be held" in cli.notes(
        "csv_check_run", other, "--query", "SELECT * FROM current WHERE a = 'x'", code=1
    )
    warned = cli.run("csv_check_run", other, "--rule", "a <> 'x'", "--level", "warning")
    assert (warned.returncode, b"it would go through" in warned.stderr) == (0, True)


@pytest.mark.usefixtures("prices")
def test_a_suggested_schema_is_what_the_versions_are_like(cli: "Cli") -> None:
    cli.write("prices.csv", FRUIT.replace("plum,0.20", "plum,"))
    cli("csv_watch", "--once")
    schema = json.loads(cli("csv_check_suggest", "prices.csv"))
    assert schema == {
        "fields": [
            {"name": "id", "type": "integer", "constraints": {"required": True}},
            {"name": "fruit", "type": "string", "constraints": {"required": True}},
            {"name": "price", "type": "number"},
        ],
        "primaryKey": ["id"],
    }
    cli.write("suggested.json", json.dumps(schema))
    cli("csv_check_add", "prices.csv", "--schema", "suggested.json")
    cli("csv_check_run", "prices.csv")


@pytest.mark.usefixtures("prices")
def test_a_check_of_a_plugin_is_named_by_a_rule(cli: "Cli") -> None:
    cli.write("shouting.py", PLUGIN)
    plugin = ("--plugin", "shouting.py")
    assert "No plugin has a check 'quiet', nor any other" in cli.refused(
        "csv_check_add", "prices.csv", "--check", "quiet"
    )
    assert "--option 'colour=x' is none of the check 'quiet'; it has column=…" in cli.refused(
        *plugin, "csv_check_add", "prices.csv", "--check", "quiet", "--option", "colour=x"
    )
    cli(*plugin, "csv_check_add", "prices.csv", "--check", "quiet", "--option", "column=fruit")
    cli.write("prices.csv", FRUIT.replace("pear", "PEAR"))
    told = cli(*plugin, "csv_watch", "--once", code=1)
    assert "held: line 3: column 'fruit': PEAR shouts" in told
    cli.write("prices.csv", FRUIT.replace("pear", "Pear"))
    assert "No plugin has a check 'quiet'; load the one that has" in cli("csv_watch", "--once", code=1)


def test_the_rules_of_a_folder_are_those_of_each_of_its_files(cli: "Cli") -> None:
    cli.write("in/a.csv", FRUIT)
    cli.write("in/b.csv", FRUIT)
    cli("csv_watcher_add", "in", "--key", "id")
    cli("csv_check_add", "in", "--rule", "price < 5")
    assert "whose rules count" in cli.refused("csv_check_add", "in/a.csv", "--rule", "price < 5")
    cli.write("in/a.csv", FRUIT.replace("0.70", "7.00"))
    cli.write("in/b.csv", FRUIT.replace("0.70", "0.80"))
    told = cli("csv_watch", "--once", code=1)
    assert "in/a.csv  version 2  held: line 3: column 'price': price < 5: price=7" in told
    assert "in/b.csv  version 2  +0 ~1 -0  5 rows" in told
    cli.write("in/c.csv", FRUIT.replace("0.70", "7.00"))
    assert "in/c.csv  version 1  held: line 3" in cli("csv_watch", "--once", code=1)
    assert "in/c.csv  version 1  +5 ~0 -0  5 rows" in cli("csv_history_accept", "in/c.csv")


def test_the_files_of_a_series_are_checked_and_a_held_one_is_let_through(cli: "Cli") -> None:
    cli.write("in/1.csv", FRUIT)
    cli("csv_watcher_add", "in", "--feed", "series", "--key", "id", "--done", "delete")
    cli("csv_check_add", "in", "--rule", "price < 5")
    cli.write("in/2.csv", FRUIT.replace("0.70", "7.00"))
    assert "version 2  held: line 3" in cli("csv_watch", "--once", code=1)
    assert (cli.folder / "in/2.csv").exists()
    assert "version 2  +0 ~1 -0  5 rows" in cli("csv_history_accept", "in")
    cli("csv_watch", "--once")
    assert [path.name for path in (cli.folder / "in").iterdir()] == []
    assert [version["status"] for version in cli.json("csv_history_list", "in")] == ["accepted", "ok"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name a rule: --schema, --rule, --query or --check; or a gate"),
        (("--rule", "price <"), "The rule 'price <': Parser Error: syntax error at or near"),
        (("--rule", "prize > 0"), "The rule 'prize > 0': Binder Error: Referenced column \"prize\" not found"),
        (("--rule", "fruit"), "The rule 'fruit' is of type VARCHAR, and no condition."),
        (("--query", "DROP TABLE current"), "is not one SELECT; a rule reads, and does nothing else."),
        (("--query", "SELECT * FROM read_csv('prices.csv')"), "Permission Error: Cannot access file"),
        (("--schema", "nope.json"), "nope.json cannot be read: No such file or directory."),
        (("--schema", "broken.json"), "broken.json: line 1: Expecting"),
        (("--schema", "broken.yaml"), "broken.yaml: line 1: "),
        (
            ("--schema", "unknown.yaml"),
            "unknown.yaml: fields[0].constraints: the key 'requird' is not known; 'required' is.",
        ),
        (("--option", "a=b", "--rule", "price > 0"), "--option is for a --check; name one."),
        (("--check", "schema"), "The check 'schema' has an option of its own; --schema says what it is to check."),
        (("--max-bad", "some"), "--max-bad 'some' is neither a number of rows nor a share of them; try 5 or 2%."),
        (("--max-deleted", "5"), "--max-deleted '5' is no share of the rows; try 20%."),
        (("--rule", "id > 0", "--rule", "id > 1", "--name", "x"), "--name is for one rule, and these are 2."),
    ],
)
@pytest.mark.usefixtures("prices")
def test_what_cannot_be_checked_is_refused_and_nothing_is_stored(
    cli: "Cli", arguments: tuple[str, ...], said: str
) -> None:
    cli.write("broken.json", "{")
    cli.write("broken.yaml", "fields: [")
    cli.write("unknown.yaml", "fields:\n- name: id\n  constraints: {requird: true}\n")
    assert said in cli.refused("csv_check_add", "prices.csv", *arguments)
    assert cli.json("csv_check_list") == []


def test_a_file_that_is_not_watched_has_no_rules(cli: "Cli") -> None:
    cli.write("other.csv", "a\n1\n")
    assert "other.csv is not watched, so it has no rules; csv_watcher_add watches it." in cli.refused(
        "csv_check_add", "other.csv", "--rule", "a > 0"
    )
