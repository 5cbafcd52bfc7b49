"""What every process that is an MR runs, and the database below it."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from burgee.processes import Internal
from burgee.topologies.between import revealed
from common.contracts.reports import Report
from common.contracts.usage import WORD as USAGE
from common.messaging.nats import NatsBus
from common.serve import Drain
from mr.app import mr_app, open_mr, open_vault
from mr.db.session import Database
from mr.deliveries.worker import open_deliveries
from mr.internal import internal_app, update_handler
from mr.propagation.record import Propagation
from mr.relay import Relay, open_relay
from mr.settings import MrSettings
from mr.usage.book import usage_handler


@dataclass(frozen=True)
class Management:
    """A running MR: what it serves to people, what to other processes, and what it hears of them."""

    app: ASGIApp
    internal: Internal | None
    propagation: Propagation
    drain: Drain


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
    propagation = Propagation()
    async with AsyncExitStack() as parts:
        mr = await parts.enter_async_context(
            open_mr(settings, database, server_name=name, registry=registry, propagation=propagation)
        )
        # Building the application keeps the loop busy for a second or more: whoever asks this process for
        # something, or waits for its relay, must not wait for that. At the end the bus is left first.
        app, internal = mr_app(mr), _internal(settings, database)
        await parts.enter_async_context(_relay(settings, database, bus, registry, on_positions))
        await parts.enter_async_context(
            open_deliveries(
                settings,
                database,
                vault=open_vault(settings),
                source=settings.public_address(),
                registry=registry,
            )
        )
        if bus is not None:
            await parts.enter_async_context(bus.on_report(propagation.told))
            await parts.enter_async_context(bus.serve("update", update_handler(database)))
            await parts.enter_async_context(bus.serve(USAGE, usage_handler(database)))
        yield Management(app, internal, propagation, mr.live.drain)


def teller(bus: NatsBus | None, propagation: Propagation) -> Callable[[Report], Awaitable[None]]:
    """Where a process that is also an MR reports to: all on the bus, itself included, or itself alone."""
    if bus is not None:
        return bus.report

    async def tell(report: Report) -> None:
        propagation.told(report)

    return tell


def drained_together(*drains: Drain) -> Drain:
    """Send everybody away at once, in a process that has several kinds of streams."""

    async def drain(seconds: float) -> None:
        await asyncio.gather(*(each(seconds) for each in drains))

    return drain


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
