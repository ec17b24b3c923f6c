"""The SQLAlchemy URL of a bind."""

from typing import Literal

from sqlalchemy.engine import URL, make_url

from csv_manager.core.binds import MEMORY, Bind

#: `user` is for everything but migrations, which are the admin's.
Role = Literal["user", "admin"]
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
#: What drivers call a password among the options of a URL.
_PASSWORDS = ("password", "passwd")


def url_of(bind: Bind, role: Role = "user") -> URL:
    """The URL by which a role connects; it shows its password only if that is asked for."""
    if bind.url is not None:
        return _told_url(bind, bind.url)
    credential = {"user": bind.user, "admin": bind.admin}[role]
    # A host in a URL is no path: psycopg takes the folder of a socket as an option.
    socket = bind.address if bind.address and bind.address.startswith("/") else None
    return URL.create(
        _DRIVERS[bind.sql_dialect],
        username=credential.login if credential else None,
        password=credential.password if credential else None,
        host=None if socket else bind.address,
        port=bind.port,
        database=bind.path if bind.sql_dialect == "sqlite" else bind.database,
        query={**bind.options, **({"host": socket} if socket else {})},
    )


def is_in_memory(bind: Bind) -> bool:
    """Whether a database is there for the engine alone that connects to it."""
    return bind.sql_dialect == "sqlite" and url_of(bind).database in (None, "", MEMORY)


def _told_url(bind: Bind, text: str) -> URL:
    """A URL as it was told, with our driver unless it names one, and with its password where it is hidden."""
    url = make_url(text)
    driver = url.drivername.partition("+")[2]
    url = url.set(drivername=f"{bind.sql_dialect}+{driver}" if driver else _DRIVERS[bind.sql_dialect])
    for name in _PASSWORDS:
        password = url.query.get(name)
        if isinstance(password, str):
            url = url.set(password=password).difference_update_query([name])
    return url
