"""Checks of a plugin: `self.csv_checks`, which watchers' rules name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from groundwork.patterns import GwBasePattern

from csv_manager.core.errors import PluginError
from csv_manager.framework.app import prepare

if TYPE_CHECKING:  # it loads what reads CSV files
    from csv_manager.checks.running import Check
    from csv_manager.core.findings import Finding

_SCOPES = ("rows", "version")


class CsvCheckPattern(GwBasePattern):
    """Gives a plugin `self.csv_checks`, with `register`; `csv_check_add PATH --check NAME` has a file checked by it."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        prepare(app)
        kwargs.setdefault("name", type(self).__name__)
        super().__init__(app, **kwargs)
        if not hasattr(app, "csv_checks"):
            app.csv_checks = CsvChecksApplication()
        self.csv_checks = CsvChecksPlugin(self)

    def deactivate(self) -> None:
        """End the plugin; overwrite it where there is something to end."""


class CsvChecksPlugin:
    """`self.csv_checks`: the app's checks, seen from one plugin."""

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin
        self._app: CsvChecksApplication = plugin.app.csv_checks
        plugin.signals.connect(
            receiver=f"{plugin.name}_csv_checks_deactivation",
            signal="plugin_deactivate_post",
            function=self._deactivate,
            description=f"Forgets the checks of {plugin.name}",
            sender=plugin,
        )

    def register(
        self,
        name: str,
        function: Callable[[Any, Mapping[str, Any]], "Iterable[Finding]"],
        description: str = "",
        scope: str | Callable[[Mapping[str, Any]], str] = "rows",
        options: Sequence[str] = (),
    ) -> "Check":
        """A check that rules may name: `function(rows, options)` yields a `Finding` for each thing that is wrong.

        `rows` is iterated for mappings from column to text, each with its `line`; `rows.columns` are the columns, and
        `rows.previous` the version before, if there is one. With the scope `rows` each row is judged by itself, and
        rows that did not change may be left out; with `version` there are all. `options` are the names of those that
        a rule may give. A check that raises holds the version. Raises `PluginError`.
        """
        if not name or not callable(function) or not (callable(scope) or scope in _SCOPES):
            raise PluginError(f"{self._plugin.name}: a check has a name, a function, and the scope rows or version.")
        from csv_manager.checks.running import Check

        return self._app.add(
            Check(name=name, function=function, description=description, scope=scope, options=tuple(options)),
            self._plugin,
        )

    def get(self, name: str | None = None) -> Any:
        """A check by its name, or None; without a name, a dictionary of all plugins' checks."""
        checks = self._app.checks()
        return checks if name is None else checks.get(name)

    def unregister(self, name: str) -> None:
        """Forget a check of this plugin."""
        self._app.remove(self._plugin, name)

    def _deactivate(self, _plugin: Any, **_: Any) -> None:
        self._app.remove(self._plugin)


class CsvChecksApplication:
    """`app.csv_checks`: the checks of every plugin."""

    def __init__(self) -> None:
        self._checks: dict[str, tuple[Check, Any]] = {}

    def add(self, check: "Check", plugin: Any) -> "Check":
        """Add a check. Raises `PluginError` for a name that is taken."""
        known = self._checks.get(check.name)
        if known is not None:
            raise PluginError(f"{plugin.name}: the check {check.name!r} is registered by {known[1].name} already.")
        self._checks[check.name] = check, plugin
        return check

    def remove(self, plugin: Any, name: str | None = None) -> None:
        """Forget the checks of a plugin, or one of them."""
        self._checks = {
            each: known for each, known in self._checks.items() if known[1] is not plugin or name not in (None, each)
        }

    def of(self, plugins: Iterable[Any]) -> list[str]:
        """The names of the checks that these plugins registered."""
        mine = list(plugins)
        return [name for name, (_, plugin) in self._checks.items() if any(plugin is each for each in mine)]

    def checks(self) -> "dict[str, Check]":
        """The checks of all plugins, by their names."""
        return {name: check for name, (check, _) in self._checks.items()}
