"""launchd: an agent of the user, on macOS."""

import os
import plistlib
import re
from pathlib import Path

from csv_manager.plugins.csv_service_plugin.invocation import Invocation
from csv_manager.plugins.csv_service_plugin.system import Call, Condition, Ran, System

#: launchd lets go of an agent some time after it was told to, and takes no other of its name meanwhile.
_ATTEMPTS = 40
#: What it says of an agent that is not loaded, or will not be in a moment.
_GONE = "No such process|Could not find|Operation now in progress"
_FIELD = re.compile(r"^\t(state|pid|last exit code) = (.+)$", re.MULTILINE)


class Launchd(System):
    """launchd, by launchctl."""

    name, tool, unit = "launchd", "launchctl", "csv_manager"
    when = "at login"

    @property
    def path(self) -> Path:
        """The agent's file, where launchd looks for agents of a user."""
        return Path.home() / "Library" / "LaunchAgents" / f"{self.unit}.plist"

    @property
    def log(self) -> str:
        """The file that csv_watch writes to."""
        return os.path.join(self.home, "csv_watch.log")

    def content(self, invocation: Invocation) -> bytes:
        """A property list; see launchd.plist(5)."""
        return plistlib.dumps(
            {
                "Label": self.unit,
                "ProgramArguments": list(invocation.words),
                "EnvironmentVariables": dict(invocation.environment),
                "WorkingDirectory": invocation.folder,
                "RunAtLoad": True,
                "KeepAlive": {"SuccessfulExit": False},
                "ThrottleInterval": 5,
                "StandardOutPath": self.log,
                "StandardErrorPath": self.log,
            },
            sort_keys=False,
        )

    def installing(self, *, replacing: bool) -> list[Call]:
        """Load the agent, which starts it; one that is loaded has to go first."""
        return [
            *(self.stopping() if replacing else ()),
            Call(words=("launchctl", "enable", _target(self.unit))),
            Call(words=("launchctl", "bootstrap", _target(), str(self.path)), attempts=_ATTEMPTS if replacing else 1),
        ]

    def stopping(self) -> list[Call]:
        """Stop it and let go of it; it may be loaded or not."""
        return [Call(words=("launchctl", "bootout", _target(self.unit)), excused=_GONE)]

    def starting(self) -> Call:
        """Start it now."""
        return Call(words=("launchctl", "kickstart", _target(self.unit)))

    def asking(self) -> Call:
        """Everything that launchd knows of it."""
        return Call(words=("launchctl", "print", _target(self.unit)))

    def condition(self, ran: Ran) -> Condition:
        """No agent is known to launchd that is not loaded."""
        told: dict[str, str] = {}
        for name, value in _FIELD.findall(ran.out):
            told.setdefault(name, value.strip())
        if ran.code == 0 and told.get("state") == "running":
            pid = told.get("pid", "")
            return Condition(state="active", pid=int(pid) if pid.isdecimal() else None)
        code = told.get("last exit code", "0").split(":")[0]
        return Condition(state="failed" if code.isdecimal() and code != "0" else "inactive")

    def notes(self) -> list[str]:
        """Where it writes."""
        return ["It runs while you are logged in.", f"What it says goes to {self.log}."]


def _target(unit: str = "") -> str:
    """The domain of the user's session, or a service in it."""
    user = os.getuid() if hasattr(os, "getuid") else "UID"
    return f"gui/{user}/{unit}".rstrip("/")
