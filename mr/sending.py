"""Sends what has a position to the bus, in order, and says with heartbeats how far it is.

Only the relay's holder sends. A row counts as published when the bus confirmed it, and not before: what is
not certain is sent again, for as long as it takes, and waits in the log meanwhile, never in memory. Must not
know how positions are given, nor what carries the events.
"""

from __future__ import annotations

import asyncio
import collections
import random
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from common import tracing
from common.contracts.events import Heartbeat
from common.errors import Unavailable
from mr.db.lease import LeaseLost, mark
from mr.db.models.delivery import ACCOUNT, ENVIRONMENT
from mr.db.snapshots import load_log, load_place, load_published, logged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Row

    from common.contracts.events import LoggedEvent
    from common.messaging.bus import Publisher
    from mr.db.session import Database

_log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS: Final = 2.0
LEAST_BETWEEN_BEATS: Final = 0.05
"""Of heartbeats that were asked for: many processes ask at once when the bus is back."""
BEAT_AFTER_EVENTS: Final = 0.25
"""A loss at the end of a burst is seen by the next heartbeat only."""
LOOK_SECONDS: Final = 0.1
"""How soon an end of waiting is seen that nobody tells of: a connection, a lease."""
LONGEST_PAUSE_SECONDS: Final = 1.0
BATCH: Final = 1_000
OFFERED: Final = 4_000
"""Rows that may wait in memory, each of some kilobytes at most; what is more is read from the log again."""


class BusUnavailable(Unavailable):
    """The bus, and not the database, is away."""


class Leadership(Protocol):
    """The relay, as its sender sees it."""

    @property
    def sending_term(self) -> int | None:
        """The term under which may be sent now; None while this is not certainly the relay."""

    @property
    def position(self) -> int:
        """The last position that this relay gave or found."""

    def lost(self, term: int) -> None:
        """The lease of this term is somebody else's."""


class RelayMetrics:
    """What a relay tells of itself; all is 0 where it does not lead."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leads = Gauge("burgee_relay_leads", "1 while this process is the relay", registry=registry)
        self.term = Gauge("burgee_relay_term", "Term of the lease that this process has", registry=registry)
        self.position = Gauge("burgee_relay_position", "Last position known to be given", registry=registry)
        self.published = Gauge(
            "burgee_relay_published_position", "Last position that is known as published", registry=registry
        )
        self.backlog = Gauge(
            "burgee_relay_backlog_rows", "Committed changes that are not published", registry=registry
        )
        self.oldest = Gauge(
            "burgee_relay_oldest_unpublished_seconds",
            "Age of the oldest committed change that is not published",
            registry=registry,
        )
        self.latency = Histogram(
            "burgee_relay_publish_seconds",
            "From the commit of a change to its confirmation by the bus (without one: to its position)",
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
            registry=registry,
        )
        self.heartbeats = Counter("burgee_relay_heartbeats", "Heartbeats sent", registry=registry)
        self.failures = Counter(
            "burgee_relay_failures",
            "Attempts that failed, by what was missing",
            ["reason"],
            registry=registry,
        )
        for reason in ("database", "bus", "lease"):
            self.failures.labels(reason)
        self.revisions = Counter(
            "burgee_relay_revisions",
            "Revisions that were given a position, by what they are of",
            ["kind"],
            registry=registry,
        )
        for kind in (ENVIRONMENT, ACCOUNT):
            self.revisions.labels(kind)
        self.restores = Counter(
            "burgee_relay_restores", "Restored databases that were noticed", registry=registry
        )

    def note_given(self, kinds: Iterable[str]) -> None:
        """Changes of counters of these kinds have their positions now."""
        for kind, count in collections.Counter(kinds).items():
            self.revisions.labels(kind).inc(count)

    def note_published(self, created: Iterable[float]) -> None:
        """Changes written at these times are published now."""
        now = time.time()
        for each in created:
            self.latency.observe(max(0.0, now - each))


class _History(NamedTuple):
    """Within one of these positions mean one thing, and one process sends them."""

    term: int
    epoch: str


class _Offer(NamedTuple):
    """Rows that got their positions under this term, in order."""

    term: int
    rows: Sequence[Row[Any]]


class Sender:
    """One relay's way to the bus; `run` is its only task."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        *,
        leadership: Leadership,
        metrics: RelayMetrics,
        lease_milliseconds: int,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._leadership = leadership
        self._metrics = metrics
        self._lease_milliseconds = lease_milliseconds
        self._heartbeat_seconds = heartbeat_seconds
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._history: _History | None = None
        self._offered: collections.deque[_Offer] = collections.deque()
        self._published = 0
        self._beaten_at = float("-inf")
        self._beat_at = 0.0
        self._failures = 0
        self._refused = False

    @property
    def able(self) -> bool:
        """True while the way to the bus is open, as far as this end knows, and what was sent last got there.

        A bus may let a process in and not let it say anything.
        """
        return self._publisher.connected and not self._refused

    @property
    def published(self) -> int:
        """The last position up to which the bus confirmed everything; 0 while that was not looked up."""
        return self._published

    def wake(self) -> None:
        """There may be something to send."""
        self._woken.set()

    def offer(self, term: int, rows: Sequence[Row[Any]]) -> None:
        """These got their positions just now: when they are what comes next, they need not be read again."""
        if rows and sum(len(each.rows) for each in self._offered) + len(rows) <= OFFERED:
            self._offered.append(_Offer(term, rows))
        self._woken.set()

    def forget(self) -> None:
        """The database has another history: read where it stands before anything more is sent."""
        self._history = None
        self._offered.clear()
        self._woken.set()

    def stop(self) -> None:
        """Finish the batch in work, and send no more."""
        self._stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Send whatever there is whenever that is possible, until stopped."""
        stop_hearing = self._publisher.on_sync(self._asked)
        try:
            while not self._stopping.is_set():
                # Cleared before looking: a wake-up meanwhile means another look.
                self._woken.clear()
                await self._turn()
        finally:
            stop_hearing()

    async def _turn(self) -> None:
        term = self._leadership.sending_term
        if term is None or not self._publisher.connected:
            # Whoever waits for a sign of life gets it as soon as there can be one.
            self._beat_at = 0.0
            await self._wait(LOOK_SECONDS)
            return
        left = self._beat_at - time.monotonic()
        if left > 0 and not self._has_more(term):
            await self._wait(left)
            return
        try:
            await self._send(term)
            self._failures = 0
        except LeaseLost:
            self._leadership.lost(term)
        except Unavailable as error:
            await self._fail(error)

    def _has_more(self, term: int) -> bool:
        if self._history is None or self._history.term != term:
            return True
        return self._leadership.position > self._published

    async def _send(self, term: int) -> None:
        """Send one batch, if there is one, and a heartbeat behind it, if it is time."""
        events, history = self._take_offered(term) or await self._read(term)
        if events:
            with self._of_the_bus(), _recorded(events) as sent:
                await self._publisher.publish(sent)
            upto = events[-1].position
            await mark(
                self._database,
                term,
                after=self._published,
                upto=upto,
                lease_milliseconds=self._lease_milliseconds,
            )
            self._moved(upto)
            self._metrics.note_published(each.time for each in events)
            self._beat_at = min(self._beat_at, time.monotonic() + BEAT_AFTER_EVENTS)
        if time.monotonic() >= self._beat_at:
            heartbeat = Heartbeat(term=term, epoch=history.epoch, position=self._published)
            with self._of_the_bus():
                await self._publisher.beat(heartbeat)
            self._metrics.heartbeats.inc()
            self._beaten_at = time.monotonic()
            self._beat_at = self._beaten_at + self._heartbeat_seconds

    def _take_offered(self, term: int) -> tuple[list[LoggedEvent], _History] | None:
        """What was offered, if it is all that comes next; the term was checked when it got its positions."""
        history = self._history
        while history is not None and self._offered:
            offer = self._offered.popleft()
            if not offer.term == term == history.term or offer.rows[0].position <= self._published:
                continue
            if offer.rows[0].position != self._published + 1:
                # What is missing before these has to be read; they may be what comes next then.
                self._offered.appendleft(offer)
                return None
            if any(row.payload is None for row in offer.rows):
                return None
            return [logged(row, term=term, epoch=history.epoch) for row in offer.rows], history
        return None

    async def _read(self, term: int) -> tuple[list[LoggedEvent], _History]:
        """Read what comes next, in the snapshot that says that this is still the relay."""
        async with self._database.read() as session:
            place = await load_place(session, self._database)
            if place.term != term:
                raise LeaseLost
            history = _History(term, place.epoch)
            if history != self._history:
                self._moved(await load_published(session, place))
                self._history = history
                self._beat_at = 0.0
            return await load_log(session, place, self._published, BATCH), history

    def _moved(self, published: int) -> None:
        self._published = published
        self._metrics.published.set(published)

    def _asked(self) -> None:
        soonest = max(time.monotonic(), self._beaten_at + LEAST_BETWEEN_BEATS)
        self._beat_at = min(self._beat_at, soonest)
        self._woken.set()

    async def _fail(self, error: Unavailable) -> None:
        reason = "bus" if isinstance(error, BusUnavailable) else "database"
        self._metrics.failures.labels(reason).inc()
        self._failures += 1
        if self._failures == 1:
            _log.warning("relay.cannot_send", reason=reason, detail=str(error))
        longest = min(LONGEST_PAUSE_SECONDS, LOOK_SECONDS * 2 ** min(self._failures, 8))
        pause = random.uniform(LOOK_SECONDS / 2, longest)  # noqa: S311 (spreads load, hides nothing)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stopping.wait()

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    @contextmanager
    def _of_the_bus(self) -> Iterator[None]:
        try:
            yield
        except Unavailable as error:
            self._refused = True
            raise BusUnavailable(str(error)) from error
        self._refused = False


@contextmanager
def _recorded(events: Sequence[LoggedEvent]) -> Iterator[Sequence[LoggedEvent]]:
    """Record the sending of the events that belong to a trace; what others do with them comes below it."""
    if not tracing.is_on() or not any(each.trace for each in events):
        yield events
        return
    now, spans, sent = time.time(), [], []
    for event in events:
        span = _span(event, now) if event.trace else None
        if span is not None:
            spans.append(span)
        sent.append(event if span is None else msgspec.structs.replace(event, trace=span.context))
    try:
        yield sent
    except Exception as error:
        for span in spans:
            span.fail(type(error).__name__)
        raise
    finally:
        for span in spans:
            span.end()


def _span(event: LoggedEvent, now: float) -> tracing.Span | None:
    return tracing.begin(
        f"publish {event.counter.kind}",
        tracing.Kind.PRODUCER,
        under=event.trace,
        attributes={
            "burgee.event.type": event.type,
            "burgee.revision": event.revision,
            "burgee.position": event.position,
            "burgee.outbox_seconds": max(0.0, now - event.time),
        },
    )
