"""COMPOSITION ROOTS: each topology is one function that opens its parts and hands each what it needs.

Nothing here decides anything: a part gets its collaborators as arguments, and what was opened is closed in
reverse order. `run_…` serves until a signal; `open_party` serves inside a test's event loop.
"""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import typer
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from burgee.seed import seed
from burgee.settings import PartyIshSettings, PartySettings
from common.caching.loader import Origin
from common.client import open_client
from common.contracts.lookups import SdkUpdate, SdkUpdateOutcome
from common.messaging.bus import Bus
from common.messaging.local import LocalBus
from common.observability import process_registry, watch_loop_lag
from common.origins.client import ApiFailures
from common.serve import Bound, Drain, Listener, running, serve
from common.settings import DatabaseSettings, ServingSettings, WritingSettings
from common.web import (
    BodyGuard,
    Health,
    RequestMetrics,
    SdkCors,
    Surroundings,
    operational_routes,
    problem_handlers,
)
from dacha.app import open_dacha
from edge.app import Edge, open_edge
from edge.settings import PollSettings
from edge.sinks import HttpSink
from edge.updates import UpdateSink
from edge_rest.app import edge_rest
from edge_rest.settings import EdgeRestSettings
from edge_rest.updates import NoSink
from mr.app import mr_app, open_mr
from mr.db.migrate import upgrade
from mr.db.properties import PropertyTemplates
from mr.db.session import Database, open_database
from mr.features.sdk_updates import apply_update
from mr.origin import DatabaseOrigin
from mr.relay import Relay, open_relay
from mr.settings import MrSettings

PARTY: Final = "party-server"
PARTY_ISH: Final = "party-server-ish"
MR: Final = "management-repository"
EDGE_REST: Final = "edge-rest"
"""Names that `/info/version` tells, as clients of the wire contract know them."""

WrapOrigin = Callable[[Origin], Origin]
WrapBus = Callable[[Bus], Bus]


@dataclass(frozen=True)
class Process:
    """What a composed process serves, and how it leaves."""

    name: str
    app: ASGIApp
    monitor: ASGIApp | None
    health: Health
    drain: Drain | None
    database: Database
    registry: CollectorRegistry


@dataclass(frozen=True)
class Party:
    """A party server that is being served."""

    url: str
    database: Database


class DirectSink:
    """SDK updates by a call of MR's rules (`edge.updates.UpdateSink`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def update(self, update: SdkUpdate) -> SdkUpdateOutcome:
        return await apply_update(self._database, update)


@asynccontextmanager
async def compose_party(
    settings: PartySettings,
    *,
    wrap_origin: WrapOrigin = lambda origin: origin,
    wrap_bus: WrapBus = lambda bus: bus,
) -> AsyncIterator[Process]:
    """MR, Dacha2 and Edge in one process, joined by a bus that tails the database."""
    registry = process_registry()
    async with AsyncExitStack() as parts:
        database = await parts.enter_async_context(_database(settings))
        origin = DatabaseOrigin(database)
        bus = LocalBus(origin.tail)
        await parts.enter_async_context(_relay(settings, database, registry, on_positions=bus.wake))
        dacha = await parts.enter_async_context(
            open_dacha(settings, bus=wrap_bus(bus), origin=wrap_origin(origin), registry=registry)
        )
        mr = await parts.enter_async_context(
            open_mr(settings, database, server_name=PARTY, registry=registry)
        )
        edge = await parts.enter_async_context(
            open_edge(settings, source=dacha.cache, sink=DirectSink(database), registry=registry)
        )
        health = Health(
            {"cache": lambda: edge.ready}, start_degraded_after_seconds=settings.start_degraded_after
        )
        yield _process(
            PARTY,
            settings,
            registry,
            health,
            database,
            routes=edge.routes(),
            rest=mr_app(mr),
            drain=edge.drain,
            cors_headers=settings.cors_headers,
        )


@asynccontextmanager
async def compose_party_ish(settings: PartyIshSettings) -> AsyncIterator[Process]:
    """MR and Edge-REST in one process: polls are answered from the database, there are no streams."""
    registry = process_registry()
    async with AsyncExitStack() as parts:
        database = await parts.enter_async_context(_database(settings))
        await parts.enter_async_context(_relay(settings, database, registry))
        mr = await parts.enter_async_context(
            open_mr(settings, database, server_name=PARTY_ISH, registry=registry)
        )
        edge = _edge_rest(settings, database, registry)
        yield _process(
            PARTY_ISH,
            settings,
            registry,
            Health({}),
            database,
            routes=edge.routes(),
            rest=mr_app(mr),
            cors_headers=settings.cors_headers,
        )


@asynccontextmanager
async def compose_mr(settings: MrSettings) -> AsyncIterator[Process]:
    """The Management Repository alone."""
    registry = process_registry()
    async with AsyncExitStack() as parts:
        database = await parts.enter_async_context(_database(settings))
        await parts.enter_async_context(_relay(settings, database, registry))
        mr = await parts.enter_async_context(open_mr(settings, database, server_name=MR, registry=registry))
        yield _process(MR, settings, registry, Health({}), database, rest=mr_app(mr))


@asynccontextmanager
async def compose_edge_rest(settings: EdgeRestSettings) -> AsyncIterator[Process]:
    """Polls and updates straight on the database; a relay elsewhere publishes what updates change."""
    registry = process_registry()
    async with AsyncExitStack() as parts:
        edge, database = await parts.enter_async_context(_edge_on_a_database(settings, registry))
        yield _process(
            EDGE_REST,
            settings,
            registry,
            Health({}),
            database,
            routes=edge.routes(),
            cors_headers=settings.cors_headers,
        )


@asynccontextmanager
async def _edge_on_a_database(
    settings: EdgeRestSettings, registry: CollectorRegistry
) -> AsyncIterator[tuple[Edge, Database]]:
    """On the database alone, on it and a replica, or on a replica and MR's internal API."""
    async with AsyncExitStack() as parts:
        if settings.database_read_only:
            replica = await parts.enter_async_context(_replica(settings, settings.database_address()))
            sink: UpdateSink = NoSink()
            if settings.mr_url is not None and settings.internal_token is not None:
                client = await parts.enter_async_context(open_client())
                sink = HttpSink(
                    settings.mr_url,
                    settings.internal_token.get_secret_value(),
                    client,
                    failures=ApiFailures(registry),
                )
            yield edge_rest(settings, reader=DatabaseOrigin(replica), sink=sink, registry=registry), replica
            return
        database = await parts.enter_async_context(_database(settings))
        if settings.database_replica_url is None:
            yield _edge_rest(settings, database, registry), database
            return
        address = settings.database_replica_url.get_secret_value()
        replica = await parts.enter_async_context(_replica(settings, address))
        edge = edge_rest(
            settings,
            reader=DatabaseOrigin(replica),
            primary=DatabaseOrigin(database),
            sink=DirectSink(database),
            registry=registry,
        )
        yield edge, database


async def run_party(settings: PartySettings, *, demo: bool = False) -> None:
    """Serve a party server until a signal; with ``demo``, make the example organisation meanwhile."""
    async with compose_party(settings) as process, asyncio.TaskGroup() as tasks:

        def listening(bound: Sequence[Bound]) -> None:
            if demo:
                tasks.create_task(_demonstrate(bound[0].url, settings), name="demo")

        await _serve(process, settings, on_listening=listening)


async def run_party_ish(settings: PartyIshSettings) -> None:
    """Serve MR and Edge-REST until a signal."""
    async with compose_party_ish(settings) as process:
        await _serve(process, settings)


async def run_mr(settings: MrSettings) -> None:
    """Serve MR until a signal."""
    async with compose_mr(settings) as process:
        await _serve(process, settings)


async def run_edge_rest(settings: EdgeRestSettings) -> None:
    """Serve Edge-REST until a signal."""
    async with compose_edge_rest(settings) as process:
        await _serve(process, settings)


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
        compose_party(settings, wrap_origin=wrap_origin, wrap_bus=wrap_bus) as process,
        running(process.app, host=settings.host, port=settings.port) as url,
    ):
        yield Party(url, process.database)
        if process.drain is not None:
            await process.drain(settings.drain_seconds)


# The parts that several topologies open in the same way.


@asynccontextmanager
async def _database(settings: WritingSettings) -> AsyncIterator[Database]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    address = settings.database_address()
    await upgrade(address)
    async with open_database(
        address,
        pool_size=settings.database_pool_size,
        templates=PropertyTemplates.parse(",".join(settings.feature_properties)),
        tombstone_seconds=int(settings.tombstone_hours * 3600),
    ) as database:
        yield database


def _replica(settings: DatabaseSettings, address: str) -> AbstractAsyncContextManager[Database]:
    return open_database(address, pool_size=settings.database_pool_size, read_only=True)


def _relay(
    settings: MrSettings,
    database: Database,
    registry: CollectorRegistry,
    *,
    on_positions: Callable[[], None] | None = None,
) -> AbstractAsyncContextManager[Relay]:
    return open_relay(
        database,
        holder=f"{socket.gethostname()}/{uuid.uuid4()}",
        on_positions=on_positions,
        keep_rows=settings.outbox_keep_rows,
        keep_seconds=settings.outbox_keep_hours * 3600,
        registry=registry,
    )


def _edge_rest(settings: PollSettings, database: Database, registry: CollectorRegistry) -> Edge:
    reader = DatabaseOrigin(database)
    return edge_rest(settings, reader=reader, sink=DirectSink(database), registry=registry)


def _process(
    name: str,
    settings: ServingSettings,
    registry: CollectorRegistry,
    health: Health,
    database: Database,
    *,
    routes: Sequence[BaseRoute] = (),
    rest: ASGIApp | None = None,
    drain: Drain | None = None,
    cors_headers: Sequence[str] = (),
) -> Process:
    """Put the routes side by side, and what every process has around them."""
    operational = operational_routes(name=name, version=version("burgee"), health=health, metrics=registry)
    separate = settings.monitor_port is not None
    # Clients of the contract ask for the version where they ask for features.
    on_main = [each for each in operational if not separate or each.path == "/info/version"]
    mine = [*on_main, *routes]
    app = Starlette(routes=mine, exception_handlers=problem_handlers())
    app.router.redirect_slashes = False
    if rest is not None:
        app.router.default = rest
    guarded = SdkCors(BodyGuard(app, max_bytes=settings.max_body_bytes), extra_headers=cors_headers)
    metrics = RequestMetrics(registry)
    return Process(
        name=name,
        app=Surroundings(guarded, routes=mine, metrics=metrics, health=health),
        monitor=Surroundings(Starlette(routes=operational), listener="monitor") if separate else None,
        health=health,
        drain=drain,
        database=database,
        registry=registry,
    )


async def _serve(
    process: Process,
    settings: ServingSettings,
    *,
    on_listening: Callable[[Sequence[Bound]], None] | None = None,
) -> None:
    trusted = tuple(str(network) for network in settings.trusted_proxies)
    listeners = [Listener("main", process.app, settings.host, settings.port, trusted_proxies=trusted)]
    if process.monitor is not None and settings.monitor_port is not None:
        listeners.append(Listener("monitor", process.monitor, settings.host, settings.monitor_port))
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(watch_loop_lag(process.registry), name="loop-lag")
        await serve(
            listeners,
            health=process.health,
            drain=process.drain,
            drain_seconds=settings.drain_seconds,
            on_listening=on_listening,
        )
        watch.cancel()


async def _demonstrate(url: str, settings: PartySettings) -> None:
    typer.echo((await seed(url, settings.data_dir)).instructions())
