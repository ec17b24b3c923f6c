"""Processes that do the same thing at the same moment."""

import subprocess
import sys


def make_at_once(code: str, url: str, processes: int) -> None:
    """Have Python code make something at a database URL, its first argument, in some processes at once.

    It prints `ready`, reads a line, and prints `made` in the end.
    """
    making = [
        subprocess.Popen(
            [sys.executable, "-c", code, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for process in making:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in making:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=120) for process in making]
    assert [out for out, _ in ended] == ["made\n"] * processes, ended
