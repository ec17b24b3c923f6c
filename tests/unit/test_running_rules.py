"""Rules on a version: what is counted, what is kept, and what becomes of a check that fails."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from checking import rows, table

from csv_manager.checks.rows import ChangedRows, WholeRows
from csv_manager.checks.running import Check, judge
from csv_manager.core.diff import diff
from csv_manager.core.errors import RuleError, TornReadError
from csv_manager.core.findings import Finding
from csv_manager.core.rules import Rule, RuleSet

CONTENT = "id,v\n" + "".join(f"{number},{number % 3}\n" for number in range(30))


def zeros(told: Any, options: Mapping[str, Any]) -> Iterator[Finding]:
    for row in told:
        if row["v"] == options.get("value", "0"):
            yield Finding(code="zero", message=f"{row['id']} has it", line=row.line, column="v", value=row["v"])


def broken(_told: Any, _options: Mapping[str, Any]) -> Iterator[Finding]:
    yield Finding(code="one", message="before", row=1)
    raise ValueError("no luck")


def refusing(_told: Any, _options: Mapping[str, Any]) -> Iterator[Finding]:
    raise RuleError("It cannot be.")


def stopped(_told: Any, _options: Mapping[str, Any]) -> Iterator[Finding]:
    raise TornReadError


CHECKS = {
    function.__name__: Check(name=function.__name__, function=function)
    for function in (zeros, broken, refusing, stopped)
} | {"talk": Check(name="talk", function=lambda _rows, _options: ["wrong"])}  # type: ignore[list-item] # on purpose


def rule_set(*names: str, **told: Any) -> RuleSet:
    return RuleSet(number=1, uuid="u", rules=tuple(Rule(name=name, check=name, **told) for name in names))


def test_findings_are_counted_and_the_first_are_kept_with_row_and_line() -> None:
    judged = judge(rule_set("zeros"), CHECKS, rows(CONTENT), most=2)
    assert [(each.row, each.line, each.rule, each.value) for each in judged.findings] == [
        (1, 2, "zeros", "0"), (4, 5, "zeros", "0"),
    ]  # fmt: skip
    [result] = judged.results
    assert (result.findings, result.bad_rows, result.scanned, result.total, result.failed) == (10, 10, 30, 30, False)
    assert judged.bad_rows == 10


def large(_told: Any, _options: Mapping[str, Any]) -> Iterator[Finding]:
    for number in range(1, 31):
        yield Finding(code="row", message="bad", row=number)
    yield Finding(code="whole", message="it is of no row")


def test_what_is_not_kept_counts_all_the_same() -> None:
    checks = {"large": Check(name="large", function=large)}
    judged = judge(rule_set("large"), checks, rows(CONTENT), most=1)
    assert (len(judged.findings), judged.bad_rows, judged.at_large) == (1, 30, 1)
    assert judge(rule_set("large", level="warning"), checks, rows(CONTENT), most=1).at_large == 0
    assert judge(rule_set("broken", level="warning"), CHECKS, rows(CONTENT)).at_large == 1


def test_a_row_is_bad_once_and_warnings_make_none() -> None:
    rules = (
        Rule(name="a", check="zeros"),
        Rule(name="b", check="zeros"),
        Rule(name="c", check="zeros", options={"value": "1"}, level="warning"),
    )
    judged = judge(RuleSet(number=1, rules=rules), CHECKS, rows(CONTENT))
    assert judged.bad_rows == 10
    assert [(each.rule, each.findings) for each in judged.results] == [("a", 10), ("b", 10), ("c", 10)]
    assert {each.level for each in judged.findings if each.rule == "c"} == {"warning"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", "ValueError: no luck"),
        ("refusing", "It cannot be"),
        ("talk", "TypeError: it yielded 'wrong', which is no Finding"),
        ("nobody", "No plugin has a check 'nobody'; load the one that has, or csv_check_delete it"),
    ],
)
def test_a_check_that_fails_is_an_error_whatever_its_level(name: str, message: str) -> None:
    judged = judge(rule_set(name, level="warning"), CHECKS, rows(CONTENT))
    last = judged.findings[-1]
    assert (last.code, last.level, last.row, last.message) == ("check-error", "error", None, message)
    assert judged.results[0].failed


def test_what_is_to_stop_is_no_finding() -> None:
    with pytest.raises(TornReadError):
        judge(rule_set("stopped"), CHECKS, rows(CONTENT))


def test_rows_that_did_not_change_are_left_out_where_they_were_clean() -> None:
    old, new = table(CONTENT), table(CONTENT.replace("\n7,1\n", "\n7,0\n").replace("\n9,0\n", "\n9,1\n"))
    changed = ChangedRows(new, old, diff(old, new, key=("id",)))
    whole = WholeRows(new, old)
    rules = rule_set("zeros")
    judged = judge(rules, CHECKS, whole, changed, clean=frozenset({"zeros"}))
    assert [(each.line, each.message) for each in judged.findings] == [(9, "7 has it")]
    assert (judged.results[0].scanned, judged.results[0].total, judged.results[0].is_partial) == (2, 30, True)
    again = judge(rules, CHECKS, whole, changed)
    assert (again.bad_rows, again.results[0].is_partial) == (10, False)
    by_version = {"zeros": Check(name="zeros", function=zeros, scope="version")}
    assert judge(rules, by_version, whole, changed, clean=frozenset({"zeros"})).bad_rows == 10


def test_bad_rows_of_both_kinds_are_counted_once() -> None:
    old, new = table(CONTENT), table(CONTENT.replace("\n7,1\n", "\n7,0\n"))
    changed = ChangedRows(new, old, diff(old, new, key=("id",)))
    rules = RuleSet(number=1, rules=(Rule(name="a", check="zeros"), Rule(name="b", check="zeros")))
    judged = judge(rules, CHECKS, WholeRows(new, old), changed, clean=frozenset({"a"}))
    assert [each.is_partial for each in judged.results] == [True, False]
    assert judged.bad_rows == 11


def test_long_words_are_shortened() -> None:
    told = rows('id,v\n1,"' + "x" * 5000 + '"\n')
    checks = {"zeros": Check(name="zeros", function=lambda _rows, _options: [Finding(code="c", message="y" * 5000)])}
    [finding] = judge(rule_set("zeros"), checks, told).findings
    assert len(finding.message) == 300
