"""What a check found: one line each, with what to do. Knows no part of the product."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: nothing to do; works, but look at it; does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """``what`` names the thing and what is true of it; ``todo`` is empty where nothing is to be done."""

    level: Level
    what: str
    todo: str = ""

    def __str__(self) -> str:
        return f"{self.level:<4} {self.what}" + (f" – {self.todo}" if self.todo else "")

    def members(self) -> dict[str, str]:
        """The same for programs."""
        return {"level": self.level.value.lower(), "what": self.what, "todo": self.todo}


def ok(what: str) -> Finding:
    return Finding(Level.OK, what)


def warn(what: str, todo: str) -> Finding:
    return Finding(Level.WARN, what, todo)


def fail(what: str, todo: str) -> Finding:
    return Finding(Level.FAIL, what, todo)


def good(findings: Iterable[Finding]) -> bool:
    """True when nothing keeps the process from working."""
    return all(each.level is not Level.FAIL for each in findings)
