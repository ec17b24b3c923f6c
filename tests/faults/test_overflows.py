"""More file events than the kernel keeps: what it dropped is found by looking at everything once."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verdicts import SCALE, SETTLE, Account, takes_its_time

if TYPE_CHECKING:
    from conftest import Cli, Service

pytestmark = takes_its_time

FILES = 20
_LIMIT = Path("/proc/sys/fs/inotify/max_queued_events")


def overflow(folder: Path) -> None:
    """Cause more events than the kernel keeps for a process that reads none: each rename is two, none like the last."""
    one, other = folder / "noise.tmp", folder / "noise.bak"
    one.touch()
    for _ in range(int(_LIMIT.read_text("utf-8")) // 2 + 100):
        one.rename(other)
        one, other = other, one


def stop(running: "Service") -> None:
    """Let a service read no events, and wait until it does not."""
    os.kill(running.process.pid, signal.SIGSTOP)
    _, status = os.waitpid(running.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


def test_contents_whose_events_were_dropped_are_recorded_before_the_interval(
    cli: "Cli", judge: Any, service: Any, ledger: Any, contents: Any, until: Any
) -> None:
    account = judge("events lost to an overflow of their queue")
    made = contents(1 + 2 * SCALE.rounds, 50)
    paths = [cli.write(f"{number}.csv", made[0]) for number in range(FILES)]
    for path in paths:
        account.note(path, made[0])
    # In an hour, an interval explains nothing.
    cli("csv_watcher_add", cli.folder, "--settle", SETTLE, "-i", "3600")
    running = service()
    for turn in range(SCALE.rounds):
        # Once this is recorded, the folder is watched.
        write_all(account, paths, made[2 * turn + 1])
        account.wait()
        stop(running)
        overflow(cli.folder)
        write_all(account, paths, made[2 * turn + 2])
        running.process.send_signal(signal.SIGCONT)
        account.wait()
    until(lambda: sum(ledger.ask("SELECT overflows FROM csv_services")) >= SCALE.rounds, "the overflows to be counted")
    assert running.stop() == 0
    account.check(settled=FILES * len(made))


def write_all(account: Account, paths: list[Path], content: bytes) -> None:
    """Write every file."""
    for path in paths:
        account.note(path, content)
        path.write_bytes(content)
