"""Findings: what the rules of a watcher say of a version, and whether it waits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from csv_manager.checks.rows import ChangedRows, WholeRows
from csv_manager.checks.running import Check, Judgement, RuleResult, judge
from csv_manager.core.changes import ChangeSet, Counts
from csv_manager.core.errors import NotCsvError
from csv_manager.core.findings import Finding
from csv_manager.core.gating import Lost, is_held, lost_rows, too_bad
from csv_manager.core.model import RowChange, Version
from csv_manager.core.reading import Table
from csv_manager.store.rules import InForce

#: Of more rows than this share of a version, all are looked at: that is quicker than to pick out those that changed.
_SHARE = 4


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A content that may be held: its rows, those of the head, and what changed between them.

    `rows` is how many it has. `changes` are all row changes, if they are few enough to be at hand. `has_key` if an
    update is told as one. What is `restored` may lack rows: somebody wanted it so.
    """

    table: Table
    rows: int
    head: Version | None = None
    old: Table | None = None
    change_set: ChangeSet | None = None
    changes: tuple[RowChange, ...] | None = None
    has_key: bool = False
    restored: bool = False

    def whole(self, stopping: Callable[[], bool]) -> WholeRows:
        """All of its rows."""
        return WholeRows(self.table, self.old, stopping, self.rows)

    def changed(self, stopping: Callable[[], bool]) -> ChangedRows | None:
        """The rows that came or changed, if they are few and tell all that is new."""
        change_set, head = self.change_set, self.head
        if change_set is None or head is None or change_set.columns or head.ignore:
            return None
        if len(change_set.new_rows) * _SHARE > self.rows:
            return None
        return ChangedRows(self.table, self.old, change_set if self.changes is None else self.changes, stopping)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found in a content, by its gate and its rules, and whether it is to wait.

    `bad` are the physical lines of the rows to be quarantined, each with what was found in it.
    """

    findings: tuple[Finding, ...] = ()
    results: tuple[RuleResult, ...] = ()
    bad_rows: int | None = None
    is_held: bool = False
    bad: Mapping[int, tuple[Finding, ...]] = field(default_factory=dict)


def examine(
    candidate: Candidate,
    in_force: InForce,
    checks: Mapping[str, Check],
    *,
    most: int,
    most_bad: int | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Look at a content by the gate and the rules in force; at most so many findings of each rule are kept.

    With `most_bad` the verdict has all rows that are bad, and of so many of them for each rule what was found.
    """
    rule_set = in_force.rule_set
    if not rule_set.rules and not rule_set.number and not in_force.has_target:
        return Verdict()
    found = [*_unclosed(candidate.table), *_lost(candidate, in_force)]
    judgement = Judgement()
    if rule_set.rules:
        judgement = judge(
            rule_set,
            checks,
            candidate.whole(stopping),
            candidate.changed(stopping),
            clean=_clean(candidate.head, rule_set.uuid),
            most=most,
            most_bad=most_bad,
        )
    found += too_bad(rule_set.gate, judgement.bad_rows, candidate.rows)
    findings = (*found, *judgement.findings)
    return Verdict(
        findings=_reasons_first(findings),
        results=judgement.results,
        bad_rows=judgement.bad_rows if rule_set.rules else None,
        is_held=is_held(
            rule_set.gate,
            at_large=len(found) + judgement.at_large,
            bad_rows=judgement.bad_rows,
        ),
        bad=judgement.bad,
    )


def examine_left(verdict: Verdict, left: Candidate, in_force: InForce) -> Verdict:
    """The verdict on a content that goes through without its bad rows, unless too few are left."""
    lost = tuple(_lost(left, in_force))
    if not lost:
        return verdict
    return replace(verdict, findings=_reasons_first((*lost, *verdict.findings)), is_held=True, bad={})


def _unclosed(table: Table) -> list[Finding]:
    try:
        table.refuse_unclosed()
    except NotCsvError as error:
        return [Finding(code="source-error", message=str(error).removeprefix(f"{table.csv_file}: ").rstrip("."))]
    return []


def _lost(candidate: Candidate, in_force: InForce) -> list[Finding]:
    """What is gone since the head, unless somebody has put an older version back."""
    head = candidate.head
    if head is None or head.rows is None or candidate.restored:
        return []
    counts = candidate.change_set.counts if candidate.change_set is not None else Counts()
    lost = Lost(before=head.rows, rows=candidate.rows, counts=counts, has_key=candidate.has_key)
    return list(lost_rows(lost, in_force.rule_set.gate, has_target=in_force.has_target))


def _clean(head: Version | None, rule_set: str | None) -> frozenset[str]:
    """The rules that found nothing in the head, if it was checked by the same ones."""
    if head is None or rule_set is None or head.rule_set != rule_set:
        return frozenset()
    # What an error was found in is no row of a version that is without such rows.
    is_left = head.clean is not None
    return frozenset(
        told["rule"] for told in head.checks if not told["findings"] or (is_left and told["level"] == "error")
    )


def _reasons_first(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Errors before warnings: the first finding is why a version waits."""
    return tuple(sorted(findings, key=lambda finding: finding.level != "error"))
