"""COMPOSITION ROOTS: each topology is one function that opens its parts and hands each what it needs.

Nothing here decides anything: a part gets its collaborators as arguments, and what was opened is closed in
reverse order. `run_…` serves until a signal; `open_party` serves inside a test's event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import typer
from prometheus_client import CollectorRegistry

from burgee.parts import (
    DirectSink,
    bus_of,
    internal_api,
    management,
    new_instance,
    read_replica,
    revealed,
    writable_database,
)
from burgee.processes import Process, assemble, serve_process
from burgee.seed import seed
from burgee.settings import PartyIshSettings, PartySettings
from common.caching.loader import Origin
from common.messaging.bus import Bus
from common.messaging.local import LocalBus
from common.messaging.nats import NatsBus
from common.messaging.polled import PolledBus
from common.observability import process_registry
from common.origins.client import ApiFailures
from common.origins.server import origin_routes
from common.reporting import open_reporter
from common.serve import Bound, running
from common.web import Health
from dacha.app import Dacha, open_dacha, serve_lookups
from dacha.app import report as report_of_dacha
from dacha.lookups import Lookups
from dacha.settings import DachaSettings
from edge.app import Edge, open_edge
from edge.dachas import open_dacha_pool
from edge.near import open_near_cache
from edge.near import report_of as report_of_edge
from edge.reach import NotedBus, ReachLog
from edge.settings import EdgeSettings
from edge.sinks import BusSink, NoSink
from edge.updates import UpdateSink
from edge_rest.app import edge_rest
from edge_rest.settings import EdgeRestSettings
from mr.db.session import Database
from mr.origin import DatabaseOrigin
from mr.settings import MrSettings

PARTY: Final = "party-server"
PARTY_ISH: Final = "party-server-ish"
MR: Final = "management-repository"
DACHA: Final = "dacha2"
EDGE: Final = "edge-full"
EDGE_REST: Final = "edge-rest"
"""Names that `/info/version` tells, as clients of the wire contract know them."""

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
        database = await parts.enter_async_context(writable_database(settings))
        outside = await parts.enter_async_context(bus_of(settings, new_instance("party"), registry))
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
        bus, loads = wrap_bus(NotedBus(inside, reach)), wrap_origin(origin)
        dacha = await parts.enter_async_context(
            open_dacha(settings, bus=bus, origin=loads, registry=registry)
        )
        edge = await parts.enter_async_context(
            open_edge(settings, source=dacha.cache, sink=DirectSink(database), registry=registry, reach=reach)
        )
        if outside is not None:
            await parts.enter_async_context(_lookups_on_the_bus(dacha, outside, new_instance("dacha")))
            instance = new_instance("edge")
            reporter = await parts.enter_async_context(
                open_reporter(lambda: report_of_edge(instance, dacha, edge), outside.report)
            )
            reach.on_change = reporter.changed
        health = Health(
            {"cache": lambda: edge.ready}, start_degraded_after_seconds=settings.start_degraded_after
        )
        process = assemble(
            PARTY,
            settings,
            registry,
            health,
            routes=edge.routes(),
            rest=mr.app,
            internal=mr.internal,
            drain=edge.drain,
            cors_headers=settings.cors_headers,
        )
        yield process, database


@asynccontextmanager
async def compose_party_ish(settings: PartyIshSettings) -> AsyncIterator[Process]:
    """MR and Edge-REST in one process: polls are answered from the database, there are no streams."""
    registry = process_registry()
    async with AsyncExitStack() as parts:
        database = await parts.enter_async_context(writable_database(settings))
        bus = await parts.enter_async_context(bus_of(settings, new_instance("party-ish"), registry))
        mr = await parts.enter_async_context(
            management(settings, name=PARTY_ISH, database=database, bus=bus, registry=registry)
        )
        reader = DatabaseOrigin(database)
        edge = edge_rest(settings, reader=reader, sink=DirectSink(database), registry=registry)
        yield assemble(
            PARTY_ISH,
            settings,
            registry,
            Health({}),
            routes=edge.routes(),
            rest=mr.app,
            internal=mr.internal,
            cors_headers=settings.cors_headers,
        )


@asynccontextmanager
async def compose_mr(settings: MrSettings) -> AsyncIterator[Process]:
    """The Management Repository alone; with NATS it publishes there, and takes updates from Edges."""
    registry = process_registry()
    async with AsyncExitStack() as parts:
        database = await parts.enter_async_context(writable_database(settings))
        bus = await parts.enter_async_context(bus_of(settings, new_instance("mr"), registry))
        mr = await parts.enter_async_context(
            management(settings, name=MR, database=database, bus=bus, registry=registry)
        )
        yield assemble(MR, settings, registry, Health({}), rest=mr.app, internal=mr.internal)


@asynccontextmanager
async def compose_dacha(settings: DachaSettings) -> AsyncIterator[Process]:
    """Dacha2 alone: hears the bus (or asks MR again and again), loads from MR, answers Edges."""
    registry = process_registry()
    instance = new_instance("dacha")
    async with AsyncExitStack() as parts:
        api = await parts.enter_async_context(
            internal_api(settings, settings.mr_url or "", ApiFailures(registry))
        )
        outside = await parts.enter_async_context(bus_of(settings, instance, registry))
        bus = outside or PolledBus(api.origin.state)
        dacha = await parts.enter_async_context(
            open_dacha(settings, bus=bus, origin=api.origin, registry=registry)
        )
        if outside is not None:
            await parts.enter_async_context(_lookups_on_the_bus(dacha, outside, instance))
        routes = origin_routes(Lookups(dacha), tokens=revealed(settings.edge_tokens))
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


@asynccontextmanager
async def compose_edge_rest(settings: EdgeRestSettings) -> AsyncIterator[Process]:
    """Polls and updates straight on the database; a relay elsewhere publishes what updates change."""
    registry = process_registry()
    async with AsyncExitStack() as parts:
        edge = await parts.enter_async_context(_edge_on_a_database(settings, registry))
        yield assemble(
            EDGE_REST,
            settings,
            registry,
            Health({}),
            routes=edge.routes(),
            cors_headers=settings.cors_headers,
        )


@asynccontextmanager
async def _edge_on_a_database(settings: EdgeRestSettings, registry: CollectorRegistry) -> AsyncIterator[Edge]:
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
        if settings.database_replica_url is None:
            reader = DatabaseOrigin(database)
            yield edge_rest(settings, reader=reader, sink=DirectSink(database), registry=registry)
            return
        address = settings.database_replica_url.get_secret_value()
        replica = await parts.enter_async_context(read_replica(settings, address))
        yield edge_rest(
            settings,
            reader=DatabaseOrigin(replica),
            primary=DatabaseOrigin(database),
            sink=DirectSink(database),
            registry=registry,
        )


@asynccontextmanager
async def _lookups_on_the_bus(dacha: Dacha, bus: NatsBus, instance: str) -> AsyncIterator[None]:
    """Answer Edges on the bus, and let them know that there is somebody to ask."""
    async with (
        serve_lookups(Lookups(dacha), bus, instance),
        open_reporter(lambda: report_of_dacha(dacha, instance), bus.report),
    ):
        yield


async def run_party(settings: PartySettings, *, demo: bool = False) -> None:
    """Serve a party server until a signal; with ``demo``, make the example organisation meanwhile."""
    async with compose_party(settings) as (process, _), asyncio.TaskGroup() as tasks:

        def listening(bound: Sequence[Bound]) -> None:
            if demo:
                tasks.create_task(_demonstrate(bound[0].url, settings), name="demo")

        await serve_process(process, settings, on_listening=listening)


async def run_party_ish(settings: PartyIshSettings) -> None:
    """Serve MR and Edge-REST until a signal."""
    async with compose_party_ish(settings) as process:
        await serve_process(process, settings)


async def run_mr(settings: MrSettings) -> None:
    """Serve MR until a signal."""
    async with compose_mr(settings) as process:
        await serve_process(process, settings)


async def run_dacha(settings: DachaSettings) -> None:
    """Serve Dacha2 until a signal."""
    async with compose_dacha(settings) as process:
        await serve_process(process, settings)


async def run_edge(settings: EdgeSettings) -> None:
    """Serve Edge until a signal."""
    async with compose_edge(settings) as process:
        await serve_process(process, settings)


async def run_edge_rest(settings: EdgeRestSettings) -> None:
    """Serve Edge-REST until a signal."""
    async with compose_edge_rest(settings) as process:
        await serve_process(process, settings)


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
        running(process.app, host=settings.host, port=settings.port) as url,
    ):
        yield Party(url, database)
        if process.drain is not None:
            await process.drain(settings.drain_seconds)


async def _demonstrate(url: str, settings: PartySettings) -> None:
    typer.echo((await seed(url, settings.data_dir)).instructions())
