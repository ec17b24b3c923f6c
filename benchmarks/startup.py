"""What starting costs: CPU time of one-shot commands against a bare groundwork app's --help."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from csv_files import write_edits
from harness import SIDES, Child, Figure, clean_environment, console_script, figure, run_child, say, take_turns

SUMMARY = "CPU time of csv_manager --help and csv_watcher_list against a bare groundwork app's --help"
TARGET = 0.5
_ROUNDS, _QUICK_ROUNDS = 15, 3
_WATCHERS = 3
_PEERS = {
    "alone": "bare groundwork --help, its own plugins",
    "installed": "bare groundwork --help, plugins as installed",
}


def measure(*, quick: bool) -> Iterator[Figure]:
    """The figures; everything runs in processes of its own, on a store with three watchers."""
    with tempfile.TemporaryDirectory(prefix="csv_manager_bench_") as folder:
        environment = clean_environment(Path(folder))
        csv_manager = console_script("csv_manager")
        _add_watchers(csv_manager, Path(folder), environment)
        commands = {
            "help": [csv_manager, "--help"],
            "list": [csv_manager, "csv_watcher_list"],
            **{peer: [sys.executable, str(SIDES / "bare_groundwork.py"), peer, "--help"] for peer in _PEERS},
        }
        rounds = take_turns(
            {name: lambda command=command: run_child(command, environment) for name, command in commands.items()},
            _QUICK_ROUNDS if quick else _ROUNDS,
        )
    for side, what, target in (("help", "csv_manager --help", TARGET), ("list", "csv_watcher_list", None)):
        for peer, title in _PEERS.items():
            yield figure("startup", what, title, "ms CPU", _cpu(rounds, side, peer), target)


def _cpu(rounds: list[dict[str, Child]], side: str, peer: str) -> Iterator[tuple[float, float]]:
    return ((results[side].cpu, results[peer].cpu) for results in rounds)


def _add_watchers(csv_manager: str, folder: Path, environment: dict[str, str]) -> None:
    say(f"  adding {_WATCHERS} watchers")
    for number in range(_WATCHERS):
        files = folder / f"files{number}"
        files.mkdir()
        base, _ = write_edits(files, 100, ())
        run_child([csv_manager, "csv_watcher_add", str(base), "--key", "id", "--settle", "0"], environment)
