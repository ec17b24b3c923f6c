import logging
from typing import Any

from groundwork.patterns import GwBasePattern as GwBasePattern

class App:
    config: Any
    name: str
    path: str
    log: logging.Logger
    signals: Any
    plugins: Any
    commands: Any
    databases: Any
    threads: Any
    documents: Any
    csv_watcher: Any
    csv_settings: Any
    csv_watching: bool
    csv_plugins: tuple[str, ...]
    def __init__(self, config_files: list[str] | None = ..., plugins: list[type] | None = ..., strict: bool = ...) -> None: ...
