"""The life of one stream: `ack`, `features`, differences, heartbeats, `bye`.

`Life` is a machine without a task: told the time, it says what to send next and when to be asked again.
Whoever drives it, over whichever transport, asks for the next thing only when the client has room for it.
Knows neither HTTP nor how bytes reach the client.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from common.contracts.environments import SdkKey
from common.errors import Unavailable
from common.evaluation.context import EvaluationContext
from edge import frames
from edge.access import Access
from edge.frames import Said
from edge.hub import Hub, Stream
from edge.limits import Holds
from edge.lookups import Lookup, Lookups, Outcome
from edge.source import FeatureSource
from edge.usage import Tally, Usage

# How long an SDK that wants a status instead of an event may wait for it.
STATUS_SECONDS: Final = 2.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 1.0
# However close a time rule's moment seems, a stream looks no more often than this.
_CLOSEST_LOOK_SECONDS: Final = 0.02
# The last share of a drain is for those whose environment is still being loaded.
_DRAIN_SPREAD: Final = 0.9
_NEVER: Final = float("inf")
# Of the silence that a visitor bears: a heartbeat that is a little late is still in time.
_SHARE_OF_PATIENCE: Final = 0.7

ACK: Final = Said(frames.ACK)
BYE: Final = Said(frames.BYE)
_HEARTBEAT: Final = Said(frames.HEARTBEAT)
_FAILURE: Final = Said(frames.FAILURE)


class StreamTimes(Protocol):
    """How long things take, in seconds; `EdgeSettings` has them."""

    @property
    def stream_seconds(self) -> float:
        """A stream's life, more or less a fifth; 0 = no end."""

    @property
    def heartbeat_seconds(self) -> float:
        """The longest silence, more or less a seventh."""

    @property
    def unknown_key_hold_seconds(self) -> float:
        """How long a stream with an unknown key stays open."""


class Visitor(NamedTuple):
    """Who opens a stream; ``key`` None = what was sent cannot be a key.

    ``patience_seconds`` is how long it bears silence, if that is shorter than others do.
    """

    key: SdkKey | None
    context: EvaluationContext
    caller: str
    patience_seconds: float = _NEVER


class Life:
    """One stream, from its beginning to its end: waiting for its features, live, or held for nothing.

    Ask for `next` whenever it was woken or is `due`, until that is None; say `handed_over` after each
    thing was sent; end it (`close`) when it is `over`, or when the client left. SDKs that lose their
    first stream too early give up for good, so it waits until its key is known for sure.
    """

    __slots__ = (
        "_admitted",
        "_asks_at",
        "_ends_at",
        "_gives_up_at",
        "_heartbeat_seconds",
        "_held_until",
        "_kept",
        "_lookup",
        "_pause_seconds",
        "_silence",
        "_streams",
        "_visitor",
        "has_changed",
        "over",
        "spoke_at",
        "stream",
        "wake",
    )

    def __init__(self, streams: "Streams", visitor: Visitor, wake: Callable[[], None], now: float) -> None:
        self.over = False
        self.has_changed = False
        """True when what is `due` changed by other than what was said."""
        self.stream: Stream | None = None
        self.wake = wake
        self._streams = streams
        self._visitor: Visitor | None = visitor
        self._admitted = False
        self._lookup: Lookup | None = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._asks_at = now
        self._held_until: float | None = None
        self._kept = ""
        self._gives_up_at = _NEVER
        self._ends_at = _NEVER
        self._heartbeat_seconds = min(
            streams.times.heartbeat_seconds, visitor.patience_seconds * _SHARE_OF_PATIENCE
        )
        if streams.times.stream_seconds > 0:
            share = 0.8 + 0.4 * random.random()  # noqa: S311 - spreads reconnects, nothing secret
            self._ends_at = now + streams.times.stream_seconds * share
        self._spoke(now)

    def next(self, now: float, wall: float) -> Said | None:
        """Return what to send next, None = nothing yet; ``now`` is monotonic, ``wall`` the clock's time."""
        stream = self.stream
        if stream is not None:
            return self._live(stream, now, wall)
        if self._held_until is not None:
            self.over = now >= min(self._held_until, self._ends_at, self._gives_up_at)
            return None
        if self._visitor is None or now >= self._gives_up_at:
            self.over = True
            return BYE
        return self._wait(self._visitor, now, wall)

    def handed_over(self) -> None:
        """Note that what `next` gave last is with the transport."""
        if self.stream is not None:
            self.stream.handed_over()

    def due(self, now: float, wall: float) -> float:
        """When to ask for `next` even if nothing wakes it."""
        self.has_changed = False
        speaks_at = self.spoke_at + self._silence
        if self.stream is not None:
            due = min(speaks_at, self._ends_at)
            changes_at = self.stream.changes_at
            if changes_at is not None:
                due = min(due, now + max(_CLOSEST_LOOK_SECONDS, changes_at - wall))
            return due
        if self._held_until is not None:
            return min(self._held_until, self._ends_at, self._gives_up_at)
        asks_at = self._asks_at if self._lookup is None else _NEVER
        return min(speaks_at, asks_at, self._gives_up_at)

    def leave_by(self, moment: float, last: float) -> None:
        """End at ``moment``, or at ``last`` if the client has not had its features until then."""
        self._ends_at = min(self._ends_at, moment)
        self._gives_up_at = last
        self.has_changed = True
        self.wake()

    def close(self) -> None:
        """Leave everything behind; once."""
        self.over = True
        lookup, self._lookup = self._lookup, None
        if lookup is not None:
            self._streams.lookups.leave(lookup, self)
        if self.stream is not None:
            self._streams.leave(self.stream)
            self.stream = None
        elif self._visitor is not None:
            if self._held_until is not None:
                self._streams.holds.end(self._visitor.caller)
            if self._visitor.key is not None:
                self._release(self._visitor.key)
        self._visitor = None
        self._streams.ended(self)

    def _live(self, stream: Stream, now: float, wall: float) -> Said | None:
        if not stream.revoked:
            step = stream.take(wall)
            if step is not None:
                self.spoke_at = now
                self._streams.usage.events.count += step.events
                return step
            stream.handed_over()
            if now < self._ends_at:
                return self._heartbeat(now)
        self.over = True
        return BYE

    def _wait(self, visitor: Visitor, now: float, wall: float) -> Said | None:
        if visitor.key is None:
            return self._fail(visitor, now)
        lookup = self._lookup
        if lookup is None:
            if now >= self._asks_at:
                opening = self._join(visitor.key, visitor.context, now, wall)
                if opening is not None:
                    return opening
                self._ask(visitor.key, visitor.caller, now)
        elif lookup.outcome is not Outcome.PENDING:
            self._lookup = None
            if lookup.outcome is Outcome.ABSENT:
                return self._fail(visitor, now)
            if lookup.outcome is Outcome.FOUND:
                opening = self._join(visitor.key, visitor.context, now, wall)
                if opening is not None:
                    return opening
                self._keep(visitor.key, lookup.account_id)
            self._pause(now)
        return self._heartbeat(now)

    def _keep(self, key: SdkKey, account_id: str) -> None:
        """See to it that what was found stays at hand: a small cache has evicted it already."""
        if not self._kept:
            self._kept = account_id
            self._streams.keep(key.environment_id, account_id)

    def _release(self, key: SdkKey) -> None:
        if self._kept:
            self._streams.release(key.environment_id, self._kept)
            self._kept = ""

    def _ask(self, key: SdkKey, caller: str, now: float) -> None:
        # A stream asks once; that it has to ask again is not the caller's fault.
        self._admitted = self._admitted or self._streams.access.admit(key, caller)
        if self._admitted:
            self._lookup = self._streams.lookups.ask(key, self)
        else:
            self._pause(now)

    def _pause(self, now: float) -> None:
        """Wait before the next attempt, each time longer."""
        self._asks_at = now + self._pause_seconds * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load
        self._pause_seconds = min(self._pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    def _join(self, key: SdkKey, context: EvaluationContext, now: float, wall: float) -> Said | None:
        """Go live; None when what is needed is not at hand, even if it was found a moment ago."""
        stream = self._streams.join(key, context, self.wake)
        if stream is None:
            return None
        self._release(key)
        self.stream = stream
        self._visitor = None
        return self._live(stream, now, wall)

    def _fail(self, visitor: Visitor, now: float) -> Said:
        """Keep a useless stream open for a while: SDKs that are closed at once come back at once."""
        self._streams.usage.hit("stream", "unknown")
        if self._streams.holds.begin(visitor.caller):
            until = now + self._streams.times.unknown_key_hold_seconds
            self._held_until = min(until, self._gives_up_at)
        else:
            self.over = True
        return _FAILURE

    def _heartbeat(self, now: float) -> Said | None:
        if now < self.spoke_at + self._silence:
            return None
        self._spoke(now)
        return _HEARTBEAT

    def _spoke(self, now: float) -> None:
        share = (6 + 2 * random.random()) / 7  # noqa: S311 - spreads streams, nothing secret
        self.spoke_at = now
        self._silence = self._heartbeat_seconds * share


class Streams:
    """All streams of this Edge, what they share, and how they leave. `close` it at the end."""

    def __init__(
        self,
        *,
        source: FeatureSource,
        access: Access,
        hub: Hub,
        holds: Holds,
        usage: Usage,
        times: StreamTimes,
        tasks: asyncio.TaskGroup,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.access = access
        self.holds = holds
        self.usage = usage
        self.times = times
        self.clock = clock
        self.lookups = Lookups(access, tasks)
        self._source = source
        self.hub = hub
        self._lives: set[Life] = set()
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._empty = asyncio.Event()
        self._drains_until: float | None = None

    def __len__(self) -> int:
        return len(self._lives)

    async def is_unknown(self, visitor: Visitor) -> bool:
        """Return whether the key is certainly unknown; False also when that cannot be said soon."""
        if visitor.key is None:
            return True
        if not self.access.admit(visitor.key, visitor.caller):
            return False
        try:
            async with asyncio.timeout(STATUS_SECONDS):
                return await self.access.find(visitor.key) is None
        except (TimeoutError, Unavailable):
            return False

    def begin(self, visitor: Visitor, wake: Callable[[], None], now: float) -> Life:
        """Begin a stream that has sent `ACK`; ``wake`` is called when there may be news.

        It returns at once and does no I/O. Whoever begins one must `close` it.
        """
        life = Life(self, visitor, wake, now)
        self._lives.add(life)
        self.usage.stream_opened()
        if self._drains_until is not None:
            self._send_off(life, self._drains_until)
        return life

    async def frames(self, visitor: Visitor) -> AsyncGenerator[bytes, None]:
        """Yield the stream's bytes, in pieces of bounded size, until it ends: one task for one stream."""
        news = asyncio.Event()
        life = self.begin(visitor, news.set, time.monotonic())
        try:
            yield ACK.data
            while not life.over:
                news.clear()
                said = life.next(time.monotonic(), self.clock())
                if said is not None:
                    for piece in frames.pieces(said.data):
                        yield piece
                    life.handed_over()
                elif not life.over:
                    now = time.monotonic()
                    await _wait(news, life.due(now, self.clock()) - now)
        finally:
            life.close()

    def join(self, key: SdkKey, context: EvaluationContext, wake: Callable[[], None]) -> Stream | None:
        """Join the hub, and keep what the stream needs from being evicted; None = it is not at hand."""
        stream = self.hub.join(key, context, wake)
        if stream is None:
            return None
        self.keep(key.environment_id, stream.account_id).opened.count += 1
        return stream

    def leave(self, stream: Stream) -> None:
        """Undo one `join`."""
        self.hub.leave(stream)
        self.release(stream.key.environment_id, stream.account_id)

    def keep(self, environment_id: str, account_id: str) -> "_Kept":
        """Keep both from being evicted, until `release` was called as often; what is missing is loaded."""
        kept = self._kept.get((environment_id, account_id))
        if kept is None:
            kept = self._kept[environment_id, account_id] = _Kept(
                self._source.hold(environment_id, account_id),
                self.usage.tally("stream", "found", environment_id=environment_id, account_id=account_id),
            )
            kept.hold.__enter__()
        kept.streams += 1
        return kept

    def release(self, environment_id: str, account_id: str) -> None:
        """Undo one `keep`."""
        kept = self._kept[environment_id, account_id]
        kept.streams -= 1
        if not kept.streams:
            del self._kept[environment_id, account_id]
            kept.hold.__exit__(None, None, None)

    def ended(self, life: Life) -> None:
        """Forget it."""
        self._lives.remove(life)
        self.usage.stream_closed()
        if not self._lives:
            self._empty.set()

    async def drain(self, grace_seconds: float) -> None:
        """Say `bye` to all streams, spread over the time; return when all have left or it is over.

        Streams that have not had their features get them first, if they can be had.
        """
        self._drains_until = time.monotonic() + grace_seconds
        for life in tuple(self._lives):
            self._send_off(life, self._drains_until)
        try:
            async with asyncio.timeout(grace_seconds):
                while self._lives:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """Give up what is being looked up."""
        self.lookups.close()

    @staticmethod
    def _send_off(life: Life, until: float) -> None:
        now = time.monotonic()
        left = max(0.0, until - now)
        moment = now + left * random.uniform(0, _DRAIN_SPREAD)  # noqa: S311 - spreads reconnects
        life.leave_by(moment, now + left * (1 + _DRAIN_SPREAD) / 2)


class _Kept:
    """What streams of one account in one environment keep from being evicted, together."""

    __slots__ = ("hold", "opened", "streams")

    def __init__(self, hold: AbstractContextManager[None], opened: Tally) -> None:
        self.hold = hold
        self.opened = opened
        self.streams = 0


async def _wait(news: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await news.wait()
    except TimeoutError:
        return
