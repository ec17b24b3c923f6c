"""Commands without the start of an interpreter: they are forked from a process that has imported csv_manager.

Three quarters of a short command's time are imports. CSV_MANAGER_TEST_FORK=0 has each command start the installed
script instead, as services, commands under way while a test goes on, and those with another environment are anyway.
"""

import atexit
import multiprocessing
import multiprocessing.connection
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

#: What a command imports sooner or later.
_MODULES = [
    "csv_manager.applications.csv_manager_app", "csv_manager.archive", "csv_manager.pipeline.loading",
    "csv_manager.pipeline.runtime", "csv_manager.pipeline.store", "csv_manager.pipeline.target_session",
    "csv_manager.store.upgrade", "alembic.command", "psycopg", "pymysql", "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg", "watchdog.observers",
]  # fmt: skip
#: Held while processes are asked for their exit codes: `start` asks those of all threads, and a code is told once.
_ASKING = threading.Lock()
#: The variables that an interpreter or its libraries read at their start.
_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "TZ", "TMPDIR", "HOME", "PATH")


def can_run(environment: Mapping[str, str]) -> bool:
    """Whether a fork is what a new process would be, as far as variables decide."""
    names = {name for name in (*environment, *os.environ) if name.startswith(_AT_START)}
    return all(environment.get(name) == os.environ.get(name) for name in names - {"PYTHONDONTWRITEBYTECODE"})


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: bytes, timeout: float
) -> subprocess.CompletedProcess[bytes]:
    """What `subprocess.run` says of the script with these arguments."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_MODULES)
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place, name) for name in ("stdin", "stdout", "stderr")]
        streams[0].write_bytes(stdin)
        process = context.Process(target=_run, args=(list(command), str(folder), dict(environment), streams))
        with _ASKING:
            process.start()
        if not multiprocessing.connection.wait([process.sentinel], timeout):
            process.kill()
            raise subprocess.TimeoutExpired(list(command), timeout)
        with _ASKING:
            process.join()
        out, err = (stream.read_bytes() for stream in streams[1:])
        return subprocess.CompletedProcess(list(command), process.exitcode or 0, out, err)


def _run(command: list[str], folder: str, environment: dict[str, str], streams: list[Path]) -> None:
    """What the console script does, as in a process of its own."""
    for number, path in enumerate(streams):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, closefd=False)  # multiprocessing has it closed
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command
    from csv_manager.__main__ import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()
