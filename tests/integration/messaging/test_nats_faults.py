"""The NATS bus when servers die, freeze, come late, or strangers speak: real servers, real signals."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager

import nats
import pytest
import uvloop

from common.contracts.events import Event, Heartbeat
from common.errors import Unavailable
from common.messaging.envelope import Message, Seal, event_headers
from common.messaging.nats import NatsBus, open_nats_bus
from tests.support.change_log import ChangeLog
from tests.support.ears import HOME, Ear, heartbeat, plain_event
from tests.support.nats import EVENT_KEY, bus_settings, running_cluster, running_nats
from tests.support.ports import free_port
from tests.support.proxy import open_proxy
from tests.support.relays import ModelRelay
from tests.support.waiting import eventually


@pytest.fixture
def server():
    with running_nats() as running:
        yield running


@asynccontextmanager
async def two_buses(*urls: str, **edge_options):
    settings = bus_settings(*urls)
    async with (
        open_nats_bus(settings, instance="mr-1") as mr,
        open_nats_bus(settings, instance="edge-1", **edge_options) as edge,
    ):
        await eventually(lambda: mr.connected and edge.connected, within_seconds=60)
        yield mr, edge


async def hear_a_heartbeat(mr: NatsBus, ear: Ear, position: int = 0) -> None:
    """Beat until the ear hears it: from then on nothing can be lost unnoticed."""
    count = len(ear.heartbeats)

    async def heard():
        if mr.connected:
            try:
                await mr.beat(heartbeat(position))
            except Unavailable:
                return False
        return len(ear.heartbeats) > count

    await eventually(heard, within_seconds=60)


async def test_it_opens_without_a_server_says_so_and_works_when_one_appears():
    port = free_port()
    settings = bus_settings(f"nats://127.0.0.1:{port}")
    ear = Ear()
    async with (
        open_nats_bus(settings, instance="mr-1") as mr,
        open_nats_bus(settings, instance="edge-1") as edge,
        edge.subscribe(ear),
    ):
        await eventually(lambda: mr.metrics.failures >= 2)
        assert not mr.connected
        for attempt in (
            mr.publish([plain_event(1)]),
            mr.beat(heartbeat(1)),
            edge.request("dacha", b"?", seconds=60),
        ):
            with pytest.raises(Unavailable):
                await attempt
        assert not ear.heartbeats
        with running_nats(port=port):
            await hear_a_heartbeat(mr, ear)
            await mr.publish([plain_event(1)])
            await eventually(lambda: ear.positions == [1])


async def test_after_a_crash_of_the_server_a_subscriber_is_told_and_hears_again(server):
    ear = Ear()
    async with two_buses(server.url) as (mr, edge), edge.subscribe(ear):
        await hear_a_heartbeat(mr, ear)
        told = ear.disconnections
        server.kill()
        await eventually(lambda: ear.disconnections > told)
        await eventually(lambda: not mr.connected)
        with pytest.raises(Unavailable):
            await mr.publish([plain_event(1)])
        server.start()
        await hear_a_heartbeat(mr, ear)
        await mr.publish([plain_event(2)])
        await eventually(lambda: ear.positions)
        assert ear.positions == [2], "what was sent while the server was away is not kept"
        assert edge.metrics.reconnects >= 1


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_connection_lost_in_mid_batch_leaves_the_whole_batch_unconfirmed(server, run):
    run(lose_a_connection_in_mid_batch(server))


async def lose_a_connection_in_mid_batch(server):
    async with two_buses(server.url) as (mr, _):
        server.pause()
        batch = [plain_event(position, padding=1000) for position in range(1, 501)]
        publishing = asyncio.get_running_loop().create_task(mr.publish(batch))
        await asyncio.sleep(0.05)
        assert not publishing.done()
        server.kill()
        with pytest.raises(Unavailable):
            await publishing


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_frozen_server_confirms_nothing_and_takes_no_memory(server, run):
    """On both loops: they differ in what they say of a socket that was given up."""
    run(freeze_a_server(server))


async def freeze_a_server(server):
    ear = Ear()
    async with two_buses(server.url) as (mr, edge), edge.subscribe(ear):
        await hear_a_heartbeat(mr, ear)
        server.pause()
        began = time.monotonic()
        batch = [plain_event(position, padding=200_000) for position in range(1, 201)]
        with pytest.raises(Unavailable):
            await mr.publish(batch)
        assert time.monotonic() - began < 60
        assert mr.metrics.messages["out", "event"] < 100, "the rest of the batch was not even handed over"
        for _ in range(100):
            with pytest.raises(Unavailable):
                await mr.publish(batch)
        await eventually(lambda: not edge.connected, within_seconds=60)
        server.resume()
        await hear_a_heartbeat(mr, ear)
        await mr.publish([plain_event(1000)])
        await eventually(lambda: ear.positions[-1:] == [1000])
        # Connections that were given up are gone, not left open.
        await eventually(lambda: server.ask("connz")["num_connections"] == 2, within_seconds=60)


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_a_connection_of_which_one_direction_is_dead_is_given_up(server, direction):
    ear = Ear()
    async with (
        open_proxy(server.port) as proxy,
        open_nats_bus(bus_settings(server.url), instance="mr-1") as mr,
        open_nats_bus(bus_settings(f"nats://127.0.0.1:{proxy.port}"), instance="edge-1") as edge,
        edge.subscribe(ear),
    ):
        await hear_a_heartbeat(mr, ear)
        told = ear.disconnections
        proxy.stall(direction)
        await eventually(lambda: not edge.connected, within_seconds=60)
        await eventually(lambda: ear.disconnections > told)
        proxy.resume(direction)
        await hear_a_heartbeat(mr, ear)


async def test_what_publish_has_confirmed_is_at_the_server(server):
    async with two_buses(server.url) as (mr, _):
        for count in (1, 10, 1000):
            before = server.ask("varz")["in_msgs"]
            await mr.publish([plain_event(position) for position in range(count)])
            # It confirms a moment before it counts.
            await eventually(lambda least=before + count: server.ask("varz")["in_msgs"] >= least)


async def test_another_node_of_the_cluster_is_found_when_one_dies():
    ear = Ear()
    with running_cluster() as cluster:
        async with two_buses(*cluster.urls) as (mr, edge), edge.subscribe(ear):
            await hear_a_heartbeat(mr, ear)
            for number, node in enumerate(cluster.nodes[:2]):
                node.kill()
                await hear_a_heartbeat(mr, ear, position=number)
                await eventually(lambda: edge.connected and mr.connected)
            await hear_a_heartbeat(mr, ear)
            await mr.publish([plain_event(5)])
            await eventually(lambda: ear.positions == [5])


async def test_after_the_first_heartbeat_of_a_new_subscription_on_a_cluster_nothing_is_missing():
    log = ChangeLog()
    with running_cluster() as cluster:
        async with AsyncExitStack() as stack:
            mr = await stack.enter_async_context(
                open_nats_bus(bus_settings(cluster.urls[0]), instance="mr-1")
            )
            edges = [
                await stack.enter_async_context(open_nats_bus(bus_settings(url), instance=f"edge-{number}"))
                for number, url in enumerate(cluster.urls)
            ]
            await eventually(lambda: mr.connected and all(each.connected for each in edges))
            await stack.enter_async_context(ModelRelay(log, mr, heartbeat_seconds=60))
            log.create_environment(HOME)
            for number in range(30):
                ear = Ear()
                async with edges[number % len(edges)].subscribe(ear):

                    async def caught_up(ear=ear):
                        log.set_feature(HOME, "a")
                        return len(ear.positions) > 20 and ear.heartbeats

                    await eventually(caught_up, every_seconds=0.002)
                first = next(place for place, each in enumerate(ear.messages) if isinstance(each, Heartbeat))
                heard = [each.position for each in ear.messages[first:] if isinstance(each, Event)]
                begin = ear.heartbeats[0].position
                assert heard == list(range(begin + 1, begin + 1 + len(heard)))
                assert not ear.disconnections


async def test_a_subscriber_that_cannot_keep_up_is_told_and_nothing_piles_up(server):
    ear = Ear()
    async with two_buses(server.url, pending_messages=4) as (mr, edge), edge.subscribe(ear):
        await hear_a_heartbeat(mr, ear)
        told = ear.disconnections

        async def overflows():
            # In how many pieces the server hands on what it is given is its own affair.
            await mr.publish([plain_event(position) for position in range(1, 301)])
            return edge.metrics.dropped["overflow"] > 0

        await eventually(overflows)
        await eventually(lambda: ear.disconnections > told)
        await hear_a_heartbeat(mr, ear, position=300)
        assert len(ear.positions) + edge.metrics.dropped["overflow"] >= 300


async def test_strangers_on_the_same_servers_are_not_heard_and_are_counted(server):
    ear = Ear()
    subject = f"burgee.default.c.e.{HOME}"
    logged = plain_event(1)
    headers = event_headers(logged, "/stranger")
    async with two_buses(server.url) as (mr, edge), edge.subscribe(ear):
        await hear_a_heartbeat(mr, ear)
        stranger = await nats.connect(server.url)
        try:
            await stranger.publish(subject, logged.payload)
            await stranger.publish(subject, logged.payload, headers=headers)
            for key, cluster in ((b"guessed", "default"), (EVENT_KEY.encode(), "another")):
                sealed = Seal(key, cluster).sealed(Message(subject, "", headers, logged.payload))
                await stranger.publish(subject, logged.payload, headers=dict(sealed.headers))
            await stranger.publish("burgee.default.c.hb", b"")
            await stranger.publish("burgee.default.r.edge-9", b"{}")
            await stranger.flush()
            await eventually(lambda: edge.metrics.dropped["forged"] == 5)
            assert ear.positions == []
        finally:
            await stranger.close()


async def test_recorded_heartbeats_that_are_played_again_are_no_sign_of_life(server):
    ear = Ear()
    recorded = []
    async with two_buses(server.url) as (mr, edge), edge.subscribe(ear):
        stranger = await nats.connect(server.url)

        async def record(message):
            recorded.append(message)

        try:
            await stranger.subscribe("burgee.default.c.hb", cb=record)
            # Its first PING goes ahead of what is not written yet.
            await stranger.flush()
            await stranger.flush()
            await hear_a_heartbeat(mr, ear)
            # Of those before, some may still be on their way; none is when a later one was heard.
            await mr.beat(heartbeat(1))
            await eventually(lambda: ear.heartbeats[-1].position == 1)
            await eventually(lambda: len(recorded) >= len(ear.heartbeats))
            heard, count = len(ear.heartbeats), len(recorded)
            for message in recorded[:count]:
                await stranger.publish(message.subject, message.data, headers=message.headers)
            await stranger.flush()
            await eventually(lambda: edge.metrics.dropped["repeated"] == count)
            assert len(ear.heartbeats) == heard
            await hear_a_heartbeat(mr, ear)
        finally:
            await stranger.close()


async def test_a_sealed_message_that_makes_no_sense_is_dropped_and_counted(server):
    ear = Ear()
    subject = "burgee.default.c.e.another"
    logged = plain_event(1)
    async with two_buses(server.url) as (mr, edge), edge.subscribe(ear):
        await hear_a_heartbeat(mr, ear)
        sender = await nats.connect(server.url)
        try:
            message = Message(subject, "", event_headers(logged, "/defect"), logged.payload)
            sealed = Seal(EVENT_KEY.encode(), "default").sealed(message)
            await sender.publish(subject, logged.payload, headers=dict(sealed.headers))
            await sender.flush()
            await eventually(lambda: edge.metrics.dropped["malformed"] == 1)
        finally:
            await sender.close()
        await mr.publish([plain_event(2)])
        await eventually(lambda: ear.positions == [2])


async def test_an_event_too_big_for_the_bus_goes_as_a_pointer():
    ear = Ear()
    with running_nats(settings="max_payload: 64KB") as small:
        async with two_buses(small.url) as (mr, edge), edge.subscribe(ear):
            await hear_a_heartbeat(mr, ear)
            await mr.publish([plain_event(1, padding=59_000), plain_event(2, padding=65_000), plain_event(3)])
            await eventually(lambda: ear.positions == [1, 2, 3])
            assert [each.data is None for each in ear.events] == [False, True, False]
            assert ear.events[1].revision == 2
            assert mr.metrics.pointers == 1
            assert edge.connected


async def test_a_defect_in_a_subscriber_ends_whoever_opened_the_bus(server):
    class Broken(Ear):
        def on_event(self, event):
            raise KeyError("a bug")

    async def go_on():
        async with two_buses(server.url) as (mr, edge), edge.subscribe(Broken()):
            while True:
                await mr.publish([plain_event(1)])
                await asyncio.sleep(0.05)

    with pytest.raises(ExceptionGroup) as caught:
        await go_on()
    assert caught.group_contains(KeyError)


async def test_closing_gives_everything_back(server):
    tasks = asyncio.all_tasks()
    async with two_buses(server.url) as (_, edge), edge.subscribe(Ear()):
        await eventually(lambda: server.ask("connz")["num_connections"] == 2)
    await eventually(lambda: server.ask("connz")["num_connections"] == 0)
    await eventually(lambda: asyncio.all_tasks() == tasks)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_closing_at_any_moment_ends(server, run):
    """A cancellation must not be forgotten where it meets an answer of the server."""

    async def open_and_close():
        for count in range(40):
            async with open_nats_bus(bus_settings(server.url), instance="edge-1") as bus:
                if count % 4:
                    await eventually(lambda bus=bus: bus.connected, every_seconds=0.001)
                async with bus.subscribe(Ear()):
                    for _ in range(count % 4):
                        await asyncio.sleep(0)

    async def within_time():
        async with asyncio.timeout(180):
            await open_and_close()

    run(within_time())


def test_names_that_cannot_be_part_of_a_subject_are_refused():
    for instance in ("", "a.b", "a b", "a*", ">"):
        with pytest.raises(ValueError, match="instance"):
            NatsBus(
                bus_settings("nats://127.0.0.1:1"),
                instance=instance,
                heartbeat_seconds=2,
                pending_messages=16,
            )
