"""An origin over the model of MR's log, for caches under test: counts, cuts off, and holds answers back.

A held answer was *read* already: what is committed while it is held is not in it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from common.contracts.lookups import ANY, AtLeast, State
from common.errors import Unavailable
from common.messaging.local import LocalBus, Tail
from dacha.app import Dacha, open_dacha
from dacha.settings import DachaSettings
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from common.contracts.events import CounterId
    from common.contracts.lookups import AccountAnswer, Changes, CounterState, EnvironmentAnswer, Listing
    from tests.support.change_log import ChangeLog


Answer = TypeVar("Answer")

SOON_SILENT = 0.4
"""Seconds between heartbeats where a test waits for silence, which two missing ones and a half are. All
others have the product's: a machine that holds everything up for a moment is not a log that fell silent.
"""


class ModelOrigin:
    """Satisfies `common.caching.loader.Origin`, and has a `tail` for `LocalBus`."""

    def __init__(self, log: ChangeLog) -> None:
        self.log = log
        self.cut_off = False
        self.log_cut_off = False
        #: Positions that never arrive.
        self.lost: set[int] = set()
        self.asked: Counter[str] = Counter()
        self.holding = False
        self.held: list[asyncio.Event] = []
        self.page_size = 1_000
        self.at_once = 0
        self.most_at_once = 0

    def release(self) -> None:
        """Let every held answer go, and hold none any more."""
        self.holding = False
        for event in self.held:
            event.set()
        self.held.clear()

    async def load_environment(self, environment_id: str, _at_least: AtLeast = ANY, /) -> EnvironmentAnswer:
        self._ask("environment")
        return await self._on_its_way(self.log.environment_answer(environment_id))

    async def load_account(self, key_hash: str, _at_least: AtLeast = ANY, /) -> AccountAnswer:
        self._ask("account")
        return await self._on_its_way(self.log.account_answer(key_hash))

    async def changes(self, after: int) -> Changes:
        self._ask("changes")
        answer = self.log.changes_after(after)
        await asyncio.sleep(0)
        return answer

    async def revisions(self, counters: Sequence[CounterId]) -> list[CounterState]:
        self._ask("revisions")
        return self.log.counter_states(counters)

    async def state(self) -> State:
        self._ask("state")
        return self.log.where()

    async def listing(self, after: str | None, limit: int) -> Listing:
        self._ask("listing")
        page = self.log.page(after, min(limit, self.page_size))
        await asyncio.sleep(0)
        return page

    async def tail(self, after: int, limit: int) -> Tail:
        if self.log_cut_off:
            raise Unavailable("The log cannot be read.")
        self.log.assign()
        tail = self.log.tail_after(after, limit)
        events = [each for each in tail.events if each.position not in self.lost]
        return msgspec.structs.replace(tail, events=events)

    def _ask(self, question: str) -> None:
        self.asked[question] += 1
        if self.cut_off:
            raise Unavailable("MR is away.")

    async def _on_its_way(self, answer: Answer) -> Answer:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.holding:
                gate = asyncio.Event()
                self.held.append(gate)
                await gate.wait()
            else:
                await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        return answer


@asynccontextmanager
async def running_dacha(
    origin: ModelOrigin,
    *,
    heard: bool = True,
    heartbeat_seconds: float = 2.0,
    strangers_per_second: float = 500.0,
    save_seconds: float = 3.0,
    **settings: Any,
) -> AsyncIterator[Dacha]:
    """Dacha2 over a model; entered when it hears the log."""
    bus = LocalBus(origin.tail, heartbeat_seconds=heartbeat_seconds, poll_seconds=0.01)
    origin.log.on_commit = bus.wake
    async with open_dacha(
        DachaSettings(**settings),
        bus=bus,
        origin=origin,
        strangers_per_second=strangers_per_second,
        save_seconds=save_seconds,
    ) as dacha:
        if heard:
            replica = dacha.holdings.replica
            await eventually(lambda: replica.live and replica.hole is None)
        yield dacha
