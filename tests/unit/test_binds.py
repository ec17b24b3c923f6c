"""DATABASES as binds, and binds as URLs: every form that is understood, and one line for every one that is not."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from csv_manager.core.binds import Bind, Credential, parse_binds, parse_url
from csv_manager.core.errors import ConfigurationError
from csv_manager.store.urls import url_of

SERVER = {"dialect": "postgresql", "database": "prices"}
#: Everything that can stand in a URL; a lone surrogate is no text.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def parse(entry: Any) -> Bind:
    """The bind of one entry."""
    return parse_binds({"main": entry}, "mine.yaml")["main"]


def test_a_server_is_told_by_its_keys() -> None:
    told = SERVER | {
        "address": "db.example.com",
        "port": 5433,
        "user": "app:p@ss/w:rd%",
        "admin": "owner:secret",
        "options": {"sslmode": "require", "connect_timeout": 5, "keepalives": True, "sslrootcert": None},
    }
    assert parse(told) == Bind(
        name="main",
        sql_dialect="postgresql",
        address="db.example.com",
        port=5433,
        database="prices",
        user=Credential(login="app", password="p@ss/w:rd%"),  # noqa: S106 - no one's
        admin=Credential(login="owner", password="secret"),  # noqa: S106 - no one's
        options={"sslmode": "require", "connect_timeout": "5", "keepalives": "true"},
    )
    url = url_of(parse(told))
    assert (url.drivername, url.host, url.port, url.database) == (
        "postgresql+psycopg",
        "db.example.com",
        5433,
        "prices",
    )
    assert (url.username, url.password) == ("app", "p@ss/w:rd%")
    assert dict(url.query) == {"sslmode": "require", "connect_timeout": "5", "keepalives": "true"}
    assert (url_of(parse(told), "admin").username, url_of(parse(told), "admin").password) == ("owner", "secret")


def test_a_server_is_this_host_unless_it_says_so() -> None:
    bind = parse(SERVER)
    assert (bind.address, bind.port, bind.user, bind.admin) == ("localhost", None, None, None)
    assert url_of(bind).render_as_string(hide_password=False) == "postgresql+psycopg://localhost/prices"


@pytest.mark.parametrize(
    ("dialect", "sql_dialect", "driver"),
    [
        ("postgresql", "postgresql", "postgresql+psycopg"),
        ("postgres", "postgresql", "postgresql+psycopg"),
        ("PostgreSQL", "postgresql", "postgresql+psycopg"),
        ("mysql", "mysql", "mysql+pymysql"),
        ("mariadb", "mysql", "mysql+pymysql"),
    ],
)
def test_a_dialect_has_one_driver_by_whatever_name(dialect: str, sql_dialect: str, driver: str) -> None:
    bind = parse(SERVER | {"dialect": dialect})
    assert (bind.sql_dialect, url_of(bind).drivername) == (sql_dialect, driver)


@pytest.mark.parametrize(
    ("told", "address", "port"),
    [
        ({"address": "db"}, "db", None),
        ({"address": "db:5433"}, "db", 5433),
        ({"address": "db", "port": 5433}, "db", 5433),
        ({"address": "db", "port": "5433"}, "db", 5433),
        ({"port": 5433}, "localhost", 5433),
        ({"address": "10.0.0.7:1"}, "10.0.0.7", 1),
        ({"address": "[::1]"}, "::1", None),
        ({"address": "[fe80::1%eth0]:65535"}, "fe80::1%eth0", 65535),
        ({"address": "/run/postgresql"}, "/run/postgresql", None),
        ({"address": "/run/postgresql", "port": 5433}, "/run/postgresql", 5433),
    ],
)
def test_an_address_is_a_host_with_or_without_a_port_or_the_folder_of_a_socket(
    told: dict[str, Any], address: str, port: int | None
) -> None:
    bind = parse(SERVER | told)
    assert (bind.address, bind.port) == (address, port)


def test_the_folder_of_a_socket_is_no_host_of_a_url() -> None:
    url = url_of(parse(SERVER | {"address": "/run/postgresql", "port": 5433, "options": {"sslmode": "disable"}}))
    assert (url.host, url.port) == (None, 5433)
    assert dict(url.query) == {"sslmode": "disable", "host": "/run/postgresql"}


def test_an_ipv6_address_stands_in_brackets_in_a_url() -> None:
    url = url_of(parse(SERVER | {"address": "[::1]:5433"}))
    assert url.render_as_string() == "postgresql+psycopg://[::1]:5433/prices"


@pytest.mark.parametrize("path", ["kept.db", "/data/kept.db", "~/kept.db", ":memory:", Path("/data/kept.db")])
def test_sqlite_has_a_path_and_options(path: Any) -> None:
    bind = parse({"dialect": "sqlite", "path": path, "options": {"timeout": 5}})
    assert (bind.path, bind.address, bind.database, bind.user, bind.admin) == (str(path), None, None, None, None)
    url = url_of(bind)
    assert (url.drivername, url.database, dict(url.query)) == ("sqlite", str(path), {"timeout": "5"})
    assert url_of(bind, "admin") == url


def test_one_credential_serves_both_roles() -> None:
    one = Credential(login="me", password="pass")  # noqa: S106 - no one's
    for key in ("user", "admin"):
        bind = parse(SERVER | {key: "me:pass"})
        assert (bind.user, bind.admin) == (one, one)
        assert url_of(bind, "user") == url_of(bind, "admin")


@pytest.mark.parametrize(
    ("text", "login", "password"),
    [
        ("me:pass", "me", "pass"),
        ("me:p:a:s:s", "me", "p:a:s:s"),
        ("me::", "me", ":"),
        ("me", "me", None),
        ("me:", "me", None),
        ("me@corp:p@ss", "me@corp", "p@ss"),
        ("me: p ", "me", " p "),
    ],
)
def test_a_credential_is_split_at_the_first_colon(text: str, login: str, password: str | None) -> None:
    assert parse(SERVER | {"user": text}).user == Credential(login=login, password=password)


def test_a_key_with_nothing_behind_it_is_not_there() -> None:
    assert parse(SERVER | {"address": None, "port": None, "path": None, "user": None}) == parse(SERVER)
    assert parse({"dialect": "sqlite", "path": "a.db", "database": None, "user": None}).path == "a.db"


@given(login=TEXT.filter(lambda text: text and ":" not in text), password=TEXT.filter(bool))
def test_every_password_comes_through(login: str, password: str) -> None:
    url = url_of(parse(SERVER | {"user": f"{login}:{password}"}))
    assert (url.username, url.password) == (login, password)
    again = make_url(url.render_as_string(hide_password=False))
    assert (again.username, again.password, again.host, again.database) == (login, password, "localhost", "prices")


def test_what_people_print_has_no_password() -> None:
    bind = parse(SERVER | {"user": "me:hunter2", "options": {"sslpassword": "hunter2"}})
    for shown in (repr(bind), str(bind), repr(bind.user), str(url_of(bind)).partition("?")[0]):
        assert "hunter2" not in shown
        assert "me" in shown or "main" in shown
    told = parse("postgresql://me:hunter2@host/db")
    assert "hunter2" not in repr(told)
    assert hash(bind) != hash(told)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:pass@host:5433/db", "postgresql+psycopg://me:pass@host:5433/db"),
        ("postgres://host/db", "postgresql+psycopg://host/db"),
        ("postgresql+psycopg2://host/db", "postgresql+psycopg2://host/db"),
        ("postgresql://me@corp:p%40ss/w:rd@[::1]:1/db", "postgresql+psycopg://me%40corp:p%40ss%2Fw%3Ard@[::1]:1/db"),
        ("postgresql:///db?host=/run/postgresql", "postgresql+psycopg:///db?host=%2Frun%2Fpostgresql"),
        ("postgresql://", "postgresql+psycopg://"),
        ("mysql://me@host/db?charset=utf8mb4", "mysql+pymysql://me@host/db?charset=utf8mb4"),
        ("mariadb+mysqldb://host/db", "mysql+mysqldb://host/db"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///a@c:d.db", "sqlite:///a%40c%3Ad.db"),
        ("sqlite+pysqlite:////data/kept.db?timeout=5", "sqlite+pysqlite:////data/kept.db?timeout=5"),
    ],
)
def test_a_text_is_a_url_whose_driver_is_ours_unless_it_names_one(url: str, expected: str) -> None:
    bind = parse(url)
    assert (bind.name, bind.url, bind.address, bind.user) == ("main", url, None, None)
    assert url_of(bind).render_as_string(hide_password=False) == expected
    assert url_of(bind, "admin") == url_of(bind)


@pytest.mark.parametrize(("dialect", "option"), [("postgresql", "password"), ("mysql", "passwd")])
def test_a_password_among_the_options_of_a_url_is_one_that_is_hidden(dialect: str, option: str) -> None:
    url = url_of(parse(f"{dialect}://host/db?user=me&{option}=hunter2&x=1"))
    assert url.password == "hunter2"  # noqa: S105 - no one's
    assert dict(url.query) == {"user": "me", "x": "1"}
    assert "hunter2" not in str(url)


@example(rest="?@:", scheme="postgresql")
@example(rest="?@::", scheme="sqlite")
@given(rest=st.text(st.sampled_from("a:@/?#[]%=& 1\n☃")), scheme=st.sampled_from(["postgresql", "mysql+x", "sqlite"]))
def test_what_is_understood_as_a_url_has_one(rest: str, scheme: str) -> None:
    try:
        bind = parse_url("main", f"{scheme}://{rest}", "here")
    except ConfigurationError as error:
        assert str(error).startswith("here")  # noqa: PT017 - either is right, a third is not
    else:
        assert url_of(bind).get_backend_name() == scheme.partition("+")[0]


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ({"databse": "hunter2"}, ["databases.main", "'databse'", "did you mean database?"]),
        ({"Dialect": "hunter2"}, ["'Dialect'", "did you mean dialect?"]),
        ({"host": "hunter2"}, ["'host'", "did you mean address?"]),
        ({"password": "hunter2"}, ["'password'", "did you mean user, as login:password?"]),
        ({"zzz": "hunter2"}, ["'zzz'", "the keys are dialect, address, port, path"]),
        ({"user:me:hunter2": None}, ["'user…'", "a space after each colon"]),
        ({7: "hunter2"}, ["'7'"]),
        ({}, ["databases.main.dialect is missing", "sqlite, postgresql or mysql"]),
        ({"dialect": "oracle"}, ["databases.main.dialect", "'oracle'", "sqlite, postgresql or mysql"]),
        ({"dialect": "postgress"}, ["'postgress'", "did you mean postgres"]),
        ({"dialect": "me:hunter2@host"}, ["databases.main.dialect"]),
        ({"dialect": 5}, ["databases.main.dialect must be a text, not a number", "quotes"]),
        ({"dialect": "mysql"}, ["databases.main.database is missing"]),
        ({"dialect": "mysql", "database": ""}, ["databases.main.database is missing"]),
        ({"dialect": "sqlite"}, ["databases.main.path is missing"]),
        ({"dialect": "sqlite", "path": "x", "user": "me:hunter2"}, ["databases.main.user", "sqlite has no user"]),
        ({"dialect": "sqlite", "path": "x", "address": "h"}, ["databases.main.address", "sqlite has no address"]),
        (SERVER | {"path": "x"}, ["databases.main.path", "postgresql has no path", "null"]),
        (SERVER | {"user": 754}, ["databases.main.user must be a text, not a number", "login:password"]),
        (SERVER | {"user": {"me": "hunter2"}}, ["databases.main.user must be a text, not a mapping"]),
        (SERVER | {"admin": ["me", "hunter2"]}, ["databases.main.admin must be a text, not a list"]),
        (SERVER | {"admin": ":hunter2"}, ["databases.main.admin begins with a colon"]),
        (SERVER | {"address": "me:hunter2@host"}, ["databases.main.address", "a login under user"]),
        (SERVER | {"address": "host:hunter2"}, ["databases.main.address", "1 to 65535"]),
        (SERVER | {"address": "::1"}, ["databases.main.address", "in brackets"]),
        (SERVER | {"address": "fe80::1"}, ["databases.main.address", "in brackets"]),
        (SERVER | {"address": "a b"}, ["databases.main.address must be a host"]),
        (SERVER | {"dialect": "mysql", "address": "/run/mysqld"}, ["databases.main.address", "unix_socket"]),
        (SERVER | {"port": "hunter2"}, ["databases.main.port", "1 to 65535"]),
        (SERVER | {"port": 0}, ["databases.main.port"]),
        (SERVER | {"port": 65536}, ["databases.main.port"]),
        (SERVER | {"port": True}, ["databases.main.port"]),
        (SERVER | {"port": "5432999999999"}, ["databases.main.port"]),
        (SERVER | {"port": 1, "address": "h:1"}, ["databases.main.port", "take one of them out"]),
        (SERVER | {"options": "sslmode=hunter2"}, ["databases.main.options must be a mapping"]),
        (SERVER | {"options": {"password": "hunter2"}}, ["databases.main.options.password", "the key user"]),
        (SERVER | {"options": {"host": "h"}}, ["databases.main.options.host", "the key address"]),
        (SERVER | {"options": {"x": ["hunter2"]}}, ["databases.main.options.x", "a list"]),
        (None, ["databases.main must be a mapping", "not nothing"]),
        (["hunter2"], ["databases.main must be a mapping", "not a list"]),
        ("", ["databases.main is no URL"]),
        ("me:hunter2", ["databases.main is no URL"]),
        ("post gres://me:hunter2@host", ["databases.main is no URL"]),
        ("oracle://me:hunter2@host/db", ["databases.main", "sqlite, postgresql or mysql"]),
        ("sqlite://hunter2.db", ["databases.main", "three slashes"]),
        ("postgresql://me:hun@ter2:hunter2@host/db", ["databases.main", "%40"]),
        ("postgresql://host:hunter2/db", ["databases.main", "host of the URL"]),
        ("postgresql://me/x:hunter2@host/db", ["databases.main", "host of the URL"]),
    ],
)
def test_what_is_wrong_is_told_in_one_line_that_has_no_password(entry: Any, parts: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_binds({"fine": SERVER, "main": entry}, "/etc/mine.yaml")
    line = str(caught.value)
    assert line.startswith("/etc/mine.yaml: databases.main")
    assert "\n" not in line
    assert "hunter2" not in line
    assert "ter2" not in line
    for part in parts:
        assert part in line


@pytest.mark.parametrize("name", ["", "my-db", "1st", "a b", 5, None, "default:env:hunter2", "x://me:hunter2@host"])
def test_a_name_is_an_identifier(name: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^mine\.yaml: databases: '.*' is no name of a database;") as caught:
        parse_binds({name: SERVER}, "mine.yaml")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("told", [None, "sqlite://", ["hunter2"]])
def test_databases_are_a_mapping(told: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^mine\.yaml: databases must be a mapping of names") as caught:
        parse_binds(told, "mine.yaml")
    assert "hunter2" not in str(caught.value)
