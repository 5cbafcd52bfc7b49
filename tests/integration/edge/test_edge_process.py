"""`burgee edge` as a process on a real bus: it leaves in order, and comes back with what it knew."""

import asyncio
from pathlib import Path

import aiohttp

from common.contracts.reports import Report
from tests.support.backbones import ENVIRONMENT, SDK_KEY, Backbone, a_log, open_backbone
from tests.support.edges import EventReader
from tests.support.nats import EVENT_KEY, NatsServer, running_nats
from tests.support.processes import BurgeeProcess
from tests.support.waiting import eventually

UNKNOWN = f"{ENVIRONMENT}/anotherkeyanotherkeyanotherkeyanotherkey"


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
    log = a_log()
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
                    await stream.until("features", within_seconds=30)
                    async with open_backbone(server, log) as backbone:
                        await eventually(lambda: backbone.bus.connected)
                        await backbone.change("THIRD")
                        event = await stream.until("feature", within_seconds=30)
                        assert event.data["key"] == "THIRD"
        finally:
            await asyncio.to_thread(edge.stop)


async def _serves_and_leaves(edge: BurgeeProcess, backbone: Backbone, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{edge.url}/features/{SDK_KEY}") as answered:
        stream = EventReader(answered)
        await stream.until("features", within_seconds=30)
        await backbone.change("SECOND")
        assert (await stream.until("feature", within_seconds=30)).data["key"] == "SECOND"
        await eventually(lambda: _told(backbone.reports), within_seconds=30)
        edge.ask_to_stop()
        assert await stream.until("bye", within_seconds=30)
    await eventually(lambda: backbone.reports[-1].leaving, within_seconds=30)
    await eventually(lambda: not edge.running, within_seconds=30)
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
