"""The gate: what it lets through, and what it holds."""

import pytest

from csv_manager.core.changes import Counts
from csv_manager.core.errors import OptionError
from csv_manager.core.gating import Lost, is_held, lost_rows, too_bad
from csv_manager.core.rules import Gate, Limit, Rule, RuleSet


@pytest.mark.parametrize(
    ("text", "count", "of", "is_exceeded"),
    [
        ("0", 0, 10, False),
        ("0", 1, 10, True),
        ("5", 5, 10, False),
        ("5", 6, 10, True),
        ("5%", 5, 100, False),
        ("5%", 6, 100, True),
        ("2.5%", 25, 1000, False),
        ("2.5%", 26, 1000, True),
        ("0%", 1, 10**9, True),
        ("100%", 10, 10, False),
    ],
)
def test_so_many_rows_or_such_a_share(text: str, count: int, of: int, is_exceeded: bool) -> None:
    limit = Limit.parse(text, "--max-bad")
    assert limit.is_exceeded(count, of) is is_exceeded
    assert Limit.parse(str(limit), "--max-bad") == limit


@pytest.mark.parametrize("text", ["", "x", "-1", "5 rows", "1.5", "101%", "%", "1e3", "٣"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="--max-bad"):
        Limit.parse(text, "--max-bad")


def gone(deleted: int, inserted: int = 0, before: int = 100, *, has_key: bool = True) -> Lost:
    rows = before - deleted + inserted
    return Lost(before=before, rows=rows, counts=Counts(inserted, 0, deleted), has_key=has_key)


HALF = Gate(max_deleted=Limit(number=50, is_share=True))


@pytest.mark.parametrize(
    ("lost", "gate", "has_target", "codes"),
    [
        (gone(50), Gate(), True, []),
        (gone(51), Gate(), True, ["deleted-rows"]),
        (gone(51), Gate(), False, []),
        (gone(51), HALF, False, ["deleted-rows"]),
        (gone(30), Gate(max_deleted=Limit(number=20, is_share=True)), True, ["deleted-rows"]),
        (gone(100), Gate(), True, ["empty-file"]),
        (gone(100), Gate(), False, ["empty-file"]),
        (gone(100), Gate(max_deleted=Limit(number=100, is_share=True)), True, []),
        (gone(100, 100), Gate(), True, ["deleted-rows"]),
        (gone(100, 100, has_key=False), Gate(), True, []),
        (gone(80, 20, has_key=False), Gate(), True, ["deleted-rows"]),
        (gone(0, 5, before=0), Gate(), True, []),
    ],
)
def test_what_is_gone(lost: Lost, gate: Gate, has_target: bool, codes: list[str]) -> None:
    assert [finding.code for finding in lost_rows(lost, gate, has_target=has_target)] == codes


@pytest.mark.parametrize(
    ("at_large", "bad", "gate", "held"),
    [
        (0, 0, Gate(), False),
        (0, 1, Gate(), True),
        (1, 0, Gate(), True),
        (0, 1, Gate(max_bad=Limit(number=1)), False),
        (0, 2, Gate(max_bad=Limit(number=1)), True),
        (0, 11, Gate(max_bad=Limit(number=10, is_share=True)), True),
        (1, 0, Gate(max_bad=Limit(number=100, is_share=True)), True),
        (1, 1, Gate(on_bad="warn"), False),
        (0, 5, Gate(on_bad="quarantine-rows"), False),
        (1, 0, Gate(on_bad="quarantine-rows"), True),
        (0, 5, Gate(on_bad="quarantine-rows", max_bad=Limit(number=4)), True),
    ],
)
def test_what_waits(at_large: int, bad: int, gate: Gate, held: bool) -> None:
    found = list(too_bad(gate, bad, 100))
    assert [finding.code for finding in found] == (["bad-rows"] if held and bad and gate.max_bad else [])
    assert is_held(gate, at_large=at_large + len(found), bad_rows=bad) is held


def test_too_many_bad_rows_are_told_with_the_limit() -> None:
    [finding] = too_bad(Gate(max_bad=Limit(number=2.5, is_share=True)), 1_000, 2_000)
    assert finding.message == "1,000 of 2,000 rows are bad, more than 2.5%"
    [finding] = too_bad(Gate(max_bad=Limit(number=0)), 1, 1)
    assert finding.message == "1 of 1 row is bad, more than 0"


def test_rule_sets_come_back_from_json() -> None:
    rules = (
        Rule(name="a", check="rule", options={"sql": "x > 0", "types": {"x": "number"}}),
        Rule(name="b", check="schema", options={"descriptor": {}}, level="warning", source="/s.json"),
    )
    rule_set = RuleSet(number=3, rules=rules, gate=Gate(max_bad=Limit(number=2.5, is_share=True), on_bad="warn"))
    assert RuleSet.from_json(rule_set.to_json(), number=3) == rule_set
