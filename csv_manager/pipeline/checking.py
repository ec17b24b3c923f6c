"""Findings: what the rules of a watcher say of a version, and whether it waits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from csv_manager.checks.rows import ChangedRows, WholeRows
from csv_manager.checks.running import Check, Judgement, RuleResult, judge
from csv_manager.core.changes import ChangeSet, Counts
from csv_manager.core.errors import NotCsvError
from csv_manager.core.findings import Finding
from csv_manager.core.gating import Lost, is_held, lost_rows
from csv_manager.core.model import RowChange, Version
from csv_manager.core.reading import Table
from csv_manager.store.rules import InForce

#: Of more rows than this share of a version, all are looked at: that is quicker than to pick out those that changed.
_SHARE = 4


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A content that may be held: its rows, those of the head, and what changed between them.

    `changes` are all row changes, if they are few enough to be at hand. `has_key` if an update is told as one. What is
    `restored` may lack rows: somebody wanted it so.
    """

    table: Table
    head: Version | None = None
    old: Table | None = None
    change_set: ChangeSet | None = None
    changes: tuple[RowChange, ...] | None = None
    has_key: bool = False
    restored: bool = False

    def whole(self, stopping: Callable[[], bool]) -> WholeRows:
        """All of its rows."""
        return WholeRows(self.table, self.old, stopping)

    def changed(self, stopping: Callable[[], bool]) -> ChangedRows | None:
        """The rows that came or changed, if they are few and tell all that is new."""
        change_set, head = self.change_set, self.head
        if change_set is None or head is None or change_set.columns or head.ignore:
            return None
        if len(change_set.new_rows) * _SHARE > self.table.count():
            return None
        return ChangedRows(self.table, self.old, change_set if self.changes is None else self.changes, stopping)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found in a content, by its gate and its rules, and whether it is to wait."""

    findings: tuple[Finding, ...] = ()
    results: tuple[RuleResult, ...] = ()
    bad_rows: int | None = None
    is_held: bool = False


def examine(
    candidate: Candidate,
    in_force: InForce,
    checks: Mapping[str, Check],
    *,
    most: int,
    stopping: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Look at a content by the gate and the rules in force; at most so many findings of each rule are kept."""
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
        )
    findings = (*found, *judgement.findings)
    return Verdict(
        findings=_reasons_first(findings),
        results=judgement.results,
        bad_rows=judgement.bad_rows if rule_set.rules else None,
        is_held=is_held(findings, judgement.bad_rows, candidate.table.count(), rule_set.gate),
    )


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
    lost = Lost(before=head.rows, rows=candidate.table.count(), counts=counts, has_key=candidate.has_key)
    return list(lost_rows(lost, in_force.rule_set.gate, has_target=in_force.has_target))


def _clean(head: Version | None, rule_set: str | None) -> frozenset[str]:
    """The rules that found nothing in the head, if it was checked by the same ones."""
    if head is None or rule_set is None or head.rule_set != rule_set:
        return frozenset()
    return frozenset(told["rule"] for told in head.checks if not told["findings"])


def _reasons_first(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Errors before warnings: the first finding is why a version waits."""
    return tuple(sorted(findings, key=lambda finding: finding.level != "error"))
