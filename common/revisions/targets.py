"""What can be asked of the owner of the data, and what may come back from asking."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from common.contracts.environments import AccountRecord, EnvironmentSnapshot
    from common.contracts.events import Event

PENDING_EVENTS: Final = 256
PENDING_BYTES: Final = 1 << 20


class Target(NamedTuple):
    """An environment or an account by its id, or an account by the hash of a key (kind ``key``)."""

    kind: Literal["environment", "account", "key"]
    id: str


class Loaded(enum.Enum):
    """What the answer to a load was worth."""

    FOUND = "found"
    ABSENT = "absent"
    #: The answer is older than what is known here, or of another epoch: ask again.
    AGAIN = "again"


class Ticket:
    """A load under way: what was known when it began, and the events that arrived since.

    ``fence`` is the replica's when it began; while it still is, an answer of *none* may be believed.
    ``value`` is what was found, set when the load ends: it may be held no longer than that.
    """

    __slots__ = ("bytes", "fence", "pending", "position", "revision", "target", "value")

    def __init__(self, target: Target, fence: int, position: int, revision: int) -> None:
        self.target = target
        self.fence = fence
        self.position = position
        self.revision = revision
        self.pending: list[Event] = []
        self.bytes = 0
        self.value: EnvironmentSnapshot | AccountRecord | None = None

    def keep(self, event: Event) -> None:
        """Keep an event for the answer to come; too many are dropped, which costs another load."""
        self.bytes += _size(event)
        if len(self.pending) >= PENDING_EVENTS or self.bytes > PENDING_BYTES:
            self.pending.clear()
        else:
            self.pending.append(event)


def _size(event: Event) -> int:
    states = getattr(event.data, "states", ())
    return 256 + sum(256 + len(each.value or b"") + len(each.strategies or b"") for each in states)
