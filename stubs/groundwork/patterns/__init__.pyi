import logging
from typing import Any

class GwBasePattern:
    app: Any
    name: str
    active: bool
    log: logging.Logger
    signals: Any
    def __init__(self, app: Any, name: str | None = ..., *args: Any, **kwargs: Any) -> None: ...
    def activate(self) -> None: ...
    def deactivate(self) -> None: ...

class GwCommandsPattern(GwBasePattern):
    commands: Any

class GwDocumentsPattern(GwBasePattern):
    documents: Any

class GwThreadsPattern(GwBasePattern):
    threads: Any
