"""What every bus promises: one suite for each of them.

A `Line` is a bus together with the hands that write the log it carries.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from common.contracts.events import Event, Heartbeat
from common.messaging.bus import Bus
from common.messaging.local import LocalBus, Tail
from common.messaging.nats import open_nats_bus
from tests.support.change_log import ChangeLog, environment_id
from tests.support.ears import Ear
from tests.support.nats import NatsServer, bus_settings, running_nats
from tests.support.origins import ModelOrigin
from tests.support.relays import ModelRelay
from tests.support.waiting import eventually

HOME = environment_id("home")
HEARTBEAT_SECONDS = 0.1


class Line:
    """A bus, and the log behind it."""

    def __init__(self, bus: Bus, log: ChangeLog) -> None:
        self.bus = bus
        self.log = log

    def commit(self, count=1):
        """Write to the log; the relay gives positions when it likes."""
        if HOME not in self.log.environments:
            self.log.create_environment(HOME)
            count -= 1
        for _ in range(count):
            self.log.set_feature(HOME, "a")

    async def sent(self):
        """Return when all that was committed is on its way, and nothing sent earlier is."""
        self.log.assign()

    async def cut(self, *, away: bool):
        """The relay, or the way to it, stops working; or works again."""
        raise NotImplementedError


class LocalLine(Line):
    def __init__(self, heartbeat_seconds: float) -> None:
        log = ChangeLog()
        self.origin = ModelOrigin(log)
        bus = LocalBus(self.origin.tail, heartbeat_seconds=heartbeat_seconds, poll_seconds=0.02, batch=7)
        log.on_commit = bus.wake
        super().__init__(bus, log)

    async def cut(self, *, away: bool):
        self.origin.log_cut_off = away
        await asyncio.sleep(0)


class NatsLine(Line):
    def __init__(self, bus, publisher, relay: ModelRelay) -> None:
        super().__init__(bus, relay.log)
        self.publisher = publisher
        self.relay = relay

    async def sent(self):
        await eventually(lambda: not self.log.drafts and self.relay.sent == self.log.position)
        await self._delivered()

    async def cut(self, *, away: bool):
        await self.relay.cut(away=away)
        if away:
            await self._delivered()

    async def _delivered(self):
        # A confirmation comes after everything that the server had for a connection.
        await self.publisher.publish([])
        await self.bus.publish([])


@asynccontextmanager
async def local_line(heartbeat_seconds: float, server: NatsServer) -> AsyncIterator[Line]:
    yield LocalLine(heartbeat_seconds)


@asynccontextmanager
async def nats_line(heartbeat_seconds: float, server: NatsServer) -> AsyncIterator[Line]:
    settings = bus_settings(server.url)
    async with (
        open_nats_bus(settings, instance="mr-1") as publisher,
        open_nats_bus(settings, instance="edge-1", heartbeat_seconds=heartbeat_seconds) as bus,
        ModelRelay(ChangeLog(), publisher, heartbeat_seconds=heartbeat_seconds) as relay,
    ):
        await eventually(lambda: publisher.connected and bus.connected)
        yield NatsLine(bus, publisher, relay)


@pytest.fixture(scope="module")
def server():
    with running_nats() as running:
        yield running


@pytest.fixture(params=[local_line, nats_line], ids=["local", "nats"])
def make(request, server):
    return lambda heartbeat_seconds: request.param(heartbeat_seconds, server)


@pytest.fixture
async def line(make):
    async with make(HEARTBEAT_SECONDS) as made:
        yield made


async def test_a_heartbeat_comes_first_so_that_a_subscriber_knows_that_it_hears(line):
    line.commit(3)
    await line.sent()
    ear = Ear()
    async with line.bus.subscribe(ear):
        await eventually(lambda: ear.messages)
    assert ear.messages[0] == Heartbeat(term=1, epoch="epoch-0", position=3)


async def test_what_was_sent_before_is_not_delivered_and_what_follows_is_in_order(line):
    line.commit(3)
    await line.sent()
    ear = Ear()
    async with line.bus.subscribe(ear):
        await eventually(lambda: ear.heartbeats)
        line.commit(40)
        await eventually(lambda: len(ear.positions) == 40)
    assert ear.positions == list(range(4, 44))


async def test_a_heartbeat_follows_the_events_that_it_speaks_of(line):
    ear = Ear()
    async with line.bus.subscribe(ear):
        await eventually(lambda: ear.heartbeats)
        line.commit(30)
        await eventually(lambda: ear.heartbeats[-1].position == 30)
    highest = 0
    for message in ear.messages:
        if isinstance(message, Event):
            highest = message.position
        else:
            assert message.position <= highest


async def test_heartbeats_come_when_nothing_happens(line):
    ear = Ear()
    async with line.bus.subscribe(ear):
        await eventually(lambda: len(ear.heartbeats) >= 3)


async def test_a_heartbeat_comes_at_once_when_asked_for(make):
    async with make(60) as line:
        ear = Ear()
        async with line.bus.subscribe(ear):
            await eventually(lambda: ear.heartbeats)
            count = len(ear.heartbeats)
            line.bus.sync()
            await eventually(lambda: len(ear.heartbeats) > count)


async def test_nothing_comes_while_the_relay_is_cut_off_and_nothing_is_missing_afterwards(line):
    ear = Ear()
    async with line.bus.subscribe(ear):
        await eventually(lambda: ear.heartbeats)
        await line.cut(away=True)
        line.commit(5)
        # What was sent before has arrived, and is heard when its turn comes.
        await asyncio.sleep(HEARTBEAT_SECONDS)
        assert not ear.positions
        count = len(ear.messages)
        await asyncio.sleep(5 * HEARTBEAT_SECONDS)
        assert len(ear.messages) == count
        await line.cut(away=False)
        await eventually(lambda: ear.heartbeats[-1].position == 5)
    heard = set(ear.positions)
    assert heard == {1, 2, 3, 4, 5} or "disconnected" in ear.messages


async def test_a_subscriber_starts_while_the_relay_is_away(line):
    await line.cut(away=True)
    ear = Ear()
    async with line.bus.subscribe(ear):
        assert not ear.messages
        await line.cut(away=False)
        await eventually(lambda: ear.heartbeats)


async def test_a_log_that_does_not_reach_back_shows_as_a_heartbeat_ahead(line):
    ear = Ear()
    async with line.bus.subscribe(ear):
        await eventually(lambda: ear.heartbeats)
        await line.cut(away=True)
        line.commit(20)
        line.log.assign()
        line.log.prune(20)
        await line.cut(away=False)
        await eventually(lambda: ear.heartbeats[-1].position == 20)
        line.commit(1)
        await eventually(lambda: ear.positions[-1:] == [21])


async def test_another_epoch_is_told_by_a_heartbeat_and_its_positions_begin_there(line):
    line.commit(5)
    await line.sent()
    backup = line.log.backup()
    line.commit(5)
    await line.sent()
    ear = Ear()
    async with line.bus.subscribe(ear):
        await eventually(lambda: ear.heartbeats)
        line.log.restore(backup)
        await eventually(lambda: ear.heartbeats[-1].epoch == "epoch-1")
        line.commit(1)
        await eventually(lambda: ear.positions)
    assert ear.positions == [6]
    if isinstance(line.bus, LocalBus):
        assert "disconnected" in ear.messages


async def test_several_subscribers_each_hear_everything_and_leaving_ends_it(line):
    ears = [Ear(), Ear()]
    async with line.bus.subscribe(ears[0]):
        async with line.bus.subscribe(ears[1]):
            await eventually(lambda: all(each.heartbeats for each in ears))
            line.commit(2)
            await eventually(lambda: all(each.positions == [1, 2] for each in ears))
        line.commit(1)
        await eventually(lambda: ears[0].positions == [1, 2, 3])
    assert ears[1].positions == [1, 2]


async def test_a_bug_below_the_bus_ends_whoever_subscribed():
    async def broken(after: int, limit: int) -> Tail:
        raise KeyError("a bug")

    with pytest.raises(ExceptionGroup):
        async with LocalBus(broken, poll_seconds=0.01).subscribe(Ear()):
            await asyncio.sleep(5)
