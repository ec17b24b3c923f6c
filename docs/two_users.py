"""Transcripts on a real server: a new database and two new users, whose names are shown as the page has them.

The server is the one of the tests. Everybody may run this at the same time on one server, so the real names are others,
of the same length, so that tables look alike.
"""
# ruff: noqa: INP001 - a module beside the pages

import atexit
import contextlib
import secrets
import shlex
import sys

import terminal
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

sys.path.append(str(terminal.ROOT / "tests"))

import servers

DATABASE, OWNER, APP = "csv_store", "csv_owner", "csv_app"
_NAMES = DATABASE, OWNER, APP
_ACCOUNTS = {"postgresql": "ROLE", "mariadb": "USER"}
_ADDRESSES = {"postgresql": "127.0.0.1:5432", "mariadb": "127.0.0.1:3306"}


class Session(terminal.Session):
    """A terminal beside a server."""

    def __init__(self, kind: str, names: tuple[str, str, str] = _NAMES) -> None:
        super().__init__()
        mark = secrets.token_hex(8)
        real = {name: f"c{mark}"[: len(name) - 1] + name[-1] for name in names}
        self._shown = names
        self._url = servers.need(kind).set(database=real[names[0]])
        host, _, port = _ADDRESSES[kind].partition(":")
        self._hide = {real[name]: name for name in names} | {
            f"{self._url.host}:{self._url.port}": _ADDRESSES[kind],
            f'"{self._url.host}", port {self._url.port}': f'"{host}", port {port}',
        }
        self._clean = [f"DROP DATABASE IF EXISTS {real[names[0]]}"]
        self._clean += [f"DROP {_ACCOUNTS[kind]} IF EXISTS {real[name]}" for name in names[1:]]
        self._admin = servers.url_of(kind)
        self._stack = contextlib.ExitStack()
        for statement in reversed(self._clean):
            self._stack.callback(servers.execute, self._admin, statement)
        atexit.register(self._stack.close)

    def end(self) -> None:
        """Show what is to be shown still, and drop everything again."""
        self.__exit__(None, None, None)
        self._stack.close()

    def administer(self, sql: str) -> None:
        """Execute statements as the server's administrator."""
        statements = [statement.strip() for statement in self.hidden(sql).split(";\n")]
        servers.execute(self._admin, *filter(None, statements))

    def as_user(self, user: str, password: str, sql: str) -> None:
        """Execute statements as one of the users; nothing of that is shown."""
        url = self._url.set(username=self.hidden(user), password=password)
        servers.execute(url, *filter(None, (line.strip() for line in self.hidden(sql).split(";\n"))))

    def psql(self, user: str, password: str, sql: str) -> None:
        """Execute a statement by psql as one of the users, and show that."""
        self._typed(f'psql {self._shown[0]} {user} -c "{sql}"')
        arguments = {"host": self._url.host, "port": self._url.port, "username": self.hidden(user)}
        given = " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in arguments.items())
        self._environment["PGPASSWORD"] = password
        self._said(self._run(f"psql {given} {self._url.database} -c {shlex.quote(sql)}", 0))

    def refuse(self, user: str, password: str, sql: str) -> None:
        """Execute statements as one of the users, each of which has to be refused, and show what the server says."""
        engine = create_engine(self._url.set(username=self.hidden(user), password=password))
        for statement in filter(None, (line.strip() for line in sql.split(";\n"))):
            try:
                with engine.begin() as connection:
                    connection.execute(text(statement))
            except DBAPIError as error:
                said = error.orig.args[-1] if error.orig else ""
                self._said(f"ERROR:  {said}".splitlines()[0])
            else:
                raise RuntimeError(f"{user} may {statement}")
        engine.dispose()

    def settings(self, yaml: str) -> None:
        """Make the settings in the home, and show them."""
        self.home.mkdir(exist_ok=True)
        (self.home / "configuration.yaml").write_text(self.hidden(yaml), "utf-8")
        self._typed("cat ~/CSV-Manager/configuration.yaml")
        self._said(yaml)

    def export(self, name: str, value: str) -> None:
        """Set an environment variable, and show that."""
        self._environment[name] = value
        self._typed(f"export {name}={shlex.quote(value)}")

    def hidden(self, text: str) -> str:
        """A text of a page with the names as they are on the server."""
        for real, shown in self._hide.items():
            text = text.replace(shown, real).replace(shown.replace("_", r"\_"), real)
        return text

    def _said(self, text: str) -> None:
        for real, shown in self._hide.items():
            text = text.replace(real, shown)
        super()._said(text)


def begin(kind: str, names: tuple[str, str, str] = _NAMES) -> Session:
    """A session beside a server, which is started if there is none; it lasts until its `end`, over several blocks."""
    stack = contextlib.ExitStack()
    stack.enter_context(servers.started())
    atexit.register(stack.close)
    return Session(kind, names)
