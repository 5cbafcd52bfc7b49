"""An origin whose answers can be held: the pause between "read" and "arrived" that a network would make.

In a party server a cache loads straight from the database, so there is no socket to hold. This stands at
the `Origin` protocol and delays answers that are already read; it changes none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from common.caching.loader import Origin
from common.contracts.events import CounterId
from common.contracts.lookups import (
    ANY,
    AccountAnswer,
    AtLeast,
    Changes,
    CounterState,
    EnvironmentAnswer,
    State,
)
from tests.support.ledger import ledger

T = TypeVar("T")


class SlowOrigin:
    """Passes every question on; while `hold` is in force the answers of that kind wait."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._gates: dict[str, asyncio.Event] = {}
        self.held: list[str] = []

    def hold(self, kind: str) -> None:
        """From now on, answers of "environment" or "account" are read, then wait for `release`."""
        ledger().fault()
        self._gates[kind] = asyncio.Event()

    def release(self, kind: str) -> None:
        self._gates.pop(kind).set()

    async def load_environment(self, environment_id: str, at_least: AtLeast = ANY) -> EnvironmentAnswer:
        return await self._answer(
            "environment", lambda: self._origin.load_environment(environment_id, at_least)
        )

    async def load_account(self, key_hash: str, at_least: AtLeast = ANY) -> AccountAnswer:
        return await self._answer("account", lambda: self._origin.load_account(key_hash, at_least))

    async def changes(self, after: int) -> Changes:
        return await self._origin.changes(after)

    async def revisions(self, counters: Sequence[CounterId]) -> list[CounterState]:
        return await self._origin.revisions(counters)

    async def state(self) -> State:
        return await self._origin.state()

    async def _answer(self, kind: str, load: Callable[[], Awaitable[T]]) -> T:
        gate = self._gates.get(kind)
        answer = await load()
        if gate is not None:
            self.held.append(kind)
            await gate.wait()
        return answer
