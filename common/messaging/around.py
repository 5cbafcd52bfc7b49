"""A bus whose events pass through somebody's hands on their way to the subscriber; all else is the bus's own.

Must not know what those hands do.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from common.contracts.events import Event, Heartbeat
    from common.messaging.bus import Bus, Subscriber

    Around = Callable[[Event, Callable[[Event], None]], None]
    """Is given each event, and how to pass it on: that it must do, once and before it returns."""


class BusAround:
    """Satisfies `common.messaging.bus.Bus`."""

    def __init__(self, bus: Bus, around: Around) -> None:
        self._bus = bus
        self._around = around

    @property
    def heartbeat_seconds(self) -> float:
        return self._bus.heartbeat_seconds

    def sync(self) -> None:
        self._bus.sync()

    @asynccontextmanager
    async def subscribe(self, subscriber: Subscriber) -> AsyncIterator[None]:
        async with self._bus.subscribe(_Surrounded(subscriber, self._around)):
            yield


class _Surrounded:
    """Satisfies `Subscriber`."""

    def __init__(self, subscriber: Subscriber, around: Around) -> None:
        self._subscriber = subscriber
        self._around = around

    def on_event(self, event: Event) -> None:
        self._around(event, self._subscriber.on_event)

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        self._subscriber.on_heartbeat(heartbeat)

    def on_disconnected(self) -> None:
        self._subscriber.on_disconnected()
