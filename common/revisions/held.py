"""One held value with what is known about it, and who is told when it changes.

Must not know the rule that decides (`common.revisions.replica`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from common.contracts.environments import AccountRecord, EnvironmentSnapshot

if TYPE_CHECKING:
    from common.contracts.events import CounterId

Value = TypeVar("Value", EnvironmentSnapshot, AccountRecord)

UNPROVEN: Final = -1
"""Below every position: nothing is known of how current a value is."""


class Listener(Protocol):
    """Told of every swap, synchronously and in order; must return at once and never raise."""

    def environment_changed(self, environment_id: str, snapshot: EnvironmentSnapshot | None) -> None:
        """The environment is now ``snapshot``; None = it is gone for good."""

    def account_changed(self, record: AccountRecord) -> None:
        """The account is now ``record``, removed ones and reset keys included."""

    def wants_changed(self) -> None:
        """There may be something new to ask for."""

    def digest_mismatched(self, counter: CounterId) -> None:
        """What is held, or what came, is not what MR says it is; it is loaded again."""


class Held(Generic[Value]):
    """One value, and what is known about it. ``used`` is for the owner's eviction, nobody else's."""

    __slots__ = ("current", "position", "since", "suspect", "used", "value")

    def __init__(self, value: Value, now: float) -> None:
        self.value: Value = value
        #: Everything about it up to here is in it, whatever else is the matter.
        self.position = UNPROVEN
        #: False = from an earlier epoch: its revision means nothing any more.
        self.current = True
        #: True = something newer may exist.
        self.suspect = False
        #: When a suspect was last known to be true, or else when it was last proven by a load.
        self.since = now
        self.used = True


AnyHeld = Held[EnvironmentSnapshot] | Held[AccountRecord]
