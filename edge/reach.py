"""How far each change has come at this Edge: how many streams it concerned, how many were sent it, how late.

A stream is sent differences between snapshots, not events; so changes are numbered here as they are
swapped in, and a stream that was sent all up to a number was sent every change in between. Must not know
transports, nor who hears of this.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final, NamedTuple

from common import tracing
from common.contracts.reports import Reach
from common.messaging.around import BusAround
from edge.lateness import Lateness

if TYPE_CHECKING:
    from collections.abc import Callable

    from common.contracts.events import Event
    from common.contracts.traces import TraceContext
    from common.messaging.bus import Bus

CHANGES_REMEMBERED: Final = 200
EVENTS_REMEMBERED: Final = 1_024
"""An event may be applied later than it came: when a load ends, or a hole is closed."""


class _Heard(NamedTuple):
    """What the log says of a change."""

    position: int
    committed: float
    trace: TraceContext | None = None


class _Change:
    """One change of one environment on its way to the streams that were open then."""

    __slots__ = (
        "committed",
        "environment_id",
        "number",
        "position",
        "reached",
        "revision",
        "slowest",
        "span",
        "streams",
    )

    def __init__(self, number: int, environment_id: str, revision: int, heard: _Heard, streams: int) -> None:
        self.number = number
        self.environment_id = environment_id
        self.revision = revision
        self.position = heard.position
        self.committed = heard.committed
        self.streams = streams
        self.reached = 0
        self.slowest = 0.0
        self.span = None if heard.trace is None else self._begun(heard.trace)

    def _begun(self, trace: TraceContext) -> tracing.Span | None:
        """Record the fan-out: from now until the last stream was sent the change, or is no more."""
        here = tracing.here()
        return tracing.begin(
            "fan out",
            tracing.Kind.INTERNAL,
            # Below its being applied, when that is what goes on: it may come with somebody's look-up, too.
            under=here if here is not None and here.trace_id == trace.trace_id else trace,
            attributes={"burgee.streams": self.streams, "burgee.revision": self.revision},
        )

    def progressed(self, *, forgotten: bool = False) -> None:
        """End what is recorded when there is nothing to wait for any more."""
        if self.span is None or (self.reached < self.streams and not forgotten):
            return
        self.span.note(
            {"burgee.streams.reached": self.reached, "burgee.slowest_milliseconds": 1_000 * self.slowest}
        )
        self.span.end()
        self.span = None


class ReachLog:
    """The latest changes that open streams were concerned by. Counting costs O(1) for each write.

    A stream counts for the changes that came while it was open; one that left before it was sent a
    change does not count for it any more. `on_change` is called when there is something new to tell.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.time, changes_remembered: int = CHANGES_REMEMBERED
    ) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.lateness = Lateness()
        self._clock = clock
        self._changes_remembered = changes_remembered
        self._number = 0
        self._heard = 0
        self._events: OrderedDict[tuple[str, int], _Heard] = OrderedDict()
        self._changes: deque[_Change] = deque()
        self._by_environment: dict[str, deque[_Change]] = {}

    @property
    def number(self) -> int:
        """The number of the latest change: what is sent now contains all up to it."""
        return self._number

    def heard(self, event: Event) -> None:
        """Note what the log says of a change, before it is swapped in."""
        self._heard = max(self._heard, event.position)
        if event.counter.kind == "environment":
            self._events[event.counter.id, event.revision] = _Heard(event.position, event.time, event.trace)
            if len(self._events) > EVENTS_REMEMBERED:
                self._events.popitem(last=False)
        self.on_change()

    def swapped(self, environment_id: str, revision: int, streams: int) -> None:
        """Note that an environment with that many streams is now at this revision.

        Of a revision that was loaded, since its event never came, the position is one that it does not
        exceed, and its time is now.
        """
        self._number += 1
        if not streams:
            return
        heard = self._events.get((environment_id, revision)) or _Heard(self._heard, self._clock())
        change = _Change(self._number, environment_id, revision, heard, streams)
        self.lateness.changes += 1
        self._changes.append(change)
        self._by_environment.setdefault(environment_id, deque()).append(change)
        if len(self._changes) > self._changes_remembered:
            self._forget(self._changes.popleft())
        self.on_change()

    def sent(self, environment_id: str, before: int, number: int, streams: int = 1) -> None:
        """Note that streams that had been sent all up to ``before`` were now sent all up to ``number``."""
        changes = self._by_environment.get(environment_id)
        if changes is None or changes[-1].number <= before:
            return
        now = self._clock()
        for change in reversed(changes):
            if change.number <= before:
                break
            if change.number <= number:
                late = now - change.committed
                change.reached += streams
                change.slowest = max(change.slowest, late)
                change.progressed()
                self.lateness.tell(late, streams)
        self.on_change()

    def left(self, environment_id: str, before: int) -> None:
        """Note that a stream left that had been sent all up to ``before``."""
        for change in reversed(self._by_environment.get(environment_id, ())):
            if change.number <= before:
                return
            change.streams -= 1
            change.progressed()
            self.on_change()

    def reaches(self) -> tuple[Reach, ...]:
        """What there is to tell, in the order of the positions."""
        told = (
            Reach(
                position=change.position,
                environment_id=change.environment_id,
                revision=change.revision,
                streams=change.streams,
                reached=change.reached,
                slowest_milliseconds=1_000 * change.slowest,
            )
            for change in self._changes
        )
        return tuple(sorted(told, key=lambda reach: reach.position))

    def _forget(self, change: _Change) -> None:
        change.progressed(forgotten=True)
        changes = self._by_environment[change.environment_id]
        changes.popleft()
        if not changes:
            del self._by_environment[change.environment_id]


def noted(bus: Bus, log: ReachLog) -> Bus:
    """Return a bus of which the log hears every event just before the subscriber does."""

    def note(event: Event, pass_on: Callable[[Event], None]) -> None:
        log.heard(event)
        pass_on(event)

    return BusAround(bus, note)
