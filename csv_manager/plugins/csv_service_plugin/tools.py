"""Calls the tool of a service manager: systemctl, launchctl or schtasks."""

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable

from csv_manager.core.errors import CsvManagerError, clause
from csv_manager.patterns.output import one_line
from csv_manager.plugins.csv_service_plugin.system import Call, Condition, Ran, System

_PAUSE_SECONDS = 0.25
_LONGEST = 400


class ServiceManagerError(CsvManagerError):
    """The service manager of this system could not do it."""


class NotServedError(ServiceManagerError):
    """The service manager of this system cannot be asked here, so it can start nothing either."""


def check_tool(system: System) -> None:
    """Raise `NotServedError` if the tool is not there."""
    if shutil.which(system.tool) is None:
        raise NotServedError(
            f"There is no {system.tool} on the PATH, so {system.name} cannot be told; "
            "start `csv_manager csv_watch` in another way."
        )


def run_all(system: System, calls: Iterable[Call], otherwise: str) -> None:
    """Run calls one after the other. Raises `ServiceManagerError`, with `otherwise` as the next step, for a failure."""
    for call in calls:
        ran = _run(call)
        if ran.code and (call.excused is None or not re.search(call.excused, ran.said)):
            advice = system.advice(ran.said)
            steps = " ".join(filter(None, (advice, otherwise)))
            kind = NotServedError if advice else ServiceManagerError
            raise kind(f"`{command_line(call)}` failed: {_clause(ran)}. {steps}")


def ask(system: System) -> tuple[Condition, str]:
    """What the service manager says of the unit, and why that is not known if it is not."""
    try:
        check_tool(system)
        ran = _run(system.asking())
    except ServiceManagerError as error:
        return Condition(state="unknown", is_served=False), clause(error)
    condition = system.condition(ran)
    if condition.state != "unknown":
        return condition, ""
    is_served = not (ran.code and system.advice(ran.said))
    return Condition(state="unknown", is_served=is_served), _clause(ran)


def command_line(call: Call) -> str:
    """A call as it is typed."""
    return shlex.join(call.words)


def _clause(ran: Ran) -> str:
    """What a tool said, on one line of some length."""
    return one_line(clause(ran.said))[:_LONGEST]


def _run(call: Call) -> Ran:
    for attempt in range(call.attempts):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        ran = _run_once(call.words)
        if ran.code == 0:
            break
    return ran


def _run_once(words: tuple[str, ...]) -> Ran:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise ServiceManagerError(f"{words[0]} cannot be run: {error.strerror}.") from error
    return Ran(code=done.returncode, out=done.stdout, error=done.stderr)
