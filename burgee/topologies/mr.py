"""The Management Repository as a process of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from burgee.processes import Process, assemble, serve_process
from burgee.topologies.between import bus_of, new_instance
from burgee.topologies.databases import writable_database
from burgee.topologies.management import management
from common.exporting import open_tracing
from common.observability import process_registry
from common.web import Health
from mr.settings import MrSettings

MR: Final = "management-repository"


@asynccontextmanager
async def compose_mr(settings: MrSettings) -> AsyncIterator[Process]:
    """The Management Repository alone; with NATS it publishes there, and takes updates from Edges."""
    registry, instance = process_registry(), new_instance("mr")
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(open_tracing(settings, service="mr", instance=instance))
        database = await parts.enter_async_context(writable_database(settings))
        bus = await parts.enter_async_context(bus_of(settings, instance, registry))
        mr = await parts.enter_async_context(
            management(settings, name=MR, database=database, bus=bus, registry=registry)
        )
        yield assemble(MR, settings, registry, Health({}), rest=mr.app, internal=mr.internal, drain=mr.drain)


async def run_mr(settings: MrSettings) -> None:
    """Serve MR until a signal."""
    async with compose_mr(settings) as process:
        await serve_process(process, settings)
