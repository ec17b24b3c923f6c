"""What the rules in force say of a content, and what is left of it where bad rows are quarantined."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from csv_manager.archive import Archive, Derived
from csv_manager.core.diff import diff
from csv_manager.core.errors import DuplicateKeyError
from csv_manager.core.model import Version
from csv_manager.core.reading import Table
from csv_manager.core.rules import Rule
from csv_manager.pipeline.arrivals import Arrival
from csv_manager.pipeline.checking import Candidate, Verdict, examine, examine_left
from csv_manager.pipeline.comparing import Compared, Comparer
from csv_manager.pipeline.contents import table_in
from csv_manager.pipeline.new_versions import check_header
from csv_manager.pipeline.quarantining import Left
from csv_manager.store.catalog import Catalog
from csv_manager.store.records import NewVersion
from csv_manager.store.rules import InForce

if TYPE_CHECKING:
    from csv_manager.checks.running import Check


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The version that a content is, how it was compared, and what is left of it without its quarantined rows, if any.

    `rest` is what that is as a content of its own, and `left_compared` how it was compared.
    """

    new: NewVersion
    compared: Compared | None
    left: Left | None = None
    rest: Derived | None = None
    left_compared: Compared | None = None


class Judge:
    """Looks at contents by the rules in force. `row_limit` is the largest number of rows of a version kept in SQL."""

    def __init__(self, catalog: Catalog, archive: Archive, comparer: Comparer, row_limit: int) -> None:
        self._archive = archive
        self._comparer = comparer
        self._takes = catalog.history.takes
        self._row_limit = row_limit
        #: What tells the rules in force for a file, by its path, and by the watcher that has it, if that is known.
        self.in_force: Callable[[str, int | None], InForce] = catalog.rules.in_force
        #: The checks that plugins have, and how many findings of each rule are kept.
        self.checks: Callable[[], Mapping[str, Check]] = dict
        self.most_findings = 100

    def judge(self, arrival: Arrival, compared: Compared, in_force: InForce) -> Judged:
        """The version with what the rules in force found: held if it is to wait, or without the bad rows.

        Raises what comparing raises, of a content that can only be read without its bad rows, and has none.
        """
        verdict = self._examine(compared.candidate, in_force, arrival.stopping)
        judged = Judged(new=compared.new, compared=compared)
        if verdict.bad and not verdict.is_held:
            judged = self._without_bad(arrival, compared, verdict)
            if judged.left_compared is not None:
                verdict = examine_left(verdict, judged.left_compared.candidate, in_force)
        if verdict.is_held:
            judged = Judged(new=compared.new, compared=compared)
        if compared.error is not None and judged.left is None:
            raise compared.error
        new = replace(
            judged.new,
            status="held" if verdict.is_held else judged.new.status,
            changes=None if verdict.is_held else judged.new.changes,
            findings=verdict.findings,
            rule_set=in_force.rule_set.uuid,
            checks=tuple(result.to_json() for result in verdict.results),
            bad_rows=verdict.bad_rows,
        )
        return replace(judged, new=new)

    def _without_bad(self, arrival: Arrival, compared: Compared, verdict: Verdict) -> Judged:
        """What is left of a content without its bad rows, compared with the head."""
        table = compared.candidate.table
        left = Left(table, verdict.bad)
        rest = Derived(arrival.snapshot, left.plain)
        head = compared.candidate.head
        found = self._comparer.compare(left.table, arrival.options, rest, head, arrival.cause)
        check_header(left.table, found.new.column_change, self._takes)
        new = replace(
            found.new,
            sha256=arrival.snapshot.sha256,
            size=arrival.snapshot.size,
            csv_format=table.csv_format,
            quarantined=len(verdict.bad),
            clean=rest.sha256,
            quarantine=tuple(left.rows(self._row_limit, self._takes)),
        )
        return Judged(new=new, compared=compared, left=left, rest=rest, left_compared=found)

    def examine(
        self, path: str, table: Table, base: Version | None, key: tuple[str, ...], rules: Sequence[Rule] = ()
    ) -> Verdict:
        """What the rules of a file's watcher, and further ones, say of a content, beside the version before it."""
        in_force = self.in_force(path, None)
        in_force = replace(in_force, rule_set=replace(in_force.rule_set, rules=(*in_force.rule_set.rules, *rules)))
        if rules:
            in_force = replace(in_force, rule_set=replace(in_force.rule_set, uuid=None))
        old = None if base is None else table_in(self._archive, base, path)

        def candidate(content: Table, *, is_left: bool) -> Candidate:
            try:
                ignore = base.ignore if base else ()
                change_set = None if old is None else diff(old, content, key=key, ignore=ignore)
            except DuplicateKeyError:
                if is_left or not in_force.rule_set.gate.quarantines:
                    raise
                change_set = None
            rows, has_key = content.count(), bool(key)
            return Candidate(table=content, rows=rows, head=base, old=old, change_set=change_set, has_key=has_key)

        verdict = self._examine(candidate(table, is_left=False), in_force)
        if verdict.bad and not verdict.is_held:
            return examine_left(verdict, candidate(Left(table, verdict.bad).table, is_left=True), in_force)
        return verdict

    def _examine(
        self, candidate: Candidate, in_force: InForce, stopping: Callable[[], bool] = lambda: False
    ) -> Verdict:
        most_bad = self._row_limit if in_force.rule_set.gate.quarantines else None
        return examine(
            candidate, in_force, self.checks(), most=self.most_findings, most_bad=most_bad, stopping=stopping
        )
