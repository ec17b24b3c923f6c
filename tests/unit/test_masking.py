"""What may be shown of settings: never a secret, and all the rest."""

import copy
from typing import Any

import pytest

from csv_manager.core.masking import FromVariable, is_secret_name, kind_of, masked, word_of


@pytest.mark.parametrize(
    "name",
    [
        *("MAIL_PASSWORD", "passwd", "SSH_PASSPHRASE", "CLIENT_SECRET", "API_TOKEN", "credentials", "DB_PASS", "pass"),
        *("API_KEY", "aws-access-key", "PRIVATE_KEY", "DB_PWD", "pwd", "DB_PW", "PW", "PGPASSWORD", "sslpassword"),
    ],
)
def test_a_name_tells_of_a_secret(name: str) -> None:
    assert is_secret_name(name)
    assert masked(name, "hunter2") == "***"
    assert masked(name, ["hunter2"]) == "***"
    assert masked(name, 0) == "***"
    assert masked("X", {name: {"deep": "hunter2"}}) == {name: "***"}


@pytest.mark.parametrize(
    "name", ["PWD", "OLDPWD", "COMPASS", "KEYS", "MONKEY", "CSV_INTERVAL", "PASSENGERS", "APP_PATH"]
)
def test_a_name_tells_of_no_secret(name: str) -> None:
    assert not is_secret_name(name)
    assert masked(name, "shown") == "shown"


@pytest.mark.parametrize("name", ["MY_KEY", "KEY", "key", "X-Auth-Key", "accountKey"])
def test_a_key_is_a_secret_as_a_text_and_columns_as_a_list(name: str) -> None:
    assert is_secret_name(name)
    assert not is_secret_name(name, is_text=False)
    assert masked(name, "hunter2") == "***"
    assert masked("X", {name: "hunter2"}) == {name: "***"}
    assert masked(name, ["id", "day"]) == masked(name, ("id", "day")) == ["id", "day"]
    assert (masked(name, 5), masked(name, "")) == (5, "")


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_it_is_shown_that_a_secret_is_not_set(value: Any) -> None:
    assert masked("MAIL_PASSWORD", value) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://me:hunter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hun@ter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hun ter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hun/ter2\n:@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me@corp:hunter2@host/db", "postgresql://me@corp:***@host/db"),
        ("postgresql://me/x:hunter2@host/db", "postgresql://me/x:***@host/db"),
        ("redis://:hunter2@host", "redis://:***@host"),
        ("a://b:hunter2@c and d://e:hunter2@f", "a://b:***@f"),
        ("postgresql://host/db?user=me&password=hunter2&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("host=h password='hun ter2'", "host=h password=***"),
        ("Driver=x;UID=me;PWD=hunter2", "Driver=x;UID=me;PWD=***"),
        ('{"token": "hunter2"}', '{"token": ***'),
        (b"postgresql://me:hunter2@host", "b'postgresql://me:***@host'"),
        ({"postgresql://me:hunter2@host"}, "{'postgresql://me:***@host'}"),
        (["postgresql://me:hunter2@host", 5], ["postgresql://me:***@host", 5]),
        (("postgresql://me:hunter2@host",), ["postgresql://me:***@host"]),
        ({"postgresql://me:hunter2@host": 5, 7: 8}, {"postgresql://me:***@host": 5, 7: 8}),
        ({"main": {"user": "me:hun:ter2", "admin": "me:hunter2"}}, {"main": {"user": "me:***", "admin": "me:***"}}),
        ({"Authorization": "Bearer hunter2"}, {"Authorization": "***"}),
        ({"Proxy-Authorization": ["Basic hunter2"]}, {"Proxy-Authorization": "***"}),
        (["basic me:hun ter2", "Bearer hunter2"], ["basic ***", "Bearer ***"]),
        ("X-Auth: Basic hunter2", "X-Auth: Basic ***"),
        ("curl -H 'Authorization: Token hunter2'", "curl -H 'Authorization: ***"),
        ("with bearer hunter2", "with bearer ***"),
        ("https://hunter2@host/x", "https://***@host/x"),
        ("git+https://hunter2:x-oauth-basic@host/x", "git+https://***@host/x"),
        ("https://hunter2:@host:8080/x", "https://***@host:8080/x"),
        ("redis://hunter2@host", "redis://***@host"),
        ("amqp://hunter2:@host", "amqp://***@host"),
        ("https://host/x?key=hunter2&a=1", "https://host/x?key=***&a=1"),
        ("AccountName=a;AccountKey=hunter2", "AccountName=a;AccountKey=***"),
        ("my_key: hunter2", "my_key: ***"),
        ({"main": {"user": ["me:hunter2"], "Login": "me:"}}, {"main": {"user": ["me:***"], "Login": "me:***"}}),
    ],
)
def test_a_password_is_hidden_wherever_it_stands(value: Any, shown: Any) -> None:
    assert masked("MINE", value) == shown


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 5, 0.5, "text", "a: b", "me@example.com", "user: me", "http://host:8080/path"),
        *("/data/basic files/a.csv", "/data/Bearer x.csv", "https://host/a@2x.png", "ssh://git@host/a", "monkey=1"),
        *("mysql+pymysql://me@host/db", "--key=id"),
        *("sqlite:////data/a:b@c.db", "postgresql://me@host:5432/db", {"user": "me", "port": 5432}, [1, "a"]),
    ],
)
def test_what_is_no_secret_is_shown_as_it_is(value: Any) -> None:
    assert masked("MINE", value) == value


def test_a_text_from_a_variable_is_shown_as_it_may_be() -> None:
    text = FromVariable("app:hunter2", "app:***")
    assert (text, len(text)) == ("app:hunter2", 11)
    assert repr({"a": text}) == "{'a': 'app:***'}"
    assert masked("MINE", text) == "app:***"
    assert masked("MINE", {"a": [text]}) == {"a": ["app:***"]}
    assert masked("MINE", FromVariable("postgresql://me:p@h", "postgresql://me:p@h")) == "postgresql://me:***@h"
    longer = "<" + text + ">" + text
    assert (longer, masked("MINE", longer)) == ("<app:hunter2>app:hunter2", "<app:***>app:***")
    again = copy.deepcopy(text)
    assert (again, repr(again)) == (text, "'app:***'")


@pytest.mark.parametrize(
    ("text", "word"),
    [("key", "key"), ("a.b-c_1", "a.b-c_1"), ("user:me:hunter2", "user…"), ("", ""), (5, "5"), (":", "…")],
)
def test_of_a_key_its_first_word_is_shown(text: object, word: str) -> None:
    assert word_of(text) == word


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        *((None, "nothing"), (True, "true or false"), (5, "a number"), (0.5, "a number"), ("x", "a text")),
        *(({}, "a mapping"), ([], "a list"), ((), "a list"), (b"", "a bytes")),
    ],
)
def test_of_a_value_its_kind_can_be_told(value: object, kind: str) -> None:
    assert kind_of(value) == kind
