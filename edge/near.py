"""Edge's near-cache: the cache of `common.caching` over Dacha, kept true by the same change log.

What Edge holds it answers without asking anybody; Dacha is asked for the rest, for holes, and where MR
stands. Must not know how Dacha is reached.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from common.caching.app import open_cache
from common.contracts.reports import Report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from prometheus_client import CollectorRegistry

    from common.caching.app import CacheOptions, OpenCache
    from common.caching.loader import Origin
    from common.messaging.bus import Bus
    from edge.app import Edge

MISS_SECONDS: Final = 5.0
"""Dacha remembers misses as well and is near: here they are only kept from asking twice in a moment."""
LOADS_AT_ONCE: Final = 512
"""Dacha answers what it holds at once, and those that begin together are one message; what it does not
hold it asks MR for within bounds of its own."""


@asynccontextmanager
async def open_near_cache(
    settings: CacheOptions,
    *,
    bus: Bus,
    origin: Origin,
    registry: CollectorRegistry | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[OpenCache]:
    """Hold what Dacha (``origin``) answers; its `cache` is the `FeatureSource` of `open_edge`.

    Starts without waiting for anybody: until somebody answers, look-ups are Unavailable.
    """
    async with open_cache(
        settings,
        owner="edge",
        bus=bus,
        origin=origin,
        registry=registry,
        clock=clock,
        miss_seconds=MISS_SECONDS,
        loads_at_once=LOADS_AT_ONCE,
    ) as near:
        yield near


def report_of(instance: str, near: OpenCache, edge: Edge) -> Report:
    """What an Edge has to say of itself now, for `common.reporting`."""
    replica = near.holdings.replica
    return Report(
        instance=instance,
        role="edge",
        epoch=replica.epoch,
        position=replica.position,
        live=replica.live and not near.cache.silent_seconds,
        streams=dict(edge.streams_by_environment()),
        reaches=edge.reaches(),
    )
