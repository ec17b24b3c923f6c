"""Commands that are killed: at random moments, or before each of their changes on the disk in turn."""

import contextlib
import hashlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import Cli

Process = subprocess.Popen[bytes]

#: Seconds that a shot may wait for its moment.
PATIENCE = 120
_DYING = Path(__file__).with_name("dying.py")


def sha(data: bytes) -> str:
    """The name of a content."""
    return hashlib.sha256(data).hexdigest()


class Killer:
    """Starts commands and kills them at random: at any moment, while the file is read, or just before COMMIT.

    `shots` counts what each kill hit, by what the dead process had left behind.
    """

    def __init__(self, cli: "Cli", ledger: Any, chance: random.Random) -> None:
        self._cli = cli
        self._ledger = ledger
        self._chance = chance
        self.shots: Counter[str] = Counter()
        self._started: list[Process] = []

    def start(self, *arguments: object) -> Process:
        """Start a command that says nothing."""
        null = subprocess.DEVNULL
        process = subprocess.Popen(
            self._cli.command(*arguments), cwd=self._cli.folder, env=self._cli.environment, stdout=null, stderr=null
        )
        self._started.append(process)
        return process

    def kill(self, process: Process, sha256: str) -> None:
        """Kill a process at a random moment of its work on the content with this hash."""
        before = self._ledger.incoming()
        aim = self._chance.choices(("anywhere", "reading", "keeping"), (4, 4, 2))[0]
        if aim == "anywhere":
            self.kill_after(process, lambda: True, 0.8)
        elif aim == "reading":
            self.kill_after(process, lambda: self._ledger.incoming() - before or self._is_kept(sha256), 0.05)
        else:
            self.kill_after(process, lambda: self._is_kept(sha256), 0.005)
        if sha256 in self._ledger.contents():
            self.shots["committed"] += 1
        elif self._is_kept(sha256):
            self.shots["kept, not committed"] += 1
        else:
            self.shots["reading or comparing" if self._ledger.incoming() - before else "waiting"] += 1

    def kill_after(self, process: Process, moment: Callable[[], object], seconds: float) -> None:
        """Kill a process within so many seconds after a moment, unless it has ended."""
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and not moment():
            assert time.monotonic() < deadline, "the moment to kill never came"
            time.sleep(0.0005)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self._chance.uniform(0, seconds))
        process.send_signal(signal.SIGKILL)
        process.wait()

    def each_change(self, *arguments: object) -> Iterator[str]:
        """Kill a command before its first change of the disk, then before its second, and so on to its end.

        It finds the same home and files each time. Yields what the change would have been, at last an empty string
        for the command that ended by itself, without an error.
        """
        root = self._cli.home.parent
        saved = root.with_name(f"{root.name}-saved")
        shutil.copytree(root, saved)
        for number in itertools.count(1):
            shutil.rmtree(root)
            shutil.copytree(saved, root)
            command = [sys.executable, str(_DYING), str(number), str(root), *self._cli.command(*arguments)]
            done = subprocess.run(
                command,
                cwd=self._cli.folder,
                env=self._cli.environment,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
            told = done.stderr.decode()
            if done.returncode != -signal.SIGKILL:
                assert done.returncode == 0, f"exit {done.returncode}: {told}"
                yield ""
                return
            yield told.splitlines()[-1]

    def end(self) -> None:
        """Leave no process behind."""
        for process in self._started:
            process.kill()
            process.wait()

    def _is_kept(self, sha256: str) -> bool:
        stem = self._cli.home / "archive" / "objects" / sha256[:2] / sha256[2:]
        return any(os.path.exists(f"{stem}.{suffix}") for suffix in ("zst", "delta"))
