"""A bus whose events are applied inside a span, where they belong to a trace.

Must not know who records traces, nor what applying does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import tracing
from common.messaging.around import BusAround

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.contracts.events import Event
    from common.messaging.bus import Bus


def traced(bus: Bus) -> Bus:
    """Return the bus itself while nothing is traced: then events pass through nobody's hands."""
    return BusAround(bus, _in_a_span) if tracing.is_on() else bus


def _in_a_span(event: Event, pass_on: Callable[[Event], None]) -> None:
    with tracing.recorded(
        f"apply {event.counter.kind}",
        tracing.Kind.CONSUMER,
        under=event.trace,
        attributes={"burgee.revision": event.revision, "burgee.position": event.position},
    ):
        pass_on(event)
