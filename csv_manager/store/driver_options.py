"""Options of drivers, as settings tell them: those that cannot be used are one line, and no traceback."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.engine import URL

from csv_manager.core.errors import ConfigurationError, clause
from csv_manager.store.sql_dialects import sql_dialect_of

#: Every text has to come back as it was; each is told in lower case and without hyphens.
_ENCODINGS = {"charset": "utf8mb4", "client_encoding": "utf8"}
#: What a connection is to csv_manager is not to be changed.
_OURS = frozenset(
    {"autocommit", "use_unicode", "cursorclass", "conv", "defer_connect", "row_factory", "cursor_factory", "context"}
    | {"prepare_threshold"}
)
#: SQLAlchemy leaves out all others, unless SQLite is to read them itself.
_OF_SQLITE = frozenset({"uri", "timeout", "isolation_level", "detect_types", "check_same_thread", "cached_statements"})
#: What drivers, and SQLAlchemy for them, raise of options that they do not know or cannot read.
UNUSABLE = (TypeError, ValueError, AttributeError, LookupError, NotImplementedError, FileNotFoundError)


def check_options(url: URL) -> None:
    """Raise `ConfigurationError` for options that mean nothing, or under which rows would not be what they are."""
    for name, value in url.query.items():
        encoding = _ENCODINGS.get(name)
        if encoding is not None and str(value).lower().replace("-", "") != encoding:
            raise _refusal(url, f"{name} has to be {encoding}; take it out")
        if name in _OURS or (url.get_backend_name() == "sqlite" and not _knows(url.query, name)):
            raise _refusal(url, f"there is no option {name} here; take it out")


def tell_unusable(engine: Engine) -> None:
    """Have an engine raise `ConfigurationError` for options with which its driver cannot even begin to connect."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _record: object, arguments: Sequence[Any], options: dict[str, Any]) -> Any:
        try:
            return dialect.connect(*arguments, **options)
        except UNUSABLE as error:
            raise unusable(engine.url, error) from error


def unusable(url: URL, error: Exception) -> ConfigurationError:
    """What a driver says of options, as an error of the settings."""
    return _refusal(url, clause(error))


def _knows(query: Mapping[str, object], name: str) -> bool:
    return name in _OF_SQLITE or "uri" in query


def _refusal(url: URL, reason: str) -> ConfigurationError:
    where, names = sql_dialect_of(url).name_of(url), ", ".join(url.query)
    return ConfigurationError(f"The database {where} cannot be connected to with its options ({names}): {reason}.")
