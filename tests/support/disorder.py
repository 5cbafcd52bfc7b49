"""A bus that repeats, delays and reorders: what a network with several ways would do.

Stands at the `Bus` protocol in front of a real one. It breaks none of the bus's promises but the order,
which the protocol itself does not promise across disconnections, and it loses nothing for good.
"""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from common.contracts.events import Event, Heartbeat
from common.messaging.bus import Bus, Subscriber
from tests.support.ledger import ledger

REMEMBERED = 200
LONGEST_HELD = 6


class DisorderlyBus:
    """Passes everything on, some of it later, again, or in another order; asked to, also the past."""

    def __init__(self, bus: Bus, dice: random.Random) -> None:
        self.repeated = 0
        self.reordered = 0
        self.heartbeats = 0
        self.disorderly = True
        self.heard: list[Event] = []
        self._bus = bus
        self._random = dice
        self._held: list[Event] = []
        self._holding: Callable[[Event], object] = lambda _: False
        self.subscribers: list[Subscriber] = []

    @property
    def heartbeat_seconds(self) -> float:
        return self._bus.heartbeat_seconds

    def sync(self) -> None:
        self._bus.sync()

    def subscribe(self, subscriber: Subscriber) -> AbstractAsyncContextManager[None]:
        return self._subscribe(subscriber)

    @asynccontextmanager
    async def _subscribe(self, subscriber: Subscriber) -> AsyncIterator[None]:
        self.subscribers.append(subscriber)
        async with self._bus.subscribe(_Between(self, subscriber)):
            yield
        self.subscribers.remove(subscriber)

    def keep(self, matching: Callable[[Event], object]) -> None:
        """Keep events of this kind back from now on, until they are `replay`ed."""
        self._holding = matching

    def replay(self, matching: Callable[[Event], object] = lambda _: True) -> int:
        """Say again whatever was heard of this kind, oldest first; answer how much that was."""
        ledger().fault()
        again = [event for event in self.heard if matching(event)]
        for subscriber in self.subscribers:
            for event in again:
                subscriber.on_event(event)
        self.repeated += len(again)
        return len(again)

    def take(self, event: Event, subscriber: Subscriber) -> None:
        """Pass one event on, or hold it for a while; then perhaps something from the past."""
        self.heard = [*self.heard[-REMEMBERED:], event]
        if self._holding(event):
            return
        self._held.append(event)
        if not self.disorderly:
            self.let_go(subscriber)
            return
        if len(self._held) < LONGEST_HELD and self._random.random() < 0.6:
            return
        self.let_go(subscriber)
        if self._random.random() < 0.8:
            past = self._random.choices(self.heard, k=3)
            self.repeated += len(past)
            for each in past:
                if not self._holding(each):
                    subscriber.on_event(each)

    def overtake(self, heartbeat: Heartbeat, subscriber: Subscriber) -> None:
        """Pass a heartbeat on ahead of what is held, as from another relay whose way is shorter."""
        self.heartbeats += 1
        subscriber.on_heartbeat(heartbeat)
        if self._random.random() < 0.4:
            self.let_go(subscriber)

    def let_go(self, subscriber: Subscriber) -> None:
        """Pass on what is held, in any order."""
        held, self._held = self._held, []
        if self.disorderly:
            ordered = list(held)
            self._random.shuffle(held)
            if held != ordered:
                self.reordered += 1
                ledger().fault()
        for event in held:
            subscriber.on_event(event)


class _Between:
    """What the real bus sees: it makes disorder before the subscriber."""

    def __init__(self, disorder: DisorderlyBus, subscriber: Subscriber) -> None:
        self._disorder = disorder
        self._subscriber = subscriber

    def on_event(self, event: Event) -> None:
        self._disorder.take(event, self._subscriber)

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        self._disorder.overtake(heartbeat, self._subscriber)

    def on_disconnected(self) -> None:
        self._subscriber.on_disconnected()
