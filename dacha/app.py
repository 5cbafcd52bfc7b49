"""COMPOSITION ROOT of Dacha2: a cache over MR."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from common.caching.app import STRANGERS_PER_SECOND, OpenCache, open_cache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from prometheus_client import CollectorRegistry

    from common.caching.loader import Origin
    from common.messaging.bus import Bus
    from dacha.settings import DachaCacheSettings

Dacha = OpenCache
"""A running Dacha2."""


@asynccontextmanager
async def open_dacha(
    settings: DachaCacheSettings,
    *,
    bus: Bus,
    origin: Origin,
    registry: CollectorRegistry | None = None,
    clock: Callable[[], float] = time.monotonic,
    strangers_per_second: float = STRANGERS_PER_SECOND,
) -> AsyncIterator[Dacha]:
    """Hold what MR (``origin``) owns and keep it true by what ``bus`` brings.

    Starts without waiting for either: until they answer, look-ups are Unavailable.
    """
    async with open_cache(
        settings,
        owner="dacha",
        bus=bus,
        origin=origin,
        registry=registry,
        clock=clock,
        strangers_per_second=strangers_per_second,
    ) as dacha:
        yield dacha
