from typing import Any

class CommandsListApplication:
    app: Any
    _commands: dict[str, Any]
    def __init__(self, app: Any) -> None: ...
    def get(self, name: str | None = ..., plugin: Any = ...) -> Any: ...
