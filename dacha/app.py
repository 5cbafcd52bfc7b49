"""COMPOSITION ROOT of Dacha2: a cache over MR, and its answers to Edges on the bus."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from common.caching.app import STRANGERS_PER_SECOND, OpenCache, open_cache
from common.caching.keeping import SAVE_SECONDS
from common.contracts.reports import Report
from common.origins.remote import Lister, answer
from dacha.lookups import Lookups

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from prometheus_client import CollectorRegistry

    from common.caching.loader import Origin
    from common.messaging.bus import Bus, Requests
    from dacha.settings import DachaCacheSettings

Dacha = OpenCache
"""A running Dacha2."""

WORD: Final = "dacha"
"""What all Dachas answer to; each answers to ``dacha.<instance>`` as well."""
QUESTIONS_AT_ONCE: Final = 2_000
"""So many that look-ups which wait for MR never stand in the way of those that need not."""


@asynccontextmanager
async def open_dacha(
    settings: DachaCacheSettings,
    *,
    bus: Bus,
    origin: Origin,
    registry: CollectorRegistry | None = None,
    clock: Callable[[], float] = time.monotonic,
    strangers_per_second: float = STRANGERS_PER_SECOND,
    save_seconds: float = SAVE_SECONDS,
) -> AsyncIterator[Dacha]:
    """Hold what MR (``origin``) owns and keep it true by what ``bus`` brings.

    Starts without waiting for either: until they answer, look-ups are Unavailable, but for what a former
    process kept. An eager one needs an origin that lists what there is.
    """
    lister: Lister | None = None
    if settings.fill == "eager":
        if not isinstance(origin, Lister):
            msg = "An eager fill needs an origin that can list what there is."
            raise TypeError(msg)
        lister = origin
    async with open_cache(
        settings,
        owner="dacha",
        bus=bus,
        origin=origin,
        registry=registry,
        clock=clock,
        strangers_per_second=strangers_per_second,
        save_seconds=save_seconds,
        lister=lister,
    ) as dacha:
        yield dacha


@asynccontextmanager
async def serve_lookups(lookups: Lookups, requests: Requests, instance: str) -> AsyncIterator[None]:
    """Answer Edges on the bus for as long as the block lasts, beginning when there is something to say.

    Leaving takes no new questions and waits for those in work. Whatever breaks for good inside breaks the
    block too.
    """
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(_serve(lookups, requests, instance), name="lookups")
        try:
            yield
        finally:
            serving.cancel()


async def _serve(lookups: Lookups, requests: Requests, instance: str) -> None:
    async def handle(question: bytes) -> bytes:
        return await answer(lookups, question)

    await lookups.readiness()
    async with (
        requests.serve(WORD, handle, at_once=QUESTIONS_AT_ONCE),
        requests.serve(f"{WORD}.{instance}", handle, at_once=QUESTIONS_AT_ONCE),
    ):
        await asyncio.Event().wait()


def report(dacha: Dacha, instance: str) -> Report:
    """What a Dacha2 tells the others of itself (`common.reporting`)."""
    replica = dacha.holdings.replica
    return Report(
        instance=instance,
        role="dacha",
        epoch=replica.epoch,
        position=replica.position,
        live=replica.live and not dacha.holdings.silent_seconds,
    )
