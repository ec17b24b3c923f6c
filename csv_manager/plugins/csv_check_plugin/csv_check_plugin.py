"""The commands csv_check_*: what versions are checked by, and what is wrong with them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import click

from csv_manager.core.errors import OptionError, PathNotFoundError
from csv_manager.core.model import FormatOptions, WatcherOptions
from csv_manager.core.paths import identity
from csv_manager.core.rules import Gate, Rule, RuleSet
from csv_manager.patterns import CsvCheckPattern, CsvCommandsPattern, CsvWatcherPattern, rules
from csv_manager.patterns.csv_commands_pattern import each
from csv_manager.patterns.describe import short_path
from csv_manager.patterns.watcher_paths import find, find_one
from csv_manager.plugins.csv_check_plugin import builtin, commands, words

_COLUMNS = ("csv_file", "name", "check", "level", "what", "source", "rule_set", "created", "user")
_SPARE = ("user", "source", "rule_set", "created")
_FOUND = ("level", "rule", "code", "row", "line", "column", "value", "message")
_FOUND_SPARE = ("row", "code", "value", "level")
_NONE = "No file is checked here; csv_manager csv_check_add adds a rule."


#: What becomes of later versions with what was found in the head.
_LATER = {
    "hold": "later versions are held",
    "quarantine-rows": "later versions are recorded without such rows",
    "warn": "later versions go through, too",
}


class CsvCheckPlugin(CsvCheckPattern, CsvCommandsPattern, CsvWatcherPattern):
    """Checks versions by schemas, by SQL and by what plugins have, and holds those that are not as they should be."""

    def activate(self) -> None:
        """Register the commands, and the checks that csv_manager has itself."""
        builtin.register(self)
        commands.register(self)

    def csv_check_add(
        self,
        csv_file: str,
        schemas: Sequence[str] = (),
        conditions: Sequence[str] = (),
        queries: Sequence[str] = (),
        checks: Sequence[str] = (),
        options: Sequence[str] = (),
        level: str = "error",
        name: str | None = None,
        max_bad: str | None = None,
        max_deleted: str | None = None,
        on_bad: str | None = None,
    ) -> int:
        """Add rules to a watcher, or set its gate, and say what the head is like."""
        from csv_manager.plugins.csv_check_plugin.making import named

        watcher = self._watcher(csv_file)
        gate = words.gate_told(max_bad, max_deleted, on_bad)
        head = self._head(watcher)
        made = self._rules(head, schemas, conditions, queries, checks, options, level)
        if not made and not gate:
            raise OptionError(
                "Name a rule: --schema, --rule, --query or --check; or a gate, such as --max-deleted 20%."
            )

        def change(before: RuleSet) -> RuleSet:
            added = named(made, [rule.name for rule in before.rules], name)
            return replace(before, rules=(*before.rules, *added), gate=replace(before.gate, **gate))

        rule_set = self.csv_watcher.change_rules(watcher, change)
        for rule in rule_set.rules[len(rule_set.rules) - len(made) :]:
            click.echo(f"{short_path(watcher.csv_file)}: {rule.name}: {rules.what(rule)}")
        if gate:
            click.echo(f"{short_path(watcher.csv_file)}: {rules.gate(rule_set.gate)}")
        if head is not None and made:
            self._say_head(head, replace(rule_set, rules=rule_set.rules[-len(made) :]))
        return self.csv_watcher.exit_code()

    def csv_check_list(self, csv_file: str | Sequence[str] = (), form: str = "table") -> None:
        """Write the rules and gates of watchers."""
        catalog = self.csv_watcher.store.catalog
        watchers = [found.watcher for found in find(self.csv_watcher, each(csv_file)) if found.watcher is not None]
        if csv_file and not watchers:
            raise PathNotFoundError(f"{each(csv_file)[0]} is not watched; csv_watcher_list shows what is.")
        rows = [row for watcher in watchers or catalog.watchers.all() for row in self._listed(watcher, form)]
        self.answer(rows, _COLUMNS, form, empty=_NONE, spare=_SPARE)

    def csv_check_delete(self, csv_file: str, names: Sequence[str] = (), gate: bool = False) -> int:
        """Take rules from a watcher, or all, or its gate."""
        watcher = self._watcher(csv_file)

        def change(before: RuleSet) -> RuleSet:
            known = [rule.name for rule in before.rules]
            unknown = [name for name in names if name not in known]
            if unknown:
                raise OptionError(f"There is no rule {unknown[0]!r}; there are {', '.join(known) or 'none'}.")
            if not known and before.gate == Gate():
                raise OptionError(f"{short_path(watcher.csv_file)} has no rules, and the gate that each file has.")
            kept = [rule for rule in before.rules if rule.name not in names] if names or gate else []
            return replace(before, rules=tuple(kept), gate=Gate() if gate or not names else before.gate)

        rule_set = self.csv_watcher.change_rules(watcher, change)
        left = ", ".join(rule.name for rule in rule_set.rules) or "no rule"
        click.echo(f"{short_path(watcher.csv_file)} is checked by {left}.")
        return self.csv_watcher.exit_code()

    def csv_check_run(
        self,
        csv_file: str,
        version: str | None = None,
        schemas: Sequence[str] = (),
        conditions: Sequence[str] = (),
        queries: Sequence[str] = (),
        checks: Sequence[str] = (),
        options: Sequence[str] = (),
        level: str = "error",
        form: str = "table",
    ) -> int:
        """Check a content, and write what is wrong with it; the exit code: 1 if there are errors, or it would wait."""
        from csv_manager.plugins.csv_check_plugin.making import named

        path, content, base, key = self._content(csv_file, version)
        known = self._rule_set(path)
        made = self._rules(content, schemas, conditions, queries, checks, options, level)
        if not made and not known.rules:
            raise OptionError(f"{short_path(path)} has no rules; --schema, --rule, --query or --check name one.")
        more = named(made, [rule.name for rule in known.rules], None)
        with self.progress(f"Checking {short_path(path)}"):
            verdict = self.csv_watcher.examine(path, content, base, key, more)
        self.answer((finding.to_json() for finding in verdict.findings), _FOUND, form, spare=_FOUND_SPARE)
        self.say(words.verdict(short_path(path), content.count(), verdict))
        errors = any(finding.level == "error" for finding in verdict.findings)
        return 1 if errors or verdict.is_held else 0

    def csv_check_suggest(self, csv_file: str) -> None:
        """Write a schema that a file's versions are as it tells."""
        from csv_manager.plugins.csv_check_plugin.suggesting import suggest

        file = self.csv_watcher.store.file(csv_file)
        versions = [version for version in file.versions() if version.is_through]
        with self.progress("Reading versions", len(versions)) as done:

            def tables() -> Iterator[Any]:
                for version in versions:
                    yield file.table(version.number)
                    done(1)

            told = suggest(tables(), versions[0].key if versions else ())
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))

    def _rules(
        self,
        content: Any,
        schemas: Sequence[str],
        conditions: Sequence[str],
        queries: Sequence[str],
        checks: Sequence[str],
        options: Sequence[str],
        level: str,
    ) -> list[Rule]:
        from csv_manager.plugins.csv_check_plugin.making import make_rules

        return make_rules(
            self.csv_checks.get(),
            content,
            schemas=schemas,
            conditions=conditions,
            queries=queries,
            names=checks,
            options=options,
            level=level,
        )

    def _watcher(self, csv_file: str) -> Any:
        """The stored watcher that a path stands for. Raises `PathNotFoundError`, `OptionError`."""
        return find_one(
            self.csv_watcher,
            csv_file,
            unwatched="so it has no rules; csv_watcher_add watches it.",
            inside=", whose rules count; name that, or csv_watcher_add the file by itself.",
        )

    def _head(self, watcher: Any) -> Any:
        """The head of a watcher's file, or of one of its files; None without any."""
        store = self.csv_watcher.store
        records = [store.catalog.history.file(watcher.csv_file), *store.catalog.history.members(watcher.id)]
        record = next((record for record in records if record is not None and record.head), None)
        return store.file(record.path).table() if record is not None else None

    def _content(self, csv_file: str, version: str | None) -> tuple[str, Any, Any, tuple[str, ...]]:
        """The path of a file, what is to be checked of it, the version before that, and its key."""
        from csv_manager.core.sources import open_table

        store = self.csv_watcher.store
        known = self.csv_watcher.known_paths()
        paths = known.select([csv_file]) if known.has(csv_file) else []
        if len(paths) > 1:
            raise OptionError(f"{csv_file} stands for {len(paths)} files; name one.")
        if not paths:
            if version is not None:
                raise PathNotFoundError(f"{csv_file} has no history, so no version of it can be checked.")
            return identity(csv_file), open_table(csv_file, FormatOptions()), None, ()
        file = store.file(paths[0])
        options: WatcherOptions = self.csv_watcher.options_of(file.path)
        if version is not None:
            found = file.version(version)
            base = file.version(found.base) if found.base else None
            return file.path, file.whole(found.number), base, found.key
        head = file.version() if file.record.head else None
        return file.path, store.recorder.table(file.path, options), head, options.key

    def _rule_set(self, path: str) -> RuleSet:
        found: RuleSet = self.csv_watcher.store.catalog.rules.in_force(path).rule_set
        return found

    def _say_head(self, head: Any, rule_set: RuleSet) -> None:
        """Say what new rules find in the head, which stays."""
        verdict = self.csv_watcher.examine("", head, rules=rule_set.rules)
        errors = [finding for finding in verdict.findings if finding.level == "error"]
        if errors:
            self.say(
                f"{words.verdict(short_path(head.csv_file), head.count(), verdict)} The first: {errors[0].told}. It "
                f"stays the head; {_LATER[rule_set.gate.on_bad]}."
            )

    def _listed(self, watcher: Any, form: str) -> Iterator[dict[str, Any]]:
        rule_set: RuleSet = self.csv_watcher.store.catalog.rules.of(watcher)
        told = {
            "csv_file": short_path(watcher.csv_file) if form == "table" else watcher.csv_file,
            "rule_set": rule_set.number,
            "created": rule_set.created,
            "user": rule_set.user,
        }
        for rule in rule_set.rules:
            what = rules.what(rule) if form == "table" else rule.to_json()["options"]
            yield told | {
                "name": rule.name, "check": rule.check, "level": rule.level, "what": what, "source": rule.source,
            }  # fmt: skip
        if rule_set.gate != Gate():
            what = rules.gate(rule_set.gate) if form == "table" else rule_set.gate.to_json()
            yield told | {"name": None, "check": "gate", "level": None, "what": what, "source": None}
