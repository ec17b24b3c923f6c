"""Rules out of what people write: refused where they say nothing that can be checked."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from csv_manager.core.errors import OptionError, RuleError
from csv_manager.core.reading import Table
from csv_manager.core.rules import Rule

_OWN = ("schema", "rule", "query")
#: The types that columns have in SQL rules, by those that are inferred.
_TYPES = {
    "bool": "boolean", "smallint": "number", "integer": "number", "bigint": "number", "decimal": "number",
    "real": "number", "double": "number", "date": "date", "time": "time", "timestamp": "timestamp",
}  # fmt: skip


def make_rules(
    checks: Mapping[str, Any],
    content: Table | None,
    *,
    schemas: Iterable[str] = (),
    conditions: Iterable[str] = (),
    queries: Iterable[str] = (),
    names: Iterable[str] = (),
    options: Sequence[str] = (),
    level: str = "error",
) -> list[Rule]:
    """Rules, tried on a content if there is one. Raises `RuleError`, `OptionError`, and what the content raises."""
    rules = [_schema_rule(path, level) for path in schemas]
    rules += [_sql_rule("rule", sql, content, level) for sql in conditions]
    rules += [_sql_rule("query", sql, content, level) for sql in queries]
    others = [_other_rule(checks, name, options, level) for name in names]
    if options and not others:
        raise OptionError("--option is for a --check; name one.")
    return rules + others


def named(rules: Iterable[Rule], taken: Iterable[str], name: str | None) -> list[Rule]:
    """Rules under names that none of those that are there has. Raises `OptionError` for one that has it."""
    found = list(rules)
    known = set(taken)
    if name is not None:
        if len(found) != 1:
            raise OptionError(f"--name is for one rule, and these are {len(found)}.")
        if name in known:
            raise OptionError(f"There is a rule {name!r} already; csv_check_delete it, or choose another --name.")
        return [_renamed(found[0], name)]
    result = []
    for rule in found:
        base, unique, number = rule.name, rule.name, 1
        if rule.check in ("rule", "query"):
            unique = f"{base}-{number}"
        while unique in known:
            number += 1
            unique = f"{base}-{number}"
        known.add(unique)
        result.append(_renamed(rule, unique))
    return result


def _renamed(rule: Rule, name: str) -> Rule:
    return Rule(name=name, check=rule.check, options=rule.options, level=rule.level, source=rule.source)


def read_descriptor(path: str) -> Any:
    """What a file of JSON or YAML says. Raises `RuleError`."""
    import yaml

    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        raise RuleError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return json.loads(text) if path.lower().endswith(".json") else _plain(yaml.safe_load(text))
    except (ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        line = getattr(error, "lineno", None) if mark is None else mark.line + 1
        said = getattr(error, "problem", None) or getattr(error, "msg", None) or str(error)
        place = f"{path}: line {line}" if line else path
        raise RuleError(f"{place}: {' '.join(str(said).split())}.") from error
    except RecursionError:
        raise RuleError(f"{path}: it is nested too deep.") from None


def _plain(value: Any) -> Any:
    """What YAML says as JSON would: a date is a text."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _schema_rule(path: str, level: str) -> Rule:
    from csv_manager.checks.table_schema import parse_schema

    descriptor = read_descriptor(path)
    parse_schema(descriptor, path)
    name = os.path.splitext(os.path.basename(path))[0] or "schema"
    return Rule(
        name=name, check="schema", options={"descriptor": descriptor}, level=level, source=os.path.abspath(path)
    )


def _sql_rule(check: str, sql: str, content: Table | None, level: str) -> Rule:
    """A rule with the types that the columns it names have in a content, on which it is tried."""
    from csv_manager.checks.rows import WholeRows
    from csv_manager.checks.sql import Session
    from csv_manager.checks.sql_parsing import parse_expression, parse_query

    parsed = parse_expression(sql) if check == "rule" else parse_query(sql)
    types = types_of(content, parsed.columns) if content is not None else {}
    if content is not None and content.columns:
        with Session(WholeRows(content, content)) as session:
            if check == "rule":
                session.bind(sql, types)
            else:
                session.select(sql, types)
    return Rule(name=check, check=check, options={"sql": sql, "types": types}, level=level)


def types_of(content: Table, columns: Iterable[str]) -> dict[str, str]:
    """The types of columns of a content that are no text, as SQL rules call them."""
    from csv_manager.sync.inference import infer

    used = {column.lower() for column in columns}
    found = {}
    for column in infer(content):
        kind = _TYPES.get(column.type.kind, "text")
        if column.name.lower() in used and kind != "text":
            found[column.name] = f"{kind} with time zone" if column.type.timezone else kind
    return found


def _other_rule(checks: Mapping[str, Any], name: str, options: Sequence[str], level: str) -> Rule:
    if name in _OWN:
        raise OptionError(f"The check {name!r} has an option of its own; --{name} says what it is to check.")
    check = checks.get(name)
    if check is None:
        others = [each for each in checks if each not in _OWN]
        raise OptionError(
            f"No plugin has a check {name!r}; there are {', '.join(others)}."
            if others
            else f"No plugin has a check {name!r}, nor any other; --plugin FILE.py loads one that has."
        )
    told = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or key not in check.options:
            known = ", ".join(f"{each}=…" for each in check.options) or "none"
            raise OptionError(f"--option {option!r} is none of the check {name!r}; it has {known}.")
        told[key] = value
    return Rule(name=name, check=name, options=told, level=level)
