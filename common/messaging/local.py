"""The bus inside one process: a tail of the positions in MR's log.

The log is the queue: this reads what got a position, in order, and hands it on. So two servers on one
database hear each other, a slow reader costs nothing, and nothing can be lost between commit and
delivery. Must not know the database: reading the log is passed in.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from common.contracts.events import Event, Heartbeat
from common.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from common.messaging.bus import Subscriber

_log = structlog.get_logger(__name__)

WORTH_A_WARNING: Final = 4
"""Failures in a row: fewer are what every start in the same process as the relay looks like."""


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """What follows a position in MR's log, read in one snapshot.

    ``events`` are the first ones after the position, in order and without holes, at most as many as
    were asked for. ``heartbeat`` says how far positions are assigned in that same snapshot, so events
    are missing at the end exactly when the last one's position is below the heartbeat's. ``complete``
    False = the log no longer reaches back to the position asked for.
    """

    events: list[Event]
    heartbeat: Heartbeat
    complete: bool = True


class LocalBus:
    """Satisfies `common.messaging.bus.Bus`.

    ``tail(after, limit)`` reads the log; when it raises `Unavailable` nothing is delivered, heartbeats
    included, and it is asked again: the subscriber hears silence, as it would of a bus whose relay is
    cut off. `wake` says that positions were assigned; polling finds them anyway (another server's, or
    a lost wake-up).
    """

    def __init__(
        self,
        tail: Callable[[int, int], Awaitable[Tail]],
        *,
        heartbeat_seconds: float = 2.0,
        poll_seconds: float = 0.2,
        batch: int = 500,
    ) -> None:
        self._tail = tail
        self._heartbeat_seconds = heartbeat_seconds
        self._poll_seconds = poll_seconds
        self._batch = batch
        self._subscriptions: list[_Subscription] = []

    @property
    def heartbeat_seconds(self) -> float:
        return self._heartbeat_seconds

    def wake(self) -> None:
        """Look at the log now; call on the loop that subscribed."""
        for each in self._subscriptions:
            each.wake()

    def sync(self) -> None:
        for each in self._subscriptions:
            each.sync()

    @asynccontextmanager
    async def subscribe(self, subscriber: Subscriber) -> AsyncIterator[None]:
        subscription = _Subscription(
            self._tail, subscriber, self._heartbeat_seconds, self._poll_seconds, self._batch
        )
        self._subscriptions.append(subscription)
        try:
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(subscription.run(), name="local-bus")
                try:
                    yield
                finally:
                    task.cancel()
        finally:
            self._subscriptions.remove(subscription)


class _Subscription:
    """One reader of the log: how far it is, and what it owes its subscriber."""

    def __init__(
        self,
        tail: Callable[[int, int], Awaitable[Tail]],
        subscriber: Subscriber,
        heartbeat_seconds: float,
        poll_seconds: float,
        batch: int,
    ) -> None:
        self._tail = tail
        self._subscriber = subscriber
        self._heartbeat_seconds = heartbeat_seconds
        self._poll_seconds = poll_seconds
        self._batch = batch
        self._woken = asyncio.Event()
        self._heartbeat_due = 0.0
        self._epoch: str | None = None
        self._position = 0
        self._failures = 0

    def wake(self) -> None:
        self._woken.set()

    def sync(self) -> None:
        self._heartbeat_due = 0.0
        self._woken.set()

    async def run(self) -> None:
        """Hand on what the log holds, for ever."""
        while True:
            # Cleared before reading: a wake-up during the read means another read.
            self._woken.clear()
            try:
                more = await self._step()
            except Unavailable as error:
                self._failures += 1
                if self._failures == WORTH_A_WARNING:
                    _log.warning("bus.log_unreadable", detail=str(error))
                await asyncio.sleep(self._pause())
                continue
            if self._failures >= WORTH_A_WARNING:
                _log.info("bus.log_readable_again", failures=self._failures)
            self._failures = 0
            if not more:
                await self._wait()

    async def _step(self) -> bool:
        """Read once and deliver; True when there is more to read at once."""
        if self._epoch is None:
            self._begin((await self._tail(0, 0)).heartbeat)
            return True
        tail = await self._tail(self._position, self._batch)
        if tail.heartbeat.epoch != self._epoch:
            # Another history: its positions have nothing to do with ours.
            self._subscriber.on_disconnected()
            self._begin(tail.heartbeat)
            return True
        if not tail.complete or (not tail.events and self._position < tail.heartbeat.position):
            # What is missing cannot be delivered any more; the heartbeat shows that it is.
            self._position = tail.heartbeat.position
            self._beat(tail.heartbeat)
            return False
        for event in tail.events:
            self._subscriber.on_event(event)
            self._position = event.position
        if self._position < tail.heartbeat.position:
            return True
        if tail.events or asyncio.get_running_loop().time() >= self._heartbeat_due:
            self._beat(tail.heartbeat)
        return False

    def _begin(self, heartbeat: Heartbeat) -> None:
        self._epoch = heartbeat.epoch
        self._position = heartbeat.position
        self._beat(heartbeat)

    def _beat(self, heartbeat: Heartbeat) -> None:
        self._subscriber.on_heartbeat(heartbeat)
        self._heartbeat_due = asyncio.get_running_loop().time() + self._heartbeat_seconds

    def _pause(self) -> float:
        longest = min(self._heartbeat_seconds, self._poll_seconds * 2 ** min(self._failures, 6))
        return random.uniform(self._poll_seconds / 2, longest)  # noqa: S311 (spreads load, hides nothing)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._woken.wait()
        except TimeoutError:
            return
