"""What a guarantee test did and found: edits made, faults injected, seconds to converge, and what was lost.

The tools that edit, hurt and judge write here, so a test cannot forget to. One ledger is open at a time:
a run of the guarantees opens one for each test and prints them all as a table.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Ledger:
    """The account of one test."""

    changes: int = 0
    faults: int = 0
    lost: int = 0
    backward: int = 0
    loads: float = 0
    """Questions for environments and accounts that reached MR because of the fault."""
    seconds: list[float] = field(default_factory=list)
    """From the end of a fault (or edit) until everybody held what is stored."""

    def changed(self, count: int = 1) -> None:
        """Edits that MR acknowledged."""
        self.changes += count

    def fault(self, count: int = 1) -> None:
        self.faults += count

    def stepped_back(self, count: int = 1) -> None:
        """A version fell, or what was gone came back, for somebody."""
        self.backward += count

    def missed(self, count: int = 1) -> None:
        """Somebody does not hold what is stored, and time is up."""
        self.lost += count

    def loaded(self, count: float) -> None:
        self.loads += count

    def converged(self, seconds: float) -> None:
        self.seconds.append(seconds)


_open = Ledger()


def ledger() -> Ledger:
    """Answer the one that is open now."""
    return _open


def open_ledger() -> Ledger:
    """Begin a new account."""
    global _open  # noqa: PLW0603 - one account at a time is the meaning of this module
    _open = Ledger()
    return _open


def changes_of(method: str, body: Any) -> int:
    """Answer how many edits a successful call of the management API made."""
    if method == "GET":
        return 0
    return len(body) if isinstance(body, list) else 1
