"""Transcripts of the audit log: databases that somebody changed by hand, some of them yesterday."""
# ruff: noqa: INP001 - a module beside the pages

import datetime as dt
import getpass
import json
import re
import socket

import terminal
import two_users

NAMES = "fruit_shop", "shop_owner", "bob_office"
_ACTOR = f"{getpass.getuser()}@{socket.gethostname()}"
_TABLE = (
    "CREATE TABLE prices (id INTEGER PRIMARY KEY, fruit VARCHAR(20) NOT NULL, price NUMERIC(6, 2));\n"
    "INSERT INTO prices VALUES (1, 'apple', 0.50), (2, 'pear', 0.70), (3, 'plum', 0.20)"
)
#: A program whose clock is that of yesterday at some hour: SQLite asks a function of the connection for the time.
_EARLIER = """
import datetime as dt, sqlite3, sys
when = dt.datetime.combine(dt.date.today() - dt.timedelta(days=1), dt.time.fromisoformat(sys.argv[2]))
database = sqlite3.connect(sys.argv[1])
told = lambda form, *_: when.strftime(form.replace("%f", "%S.") + "000" * form.count("%f")).replace("Z000", "000Z")
database.create_function("strftime", -1, told)
database.executescript(sys.argv[3])
"""


def shop() -> two_users.Session:
    """A database on PostgreSQL that its owner has audited by csv_manager, and that a colleague may write to."""
    session = two_users.begin("postgresql", NAMES)
    database, owner, colleague = NAMES
    session.administer(
        f"CREATE ROLE {owner} LOGIN PASSWORD 'owner';\nCREATE ROLE {colleague} LOGIN PASSWORD 'office';\n"
        f"CREATE DATABASE {database} OWNER {owner}"
    )
    session.settings(
        f"databases:\n  shop:\n    dialect: postgresql\n    address: 127.0.0.1\n    database: {database}\n"
        f"    user: {owner}:owner\n"
    )
    session.as_user(owner, "owner", f"{_TABLE};\nGRANT SELECT, INSERT, UPDATE, DELETE ON prices TO {colleague}")
    _mask(session)
    return session


def file() -> terminal.Session:
    """A database in a file with a table that is audited since yesterday, and was changed then, too."""
    session = terminal.Session()
    session.quiet(f'sqlite3 shop.db "{_TABLE}"')
    session.quiet("csv_manager csv_audit_add shop.db prices")
    session.write("earlier.py", _EARLIER)
    for hour, statement in (
        ("16:40:00", "UPDATE prices SET price = 0.65 WHERE fruit = 'pear'"),
        ("17:25:00", "DELETE FROM prices WHERE id > 1"),
    ):
        session.quiet(f'python earlier.py shop.db {hour} "{statement}"')
    _mask(session)
    return session


def newest(session: terminal.Session, database: str) -> str:
    """The token of the newest transaction, as it is typed."""
    told = json.loads(session.quiet(f"csv_manager csv_audit_list {database} --format jsonl").splitlines()[0])
    return str(told["transaction"])[:12]


def _mask(session: terminal.Session) -> None:
    day = dt.datetime.now(dt.UTC).date()
    session.mask(
        rf"\b{day:%Y%m%d}\d{{6}}\.\d{{3}}\b", *(f"20260302091507.{number:03}" for number in range(107, 999, 17))
    )
    session.mask(rf"\b{day - dt.timedelta(days=1):%Y%m%d}(?=\d{{6}}\.\d{{3}}\b)", "20260301")
    session.mask(r"\b[0-9a-f]{64}\b")
    session.mask(r"\b[0-9a-f]{32}\b")
    session.mask(r"\b[0-9a-f]{12}\b")
    session.mask(re.escape(_ACTOR), "ada@laptop")
