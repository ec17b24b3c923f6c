"""The service managers that are known."""

import sys

from csv_manager.core.errors import OptionError
from csv_manager.plugins.csv_service_plugin.launchd import Launchd
from csv_manager.plugins.csv_service_plugin.system import System
from csv_manager.plugins.csv_service_plugin.systemd import Systemd
from csv_manager.plugins.csv_service_plugin.windows import Windows

_SYSTEMS: dict[str, type[System]] = {"systemd": Systemd, "launchd": Launchd, "windows": Windows}
_PLATFORMS = {"linux": "systemd", "darwin": "launchd", "win32": "windows"}


def find_system(home: str, name: str | None = None, platform: str = sys.platform) -> System:
    """The service manager of a name, or of the platform. Raises `OptionError`."""
    known = name or _PLATFORMS.get(platform)
    if known is None:
        raise OptionError(f"No service manager of {platform} is known; start `csv_manager csv_watch` in another way.")
    return _SYSTEMS[known](home)
