"""Edge as a process of its own, or as several that share a port."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Final

import msgspec
import structlog
from starlette.routing import Route

from burgee.processes import Handed, Process, assemble, serve_process
from burgee.topologies.between import bus_of, internal_api, new_instance
from burgee.workers import Place, owned, routes_to_whole, serve_workers, worker_command
from common.caching.capacity import memory_bytes
from common.caching.loader import Origin
from common.client import open_client
from common.exporting import open_tracing
from common.messaging.polled import PolledBus
from common.messaging.traced import traced
from common.observability import process_registry
from common.origins.client import ApiFailures
from common.reporting import open_reporter
from common.web import Health
from edge.app import open_edge
from edge.dachas import DachaPool, open_dacha_pool
from edge.near import open_near_cache
from edge.near import report_of as report_of_edge
from edge.reach import ReachLog, noted
from edge.settings import EdgeSettings
from edge.sinks import BusSink, NoSink
from edge.telling import open_telling, over_bus
from edge.updates import UpdateSink

EDGE: Final = "edge-full"
LOOK_SECONDS: Final = 0.02


@asynccontextmanager
async def compose_edge(
    settings: EdgeSettings, *, of_whole: Sequence[Route] | None = None
) -> AsyncIterator[Process]:
    """Edge alone: hears the bus (or asks Dacha again and again), and asks Dacha for what it does not hold.

    ``of_whole``: it is one of several, and this is what they answer together (`burgee.processes.assemble`).
    """
    registry = process_registry()
    instance = new_instance("edge")
    failures = ApiFailures(registry)
    reach = ReachLog()
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(open_tracing(settings, service="edge", instance=instance))
        outside = await parts.enter_async_context(bus_of(settings, instance, registry))
        sink: UpdateSink = NoSink()
        if settings.mr_url is not None:
            sink = (await parts.enter_async_context(internal_api(settings, settings.mr_url, failures))).sink
        if outside is not None:
            sink = BusSink(outside)
        origin: Origin
        pool: DachaPool | None = None
        if settings.dacha_url is not None:
            api = await parts.enter_async_context(internal_api(settings, settings.dacha_url, failures))
            origin = api.origin
        elif outside is not None:
            pool = await parts.enter_async_context(open_dacha_pool(outside, registry=registry))
            origin = pool
        else:
            raise ValueError("Edge needs a bus or the address of a Dacha")
        bus = traced(noted(outside or PolledBus(origin.state), reach))
        near = await parts.enter_async_context(
            open_near_cache(settings, bus=bus, origin=origin, registry=registry)
        )
        if pool is not None:
            near.holdings.on_mismatch = pool.distrust
        edge = await parts.enter_async_context(
            open_edge(settings, source=near.cache, sink=sink, registry=registry, reach=reach)
        )
        if outside is not None:
            reporter = await parts.enter_async_context(
                open_reporter(lambda: report_of_edge(instance, near, edge), outside.report)
            )
            reach.on_change = reporter.changed
            await parts.enter_async_context(open_telling(instance, edge, over_bus(outside), registry))
        yield assemble(
            EDGE,
            settings,
            registry,
            Health({"cache": lambda: edge.ready}, start_degraded_after_seconds=settings.start_degraded_after),
            routes=edge.routes(),
            protocol=edge.protocol,
            drain=edge.drain,
            cors_headers=settings.cors_headers,
            of_whole=of_whole,
        )


async def run_edge(settings: EdgeSettings) -> None:
    """Serve Edge until a signal, alone or by workers."""
    if settings.edge_workers > 1:
        await serve_workers(
            settings,
            [*worker_command(), "edge-worker"],
            name=EDGE,
            release=version("burgee"),
            workers=settings.edge_workers,
            start_degraded_after=settings.start_degraded_after,
        )
        return
    async with compose_edge(settings) as process:
        await serve_process(process, settings)


async def run_edge_worker(settings: EdgeSettings, told: str) -> None:
    """Be one of several Edges on one port, as `burgee.workers` says, until a signal or the parent's end."""
    place = msgspec.json.decode(told, type=Place)
    structlog.contextvars.bind_contextvars(worker=place.number)

    async def opens(ready: Health) -> None:
        while True:
            if not place.replaces or ready.ready:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async with open_client() as client, owned(place):
        of_whole = routes_to_whole(client, place.whole)
        async with compose_edge(share_of(settings, place), of_whole=of_whole) as process:
            handed = Handed(socket.socket(fileno=place.main), socket.socket(fileno=place.operations), opens)
            await serve_process(process, settings, handed=handed)


def share_of(settings: EdgeSettings, place: Place) -> EdgeSettings:
    """One worker's settings: its part of the memory, and a folder that nobody else writes to."""
    memory = settings.cache_bytes or memory_bytes() // 4
    folder = settings.state_dir
    return settings.model_copy(
        update={
            "cache_bytes": max(1, memory // place.workers),
            "state_dir": None if folder is None else folder / f"worker-{place.number}",
        }
    )
