"""The party server: MR, Dacha2 and Edge in one process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import typer

from burgee.processes import Process, assemble, serve_process
from burgee.seed import seed
from burgee.settings import PartySettings
from burgee.topologies.between import bus_of, new_instance
from burgee.topologies.dacha import lookups_on_the_bus
from burgee.topologies.databases import DirectSink, writable_database
from burgee.topologies.management import drained_together, management, teller
from common.caching.loader import Origin
from common.exporting import open_tracing
from common.messaging.bus import Bus
from common.messaging.local import LocalBus
from common.messaging.traced import traced
from common.observability import process_registry
from common.reporting import open_reporter
from common.serve import Bound, running
from common.web import Health
from dacha.app import open_dacha
from dacha.lookups import Lookups
from edge.app import open_edge
from edge.near import report_of as report_of_edge
from edge.reach import ReachLog, noted
from edge.telling import open_telling
from mr.db.session import Database
from mr.origin import DatabaseOrigin
from mr.usage.book import UsageBook

PARTY: Final = "party-server"
"""The name that `/info/version` tells, as clients of the wire contract know it."""

WrapOrigin = Callable[[Origin], Origin]
WrapBus = Callable[[Bus], Bus]


@dataclass(frozen=True)
class Party:
    """A party server that is being served."""

    url: str
    database: Database


@asynccontextmanager
async def compose_party(
    settings: PartySettings,
    *,
    wrap_origin: WrapOrigin = lambda origin: origin,
    wrap_bus: WrapBus = lambda bus: bus,
) -> AsyncIterator[tuple[Process, Database]]:
    """MR, Dacha2 and Edge in one process, joined by a bus that tails the database.

    With NATS its changes are published there as well, and its Dacha answers Edges elsewhere.
    """
    registry = process_registry()
    reach = ReachLog()
    async with AsyncExitStack() as parts:
        instance = new_instance("party")
        await parts.enter_async_context(open_tracing(settings, service="party", instance=instance))
        database = await parts.enter_async_context(writable_database(settings))
        outside = await parts.enter_async_context(bus_of(settings, instance, registry))
        origin = DatabaseOrigin(database)
        inside = LocalBus(origin.tail)
        mr = await parts.enter_async_context(
            management(
                settings,
                name=PARTY,
                database=database,
                bus=outside,
                registry=registry,
                on_positions=inside.wake,
            )
        )
        bus, loads = wrap_bus(traced(noted(inside, reach))), wrap_origin(origin)
        dacha = await parts.enter_async_context(
            open_dacha(settings, bus=bus, origin=loads, registry=registry)
        )
        edge = await parts.enter_async_context(
            open_edge(settings, source=dacha.cache, sink=DirectSink(database), registry=registry, reach=reach)
        )
        if outside is not None:
            await parts.enter_async_context(
                lookups_on_the_bus(dacha, Lookups(dacha), outside, new_instance("dacha"))
            )
        reporting, tell = new_instance("edge"), teller(outside, mr.propagation)
        reporter = await parts.enter_async_context(
            open_reporter(lambda: report_of_edge(reporting, dacha, edge), tell)
        )
        reach.on_change = reporter.changed
        await parts.enter_async_context(open_telling(reporting, edge, UsageBook(database).take, registry))
        health = Health(
            {"cache": lambda: edge.ready}, start_degraded_after_seconds=settings.start_degraded_after
        )
        process = assemble(
            PARTY,
            settings,
            registry,
            health,
            routes=edge.routes(),
            protocol=edge.protocol,
            rest=mr.app,
            internal=mr.internal,
            drain=drained_together(edge.drain, mr.drain),
            cors_headers=settings.cors_headers,
        )
        yield process, database


async def run_party(settings: PartySettings, *, demo: bool = False) -> None:
    """Serve a party server until a signal; with ``demo``, make the example organisation meanwhile."""
    async with compose_party(settings) as (process, _), asyncio.TaskGroup() as tasks:

        def listening(bound: Sequence[Bound]) -> None:
            if demo:
                tasks.create_task(_demonstrate(bound[0].url, settings), name="demo")

        await serve_process(process, settings, on_listening=listening)


@asynccontextmanager
async def open_party(
    settings: PartySettings,
    *,
    wrap_origin: WrapOrigin = lambda origin: origin,
    wrap_bus: WrapBus = lambda bus: bus,
) -> AsyncIterator[Party]:
    """Serve a party server in this event loop for as long as the block lasts, signals untouched.

    ``wrap_origin`` stands between the cache and the database, ``wrap_bus`` between it and the change log:
    a test's way to hold, repeat or reorder what travels where there is no socket to do it on.
    """
    async with (
        compose_party(settings, wrap_origin=wrap_origin, wrap_bus=wrap_bus) as (process, database),
        running(process.app, host=settings.host, port=settings.port, http=process.http) as url,
    ):
        yield Party(url, database)
        if process.drain is not None:
            await process.drain(settings.drain_seconds)


async def _demonstrate(url: str, settings: PartySettings) -> None:
    typer.echo((await seed(url, settings.data_dir)).instructions())
