"""The checks that csv_manager has itself, registered as any plugin's: `schema`, `rule` and `query`."""

from collections.abc import Iterator, Mapping
from typing import Any

from csv_manager.core.findings import Finding


def register(plugin: Any) -> None:
    """Register them."""
    checks = plugin.csv_checks
    checks.register("schema", schema, "As a Frictionless Table Schema tells.", scope=_schema_scope)
    checks.register("rule", rule, "An SQL condition that each row is to meet.", scope=_rule_scope)
    checks.register("query", query, "An SQL query that returns bad rows.", scope="version")


def schema(rows: Any, options: Mapping[str, Any]) -> Iterator[Finding]:
    """What is not as a schema tells."""
    from csv_manager.checks.schema_check import check_schema
    from csv_manager.checks.table_schema import parse_schema

    return check_schema(rows, parse_schema(options["descriptor"], "The schema"))


def rule(rows: Any, options: Mapping[str, Any]) -> Iterator[Finding]:
    """The rows that do not meet a condition."""
    from csv_manager.checks.sql import Session

    session: Session = rows.shared(Session)
    return session.misfits(options["sql"], options.get("types", {}))


def query(rows: Any, options: Mapping[str, Any]) -> Iterator[Finding]:
    """The rows that a query returns."""
    from csv_manager.checks.sql import Session

    session: Session = rows.shared(Session)
    return session.bad_rows(options["sql"], options.get("types", {}))


def _schema_scope(options: Mapping[str, Any]) -> str:
    from csv_manager.checks.table_schema import parse_schema

    return "version" if parse_schema(options["descriptor"], "The schema").has_uniques else "rows"


def _rule_scope(options: Mapping[str, Any]) -> str:
    from csv_manager.checks.sql_parsing import parse_expression

    return "rows" if parse_expression(options["sql"]).by_row else "version"
