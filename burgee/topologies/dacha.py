"""Dacha2 as a process of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from burgee.processes import Process, assemble, serve_process
from burgee.topologies.between import bus_of, internal_api, new_instance, revealed
from common.exporting import open_tracing
from common.messaging.nats import NatsBus
from common.messaging.polled import PolledBus
from common.messaging.traced import traced
from common.observability import process_registry
from common.origins.client import ApiFailures
from common.origins.server import origin_routes
from common.reporting import open_reporter
from common.web import Health
from dacha.app import Dacha, open_dacha, serve_lookups
from dacha.app import report as report_of_dacha
from dacha.lookups import Lookups
from dacha.settings import DachaSettings

DACHA: Final = "dacha2"


@asynccontextmanager
async def compose_dacha(settings: DachaSettings) -> AsyncIterator[Process]:
    """Dacha2 alone: hears the bus (or asks MR again and again), loads from MR, answers Edges."""
    registry = process_registry()
    instance = new_instance("dacha")
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(open_tracing(settings, service="dacha", instance=instance))
        api = await parts.enter_async_context(
            internal_api(settings, settings.mr_url or "", ApiFailures(registry))
        )
        outside = await parts.enter_async_context(bus_of(settings, instance, registry))
        bus = outside or PolledBus(api.origin.state)
        dacha = await parts.enter_async_context(
            open_dacha(settings, bus=traced(bus), origin=api.origin, registry=registry)
        )
        lookups = Lookups(dacha)
        if outside is not None:
            await parts.enter_async_context(lookups_on_the_bus(dacha, lookups, outside, instance))
        routes = origin_routes(lookups, tokens=revealed(settings.edge_tokens))
        yield assemble(
            DACHA,
            settings,
            registry,
            Health(
                {"cache": lambda: dacha.cache.ready},
                start_degraded_after_seconds=settings.start_degraded_after,
            ),
            routes=routes if settings.edge_tokens else (),
        )


@asynccontextmanager
async def lookups_on_the_bus(
    dacha: Dacha, lookups: Lookups, bus: NatsBus, instance: str
) -> AsyncIterator[None]:
    """Answer Edges on the bus, and let them know that there is somebody to ask."""
    async with (
        serve_lookups(lookups, bus, instance),
        open_reporter(lambda: report_of_dacha(dacha, instance), bus.report),
    ):
        yield


async def run_dacha(settings: DachaSettings) -> None:
    """Serve Dacha2 until a signal."""
    async with compose_dacha(settings) as process:
        await serve_process(process, settings)
