"""MR and Edge-REST in one process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from burgee.processes import Process, assemble, serve_process
from burgee.settings import PartyIshSettings
from burgee.topologies.between import bus_of, new_instance
from burgee.topologies.databases import DirectSink, writable_database
from burgee.topologies.management import management
from common.exporting import open_tracing
from common.observability import process_registry
from common.web import Health
from edge.telling import open_telling
from edge_rest.app import edge_rest
from mr.origin import DatabaseOrigin
from mr.usage.book import UsageBook

PARTY_ISH: Final = "party-server-ish"


@asynccontextmanager
async def compose_party_ish(settings: PartyIshSettings) -> AsyncIterator[Process]:
    """MR and Edge-REST in one process: polls are answered from the database, there are no streams."""
    registry, instance = process_registry(), new_instance("party-ish")
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(open_tracing(settings, service="party-ish", instance=instance))
        database = await parts.enter_async_context(writable_database(settings))
        bus = await parts.enter_async_context(bus_of(settings, instance, registry))
        mr = await parts.enter_async_context(
            management(settings, name=PARTY_ISH, database=database, bus=bus, registry=registry)
        )
        reader = DatabaseOrigin(database)
        edge = edge_rest(settings, reader=reader, sink=DirectSink(database), registry=registry)
        await parts.enter_async_context(
            open_telling(new_instance("edge-rest"), edge, UsageBook(database).take, registry)
        )
        yield assemble(
            PARTY_ISH,
            settings,
            registry,
            Health({}),
            routes=edge.routes(),
            protocol=edge.protocol,
            rest=mr.app,
            internal=mr.internal,
            drain=mr.drain,
            cors_headers=settings.cors_headers,
        )


async def run_party_ish(settings: PartyIshSettings) -> None:
    """Serve MR and Edge-REST until a signal."""
    async with compose_party_ish(settings) as process:
        await serve_process(process, settings)
