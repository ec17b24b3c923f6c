"""What is needed of a system's service manager: a unit, and the command lines of the tool that handles it."""

import getpass
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from csv_manager.plugins.csv_service_plugin.invocation import Invocation


@dataclass(frozen=True, kw_only=True)
class Call:
    """One command line of a tool.

    It is tried `attempts` times. A failure counts as none if what the tool says has the pattern `excused`.
    """

    words: tuple[str, ...]
    attempts: int = 1
    excused: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a call ended, and what the tool said."""

    code: int
    out: str
    error: str = ""

    @property
    def said(self) -> str:
        """What a tool that failed said of it."""
        return self.error.strip() or self.out.strip() or f"exit code {self.code}"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What a service manager says of the unit, and the number of its process, if it tells it."""

    state: str
    pid: int | None = None
    #: Whether it can be asked here at all, and so start anything.
    is_served: bool = True


class System(ABC):
    """One service manager. Nothing here changes or asks anything: what is to be called is returned."""

    #: Its name, and the tool that talks to it.
    name: ClassVar[str]
    tool: ClassVar[str]
    #: The name by which it knows csv_watch.
    unit: ClassVar[str]
    #: When it starts the unit.
    when: ClassVar[str]

    def __init__(self, home: str) -> None:
        self.home = home

    @property
    @abstractmethod
    def path(self) -> Path:
        """Where the unit is kept."""

    @abstractmethod
    def content(self, invocation: Invocation) -> bytes:
        """The unit."""

    def shown(self, content: bytes) -> str:
        """The unit as text."""
        return content.decode()

    @abstractmethod
    def installing(self, *, replacing: bool) -> list[Call]:
        """What to call once the unit is written; `replacing` one that was there."""

    @abstractmethod
    def stopping(self) -> list[Call]:
        """What to call before the unit is deleted."""

    def deleted(self) -> list[Call]:
        """What to call once the unit is deleted."""
        return []

    @abstractmethod
    def starting(self) -> Call:
        """What to call to start the unit that is installed."""

    @abstractmethod
    def asking(self) -> Call:
        """What to call to be told of the unit."""

    @abstractmethod
    def condition(self, ran: Ran) -> Condition:
        """What the answer to `asking` says."""

    @abstractmethod
    def notes(self) -> list[str]:
        """What is to be known once the unit is installed."""

    def advice(self, said: str) -> str:
        """The step that mends what the tool said where it serves nobody; empty of anything else that it may say."""
        del said
        return ""


def user_name() -> str:
    """The name of the user, or where there is none the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
