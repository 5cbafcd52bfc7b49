"""What an Edge in a process of its own finds on a bus: a model of MR's log with its relay, and a Dacha."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from common.contracts.environments import hash_key
from common.contracts.events import Event, LoggedEvent, encode_data, event_type
from common.contracts.reports import Report
from common.messaging.nats import NatsBus, open_nats_bus
from common.origins.remote import answer
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.nats import NatsServer, bus_settings
from tests.support.origins import ModelOrigin
from tests.support.sources import SERVER_KEY

ENVIRONMENT = environment_id("production")
SDK_KEY = f"{ENVIRONMENT}/{SERVER_KEY}"


def a_log() -> ChangeLog:
    """One environment with one feature, and an account whose key is `SDK_KEY`'s."""
    log = ChangeLog()
    log.create_environment(ENVIRONMENT)
    log.set_feature(ENVIRONMENT, "FIRST")
    log.save_account(account_id("sdk"), key_hash("c"), hash_key(SERVER_KEY), environments=[ENVIRONMENT])
    log.assign()
    return log


@dataclass
class Backbone:
    """MR's log with its relay, a Dacha, and somebody who hears reports."""

    server: NatsServer
    log: ChangeLog
    bus: NatsBus
    reports: list[Report] = field(default_factory=list)

    async def change(self, key: str) -> None:
        self.log.set_feature(ENVIRONMENT, key)
        await self.bus.publish([_logged(each) for each in self.log.assign()])

    async def relay(self) -> None:
        """Beat as a relay does, for ever."""
        while True:
            if self.bus.connected:
                await self.bus.beat(self.log.heartbeat())
            await asyncio.sleep(0.2)


def _logged(event: Event) -> LoggedEvent:
    assert event.data is not None
    return LoggedEvent(
        id=event.id,
        type=event_type(event.data),
        counter=event.counter,
        position=event.position,
        term=event.term,
        epoch=event.epoch,
        revision=event.revision,
        previous=event.previous,
        digest=event.digest,
        time=event.time,
        payload=encode_data(event.data),
    )


@asynccontextmanager
async def open_backbone(server: NatsServer, log: ChangeLog) -> AsyncIterator[Backbone]:
    origin = ModelOrigin(log)

    async def answered(question: bytes) -> bytes:
        return await answer(origin, question)

    async with AsyncExitStack() as parts:
        bus = await parts.enter_async_context(open_nats_bus(bus_settings(server.url), instance="backbone"))
        backbone = Backbone(server, log, bus)
        await parts.enter_async_context(bus.on_report(backbone.reports.append))
        await parts.enter_async_context(bus.serve("dacha", answered))
        tasks = await parts.enter_async_context(asyncio.TaskGroup())
        beating = tasks.create_task(backbone.relay())
        parts.callback(beating.cancel)
        yield backbone
