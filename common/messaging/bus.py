"""What a consumer of changes may rely on, whatever carries them.

A bus is only speed: truth is in MR's log, and whoever listens notices by position what it did not get
(`common.revisions`). So the promises are few, and every implementation passes one suite
(`tests/contract/test_bus.py`). Must not know caches, databases or HTTP.

The other half of a bus (the relay that sends, look-ups between processes) belongs to the bus between
processes; inside one process events are read where the relay put them, and look-ups are calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from common.contracts.events import Event, Heartbeat


class Subscriber(Protocol):
    """Whoever keeps copies true. Called on the loop, one call at a time; returns at once, never raises."""

    def on_event(self, event: Event) -> None:
        """One change. May be a repetition, late, or the first after a loss."""

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        """How far the relay is; it was sent after every event up to its position, on the same way."""

    def on_disconnected(self) -> None:
        """What is sent from now on may be lost, until a heartbeat arrives again."""


class Bus(Protocol):
    """Carries every event and heartbeat of one MR to every subscriber, through one subscription.

    - On one subscription events and heartbeats arrive in the order in which the relay sent them, as
      long as it lasts; across a disconnection, or from several relays, in any order.
    - Events may be lost or repeated; a heartbeat shows a loss, for it names the last position sent.
    - A heartbeat comes at least every `heartbeat_seconds` while MR's relay and the way to it work.
      When they do not, nothing comes: silence is the only sign that a subscriber can trust.
    - Nothing is queued without bound for a subscriber that is slow: what it cannot take is lost, and so
      noticed.
    """

    @property
    def heartbeat_seconds(self) -> float:
        """The longest time between heartbeats when all is well."""

    def subscribe(self, subscriber: Subscriber) -> AbstractAsyncContextManager[None]:
        """Deliver to ``subscriber`` until left; what was sent before is not delivered.

        Entering does not wait for the other side: a process starts also when the bus is down. Whatever
        breaks for good inside breaks the ``async with`` block too.
        """

    def sync(self) -> None:
        """Ask for a heartbeat as soon as can be, instead of within `heartbeat_seconds`."""
