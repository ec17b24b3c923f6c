"""What a statement does, as far as its text tells: whether it may write, and what it means for savepoints."""

import functools
import re
from dataclasses import dataclass

_WORD = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*([a-z]+)", re.IGNORECASE | re.DOTALL)
_WRITING = re.compile(r"\b(insert|update|delete|merge|replace|into)\b", re.IGNORECASE)
_CALL = re.compile(r"\b([a-z_][\w.]*)\s*\(", re.IGNORECASE)
_SAVEPOINT = re.compile(
    r"\s*(?:(?P<savepoint>savepoint)|(?P<release>release)(?:\s+savepoint)?|"
    r"(?P<back>rollback)(?:\s+(?:transaction|work))?\s+to(?:\s+savepoint)?)\s+(?P<name>\S+?)\s*;?\s*$",
    re.IGNORECASE,
)
_READS = frozenset({"select", "with", "values", "table", "explain"})
_CONTROLS = frozenset(
    [
        "begin",
        "start",
        "commit",
        "end",
        "abort",
        "rollback",
        "savepoint",
        "release",
        "set",
        "reset",
        "show",
        "pragma",
        "use",
        "describe",
        "desc",
        "declare",
        "fetch",
        "close",
        "listen",
        "unlisten",
        "notify",
        "discard",
        "deallocate",
        "checkpoint",
        "lock",
        "unlock",
    ]
)
#: Functions and keywords that stand before a bracket in a SELECT, and write nothing.
_HARMLESS = frozenset(
    [
        "abs",
        "any",
        "all",
        "and",
        "as",
        "array",
        "avg",
        "between",
        "by",
        "cast",
        "ceil",
        "ceiling",
        "char_length",
        "coalesce",
        "concat",
        "count",
        "current_setting",
        "date",
        "datetime",
        "distinct",
        "else",
        "except",
        "exists",
        "extract",
        "filter",
        "floor",
        "format",
        "from",
        "group_concat",
        "having",
        "ifnull",
        "in",
        "intersect",
        "join",
        "json_agg",
        "json_extract",
        "json_object",
        "last_insert_rowid",
        "left",
        "length",
        "like",
        "limit",
        "lower",
        "ltrim",
        "max",
        "min",
        "mod",
        "not",
        "now",
        "nullif",
        "on",
        "or",
        "order",
        "over",
        "partition",
        "position",
        "random",
        "right",
        "round",
        "row_number",
        "rtrim",
        "select",
        "set",
        "strftime",
        "string_agg",
        "substr",
        "substring",
        "sum",
        "then",
        "to_char",
        "total",
        "trim",
        "typeof",
        "union",
        "unique",
        "upper",
        "using",
        "values",
        "version",
        "when",
        "where",
        "with",
    ]
)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What the text of a statement tells.

    `verb` is its first word, or of a query with WITH the one that it is about; `may_write` is false only if it cannot.
    `savepoint` is what it does to a savepoint: its verb, and the name.
    """

    verb: str
    may_write: bool
    savepoint: tuple[str, str] | None = None

    @property
    def is_definition(self) -> bool:
        """Whether it may make, change or remove tables."""
        return self.verb in ("create", "alter", "drop", "rename")


@functools.lru_cache(maxsize=1000)
def parse(text: str) -> Statement:
    """What a statement tells."""
    found = _WORD.match(text)
    verb = found[1].lower() if found else ""
    if verb in _CONTROLS:
        return Statement(verb=verb, may_write=False, savepoint=_savepoint(text))
    if verb not in _READS:
        return Statement(verb=verb, may_write=True)
    writes = _WRITING.search(text)
    if writes:
        return Statement(verb=writes[1].lower() if verb == "with" else verb, may_write=True)
    calls = {name.lower() for name in _CALL.findall(text)} - _HARMLESS
    return Statement(verb=verb, may_write=bool(calls))


def _savepoint(text: str) -> tuple[str, str] | None:
    found = _SAVEPOINT.match(text)
    if found is None:
        return None
    [verb] = [verb for verb in ("savepoint", "release", "back") if found[verb]]
    return verb, found["name"].strip('"`').lower()
