"""A bus for processes that have none: MR's word on where it stands, asked again and again.

No event travels here. A heartbeat that is ahead of what is known is a hole, and holes are filled by
asking for the changes; so whoever listens is late by the time between two questions, and never wrong.
Must not know whom it asks, nor over what.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog

from common.contracts.events import Heartbeat
from common.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from common.contracts.lookups import State
    from common.messaging.bus import Subscriber

_log = structlog.get_logger(__name__)

WORTH_A_WARNING: Final = 4
"""Failures in a row: fewer are what every start beside MR looks like."""


class PolledBus:
    """Satisfies `common.messaging.bus.Bus` by asking ``state`` every ``poll_seconds``, more or less a tenth.

    While there is no answer nothing comes, and it asks less often, up to ``longest_seconds`` apart.
    """

    def __init__(
        self,
        state: Callable[[], Awaitable[State]],
        *,
        heartbeat_seconds: float = 2.0,
        poll_seconds: float = 1.0,
        longest_seconds: float = 5.0,
        answer_seconds: float = 4.0,
    ) -> None:
        self._state = state
        self._heartbeat_seconds = heartbeat_seconds
        self._poll_seconds = poll_seconds
        self._longest_seconds = longest_seconds
        self._answer_seconds = answer_seconds
        self._subscriptions: list[_Subscription] = []

    @property
    def heartbeat_seconds(self) -> float:
        return self._heartbeat_seconds

    def sync(self) -> None:
        for each in self._subscriptions:
            each.woken.set()

    async def ask(self) -> State:
        """Ask once; raises `Unavailable`, also when the answer takes too long."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                state = await self._state()
            if state.second_hand:
                raise Unavailable("MR cannot be asked where it stands.")
            return state
        except TimeoutError:
            raise Unavailable("There was no word on where MR stands in time.") from None

    def pause(self, failures: int) -> float:
        """Seconds until the next question, after so many failures in a row."""
        seconds = min(self._longest_seconds, self._poll_seconds * 2.0 ** min(failures, 8))
        return seconds * random.uniform(0.9, 1.1)  # noqa: S311 - spreads processes that started together

    @asynccontextmanager
    async def subscribe(self, subscriber: Subscriber) -> AsyncIterator[None]:
        subscription = _Subscription(self, subscriber)
        self._subscriptions.append(subscription)
        try:
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(subscription.run(), name="polled-bus")
                try:
                    yield
                finally:
                    task.cancel()
        finally:
            self._subscriptions.remove(subscription)


class _Subscription:
    """One listener, and whether it was told that it hears."""

    def __init__(self, bus: PolledBus, subscriber: Subscriber) -> None:
        self.woken = asyncio.Event()
        self._bus = bus
        self._subscriber = subscriber
        self._failures = 0

    async def run(self) -> None:
        """Ask and tell, for ever."""
        while True:
            # Cleared before asking: who asks for a heartbeat meanwhile gets one that is newer.
            self.woken.clear()
            try:
                state = await self._bus.ask()
            except Unavailable as error:
                self._failed(error)
            else:
                self._heard(state)
            await self._rest()

    def _heard(self, state: State) -> None:
        if self._failures >= WORTH_A_WARNING:
            _log.info("bus.answered_again", failures=self._failures)
        self._failures = 0
        self._subscriber.on_heartbeat(Heartbeat(term=state.term, epoch=state.epoch, position=state.position))

    def _failed(self, error: Unavailable) -> None:
        self._failures += 1
        if self._failures == 1:
            self._subscriber.on_disconnected()
        if self._failures == WORTH_A_WARNING:
            _log.warning("bus.unanswered", detail=str(error))

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._bus.pause(self._failures)):
                await self.woken.wait()
        except TimeoutError:
            return
