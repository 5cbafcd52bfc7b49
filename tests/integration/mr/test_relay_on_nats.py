"""The relay on a real bus: whatever happens to the servers, every change arrives, in order."""

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest
from sqlalchemy import func, select

from common.contracts.events import encode_data
from common.messaging.nats import open_nats_bus
from mr.db.models.delivery import OutboxRow
from mr.db.session import open_database
from mr.origin import DatabaseOrigin
from mr.relay import open_relay
from tests.support.ears import Ear
from tests.support.histories import Shop
from tests.support.nats import bus_settings, running_nats
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def server():
    with running_nats() as running:
        yield running


@pytest.fixture
def settings(server, request):
    """A cluster name of the test's own, so that one server does for all."""
    return bus_settings(server.url, cluster=f"c{abs(hash(request.node.name))}")


async def test_what_is_committed_is_heard_with_what_the_log_says_of_it(database_url, settings):
    async with _relaying(database_url, settings) as (shop, relay, ear):
        for number in range(4):
            await shop.save_value(0, 0, number)
        await _all_heard(ear, relay)
        tail = await DatabaseOrigin(shop.database).tail(0, 100)
        assert _told(ear.events) == _told(tail.events)
        assert ear.positions == list(range(1, relay.position + 1))


async def test_edits_while_the_bus_is_gone_wait_in_the_log_and_are_published_when_it_is_back(
    sqlite_url, settings, server
):
    async with _relaying(sqlite_url, settings) as (shop, relay, ear):
        server.kill()
        before = relay.position
        for number in range(5):
            await shop.save_value(0, 0, number)
        await relay.drained()
        assert relay.position > before
        assert await _unpublished(shop.database) == relay.position - before
        server.start()
        # Who comes back later than the relay has missed them, and is told by the heartbeat.
        await _all_heard(ear, relay)
        assert await _unpublished(shop.database) == 0


async def test_what_a_frozen_bus_was_given_is_not_taken_for_published(sqlite_url, settings, server):
    async with _relaying(sqlite_url, settings) as (shop, relay, ear):
        server.pause()
        before = relay.position
        try:
            for number in range(3):
                await shop.save_value(0, 0, number)
            await relay.drained()
            assert await _unpublished(shop.database) == relay.position - before
        finally:
            server.resume()
        await _all_heard(ear, relay)
        assert await _unpublished(shop.database) == 0


async def test_two_relays_take_turns_and_nothing_is_lost_or_out_of_order(postgresql_url, settings):
    ear = Ear()
    async with (
        open_database(postgresql_url) as one,
        open_nats_bus(settings, instance="edge-1") as listener,
        listener.subscribe(ear),
    ):
        shop = Shop(one)
        await shop.open()
        await eventually(lambda: listener.connected, within_seconds=30)
        for turn in range(3):
            async with (
                open_nats_bus(settings, instance=f"mr-{turn}") as bus,
                open_database(postgresql_url) as database,
                open_relay(database, holder=f"mr-{turn}", publisher=bus) as relay,
            ):
                for number in range(3):
                    await shop.save_value(0, 0, number)
                await relay.drained()
                if turn == 2:
                    await _all_heard(ear, relay)
    first_heard = list(dict.fromkeys(ear.positions))
    assert first_heard == list(range(first_heard[0], relay.position + 1))
    assert sorted(each.term for each in ear.events) == [each.term for each in ear.events]


@asynccontextmanager
async def _relaying(url, settings):
    """A shop, its relay, and an ear on the bus that has heard the first heartbeat."""
    ear = Ear()
    async with (
        open_database(url) as database,
        open_nats_bus(settings, instance="edge-1") as listener,
        listener.subscribe(ear),
        open_nats_bus(settings, instance="mr-1") as bus,
    ):
        await eventually(lambda: listener.connected and bus.connected, within_seconds=30)
        shop = Shop(database)
        await shop.open()
        async with open_relay(database, holder="mr-1", publisher=bus) as relay:
            await relay.drained()
            await _all_heard(ear, relay)
            yield shop, relay, ear


async def _all_heard(ear, relay):
    """Wait until a heartbeat tells of the last position; with it, all before it was sent."""
    async with asyncio.timeout(60):
        await relay.drained()
    await eventually(
        lambda: ear.heartbeats and ear.heartbeats[-1].position == relay.position,
        within_seconds=60,
        what="a heartbeat of the last position",
    )


def _told(events):
    """All that an event says; its data as it is sent, for states have no equality of their own."""
    return [(encode_data(each.data), msgspec.structs.replace(each, data=None)) for each in events]


async def _unpublished(database):
    async with database.read() as session:
        rows = select(func.count()).select_from(OutboxRow).where(OutboxRow.published.is_(None))
        return await session.scalar(rows)
