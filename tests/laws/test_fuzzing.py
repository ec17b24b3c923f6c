"""The fuzzer finds nothing wrong in a short run, and what is wrong it finds; `nox -s fuzz` runs a million cases."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import fuzzing
import pytest

from csv_manager.core import diff as diffing
from csv_manager.core import walking


@pytest.mark.parametrize("seed", range(4))
def test_random_contents_have_the_changes_that_the_oracle_tells(seed: int) -> None:
    ran, changed = fuzzing.run(700, seed)
    assert ran == 700
    assert 350 < changed < 700


def test_a_walk_that_stops_within_a_record_is_found_out() -> None:
    def careless(walker: Any) -> None:
        walker._known = walker._at_old

    with mock.patch.object(walking._Walker, "_step_back", careless), pytest.raises(fuzzing.WrongError):
        fuzzing.run(2000, 1)


def test_a_change_that_is_swallowed_is_found_out() -> None:
    def all_but_one(*arguments: Any, **options: Any) -> Any:
        change_set = diff(*arguments, **options)
        return mock.MagicMock(wraps=change_set, __iter__=lambda _: iter(list(change_set)[1:]), counts=change_set.counts)

    diff = diffing.diff
    with mock.patch.object(diffing, "diff", all_but_one), pytest.raises(fuzzing.WrongError, match="counts"):
        fuzzing.run(100, 1)


def test_the_program_runs_its_cases_and_tells_how_many() -> None:
    program = Path(fuzzing.__file__)
    done = subprocess.run(
        [sys.executable, program, "--cases", "10", "--seed", "7", "--processes", "1"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("seed 7: 2,000 cases, ")
    assert done.stdout.endswith(" with changes, 0 wrong\n")


def test_the_same_seed_makes_the_same_cases() -> None:
    first, again = (next(fuzzing.cases(random.Random(3))) for _ in range(2))
    assert first == again
