"""What a consumer of changes may rely on, whatever carries them.

A bus is only speed: truth is in MR's log, and whoever listens notices by position what it did not get
(`common.revisions`). So the promises are few, and every implementation passes one suite
(`tests/contract/test_bus.py`). Must not know caches, databases or HTTP.

`Bus` is what a cache needs. `Publisher` (for the relay) and `Requests` (for look-ups, updates and reports)
exist only between processes; inside one, events are read where the relay put them, and look-ups are calls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from common.contracts.events import Event, Heartbeat, LoggedEvent
    from common.contracts.reports import Report


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


class Publisher(Protocol):
    """The relay's side of a bus. Nothing is kept for later: what could not be sent, the relay sends again."""

    @property
    def connected(self) -> bool:
        """True while sending makes sense at all."""

    async def publish(self, events: Sequence[LoggedEvent]) -> None:
        """Send in this order, and return when the servers have taken all of them.

        Raises `Unavailable` when that is not certain (not connected, connection lost meanwhile, no
        confirmation in time): then any part of it may have been delivered, and all of it is sent again.
        An event too big for the bus goes as a pointer.
        """

    async def beat(self, heartbeat: Heartbeat) -> None:
        """Send a heartbeat after everything published before it, on the same way; confirmed as events are.

        Raises `Unavailable` when it is not certain that the servers have it.
        """

    def on_sync(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` whenever somebody asks for a heartbeat; call the result to stop."""


Handler = Callable[[bytes], Awaitable[bytes]]
"""Answers a question. `Unavailable` is told to whoever asked, as what it is."""


class Requests(Protocol):
    """Questions and reports between processes, by word: ``dacha``, ``dacha.<instance>``, ``update``."""

    @property
    def connected(self) -> bool:
        """True while asking makes sense at all."""

    async def request(self, word: str, question: bytes, *, seconds: float) -> bytes:
        """Ask one of those that serve the word.

        Raises `Unavailable`: nobody there, no answer in time, not connected (at once, nothing is kept), or
        the other side's own word.
        """

    def serve(self, word: str, handler: Handler, *, at_once: int = 64) -> AbstractAsyncContextManager[None]:
        """Answer questions until left; one of all those that serve a word gets each question.

        ``at_once`` bounds the questions in work; more wait at the bus, within its bounds. Leaving waits for
        those in work.
        """

    async def report(self, report: Report) -> None:
        """Tell all who listen; lost without a sign when the bus is down."""

    def on_report(self, told: Callable[[Report], None]) -> AbstractAsyncContextManager[None]:
        """Call ``told`` with every report (one's own included) until left."""
