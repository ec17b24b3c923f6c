"""The rules of a watcher, one after the other, on a version: what each found, and how much of it is kept."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from csv_manager.checks.rows import ChangedRows, CheckRows, WholeRows
from csv_manager.core.errors import CsvManagerError, TornReadError, clause
from csv_manager.core.findings import Finding
from csv_manager.core.rules import Rule, RuleSet

log = logging.getLogger("csv_manager.checks")

#: The most characters of a message and of a value that are kept.
_MOST_WORDS = 300

Function = Callable[[CheckRows, Mapping[str, Any]], Iterable[Finding]]


@dataclass(frozen=True, kw_only=True)
class Check:
    """What can be asked of a version: `function(rows, options)` yields a finding for each thing that is wrong.

    With the scope `rows` it judges each row by itself, so that rows which did not change need not be looked at again;
    with `version` it sees all rows at once. Some decide that by their options.
    """

    name: str
    function: Function
    description: str = ""
    scope: str | Callable[[Mapping[str, Any]], str] = "rows"
    options: tuple[str, ...] = ()

    def is_by_row(self, options: Mapping[str, Any]) -> bool:
        """Whether it judges each row by itself."""
        return (self.scope(options) if callable(self.scope) else self.scope) == "rows"


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """What a rule came to: how many findings, in how many rows, of which it looked at `scanned`, of `total`.

    `is_partial` if the rows were left out that had not changed. One that `failed` could not be executed.
    """

    rule: str
    check: str
    level: str
    findings: int
    bad_rows: int
    scanned: int
    total: int
    is_partial: bool = False
    failed: bool = False
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return dict(self.__dict__)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What all rules came to: the findings that are kept, in the order of the rules, and the rows with errors."""

    findings: tuple[Finding, ...] = ()
    results: tuple[RuleResult, ...] = ()
    bad_rows: int = 0


@dataclass
class _Bad:
    """The numbers of the rows in which a rule of level error found something, of all rows, or of those that changed."""

    whole: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)

    def count(self, whole: WholeRows, changed: ChangedRows | None) -> int:
        """How many rows they are."""
        if not self.whole or not self.changed or changed is None:
            return len(self.whole) + len(self.changed)
        lines = set(whole.lines(self.whole).values()) | set(changed.lines(self.changed).values())
        return len(lines)


def judge(
    rule_set: RuleSet,
    checks: Mapping[str, Check],
    whole: WholeRows,
    changed: ChangedRows | None = None,
    *,
    clean: frozenset[str] = frozenset(),
    most: int = 100,
) -> Judgement:
    """Look at a version by each rule. At most so many findings of each are kept.

    `changed` are the rows that changed since a version of which the rules `clean` found nothing at all.
    """
    with contextlib.ExitStack() as stack:
        for each in filter(None, (whole, changed)):
            stack.callback(each.close)
        return _judge(rule_set, checks, whole, changed, clean=clean, most=most)


def _judge(
    rule_set: RuleSet,
    checks: Mapping[str, Check],
    whole: WholeRows,
    changed: ChangedRows | None,
    *,
    clean: frozenset[str],
    most: int,
) -> Judgement:
    findings: list[Finding] = []
    results: list[RuleResult] = []
    bad = _Bad()
    for rule in rule_set.rules:
        check = checks.get(rule.check)
        is_partial = changed is not None and rule.name in clean and check is not None and check.is_by_row(rule.options)
        rows: CheckRows = changed if is_partial and changed is not None else whole
        kept, result, numbers = _run(rule, check, rows, most)
        findings += kept
        results.append(replace(result, total=whole.count()))
        if rule.level == "error":
            (bad.changed if is_partial else bad.whole).update(numbers)
    return Judgement(findings=tuple(findings), results=tuple(results), bad_rows=bad.count(whole, changed))


def _run(rule: Rule, check: Check | None, rows: CheckRows, most: int) -> tuple[list[Finding], RuleResult, set[int]]:
    began = time.monotonic()
    kept: list[Finding] = []
    count, failed = 0, False
    numbers: set[int] = set()
    by_line: set[int] = set()
    try:
        for finding in _found(rule, check, rows):
            count += 1
            if len(kept) < most:
                kept.append(_told(finding, rule))
            if finding.row is not None:
                numbers.add(finding.row)
            elif finding.line is not None:
                by_line.add(finding.line)
    except TornReadError:
        raise
    except Exception as error:
        failed = True
        count += 1
        if not isinstance(error, CsvManagerError):
            log.exception("The rule %s failed.", rule.name)
        told = clause(error) if isinstance(error, CsvManagerError) else f"{type(error).__name__}: {clause(error)}"
        kept.append(replace(_told(Finding(code="check-error", message=told), rule), level="error"))
    by_lines = rows.numbers(by_line) if by_line else {}
    numbers |= set(by_lines.values())
    kept = _placed(kept, rows, by_lines)
    result = RuleResult(
        rule=rule.name,
        check=rule.check,
        level=rule.level,
        findings=count,
        bad_rows=len(numbers),
        scanned=rows.count(),
        total=0,
        is_partial=rows.is_partial,
        failed=failed,
        seconds=round(time.monotonic() - began, 3),
    )
    return kept, result, numbers


def _found(rule: Rule, check: Check | None, rows: CheckRows) -> Iterator[Finding]:
    if check is None:
        raise CsvManagerError(f"No plugin has a check {rule.check!r}; load the one that has, or csv_check_delete it.")
    for finding in check.function(rows, rule.options):
        if not isinstance(finding, Finding):
            raise TypeError(f"it yielded {finding!r}, which is no Finding")
        yield finding


def _told(finding: Finding, rule: Rule) -> Finding:
    """A finding as it is kept: with the rule's name and level, and not too long."""
    return replace(
        finding,
        rule=rule.name,
        level=rule.level,
        message=_shortened(finding.message),
        value=None if finding.value is None else _shortened(finding.value),
    )


def _placed(findings: Sequence[Finding], rows: CheckRows, by_lines: Mapping[int, int]) -> list[Finding]:
    """Findings with the rows and the physical lines that they are of, of which each had told one."""
    lines = rows.lines(finding.row for finding in findings if finding.row is not None and finding.line is None)
    told = []
    for finding in findings:
        row = by_lines.get(finding.line) if finding.row is None and finding.line is not None else finding.row
        line = lines.get(row) if finding.line is None and row is not None else finding.line
        told.append(replace(finding, row=row, line=line))
    return told


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_WORDS else f"{text[: _MOST_WORDS - 1]}…"
