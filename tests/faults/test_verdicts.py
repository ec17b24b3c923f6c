"""The counts of the fault suite: nothing that is lost, doubled or wrong goes uncounted."""

import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import running
from running import RESULTS, table
from verdicts import SCENARIOS, Verdict, Written, align, total

A, B, C = (Written(sha256=name) for name in "abc")
X = Written(sha256="x", may=True)


@pytest.mark.parametrize(
    ("written", "recorded", "lost", "extra"),
    [
        ([], "", 0, ""),
        ([A, B, A], "aba", 0, ""),
        ([A, B, C], "ac", 1, ""),
        ([A, B, C], "", 3, ""),
        ([A, B], "aabb", 0, "ab"),
        ([A, B, C], "abac", 0, "a"),
        ([A, B], "atb", 0, "t"),
        ([A, B], "ba", 1, "b"),
        ([A, X, B], "axb", 0, ""),
        ([A, X, B], "ab", 0, ""),
        ([A, X, B], "axxb", 0, "x"),
        ([Written(sha256="a", may=True), A, B], "ab", 0, ""),
        ([], "t", 0, "t"),
    ],
)
def test_each_version_is_of_one_settled_content(
    written: Sequence[Written], recorded: str, lost: int, extra: str
) -> None:
    assert align(written, list(recorded)) == (lost, list(extra))


def test_no_other_account_of_the_same_versions_is_milder() -> None:
    chance = random.Random(7)
    for _ in range(300):
        written = [Written(sha256=chance.choice("ab"), may=chance.random() < 0.3) for _ in range(chance.randint(0, 4))]
        recorded = chance.choices("abt", k=chance.randint(0, 4))
        lost, extra = align(written, recorded)
        assert lost + len(extra) == mildest(written, recorded)


def mildest(written: Sequence[Written], recorded: Sequence[str]) -> int:
    """The fewest of lost contents and versions too many, of all ways to pair them in order."""
    ways = []
    for size in range(min(len(written), len(recorded)) + 1):
        for chosen in itertools.combinations(range(len(written)), size):
            for told in itertools.combinations(recorded, size):
                if [written[place].sha256 for place in chosen] == list(told):
                    lost = sum(not content.may for place, content in enumerate(written) if place not in chosen)
                    ways.append(lost + len(recorded) - size)
    return min(ways)


def test_the_verdicts_of_a_scenario_are_added_up() -> None:
    first, second = SCENARIOS[:2]
    one = Verdict(scenario=second, settled=2, recorded=3, lost=0, doubled=1, wrong=0)
    other = Verdict(scenario=first, settled=1, recorded=1, lost=0, doubled=0, wrong=0)
    assert total([one, other, one]) == [
        other,
        Verdict(scenario=second, settled=4, recorded=6, lost=0, doubled=2, wrong=0),
    ]


def test_the_published_counts_are_of_every_scenario() -> None:
    saved = [Verdict(**told) for told in json.loads(RESULTS.read_text("utf-8"))["verdicts"]]
    assert [verdict.scenario for verdict in saved] == list(SCENARIOS)
    assert all(verdict.settled for verdict in saved)


def test_the_table_has_the_sums() -> None:
    verdicts = [Verdict(scenario=name, settled=1000, recorded=2, lost=3, doubled=4, wrong=5) for name in SCENARIOS[:2]]
    [head, rule, *rows, rule_again, sums] = table(verdicts).splitlines()
    assert head.split() == ["scenario", "settled", "recorded", "lost", "doubled", "wrong"]
    assert rule == rule_again
    assert len(rows) == 2
    assert sums.split() == ["all", "2,000", "4", "6", "8", "10"]


def test_a_count_that_is_not_zero_ends_with_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Verdict(scenario=SCENARIOS[0], settled=2, recorded=1, lost=1, doubled=0, wrong=0)
    monkeypatch.setattr(running, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(running, "run", lambda _scale, _arguments: (0, [lost]))
    monkeypatch.setattr("sys.argv", ["running.py", "--save"])
    assert running.main() == 1
    assert not running.RESULTS.exists()
