"""`burgee edge` as a process on a real bus: it leaves in order, and comes back with what it knew."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from common.contracts.environments import hash_key
from common.contracts.events import LoggedEvent, encode_data, event_type
from common.contracts.reports import Report
from common.messaging.nats import NatsBus, open_nats_bus
from common.origins.remote import answer
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.edges import EventReader
from tests.support.nats import EVENT_KEY, NatsServer, bus_settings, running_nats
from tests.support.origins import ModelOrigin
from tests.support.processes import BurgeeProcess
from tests.support.sources import SERVER_KEY
from tests.support.waiting import eventually

ENVIRONMENT = environment_id("production")
SDK_KEY = f"{ENVIRONMENT}/{SERVER_KEY}"
UNKNOWN = f"{ENVIRONMENT}/anotherkeyanotherkeyanotherkeyanotherkey"


@dataclass
class Backbone:
    """What an Edge finds on the bus: MR's log with its relay, a Dacha, and somebody who hears reports."""

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


def _logged(event):
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


def an_edge(server: NatsServer, folder: Path) -> BurgeeProcess:
    return BurgeeProcess(
        "edge",
        folder,
        {
            "BURGEE_NATS_URLS": server.url,
            "BURGEE_EVENT_KEY": EVENT_KEY,
            "BURGEE_STATE_DIR": str(folder / "state"),
            "BURGEE_DRAIN_SECONDS": "1",
        },
    )


async def test_an_edge_leaves_in_order_and_comes_back_with_what_it_knew(tmp_path: Path) -> None:
    log = ChangeLog()
    log.create_environment(ENVIRONMENT)
    log.set_feature(ENVIRONMENT, "FIRST")
    log.save_account(account_id("sdk"), key_hash("c"), hash_key(SERVER_KEY), environments=[ENVIRONMENT])
    log.assign()
    with running_nats() as server:
        edge = an_edge(server, tmp_path)
        try:
            async with open_backbone(server, log) as backbone, aiohttp.ClientSession() as http:
                await asyncio.to_thread(edge.start)
                await _serves_and_leaves(edge, backbone, http)
            # Now nobody is there: no relay, no Dacha.
            edge.launch()
            await asyncio.to_thread(edge.wait_until_ready)
            async with aiohttp.ClientSession() as http:
                await _serves_what_it_knew(edge, http)
                async with http.get(f"{edge.url}/features/{SDK_KEY}") as answered:
                    stream = EventReader(answered)
                    await stream.until("features", within_seconds=10)
                    async with open_backbone(server, log) as backbone:
                        await eventually(lambda: backbone.bus.connected)
                        await backbone.change("THIRD")
                        event = await stream.until("feature", within_seconds=15)
                        assert event.data["key"] == "THIRD"
        finally:
            await asyncio.to_thread(edge.stop)


async def _serves_and_leaves(edge: BurgeeProcess, backbone: Backbone, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{edge.url}/features/{SDK_KEY}") as answered:
        stream = EventReader(answered)
        await stream.until("features", within_seconds=10)
        await backbone.change("SECOND")
        assert (await stream.until("feature", within_seconds=10)).data["key"] == "SECOND"
        await eventually(lambda: _told(backbone.reports), within_seconds=10)
        edge.ask_to_stop()
        assert await stream.until("bye", within_seconds=10)
    await eventually(lambda: backbone.reports[-1].leaving, within_seconds=10)
    await eventually(lambda: not edge.running, within_seconds=10)
    assert sum(each.leaving for each in backbone.reports) == 1


def _told(reports: list[Report]) -> bool:
    """True when the change is known to have reached the stream."""
    return any(
        report.streams == {ENVIRONMENT: 1}
        and [(each.streams, each.reached) for each in report.reaches] == [(1, 1)]
        for report in reports
    )


async def _serves_what_it_knew(edge: BurgeeProcess, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{edge.url}/features", params={"apiKey": SDK_KEY}) as answered:
        assert answered.status == 200
        known = {each["key"] for each in (await answered.json())[0]["features"]}
        assert known == {"FIRST", "SECOND"}
    async with http.get(f"{edge.url}/features", params={"apiKey": UNKNOWN}) as answered:
        assert answered.status == 503
