"""What one replica leaves to the next: values, and how far they are known to be true.

In memory only; `common.caching.state` writes it down. Times are of the replica's own clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from common.revisions.held import Held, Value

if TYPE_CHECKING:
    from common.contracts.environments import AccountRecord, EnvironmentSnapshot
    from common.contracts.events import CounterId
    from common.revisions.memory import Sighting


class Saved(NamedTuple):
    """A replica at one moment, or as it came to be while it was being copied: positions are lower bounds.

    ``heard_at``: when the log was last heard without a hole. ``sightings``: what ended, and what was seen
    beyond the position.
    """

    epoch: str
    term: int
    position: int
    blind_until: int
    heard_at: float | None
    complete: bool
    environments: list[Held[EnvironmentSnapshot]]
    accounts: list[Held[AccountRecord]]
    sightings: list[tuple[CounterId, Sighting]]


def copied(held: Held[Value]) -> Held[Value]:
    """A copy that stays as it is: values are immutable, what is known about them is not."""
    copy = Held(held.value, held.since)
    copy.position = held.position
    copy.current = held.current
    copy.suspect = held.suspect
    return copy
