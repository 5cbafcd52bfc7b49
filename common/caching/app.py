"""Put a cache together: replica, loader, upkeep and readers over a bus and an origin."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from common.caching.cache import FeatureCache
from common.caching.capacity import memory_bytes
from common.caching.fill import Fill
from common.caching.holdings import Holdings, Limits
from common.caching.keeping import SAVE_SECONDS, Keeper
from common.caching.loader import LOADS_AT_ONCE, Loader, TokenBucket
from common.caching.metrics import CacheCollector, CacheMetrics
from common.caching.state import Mark, StateFile
from common.caching.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from common.caching.fill import Lister
    from common.caching.loader import Origin
    from common.messaging.bus import Bus

MISS_SECONDS: Final = 60.0
STRANGERS_PER_SECOND: Final = 500.0
STRANGERS_AT_ONCE: Final = 2_000
SILENT_AFTER_HEARTBEATS: Final = 2.5
"""Two may be missing; half of one is for the loop and the way."""


class CacheOptions(Protocol):
    """The settings of a cache, in whichever process it is (`common.settings.CacheSettings`)."""

    @property
    def cache_environments(self) -> int: ...
    @property
    def cache_bytes(self) -> int | None: ...
    @property
    def cache_accounts(self) -> int: ...
    @property
    def cache_misses(self) -> int: ...
    @property
    def max_stale(self) -> float | None: ...
    @property
    def max_stale_keys(self) -> float: ...
    @property
    def start_degraded_after(self) -> float: ...
    @property
    def state_dir(self) -> Path | None: ...
    @property
    def cluster(self) -> str: ...


@dataclass(frozen=True)
class OpenCache:
    """A running cache; whoever opened it reads `cache`, and `upkeep` compares everything with its owner."""

    cache: FeatureCache
    holdings: Holdings
    loader: Loader
    metrics: CacheMetrics
    upkeep: Upkeep
    strangers: TokenBucket


@asynccontextmanager
async def open_cache(
    options: CacheOptions,
    *,
    owner: str,
    bus: Bus,
    origin: Origin,
    registry: CollectorRegistry | None = None,
    clock: Callable[[], float] = time.monotonic,
    miss_seconds: float = MISS_SECONDS,
    strangers_per_second: float = STRANGERS_PER_SECOND,
    save_seconds: float = SAVE_SECONDS,
    lister: Lister | None = None,
    loads_at_once: int = LOADS_AT_ONCE,
) -> AsyncIterator[OpenCache]:
    """Hold what ``origin`` owns and keep it true by what ``bus`` brings; ``owner`` names its metrics.

    Starts without waiting for either: until they answer, look-ups are Unavailable. With a folder for its
    state it goes on from what was kept there, and gives the origin a second to say what moved since. With a
    ``lister`` it loads everything there is, and is ready when all of it is here. ``loads_at_once`` bounds
    what the origin is asked at a time.
    """
    metrics = CacheMetrics(owner)
    holdings = Holdings(
        _limits(options, bus.heartbeat_seconds, miss_seconds),
        metrics,
        clock=clock,
        jitter=random.uniform,
    )
    keeper = _keeper(options, owner, holdings, clock, save_seconds)
    resumed = keeper is not None and await keeper.resume()
    async with asyncio.TaskGroup() as tasks:
        loader = Loader(origin, holdings.replica, tasks, metrics, at_once=loads_at_once)
        upkeep = Upkeep(holdings, loader, clock=clock)
        holdings.on_wants = upkeep.wake
        strangers = TokenBucket(strangers_per_second, STRANGERS_AT_ONCE, clock)
        cache = FeatureCache(
            holdings,
            loader,
            strangers,
            metrics,
            clock=clock,
            degraded_at=clock() if resumed and lister is None else clock() + options.start_degraded_after,
            eager=lister is not None,
        )
        loops = [
            tasks.create_task(upkeep.follow_log(), name="cache-log"),
            tasks.create_task(upkeep.reload(), name="cache-reload"),
            tasks.create_task(upkeep.audit(), name="cache-audit"),
        ]
        if keeper is not None:
            loops.append(tasks.create_task(keeper.keep(), name="cache-keep"))
        if lister is not None:
            fill = Fill(holdings, loader, lister, metrics, clock=clock)
            loops.append(tasks.create_task(fill.run(), name="cache-fill"))
        collector = CacheCollector(metrics, holdings)
        if registry is not None:
            registry.register(collector)
        try:
            async with bus.subscribe(holdings.replica):
                if keeper is not None and resumed:
                    await keeper.verified()
                yield OpenCache(cache, holdings, loader, metrics, upkeep, strangers)
                if keeper is not None:
                    await keeper.save()
        finally:
            if registry is not None:
                registry.unregister(collector)
            for loop in loops:
                loop.cancel()
            loader.close()


def _keeper(
    options: CacheOptions,
    owner: str,
    holdings: Holdings,
    clock: Callable[[], float],
    save_seconds: float,
) -> Keeper | None:
    if options.state_dir is None:
        return None
    file = StateFile(options.state_dir, Mark(owner, options.cluster), clock=clock)
    return Keeper(file, holdings, clock=clock, save_seconds=save_seconds)


def _limits(options: CacheOptions, heartbeat_seconds: float, miss_seconds: float) -> Limits:
    return Limits(
        environments=options.cache_environments,
        environment_bytes=options.cache_bytes or memory_bytes() // 4,
        accounts=options.cache_accounts,
        misses=options.cache_misses,
        miss_seconds=miss_seconds,
        stale_seconds=options.max_stale,
        stale_key_seconds=options.max_stale_keys,
        silent_after_seconds=SILENT_AFTER_HEARTBEATS * heartbeat_seconds,
    )
