"""A bus's sending side (`common.messaging.bus.Publisher`) that remembers, waits and fails as told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from common.contracts.events import Heartbeat, LoggedEvent
from common.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class RecordingPublisher:
    """Takes what is sent into ``sent``, in order.

    While ``open`` is cleared it is a frozen server: what is published arrives, and is not confirmed. While
    ``fails`` it takes the first event of a batch and cannot say so.
    """

    def __init__(self) -> None:
        self.connected = True
        self.fails = False
        self.open = asyncio.Event()
        self.open.set()
        self.sent: list[LoggedEvent | Heartbeat] = []
        self.attempts = 0
        self._wakes: list[Callable[[], None]] = []

    @property
    def events(self) -> list[LoggedEvent]:
        return [each for each in self.sent if isinstance(each, LoggedEvent)]

    @property
    def heartbeats(self) -> list[Heartbeat]:
        return [each for each in self.sent if isinstance(each, Heartbeat)]

    @property
    def positions(self) -> list[int]:
        return [each.position for each in self.events]

    async def publish(self, events: Sequence[LoggedEvent]) -> None:
        self.attempts += 1
        if self.fails or not self.connected:
            self.sent.extend(events[:1] if self.connected else ())
            raise Unavailable("The bus did not confirm.")
        self.sent.extend(events)
        await self.open.wait()

    async def beat(self, heartbeat: Heartbeat) -> None:
        if self.fails or not self.connected:
            raise Unavailable("The bus is away.")
        self.sent.append(heartbeat)

    def on_sync(self, wake: Callable[[], None]) -> Callable[[], None]:
        self._wakes.append(wake)
        return lambda: self._wakes.remove(wake)

    def ask(self) -> None:
        """Somebody wants a heartbeat."""
        for wake in self._wakes:
            wake()
