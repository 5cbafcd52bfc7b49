"""A bus whose events are applied inside a span, where they belong to a trace.

Must not know who records traces, nor what applying does.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from common import tracing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from common.contracts.events import Event, Heartbeat
    from common.messaging.bus import Bus, Subscriber


def traced(bus: Bus) -> Bus:
    """Return the bus itself while nothing is traced: then events pass through nobody's hands."""
    return TracedBus(bus) if tracing.is_on() else bus


class TracedBus:
    """Satisfies `common.messaging.bus.Bus`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    @property
    def heartbeat_seconds(self) -> float:
        return self._bus.heartbeat_seconds

    def sync(self) -> None:
        self._bus.sync()

    @asynccontextmanager
    async def subscribe(self, subscriber: Subscriber) -> AsyncIterator[None]:
        async with self._bus.subscribe(_Tracing(subscriber)):
            yield


class _Tracing:
    """Satisfies `Subscriber`."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber

    def on_event(self, event: Event) -> None:
        with tracing.recorded(
            f"apply {event.counter.kind}",
            tracing.Kind.CONSUMER,
            under=event.trace,
            attributes={"burgee.revision": event.revision, "burgee.position": event.position},
        ):
            self._subscriber.on_event(event)

    def on_heartbeat(self, heartbeat: Heartbeat) -> None:
        self._subscriber.on_heartbeat(heartbeat)

    def on_disconnected(self) -> None:
        self._subscriber.on_disconnected()
