"""Edge as a process of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from burgee.processes import Process, assemble, serve_process
from burgee.topologies.between import bus_of, internal_api, new_instance
from common.caching.loader import Origin
from common.messaging.polled import PolledBus
from common.observability import process_registry
from common.origins.client import ApiFailures
from common.reporting import open_reporter
from common.web import Health
from edge.app import open_edge
from edge.dachas import open_dacha_pool
from edge.near import open_near_cache
from edge.near import report_of as report_of_edge
from edge.reach import NotedBus, ReachLog
from edge.settings import EdgeSettings
from edge.sinks import BusSink, NoSink
from edge.updates import UpdateSink

EDGE: Final = "edge-full"


@asynccontextmanager
async def compose_edge(settings: EdgeSettings) -> AsyncIterator[Process]:
    """Edge alone: hears the bus (or asks Dacha again and again), and asks Dacha for what it does not hold."""
    registry = process_registry()
    instance = new_instance("edge")
    failures = ApiFailures(registry)
    reach = ReachLog()
    async with AsyncExitStack() as parts:
        outside = await parts.enter_async_context(bus_of(settings, instance, registry))
        sink: UpdateSink = NoSink()
        if settings.mr_url is not None:
            sink = (await parts.enter_async_context(internal_api(settings, settings.mr_url, failures))).sink
        if outside is not None:
            sink = BusSink(outside)
        origin: Origin
        if settings.dacha_url is not None:
            api = await parts.enter_async_context(internal_api(settings, settings.dacha_url, failures))
            origin = api.origin
        elif outside is not None:
            origin = await parts.enter_async_context(open_dacha_pool(outside, registry=registry))
        else:
            raise ValueError("Edge needs a bus or the address of a Dacha")
        bus = NotedBus(outside or PolledBus(origin.state), reach)
        near = await parts.enter_async_context(
            open_near_cache(settings, bus=bus, origin=origin, registry=registry)
        )
        edge = await parts.enter_async_context(
            open_edge(settings, source=near.cache, sink=sink, registry=registry, reach=reach)
        )
        if outside is not None:
            reporter = await parts.enter_async_context(
                open_reporter(lambda: report_of_edge(instance, near, edge), outside.report)
            )
            reach.on_change = reporter.changed
        yield assemble(
            EDGE,
            settings,
            registry,
            Health({"cache": lambda: edge.ready}, start_degraded_after_seconds=settings.start_degraded_after),
            routes=edge.routes(),
            drain=edge.drain,
            cors_headers=settings.cors_headers,
        )


async def run_edge(settings: EdgeSettings) -> None:
    """Serve Edge until a signal."""
    async with compose_edge(settings) as process:
        await serve_process(process, settings)
