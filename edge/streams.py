"""The life of one stream: `ack`, `features`, differences, heartbeats, `bye`.

Decides what is sent when, and when it ends. Knows neither HTTP nor how bytes reach the client; whoever
iterates takes the next piece only when the client has room for it.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from enum import Enum, auto
from typing import Final, NamedTuple, Protocol

from common.contracts.environments import SdkKey
from common.errors import Unavailable
from common.evaluation.context import EvaluationContext
from edge import frames
from edge.access import Access
from edge.hub import Hub, Stream
from edge.limits import Holds
from edge.source import FeatureSource
from edge.usage import Usage

# How long an SDK that wants a status instead of an event may wait for it.
STATUS_SECONDS: Final = 2.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 1.0
# However close a time rule's moment seems, a stream looks no more often than this.
_CLOSEST_LOOK_SECONDS: Final = 0.02
# The last share of a drain is for those whose environment is still being loaded.
_DRAIN_SPREAD: Final = 0.9


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
    """Who opens a stream; ``key`` None = what was sent cannot be a key."""

    key: SdkKey | None
    context: EvaluationContext
    caller: str


class _LookedUp(Enum):
    FOUND = auto()
    ABSENT = auto()
    NOT_YET = auto()


class Seat:
    """The clock of one stream: when it must speak, when it ends, and whether there is news."""

    def __init__(self, times: StreamTimes) -> None:
        self.admitted = False
        self._news = asyncio.Event()
        self._heartbeat_seconds = times.heartbeat_seconds
        self._pause = _FIRST_PAUSE_SECONDS
        self._speaks_at = 0.0
        self._ends_at = float("inf")
        self._gives_up_at = float("inf")
        if times.stream_seconds > 0:
            self._ends_at = time.monotonic() + times.stream_seconds * random.uniform(0.8, 1.2)  # noqa: S311
        self.spoke()

    def wake(self) -> None:
        """Say that there is news."""
        self._news.set()

    def listen(self) -> None:
        """Forget the news so far: what comes from now on ends the next `rest`."""
        self._news.clear()

    def spoke(self) -> None:
        """Note that something was sent: the next heartbeat is that much later."""
        share = random.uniform(6 / 7, 8 / 7)  # noqa: S311 - spreads streams, nothing secret
        self._speaks_at = time.monotonic() + self._heartbeat_seconds * share

    def leave_by(self, moment: float, last: float) -> None:
        """End at ``moment``, or at ``last`` if the client has not had its features until then."""
        self._ends_at = min(self._ends_at, moment)
        self._gives_up_at = last
        self.wake()

    @property
    def is_silent(self) -> bool:
        """True when a heartbeat is due."""
        return time.monotonic() >= self._speaks_at

    @property
    def is_over(self) -> bool:
        """True when a stream that has its features must end."""
        return time.monotonic() >= self._ends_at

    @property
    def must_give_up(self) -> bool:
        """True when even a stream that still waits for its features must end."""
        return time.monotonic() >= self._gives_up_at

    @property
    def patience(self) -> float:
        """How long something may take before this stream must do something else."""
        return max(0.0, min(self._speaks_at, self._gives_up_at) - time.monotonic())

    async def rest(self, seconds: float | None = None) -> None:
        """Return when there is news, something is due, or the time is over."""
        until = min(self._speaks_at, self._ends_at, self._gives_up_at) - time.monotonic()
        if seconds is not None:
            until = min(until, seconds)
        await self._wait(max(0.0, until))

    async def pause(self) -> None:
        """Wait before the next attempt, each time longer, never beyond what is due."""
        await self._wait(min(self._pause * random.uniform(0.5, 1.5), self.patience))  # noqa: S311
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)

    async def hold(self, seconds: float) -> None:
        """Stay for that long, or until the stream must end."""
        until = min(time.monotonic() + seconds, self._gives_up_at)
        while (left := min(until, self._ends_at, self._gives_up_at) - time.monotonic()) > 0:
            self.listen()
            await self._wait(left)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return


class Streams:
    """All streams of this Edge, and how they leave."""

    def __init__(
        self,
        *,
        source: FeatureSource,
        access: Access,
        hub: Hub,
        holds: Holds,
        usage: Usage,
        times: StreamTimes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._access = access
        self._hub = hub
        self._holds = holds
        self._usage = usage
        self._times = times
        self._clock = clock
        self._seats: set[Seat] = set()
        self._empty = asyncio.Event()
        self._drains_until: float | None = None

    def __len__(self) -> int:
        return len(self._seats)

    async def is_unknown(self, visitor: Visitor) -> bool:
        """Return whether the key is certainly unknown; False also when that cannot be said soon."""
        if visitor.key is None:
            return True
        if not self._access.admit(visitor.key, visitor.caller):
            return False
        try:
            async with asyncio.timeout(STATUS_SECONDS):
                return await self._access.find(visitor.key) is None
        except (TimeoutError, Unavailable):
            return False

    async def frames(self, visitor: Visitor) -> AsyncGenerator[bytes, None]:
        """Yield the stream's bytes, in pieces of bounded size, until it ends.

        Nothing is yielded as `features` before the key is known for sure, and the stream does not end
        before that either: SDKs that lose their first stream too early give up for good.
        """
        with self._seat() as seat:
            yield frames.ACK
            while not seat.must_give_up:
                looked_up = await self._look_up(visitor, seat)
                if looked_up is _LookedUp.FOUND:
                    with self._joined(visitor, seat) as stream:
                        if stream is None:
                            await seat.pause()
                            continue
                        async with aclosing(self._live(stream, seat)) as live:
                            async for piece in live:
                                yield piece
                        if stream.has_features:
                            return
                elif looked_up is _LookedUp.ABSENT:
                    self._usage.hit("stream", "unknown")
                    yield frames.FAILURE
                    await self._hold(visitor, seat)
                    return
                elif seat.is_silent:
                    seat.spoke()
                    yield frames.HEARTBEAT
            yield frames.BYE

    async def _look_up(self, visitor: Visitor, seat: Seat) -> _LookedUp:
        if visitor.key is None:
            return _LookedUp.ABSENT
        seat.listen()
        # A stream asks once; that it has to ask again is not the caller's fault.
        seat.admitted = seat.admitted or self._access.admit(visitor.key, visitor.caller)
        if seat.admitted:
            try:
                async with asyncio.timeout(seat.patience):
                    grant = await self._access.find(visitor.key)
            except TimeoutError:
                return _LookedUp.NOT_YET
            except Unavailable:
                pass
            else:
                return _LookedUp.ABSENT if grant is None else _LookedUp.FOUND
        await seat.pause()
        return _LookedUp.NOT_YET

    async def _live(self, stream: Stream, seat: Seat) -> AsyncGenerator[bytes, None]:
        while not stream.revoked:
            seat.listen()
            batch = stream.take(self._clock())
            if batch is not None:
                self._usage.events_sent(batch.events)
                for piece in frames.pieces(batch.parts):
                    yield piece
                seat.spoke()
            stream.handed_over()
            if seat.is_over:
                break
            if seat.is_silent:
                seat.spoke()
                yield frames.HEARTBEAT
            await seat.rest(self._until(stream.changes_at))
        if stream.has_features:
            yield frames.BYE

    def _until(self, changes_at: float | None) -> float | None:
        return None if changes_at is None else max(_CLOSEST_LOOK_SECONDS, changes_at - self._clock())

    async def _hold(self, visitor: Visitor, seat: Seat) -> None:
        """Keep a useless stream open for a while: SDKs that are closed at once come back at once."""
        with self._holds.hold(visitor.caller) as allowed:
            if allowed:
                await seat.hold(self._times.unknown_key_hold_seconds)

    @contextmanager
    def _joined(self, visitor: Visitor, seat: Seat) -> Iterator[Stream | None]:
        """Join the hub; None when what was found a moment ago is not at hand any more."""
        assert visitor.key is not None  # noqa: S101 - it was found
        stream = self._hub.join(visitor.key, visitor.context, seat.wake)
        if stream is None:
            yield None
            return
        self._usage.hit(
            "stream", "found", environment_id=stream.key.environment_id, account_id=stream.account_id
        )
        try:
            with self._source.hold(stream.key.environment_id, stream.account_id):
                yield stream
        finally:
            self._hub.leave(stream)

    @contextmanager
    def _seat(self) -> Iterator[Seat]:
        seat = Seat(self._times)
        self._seats.add(seat)
        self._usage.stream_opened()
        if self._drains_until is not None:
            self._send_off(seat, self._drains_until)
        try:
            yield seat
        finally:
            self._seats.remove(seat)
            self._usage.stream_closed()
            if not self._seats:
                self._empty.set()

    async def drain(self, grace_seconds: float) -> None:
        """Say `bye` to all streams, spread over the time; return when all have left or it is over.

        Streams that have not had their features get them first, if they can be had.
        """
        self._drains_until = time.monotonic() + grace_seconds
        for seat in self._seats:
            self._send_off(seat, self._drains_until)
        try:
            async with asyncio.timeout(grace_seconds):
                while self._seats:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            return

    @staticmethod
    def _send_off(seat: Seat, until: float) -> None:
        now = time.monotonic()
        left = max(0.0, until - now)
        moment = now + left * random.uniform(0, _DRAIN_SPREAD)  # noqa: S311 - spreads reconnects
        seat.leave_by(moment, now + left * (1 + _DRAIN_SPREAD) / 2)
