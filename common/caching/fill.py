"""Eager fill: everything there is is loaded, and then certainly everything is here until it may not be.

What comes to be later arrives by events; whenever something may have been missed (`lapses`), the listing is
read again and only what is not held is loaded. Must not know who reads the cache.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from common.caching.loader import pause
from common.errors import Unavailable
from common.revisions.targets import Loaded, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from common.caching.holdings import Holdings
    from common.caching.loader import Loader
    from common.caching.metrics import CacheMetrics
    from common.contracts.lookups import Listing

_log = structlog.get_logger(__name__)

PAGE: Final = 500
LOADS_AT_ONCE: Final = 4
TOGETHER: Final = 32
"""Environments in one question."""
LOOK_SECONDS: Final = 0.1
SHORTEST_SECONDS: Final = 1.0
TOO_MUCH_SECONDS: Final = 60.0
"""After what there is did not fit, it is tried again this seldom: something may have been deleted."""


class Lister(Protocol):
    """Whoever can say what there is."""

    async def listing(self, after: str | None, limit: int) -> Listing:
        """The page behind ``after``, about ``limit`` ids of each kind. Raises `Unavailable`."""


class Fill:
    """Makes a cache complete, and complete again. `run` is its only task."""

    def __init__(
        self,
        holdings: Holdings,
        loader: Loader,
        lister: Lister,
        metrics: CacheMetrics,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._holdings = holdings
        self._replica = holdings.replica
        self._loader = loader
        self._lister = lister
        self._metrics = metrics
        self._clock = clock

    async def run(self) -> None:
        """Fill whenever something may be missing, for ever."""
        failures = 0
        while True:
            if self._replica.complete or not self._replica.live or self._replica.wants_state:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            began = self._clock()
            try:
                fits = await self._fill()
                failures = 0
            except Unavailable as error:
                failures += 1
                if failures == 1:
                    _log.warning("cache.fill_interrupted", detail=str(error))
                await asyncio.sleep(pause(failures))
                continue
            if not fits:
                _log.error("cache.too_small_for_everything", environments=len(self._replica.environments))
                await asyncio.sleep(TOO_MUCH_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
            elif not self._replica.complete:
                # Something moved meanwhile that is not here; mostly it comes by itself.
                await asyncio.sleep(max(0.0, SHORTEST_SECONDS - (self._clock() - began)))

    async def _fill(self) -> bool:
        """Load what is missing; False = not everything fits. Raises `Unavailable`."""
        evicted = sum(self._metrics.evictions.values())
        lapses = self._replica.lapses
        after: str | None = None
        while True:
            page = await self._loader.ask("listing", self._lister.listing(after, PAGE))
            await self._load(self._missing(page))
            if sum(self._metrics.evictions.values()) != evicted:
                return False
            if page.next is None:
                break
            after = page.next
        # The pages told no epoch: what they told of must be the history that is held.
        state = await self._loader.ask("state", self._loader.origin.state())
        if not state.second_hand and state.epoch == self._replica.epoch and self._replica.lapses == lapses:
            self._replica.complete = True
            _log.info(
                "cache.complete",
                environments=len(self._replica.environments),
                accounts=len(self._replica.accounts),
            )
        return True

    def _missing(self, page: Listing) -> list[Target]:
        environments = [
            Target("environment", each) for each in page.ids if each not in self._replica.environments
        ]
        return environments + [Target("key", each) for each in page.hashes if each not in self._replica.keys]

    async def _load(self, targets: Sequence[Target]) -> None:
        environments = [each.id for each in targets if each.kind == "environment"]
        parts = [environments[at : at + TOGETHER] for at in range(0, len(environments), TOGETHER)]
        await self._at_once(self._loader.load_many(part) for part in parts)
        await self._at_once(self._load_one(each) for each in targets if each.kind != "environment")

    async def _load_one(self, target: Target) -> None:
        landing = await self._loader.load(target)
        if landing.outcome is Loaded.AGAIN:
            raise Unavailable("An answer was older than what is known here.")

    async def _at_once(self, loads: Iterable[Coroutine[None, None, None]]) -> None:
        """Run some at a time; the first failure ends them. Raises `Unavailable`."""
        waiting = iter(loads)
        failed: list[Unavailable] = []

        async def work() -> None:
            for load in waiting:
                if failed:
                    load.close()
                    continue
                try:
                    await load
                except Unavailable as error:
                    failed.append(error)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(LOADS_AT_ONCE):
                tasks.create_task(work(), name="fill")
        if failed:
            raise failed[0]
