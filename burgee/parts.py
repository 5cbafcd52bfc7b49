"""The parts that several topologies open in the same way."""

import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from burgee.processes import Internal
from common.client import open_client
from common.contracts.lookups import SdkUpdate, SdkUpdateOutcome
from common.messaging.nats import NatsBus, open_nats_bus
from common.origins.client import ApiFailures, HttpOrigin
from common.settings import BusSettings, DatabaseSettings, InternalCallerSettings, Token, WritingSettings
from edge.sinks import HttpSink
from mr.app import mr_app, open_mr
from mr.db.migrate import upgrade
from mr.db.properties import PropertyTemplates
from mr.db.session import Database, open_database
from mr.features.sdk_updates import apply_update
from mr.internal import internal_app, update_handler
from mr.relay import Relay, open_relay
from mr.settings import MrSettings


def new_instance(role: str) -> str:
    """A name for this life of a process: other processes know it by it, and it is part of NATS subjects."""
    return f"{role}-{uuid.uuid4().hex[:16]}"


def revealed(tokens: tuple[Token, ...]) -> list[str]:
    """The tokens themselves, for those who compare them."""
    return [each.get_secret_value() for each in tokens]


class DirectSink:
    """SDK updates by a call of MR's rules (`edge.updates.UpdateSink`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def update(self, update: SdkUpdate) -> SdkUpdateOutcome:
        return await apply_update(self._database, update)


@asynccontextmanager
async def bus_of(
    settings: BusSettings, instance: str, registry: CollectorRegistry
) -> AsyncIterator[NatsBus | None]:
    """The bus that the settings name, if they name one."""
    if not settings.nats_urls:
        yield None
        return
    async with open_nats_bus(settings, instance=instance, registry=registry) as bus:
        yield bus


@dataclass(frozen=True)
class Api:
    """The internal API of another process."""

    origin: HttpOrigin
    sink: HttpSink


@asynccontextmanager
async def internal_api(
    settings: InternalCallerSettings, url: str, failures: ApiFailures
) -> AsyncIterator[Api]:
    """Be ready to call the internal API at an address; nothing is asked yet."""
    if settings.internal_token is None:
        raise ValueError("there is an address, and no token for it")
    token = settings.internal_token.get_secret_value()
    async with open_client() as client:
        yield Api(
            HttpOrigin(url, token, client, failures=failures),
            HttpSink(url, token, client, failures=failures),
        )


@asynccontextmanager
async def writable_database(settings: WritingSettings) -> AsyncIterator[Database]:
    """The database, brought to this release's schema."""
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


def read_replica(settings: DatabaseSettings, address: str) -> AbstractAsyncContextManager[Database]:
    """A database that is only read, at whatever schema it has."""
    return open_database(address, pool_size=settings.database_pool_size, read_only=True)


@dataclass(frozen=True)
class Management:
    """A running MR: what it serves to people, what to other processes, and what it hears of them."""

    app: ASGIApp
    internal: Internal | None


@asynccontextmanager
async def management(
    settings: MrSettings,
    *,
    name: str,
    database: Database,
    bus: NatsBus | None,
    registry: CollectorRegistry,
    on_positions: Callable[[], None] | None = None,
) -> AsyncIterator[Management]:
    """Run what makes a process an MR: the relay, the operations, and what it does for other processes."""
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(_relay(settings, database, bus, registry, on_positions))
        if bus is not None:
            await parts.enter_async_context(bus.serve("update", update_handler(database)))
        mr = await parts.enter_async_context(open_mr(settings, database, server_name=name, registry=registry))
        yield Management(mr_app(mr), _internal(settings, database))


def _relay(
    settings: MrSettings,
    database: Database,
    bus: NatsBus | None,
    registry: CollectorRegistry,
    on_positions: Callable[[], None] | None,
) -> AbstractAsyncContextManager[Relay]:
    return open_relay(
        database,
        holder=f"{socket.gethostname()}/{uuid.uuid4()}",
        publisher=bus,
        on_positions=on_positions,
        keep_rows=settings.outbox_keep_rows,
        keep_seconds=settings.outbox_keep_hours * 3600,
        registry=registry,
    )


def _internal(settings: MrSettings, database: Database) -> Internal | None:
    if settings.internal_port is None:
        return None
    app = internal_app(
        database,
        dacha_tokens=revealed(settings.dacha_tokens),
        edge_tokens=revealed(settings.edge_tokens),
    )
    return Internal(app, settings.internal_port)
