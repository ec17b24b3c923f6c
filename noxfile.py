"""Everything that the project checks. `nox` runs the default sessions; `nox -l` lists all."""

import os
import pathlib
import subprocess

import nox

nox.options.sessions = ["lint", "types", "imports", "docs", "smoke", "tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.stop_on_first_error = False

SUPPORTED = ("3.11", "3.12", "3.13")


def interpreters() -> list[str]:
    """The supported Pythons that this machine really has: on the PATH, or among those of pyenv."""
    found = []
    for version in SUPPORTED:
        pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"
        candidates = [f"python{version}", *map(str, sorted(pyenv.glob(f"{version}.*/bin/python3")))]
        for candidate in candidates:
            try:
                subprocess.run([candidate, "-c", ""], check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                continue
            found.append(candidate)
            break
    return found


@nox.session
def lint(session: nox.Session) -> None:
    session.install("-e", ".[dev]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def imports(session: nox.Session) -> None:
    session.install("-e", ".[dev]")
    session.run("lint-imports")


INTERPRETERS = interpreters()
#: The tests that are run on the first Python alone: what they are about is the system's or a server's.
ONCE = (
    "tests/faults",
    "tests/integration/test_killed_upgrades.py",
    "tests/integration/test_large_rows.py",
    "tests/integration/test_server_transactions.py",
    "tests/integration/test_two_roles.py",
    "tests/integration/test_two_roles_of_plugins.py",
    "tests/laws/test_audit_server_laws.py",
    "tests/laws/test_loading_laws.py",
    "tests/laws/test_target_laws.py",
    "tests/unit/test_benchmarks.py",
    "tests/unit/test_docs.py",
)
#: The tests of the commands, and those of killed processes that ask the store's database only.
COMMANDS = "tests/acceptance"
KILLED = ("tests/faults/test_sigkill.py", "tests/faults/test_two_services.py")
SERVERS = ("postgresql", "mariadb")
#: The tests of the commands that say little of the store: with a second server they are left out.
ALIKE = tuple(
    f"tests/acceptance/test_{name}.py"
    for name in (
        "config", "demo", "done_with", "links_in_folders", "links_that_move", "output", "plugins_cli", "progress",
        "service_commands", "starting", "sync_commands", "watch_unread", "words",
    )
)  # fmt: skip


@nox.session(python=INTERPRETERS)
def tests(session: nox.Session) -> None:
    """Every test, on each supported Python that is there; the benchmarks' peers are installed for their smoke test.

    What is the same to every Python is done on the first one alone: faults, servers' rights, the pages, the benchmarks.
    Each further one runs the commands with the store in another database, the second server without what says little of
    it; `stores` runs all with both, and `started` the commands each in an interpreter of its own.
    """
    session.install("-e", ".[dev,bench]")
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    place = INTERPRETERS.index(session.python)
    if place == 0:
        session.run("pytest")
        return
    session.run("pytest", *(f"--ignore={path}" for path in (*ONCE, COMMANDS)))
    server = (place - 1) % len(SERVERS)
    _test_store(session, SERVERS[server], COMMANDS, *(f"--ignore={path}" for path in (ALIKE if server else ())))


@nox.session
def started(session: nox.Session) -> None:
    """The tests of the commands, each of which starts the installed script instead of being forked."""
    session.install("-e", ".[dev]")
    session.run("pytest", *(session.posargs or (COMMANDS,)), env={"CSV_MANAGER_TEST_FORK": "0"})


@nox.session
def stores(session: nox.Session) -> None:
    """The tests of the commands and of killed processes, with the store in PostgreSQL and in MariaDB."""
    session.install("-e", ".[dev]")
    for store in SERVERS:
        _test_store(session, store, *(session.posargs or (COMMANDS, *KILLED)))


def _test_store(session: nox.Session, store: str, *arguments: str) -> None:
    """Run tests with the stores in a database."""
    session.run("pytest", *arguments, env={"CSV_MANAGER_TEST_STORE": store})


@nox.session
def fuzz(session: nox.Session) -> None:
    """A million random contents against the oracle, about half an hour; `nox -s fuzz -- --cases N` runs others."""
    session.install("-e", ".[dev]")
    session.run("python", "tests/laws/fuzzing.py", *(session.posargs or ("--cases", "1000000")))


@nox.session
def faults(session: nox.Session) -> None:
    """The fault suite in full, up to two hours; its verdicts are kept in tests/faults/results.json."""
    session.install("-e", ".[dev]")
    session.run("python", "tests/faults/running.py", *(session.posargs or ("--scale", "full", "--save")))


@nox.session
def coverage(session: nox.Session) -> None:
    """The tests once more, with branch coverage."""
    session.install("-e", ".[dev,bench]")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session
def smoke(session: nox.Session) -> None:
    """An empty environment without the dev tools: no dependency may be missing from the metadata."""
    session.install(".")
    session.run("pip", "check")
    home = session.create_tmp()
    environment = {"CSV_MANAGER_HOME": home, "PYTHONWARNINGS": "default"}
    os.chdir(home)  # the installed package, not the checkout
    session.run("csv_manager", "--help", env=environment, silent=True)
    session.run("csv_manager", "csv_watcher_list", env=environment, silent=True)
    session.run("csv_manager", "csv_demo", env=environment, silent=True)


@nox.session
def docs(session: nox.Session) -> None:
    session.install("-e", ".[dev]")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")
