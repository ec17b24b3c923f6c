"""Signals that the app owns, and sending that keeps receivers apart."""

import logging
from typing import Any

from groundwork import App

log = logging.getLogger("csv_manager.signals")


def own(app: App, signals: dict[str, str]) -> None:
    """Register signals under the app itself, so that they outlive the plugin that came first."""
    for name, description in signals.items():
        if app.signals.get(name) is None:
            app.signals.register(name, app, description)


def send(app: App, signal: str, **kwargs: Any) -> None:
    """Call every receiver of a signal; one that raises is logged, and the others are called all the same."""
    names = {receiver.function: receiver for receiver in app.signals.get_receiver().values()}
    namespace = app.signals._namespace  # noqa: SLF001 - groundwork keeps its blinker namespace private
    for function in list(namespace.signal(signal).receivers_for(app)):
        try:
            function(app, **kwargs)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException:  # groundwork's own errors derive from BaseException
            receiver = names.get(function)
            who = f"{receiver.name} of {receiver.plugin.name}" if receiver else repr(function)
            log.exception("Receiver %s failed on the signal %s.", who, signal)
