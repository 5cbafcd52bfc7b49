"""COMPOSITION ROOT of Dacha2: replica, loader, upkeep and cache over a bus and an origin."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dacha.cache import DachaCache
from dacha.capacity import memory_bytes
from dacha.holdings import Holdings, Limits
from dacha.loader import Loader, TokenBucket
from dacha.metrics import DachaCollector, DachaMetrics
from dacha.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from prometheus_client import CollectorRegistry

    from common.messaging.bus import Bus
    from dacha.loader import Origin
    from dacha.settings import DachaSettings

MISS_SECONDS: Final = 60.0
STRANGERS_PER_SECOND: Final = 500.0
STRANGERS_AT_ONCE: Final = 2_000
SILENT_AFTER_HEARTBEATS: Final = 2.5
"""Two may be missing; half of one is for the loop and the way."""


@dataclass(frozen=True)
class Dacha:
    """A running Dacha2; whoever opened it reads `cache`, and `audit` compares everything with MR now."""

    cache: DachaCache
    holdings: Holdings
    metrics: DachaMetrics
    upkeep: Upkeep


@asynccontextmanager
async def open_dacha(
    settings: DachaSettings,
    *,
    bus: Bus,
    origin: Origin,
    registry: CollectorRegistry | None = None,
    clock: Callable[[], float] = time.monotonic,
    strangers_per_second: float = STRANGERS_PER_SECOND,
) -> AsyncIterator[Dacha]:
    """Hold what ``origin`` owns and keep it true by what ``bus`` brings.

    Starts without waiting for either: until they answer, look-ups are Unavailable.
    """
    metrics = DachaMetrics()
    holdings = Holdings(
        _limits(settings, bus.heartbeat_seconds),
        metrics,
        clock=clock,
        jitter=random.uniform,
    )
    async with asyncio.TaskGroup() as tasks:
        loader = Loader(origin, holdings.replica, tasks, metrics)
        upkeep = Upkeep(holdings, loader, clock=clock)
        holdings.on_wants = upkeep.wake
        cache = DachaCache(
            holdings,
            loader,
            TokenBucket(strangers_per_second, STRANGERS_AT_ONCE, clock),
            metrics,
            clock=clock,
            degraded_at=clock() + settings.start_degraded_after,
        )
        loops = [
            tasks.create_task(upkeep.follow_log(), name="dacha-log"),
            tasks.create_task(upkeep.reload(), name="dacha-reload"),
            tasks.create_task(upkeep.audit(), name="dacha-audit"),
        ]
        collector = DachaCollector(metrics, holdings)
        if registry is not None:
            registry.register(collector)
        try:
            async with bus.subscribe(holdings.replica):
                yield Dacha(cache, holdings, metrics, upkeep)
        finally:
            if registry is not None:
                registry.unregister(collector)
            for loop in loops:
                loop.cancel()
            loader.close()


def _limits(settings: DachaSettings, heartbeat_seconds: float) -> Limits:
    return Limits(
        environments=settings.cache_environments,
        environment_bytes=settings.cache_bytes or memory_bytes() // 4,
        accounts=settings.cache_accounts,
        misses=settings.cache_misses,
        miss_seconds=MISS_SECONDS,
        stale_seconds=settings.max_stale,
        stale_key_seconds=settings.max_stale_keys,
        silent_after_seconds=SILENT_AFTER_HEARTBEATS * heartbeat_seconds,
    )
