"""Edge-REST as a process of its own, straight on the database."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from prometheus_client import CollectorRegistry

from burgee.processes import Process, assemble, serve_process
from burgee.topologies.between import internal_api, new_instance
from burgee.topologies.databases import DirectSink, read_replica, writable_database
from common.exporting import open_tracing
from common.observability import process_registry
from common.origins.client import ApiFailures
from common.web import Health
from edge.app import Edge
from edge.sinks import NoSink
from edge.telling import open_telling
from edge.updates import UpdateSink
from edge_rest.app import edge_rest
from edge_rest.settings import EdgeRestSettings
from mr.origin import DatabaseOrigin
from mr.usage.book import UsageBook

EDGE_REST: Final = "edge-rest"


@asynccontextmanager
async def compose_edge_rest(settings: EdgeRestSettings) -> AsyncIterator[Process]:
    """Polls and updates straight on the database; a relay elsewhere publishes what updates change."""
    registry, instance = process_registry(), new_instance("edge-rest")
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(open_tracing(settings, service="edge-rest", instance=instance))
        edge = await parts.enter_async_context(_edge_on_a_database(settings, registry, instance))
        yield assemble(
            EDGE_REST,
            settings,
            registry,
            Health({}),
            routes=edge.routes(),
            protocol=edge.protocol,
            cors_headers=settings.cors_headers,
        )


@asynccontextmanager
async def _edge_on_a_database(
    settings: EdgeRestSettings, registry: CollectorRegistry, instance: str
) -> AsyncIterator[Edge]:
    """On the database alone, on it and a replica, or on a replica and MR's internal API."""
    async with AsyncExitStack() as parts:
        if settings.database_read_only:
            replica = await parts.enter_async_context(read_replica(settings, settings.database_address()))
            sink: UpdateSink = NoSink()
            if settings.mr_url is not None:
                failures = ApiFailures(registry)
                api = await parts.enter_async_context(internal_api(settings, settings.mr_url, failures))
                sink = api.sink
            yield edge_rest(settings, reader=DatabaseOrigin(replica), sink=sink, registry=registry)
            return
        database = await parts.enter_async_context(writable_database(settings))
        primary = reader = DatabaseOrigin(database)
        if settings.database_replica_url is not None:
            address = settings.database_replica_url.get_secret_value()
            reader = DatabaseOrigin(await parts.enter_async_context(read_replica(settings, address)))
        edge = edge_rest(
            settings,
            reader=reader,
            primary=None if reader is primary else primary,
            sink=DirectSink(database),
            registry=registry,
        )
        await parts.enter_async_context(open_telling(instance, edge, UsageBook(database).take, registry))
        yield edge


async def run_edge_rest(settings: EdgeRestSettings) -> None:
    """Serve Edge-REST until a signal."""
    async with compose_edge_rest(settings) as process:
        await serve_process(process, settings)
