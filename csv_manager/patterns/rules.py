"""Rules and gates in words."""

from csv_manager.core.rules import Gate, Limit, Rule, RuleSet


def rule_lines(rule_set: RuleSet) -> list[str]:
    """What versions are checked by: each rule, and the gate where it is not as by default."""
    told = [f"{rule.name}: {what(rule)}" + (" (warning)" if rule.level == "warning" else "") for rule in rule_set.rules]
    return [*told, gate(rule_set.gate)] if rule_set.gate != Gate() else told


def what(rule: Rule) -> str:
    """What a rule checks."""
    if rule.check == "schema":
        fields = rule.options["descriptor"]["fields"]
        return f"{len(fields)} field{'' if len(fields) == 1 else 's'} of {rule.source}"
    if "sql" in rule.options:
        return " ".join(str(rule.options["sql"]).split())
    told = ", ".join(f"{key}={value}" for key, value in rule.options.items())
    return f"{rule.check} {told}".rstrip()


def gate(told: Gate) -> str:
    """What a gate lets through."""
    parts = []
    if told.max_bad is not None:
        parts.append(f"errors in up to {_many(told.max_bad)}")
    if told.max_deleted is not None:
        parts.append(f"up to {told.max_deleted} of the rows deleted")
    if told.on_bad == "warn":
        return "nothing is held, only told"
    if told.quarantines:
        parts = parts[told.max_bad is not None :]
        most = "" if told.max_bad is None else f", up to {_many(told.max_bad)}"
        return " and ".join([f"quarantines rows with errors{most}", *(f"lets through {part}" for part in parts)])
    return f"lets through {' and '.join(parts)}" if parts else "holds what has errors"


def _many(limit: Limit) -> str:
    return f"{limit} of the rows" if limit.is_share else f"{limit} row{'' if limit.number == 1 else 's'}"
