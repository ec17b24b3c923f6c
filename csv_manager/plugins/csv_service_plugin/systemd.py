"""systemd: a unit of the user's own manager."""

import os
import re
from pathlib import Path

from csv_manager.plugins.csv_service_plugin.invocation import Invocation
from csv_manager.plugins.csv_service_plugin.system import Call, Condition, Ran, System, user_name

_SYSTEMCTL = ("systemctl", "--user")
#: Where systemd notes whose services run without a login.
_LINGERING = "/var/lib/systemd/linger"
_STATES = ("active", "reloading", "inactive", "failed", "activating", "deactivating")
_SIMPLE_WORD = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "%": "%%"}


class Systemd(System):
    """systemd, by `systemctl --user`."""

    name, tool, unit = "systemd", "systemctl", "csv_manager.service"
    when = "at login"

    @property
    def path(self) -> Path:
        """The unit's file, where systemd looks for units of a user."""
        config = os.environ.get("XDG_CONFIG_HOME", "")
        folder = Path(config) if os.path.isabs(config) else Path.home() / ".config"  # a relative one counts nowhere
        return folder / "systemd" / "user" / self.unit

    def content(self, invocation: Invocation) -> bytes:
        """A unit file; see systemd.syntax(7) and the quoting of systemd.service(5)."""
        lines = [
            "[Unit]",
            "Description=csv_manager watches CSV files",
            "# It is tried again for as long as it takes.",
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "Type=exec",
            f"ExecStart={_command(invocation.words)}",
            *(f"Environment={_quoted(f'{name}={value}')}" for name, value in invocation.environment.items()),
            "Restart=on-failure",
            "RestartSec=5",
            "KillSignal=SIGTERM",
            "NoNewPrivileges=yes",
            "",
            "[Install]",
            "WantedBy=default.target",
            "",
        ]
        return "\n".join(lines).encode()

    def installing(self, *, replacing: bool) -> list[Call]:
        """Read the unit, start it now and at login; one that runs runs the old unit until it is restarted."""
        calls = [_call("daemon-reload"), _call("enable", "--now", self.unit)]
        return [*calls, self.starting()] if replacing else calls

    def stopping(self) -> list[Call]:
        """Stop it, and start it no more."""
        return [_call("disable", "--now", self.unit)]

    def deleted(self) -> list[Call]:
        """Forget the unit, and that it failed if it did."""
        return [_call("daemon-reload"), _call("reset-failed", self.unit, excused="not loaded")]

    def starting(self) -> Call:
        """Start it, again if it runs."""
        return _call("restart", self.unit)

    def asking(self) -> Call:
        """Two properties, a line each."""
        return _call("show", self.unit, "--property=ActiveState,MainPID")

    def condition(self, ran: Ran) -> Condition:
        """The word is systemd's own."""
        told = dict(line.partition("=")[::2] for line in ran.out.splitlines())
        state, pid = told.get("ActiveState", ""), told.get("MainPID", "")
        known = ran.code == 0 and state in _STATES
        return Condition(state=state if known else "unknown", pid=int(pid) or None if pid.isdecimal() else None)

    def notes(self) -> list[str]:
        """Whether it runs without a login, and where it writes."""
        lingers = os.path.exists(os.path.join(_LINGERING, user_name()))
        return [
            "It runs from boot on, without a login."
            if lingers
            else "It runs while you are logged in; after `loginctl enable-linger` from boot on, without a login.",
            "`journalctl --user -u csv_manager` shows what it says.",
        ]

    def advice(self, said: str) -> str:
        """Where the user's manager is not there, it is mostly because of how the user came in."""
        if "bus" in said.lower() or "XDG_RUNTIME_DIR" in said:
            return (
                "systemd does not serve this user here: log in as the user itself, not by su or sudo, or start "
                "`csv_manager csv_watch` in another way."
            )
        return ""


def _call(*arguments: str, excused: str | None = None) -> Call:
    return Call(words=(*_SYSTEMCTL, *arguments), excused=excused)


def _command(words: tuple[str, ...]) -> str:
    """A command line; the colon, which systemd knows since 244, leaves every $ as it is."""
    line = " ".join(word if _SIMPLE_WORD.fullmatch(word) else _quoted(word) for word in words)
    return f":{line}" if "$" in line else line


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(mark, mark) for mark in text) + '"'
