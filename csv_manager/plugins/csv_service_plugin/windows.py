"""The Task Scheduler of Windows: a task of the user."""

import csv
import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

from csv_manager.plugins.csv_service_plugin.invocation import Invocation
from csv_manager.plugins.csv_service_plugin.system import Call, Condition, Ran, System, user_name

_NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_STATES = {"Running": "active", "Ready": "inactive", "Queued": "inactive", "Disabled": "inactive"}


class Windows(System):
    """The Task Scheduler, by schtasks."""

    name, tool, unit = "windows", "schtasks", "csv_manager"
    when = "at logon"

    @property
    def path(self) -> Path:
        """What the task was made from; the Task Scheduler has a copy of its own."""
        return Path(self.home) / "csv_service.xml"

    def content(self, invocation: Invocation) -> bytes:
        """A task in XML, in the encoding that schtasks writes itself; see the Task Scheduler Schema."""
        user = "\\".join(filter(None, (os.environ.get("USERDOMAIN"), user_name())))
        root = ET.Element("Task", {"version": "1.2", "xmlns": _NAMESPACE})
        _add(root, "RegistrationInfo", {"Description": "csv_manager watches CSV files"})
        _add(_add(root, "Triggers"), "LogonTrigger", {"Enabled": "true", "UserId": user})
        principal = {"UserId": user, "LogonType": "InteractiveToken", "RunLevel": "LeastPrivilege"}
        _add(_add(root, "Principals"), "Principal", principal).set("id", "Author")
        settings = {
            "MultipleInstancesPolicy": "IgnoreNew",
            "DisallowStartIfOnBatteries": "false",
            "StopIfGoingOnBatteries": "false",
            "StartWhenAvailable": "true",
            "ExecutionTimeLimit": "PT0S",
            "Enabled": "true",
        }
        restart = {"Interval": "PT1M", "Count": "255"}  # the shortest and the most that the schema allows
        _add(_add(root, "Settings", settings), "RestartOnFailure", restart)
        actions = _add(root, "Actions")
        actions.set("Context", "Author")
        command = {
            "Command": _without_window(invocation.interpreter),
            "Arguments": subprocess.list2cmdline(["-P", "-c", _code(invocation)]),
            "WorkingDirectory": invocation.folder,
        }
        _add(actions, "Exec", command)
        ET.indent(root)
        text: bytes = ET.tostring(root, encoding="utf-16", xml_declaration=True)
        return text

    def shown(self, content: bytes) -> str:
        """The task as text."""
        return content.decode("utf-16")

    def installing(self, *, replacing: bool) -> list[Call]:
        """Make the task and start it; one that runs has to end first."""
        return [
            *(self.stopping()[:1] if replacing else ()),
            Call(words=("schtasks", "/Create", "/TN", self.unit, "/XML", str(self.path), "/F")),
            self.starting(),
        ]

    def stopping(self) -> list[Call]:
        """End it, and delete the task."""
        return [
            Call(words=("schtasks", "/End", "/TN", self.unit), excused=""),
            Call(words=("schtasks", "/Delete", "/TN", self.unit, "/F")),
        ]

    def starting(self) -> Call:
        """Run the task now."""
        return Call(words=("schtasks", "/Run", "/TN", self.unit))

    def asking(self) -> Call:
        """One line: name, next start, state."""
        return Call(words=("schtasks", "/Query", "/TN", self.unit, "/FO", "CSV", "/NH"))

    def condition(self, ran: Ran) -> Condition:
        """The state is a word in the language of the system; only the English ones are known."""
        rows = [row for row in csv.reader(ran.out.splitlines()) if row]
        if ran.code or not rows:
            return Condition(state="inactive" if ran.code else "unknown")
        return Condition(state=_STATES.get(rows[0][-1], "unknown"))

    def notes(self) -> list[str]:
        """What a task has no place for."""
        return ["It runs while you are logged on.", "What it says is kept nowhere; csv_service_status tells how it is."]


def _add(parent: ET.Element, name: str, children: dict[str, str] | None = None) -> ET.Element:
    """A new element with one child a text."""
    element = ET.SubElement(parent, name)
    for child, text in (children or {}).items():
        ET.SubElement(element, child).text = text
    return element


def _without_window(interpreter: str) -> str:
    """The Python that opens no console, where there is one."""
    other = os.path.join(os.path.dirname(interpreter), "pythonw.exe")
    return other if os.path.exists(other) else interpreter


def _code(invocation: Invocation) -> str:
    """The call in Python: a task has no variables of its own, and expands %NAME% and $(…) in its arguments."""
    variables = ascii(dict(invocation.environment))
    arguments = ascii(list(invocation.arguments))
    code = (
        f"import os, sys; os.environ.update({variables}); sys.argv[1:] = {arguments}; "
        "from csv_manager.__main__ import main; main()"
    )
    return code.replace("%", r"\x25").replace("$", r"\x24")
