"""Listeners of a plugin: `self.csv_events`, which are told what the event record is told."""

import difflib
from typing import TYPE_CHECKING, Any

from groundwork.patterns import GwBasePattern

from csv_manager.core.binds import DEFAULT
from csv_manager.core.errors import ConfigurationError, PluginError
from csv_manager.framework.app import prepare, settings_of
from csv_manager.framework.bind_settings import binds_of
from csv_manager.framework.errors import translated
from csv_manager.framework.event_settings import EventSettings, events_of
from csv_manager.pipeline.listening import SQL, Listener, Listening

if TYPE_CHECKING:  # it loads what reads CSV files
    from collections.abc import Callable, Sequence

    from csv_manager.core.events import Event


class CsvEventPattern(GwBasePattern):
    """Gives a plugin `self.csv_events`, with `register`: a function is told each event of the record."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        prepare(app)
        kwargs.setdefault("name", type(self).__name__)
        super().__init__(app, **kwargs)
        self.csv_events = CsvEventsPlugin(self, csv_events_of(app))

    def deactivate(self) -> None:
        """End the plugin; overwrite it where there is something to end."""


class CsvEventsPlugin:
    """`self.csv_events`: the app's listeners, seen from one plugin."""

    def __init__(self, plugin: Any, app: "CsvEventsApplication") -> None:
        self._plugin, self._app = plugin, app
        self._mine: list[str] = []
        plugin.signals.connect(
            receiver=f"{plugin.name}_csv_events_deactivation",
            signal="plugin_deactivate_post",
            function=self._deactivate,
            description=f"Forgets the listeners of {plugin.name}",
            sender=plugin,
        )

    def register(
        self, name: str, function: "Callable[[Event], object]", description: str = "", group: str = "default"
    ) -> Listener:
        """Have `function(event)` be told each event, at least once and in order, while EVENTS chooses the group.

        One that raises is told the same again, and fails the run that it is of. Raises `PluginError` for a name that
        is taken.
        """
        if not name or not group or not callable(function):
            raise PluginError(f"{self._plugin.name}: a listener has a name, a function and a group.")

        hear = translated(function, f"Listener {name}")

        def tell(events: "Sequence[Event]") -> None:
            for event in events:
                hear(event)

        listener = Listener(name=name, group=group, function=tell, description=description)
        self._app.add(listener, self._plugin)
        self._mine.append(name)
        return listener

    def unregister(self, name: str) -> None:
        """Forget a listener of this plugin; what it was not told waits for it."""
        if name in self._mine:
            self._mine.remove(name)
            self._app.listening.remove(name)

    def _deactivate(self, _plugin: Any, **_: Any) -> None:
        for name in list(self._mine):
            self.unregister(name)


class CsvEventsApplication:
    """`app.csv_events`: the listeners of every plugin, and the event record itself."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._settings: EventSettings | None = None
        self._database: Any = None
        self.listening = Listening(lambda: self.settings.groups)

    @property
    def settings(self) -> EventSettings:
        """What EVENTS says. Raises `ConfigurationError`."""
        if self._settings is None:
            settings = settings_of(self._app)
            self._settings = events_of(settings, binds_of(settings))
        return self._settings

    def add(self, listener: Listener, plugin: Any) -> None:
        """Add a listener. Raises `PluginError` for a name that is taken."""
        if listener.name in (*self.listening.known(), SQL):
            raise PluginError(f"{plugin.name}: there is a listener {listener.name!r} already.")
        self.listening.add(listener)

    def attach(self, store: Any) -> None:
        """Have a store write the record, or queue it for where it is."""
        record, told = store.catalog.events, self.settings
        record.is_here = SQL in told.groups and (told.bind is None or told.bind.name == DEFAULT)
        if SQL in told.groups and not record.is_here:
            self._database = _database(told.bind)
        # What was queued for another database before the settings named the store belongs to the store.
        write = record.write if self._database is None else self._database.write
        self.listening.add(Listener(name=SQL, group=SQL, function=write, queued=not record.is_here))
        record.listeners = lambda: [each.name for each in self.listening.chosen() if each.queued]

    def check(self) -> None:
        """Raise `ConfigurationError` for a group that nobody has, and for a database with other tables."""
        known = {SQL, "default", *(listener.group for listener in self.listening.known().values())}
        for group in sorted(self.settings.groups - known):
            close = difflib.get_close_matches(group, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}."
            raise ConfigurationError(f"EVENTS: no plugin has a listener of the group {group}; {hint}")
        if self._database is not None:
            self._database.check()

    def close(self) -> None:
        """Close the record's database."""
        if self._database is not None:
            self._database.close()
            self._database = None


def csv_events_of(app: Any) -> CsvEventsApplication:
    """`app.csv_events`, which the first that asks for it makes."""
    if not hasattr(app, "csv_events"):
        app.csv_events = CsvEventsApplication(app)
    events: CsvEventsApplication = app.csv_events
    return events


def _database(bind: Any) -> Any:
    from csv_manager.store.event_database import EventDatabase
    from csv_manager.store.urls import url_of

    return EventDatabase(url_of(bind), url_of(bind, "admin"))
