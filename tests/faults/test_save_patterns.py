"""Files saved as editors and other programs save them: each save is one version, and nothing beside it is any."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from save_patterns import PATTERNS, PROGRAMS, Save
from verdicts import SCALE, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli

pytestmark = takes_its_time

SAVES = SCALE.rounds + 1
#: Seconds that a file must rest, as shipped: a program may be interrupted between two of its calls.
SETTLE = 0.5


def saved_by(command: tuple[str, ...]) -> Save:
    """A way to save a file by running a program."""

    def save(path: Path, content: bytes) -> None:
        new = path.parent.parent / "new"
        new.write_bytes(content)
        words = [word.replace("NEW", str(new)).replace("FILE", str(path)) for word in command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        assert path.read_bytes() == content, (words, done)

    return save


def watch_saves(cli: "Cli", account: Any, service: Any, contents: Any, saves: Mapping[str, Save]) -> None:
    """Save a file in each of these ways, several times, in a folder of its own."""
    made = contents(SAVES + 1, 100)
    paths = {cli.write(f"{name}/data.csv", made[0]): save for name, save in saves.items()}
    for path in paths:
        account.note(path, made[0])
    cli("csv_watcher_add", *(path.parent for path in paths), "--settle", SETTLE)
    running = service()
    for content in made[1:]:
        for path, save in paths.items():
            account.put(path, content, save)
            assert path.read_bytes() == content
        account.wait()
    states = {watcher["csv_file"]: watcher["state"] for watcher in cli.json("csv_watcher_list")}
    assert {path: states[str(path)] for path in paths} == dict.fromkeys(paths, "ok")
    assert running.stop() == 0


def test_each_save_is_one_version(cli: "Cli", judge: Any, service: Any, contents: Any) -> None:
    account = judge("save patterns of programs, replayed")
    watch_saves(cli, account, service, contents, {save.__name__: save for save in PATTERNS})
    account.check(settled=len(PATTERNS) * (SAVES + 1))


def test_each_save_by_a_program_of_this_machine_is_one_version(
    cli: "Cli", judge: Any, service: Any, contents: Any
) -> None:
    found = {name: saved_by(command) for name, command in PROGRAMS.items() if shutil.which(command[0])}
    account = judge("saves by real programs")
    watch_saves(cli, account, service, contents, found)
    account.check(settled=len(found) * (SAVES + 1))
