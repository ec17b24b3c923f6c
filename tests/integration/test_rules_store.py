"""Rule sets, and what is decided about held versions, in each store."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import servers

from csv_manager.core.errors import LostRaceError, OptionError, StaleWatcherError, VersionNotFoundError
from csv_manager.core.model import WatcherOptions
from csv_manager.core.paths import identity
from csv_manager.core.rules import Gate, Limit, Rule, RuleSet
from csv_manager.pipeline.store import Store
from csv_manager.store.watchers import StoredWatcher

FRUIT = "id,price\n1,5\n2,7\n3,2\n4,1\n"
GATE = Gate(max_deleted=Limit(number=20, is_share=True))


class Files:
    """A store, and a watched file in a folder."""

    def __init__(self, folder: Path, url: object) -> None:
        self.folder = folder
        self.store = Store(url=url, archive=folder / "archive", row_limit=100)  # type: ignore[arg-type] # a URL or text
        self.path = identity(str(folder / "data.csv"))

    def write(self, text: str) -> int | None:
        """Record a content; the number of the version, if it is a new one."""
        Path(self.path).write_text(text, encoding="utf-8")
        known = self.store.catalog.watchers.of(self.path)
        options = known.options if known else WatcherOptions(key=("id",))
        return self.store.recorder.record(self.path, options, store_watcher=known is None).number

    @property
    def watcher(self) -> StoredWatcher:
        [watcher] = self.store.catalog.watchers.all()
        return watcher

    def gate(self, gate: Gate = GATE) -> RuleSet:
        return self.store.catalog.rules.change(self.watcher, lambda before: replace(before, gate=gate))


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Files]:
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            url: object = f"sqlite:///{tmp_path / 'store.db'}"
        else:
            url = stack.enter_context(servers.database(request.param))
        made = Files(tmp_path, url)
        stack.callback(made.store.close)
        made.write(FRUIT)
        yield made


def test_each_change_of_rules_is_a_rule_set_of_its_own(files: Files) -> None:
    rules = files.store.catalog.rules
    assert rules.of(files.watcher) == RuleSet()
    first = files.gate()
    rule = Rule(name="a", check="rule", options={"sql": "price > 0", "types": {"price": "number"}})
    second = rules.change(files.watcher, lambda before: replace(before, rules=(*before.rules, rule)))
    assert (first.number, second.number) == (1, 2)
    assert (second.gate, second.rules) == (GATE, (rule,))
    assert rules.of(files.watcher) == second
    assert rules.in_force(files.path).rule_set == second
    assert rules.find(first.uuid or "") == first
    assert first.user
    assert first.created


def test_what_a_change_refuses_is_not_stored(files: Files) -> None:
    def refuse(_before: RuleSet) -> RuleSet:
        raise OptionError("no")

    rules = files.store.catalog.rules
    with pytest.raises(OptionError, match="no"):
        rules.change(files.watcher, refuse)
    assert rules.of(files.watcher).number == 0
    gone = files.watcher
    files.store.catalog.watchers.delete(gone)
    with pytest.raises(StaleWatcherError):
        rules.change(gone, lambda before: before)


def test_rules_go_with_their_watcher(files: Files) -> None:
    files.gate()
    files.store.catalog.watchers.delete(files.watcher)
    assert files.store.catalog.rules.in_force(files.path).rule_set == RuleSet()
    files.store.recorder.record(files.path, WatcherOptions(key=("id",)), store_watcher=True)
    assert files.store.catalog.rules.of(files.watcher) == RuleSet()


def test_a_held_version_is_accepted_once_and_told_to_receivers_as_a_change(files: Files) -> None:
    rule_set = files.gate()
    number = files.write("id,price\n1,5\n2,8\n")
    file = files.store.file(files.path)
    held = file.version(number or 0)
    assert (held.status, held.rule_set, file.record.head, file.record.state) == ("held", rule_set.uuid, 1, "held")
    assert held.reason == "2 of 4 rows are gone, more than 20%"
    assert (held.updated, held.deleted, held.stored) == (1, 2, False)
    before = [entry.position for entry in files.store.catalog.outbox.since(0)]
    files.store.decider.accept(files.path, held)
    file = files.store.file(files.path)
    accepted = file.version("head")
    assert (accepted.number, accepted.status, accepted.stored, file.record.state) == (2, "accepted", True, "ok")
    assert accepted.decided is not None
    assert accepted.decided_by
    assert [change.op for change in file.changes("head")] == ["delete", "delete", "update"]
    entries = files.store.catalog.outbox.since(0)
    assert [(entry.version, entry.kind) for entry in entries] == [(1, "ok"), (2, "accepted")]
    assert entries[-1].position > max(before)
    with pytest.raises(VersionNotFoundError, match="version 2 is not held; it was accepted by"):
        files.store.decider.accept(files.path, held)
    with pytest.raises(LostRaceError):
        files.store.catalog.decisions.reject(file.record, held)


def test_a_held_version_that_is_closed_is_no_head_and_is_not_judged_again(files: Files) -> None:
    files.gate()
    files.write("id,price\n1,5\n")
    held = files.store.latest(files.path)
    assert held is not None
    files.store.decider.reject(files.path, held)
    file = files.store.file(files.path)
    assert (file.version(2).status, file.record.head, file.record.state) == ("rejected", 1, "ok")
    assert files.write("id,price\n1,5\n") is None
    assert files.write("id,price\n1,5\n2,7\n3,2\n4,9\n") == 3
    assert files.store.file(files.path).version("head").base == 1


def test_a_held_content_is_judged_anew_when_the_rules_are_others(files: Files) -> None:
    files.gate()
    assert files.write("id,price\n1,5\n") == 2
    assert files.write("id,price\n1,5\n") is None
    files.gate(Gate())
    assert files.write("id,price\n1,5\n") == 3
    assert [version.status for version in files.store.file(files.path).versions()] == ["ok", "held", "ok"]


def test_what_cannot_be_read_can_only_be_closed(files: Files) -> None:
    files.write("id,price\n1,5\n1,6\n")
    held = files.store.latest(files.path)
    assert held is not None
    with pytest.raises(VersionNotFoundError, match="cannot be read as CSV"):
        files.store.decider.accept(files.path, held)
    files.store.decider.reject(files.path, held)
    assert files.store.last_state(files.path) == ("ok", None)


def test_an_older_version_cannot_become_the_head(files: Files) -> None:
    files.gate()
    files.write("id,price\n1,5\n")
    held = files.store.latest(files.path)
    files.write(FRUIT.replace("7", "8"))
    assert held is not None
    with pytest.raises(VersionNotFoundError, match="version 2 is older than the head, version 3"):
        files.store.decider.accept(files.path, held)


def test_a_pruned_version_leaves_nothing_that_was_accepted(files: Files) -> None:
    files.gate()
    files.write("id,price\n1,5\n")
    held = files.store.latest(files.path)
    assert held is not None
    files.store.decider.accept(files.path, held)
    files.write("id,price\n1,6\n")
    file = files.store.file(files.path)
    files.store.prune([(file, [2])])
    assert [entry.version for entry in files.store.catalog.outbox.since(0)] == [1, 3]
    assert [version.number for version in file.versions()] == [3, 1]
