"""The rules of a watcher, one after the other, on a version: what each found, and how much of it is kept."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from csv_manager.checks.rows import ChangedRows, CheckRows, WholeRows
from csv_manager.core.errors import CsvManagerError, TornReadError, clause
from csv_manager.core.finding_records import find_records
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

    `at_large` are the findings that are of no row. `is_partial` if the rows were left out that had not changed.
    One that `failed` could not be executed.
    """

    rule: str
    check: str
    level: str
    findings: int
    bad_rows: int
    scanned: int
    total: int
    at_large: int = 0
    is_partial: bool = False
    failed: bool = False
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return dict(self.__dict__)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What all rules came to: the findings that are kept, in the order of the rules, and how many errors there were.

    `bad_rows` are the rows with errors, `at_large` the errors that are of no row; kept or not, all are counted. `bad`
    are the physical lines of these rows, if that was asked for, each with what was found, as far as that was kept.
    """

    findings: tuple[Finding, ...] = ()
    results: tuple[RuleResult, ...] = ()
    bad_rows: int = 0
    at_large: int = 0
    bad: Mapping[int, tuple[Finding, ...]] = field(default_factory=dict)


#: The numbers of rows, each with what was found in it, as far as that was kept.
_Numbers = dict[int, tuple[Finding, ...]]


@dataclass
class _Bad:
    """The rows in which a rule of level error found something, of all rows, or of those that changed."""

    whole: _Numbers = field(default_factory=dict)
    changed: _Numbers = field(default_factory=dict)

    def add(self, numbers: _Numbers, *, is_partial: bool) -> None:
        """Add what a rule found."""
        mine = self.changed if is_partial else self.whole
        for number, findings in numbers.items():
            mine[number] = mine.get(number, ()) + findings

    def count(self, whole: WholeRows, changed: ChangedRows | None) -> int:
        """How many rows they are."""
        if not self.whole or not self.changed or changed is None:
            return len(self.whole) + len(self.changed)
        return len(self.lines(whole, changed))

    def lines(self, whole: WholeRows, changed: ChangedRows | None) -> _Numbers:
        """The physical lines of the rows, with what was found in each."""
        found: _Numbers = {}
        for rows, numbers in ((whole, self.whole), (changed, self.changed)):
            lines = rows.lines(numbers) if rows is not None and numbers else {}
            for number, line in lines.items():
                found[line] = found.get(line, ()) + numbers[number]
        return found


def judge(
    rule_set: RuleSet,
    checks: Mapping[str, Check],
    whole: WholeRows,
    changed: ChangedRows | None = None,
    *,
    clean: frozenset[str] = frozenset(),
    most: int = 100,
    most_bad: int | None = None,
) -> Judgement:
    """Look at a version by each rule. At most so many findings of each are kept.

    `changed` are the rows that changed since a version of which the rules `clean` found nothing at all. With `most_bad`
    the judgement tells all bad rows, of so many of each rule what was found.
    """
    with contextlib.ExitStack() as stack:
        for each in filter(None, (whole, changed)):
            stack.callback(each.close)
        return _judge(rule_set, checks, whole, changed, clean=clean, most=most, most_bad=most_bad)


def _judge(
    rule_set: RuleSet,
    checks: Mapping[str, Check],
    whole: WholeRows,
    changed: ChangedRows | None,
    *,
    clean: frozenset[str],
    most: int,
    most_bad: int | None,
) -> Judgement:
    findings: list[Finding] = []
    results: list[RuleResult] = []
    bad, at_large = _Bad(), 0
    for rule in rule_set.rules:
        check = checks.get(rule.check)
        is_partial = changed is not None and rule.name in clean and check is not None and check.is_by_row(rule.options)
        rows: CheckRows = changed if is_partial and changed is not None else whole
        kept, result, numbers = _run(rule, check, rows, most, most_bad or 0)
        findings += kept
        results.append(replace(result, total=whole.count()))
        if rule.level == "error":
            bad.add(numbers, is_partial=is_partial)
            at_large += result.at_large
        else:
            at_large += result.failed
    count = bad.count(whole, changed)
    lines = {} if most_bad is None else bad.lines(whole, changed)
    if most_bad is not None:
        at_large += count - len(lines)  # of a row that is not there, as an SQL query may tell it
    return Judgement(findings=tuple(findings), results=tuple(results), bad_rows=count, at_large=at_large, bad=lines)


def _run(
    rule: Rule, check: Check | None, rows: CheckRows, most: int, most_bad: int
) -> tuple[list[Finding], RuleResult, _Numbers]:
    began = time.monotonic()
    kept: list[Finding] = []
    count, at_large, failed = 0, 0, False
    numbers: _Numbers = {}
    by_line: _Numbers = {}
    try:
        for finding in _found(rule, check, rows):
            count += 1
            if len(kept) < most:
                kept.append(_told(finding, rule))
            if finding.row is not None:
                _add(numbers, finding.row, finding, rule, most_bad)
            elif finding.line is not None:
                _add(by_line, finding.line, finding, rule, most_bad)
            else:
                at_large += 1
    except TornReadError:
        raise
    except Exception as error:
        failed = True
        count, at_large = count + 1, at_large + 1
        if not isinstance(error, CsvManagerError):
            log.exception("The rule %s failed.", rule.name)
        told = clause(error) if isinstance(error, CsvManagerError) else f"{type(error).__name__}: {clause(error)}"
        kept.append(replace(_told(Finding(code="check-error", message=told), rule), level="error"))
    by_lines = rows.numbers(by_line) if by_line else {}
    for line, number in by_lines.items():
        numbers[number] = numbers.get(number, ()) + by_line[line]
    kept = _placed(kept, rows, by_lines)
    result = RuleResult(
        rule=rule.name,
        check=rule.check,
        level=rule.level,
        findings=count,
        bad_rows=len(numbers),
        scanned=rows.count(),
        total=0,
        at_large=at_large,
        is_partial=rows.is_partial,
        failed=failed,
        seconds=round(time.monotonic() - began, 3),
    )
    return kept, result, numbers


def _add(numbers: _Numbers, number: int, finding: Finding, rule: Rule, most: int) -> None:
    """Add what was found in a row; of so many rows of a rule that is kept."""
    before = numbers.get(number, ())
    is_kept = number in numbers if len(numbers) >= most else True
    numbers[number] = (*before, _told(finding, rule)) if is_kept and most else before


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
    if not (rows.is_partial and told):
        return told
    # They were counted among the rows that changed.
    at = {found.line: found.row for found in find_records(rows.table, lines=[each.line for each in told if each.line])}
    return [replace(finding, row=at.get(finding.line or 0)) for finding in told]


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_WORDS else f"{text[: _MOST_WORDS - 1]}…"
