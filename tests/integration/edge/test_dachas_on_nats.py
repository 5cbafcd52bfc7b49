"""Questions to Dachas over a real NATS server, one of them frozen, one of them gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from common.contracts.reports import Report
from common.errors import Unavailable
from common.messaging.nats import NatsBus, open_nats_bus
from common.origins.remote import answer
from common.reporting import open_reporter
from edge.dachas import QUESTION_SECONDS, DachaPool, open_dacha_pool
from tests.support.change_log import ChangeLog, environment_id
from tests.support.nats import NatsServer, bus_settings, running_nats
from tests.support.origins import ModelOrigin
from tests.support.waiting import eventually

HERE = environment_id("here")


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with running_nats() as running:
        yield running


class Member:
    """A Dacha on the bus: it answers from a model of MR, unless it is frozen."""

    def __init__(self, instance: str, log: ChangeLog, bus: NatsBus) -> None:
        self.instance = instance
        self.frozen = False
        self.thawed = asyncio.Event()
        self.asked = 0
        self._log = log
        self._origin = ModelOrigin(log)
        self._bus = bus

    async def _answer(self, question: bytes) -> bytes:
        self.asked += 1
        if self.frozen:
            # A stopped process takes questions for as long as its sockets are open.
            await self.thawed.wait()
        return await answer(self._origin, question)

    def _report(self) -> Report:
        log = self._log
        return Report(instance=self.instance, role="dacha", epoch=log.epoch, position=log.position, live=True)

    async def _tell(self, report: Report) -> None:
        if not self.frozen:
            await self._bus.report(report)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with (
            self._bus.serve("dacha", self._answer),
            self._bus.serve(f"dacha.{self.instance}", self._answer),
            open_reporter(self._report, self._tell, seconds=0.2, closest_seconds=0.1),
        ):
            yield


class Scene:
    def __init__(
        self, bus: NatsBus, pool: DachaPool, members: list[Member], registry: CollectorRegistry
    ) -> None:
        self.bus = bus
        self.pool = pool
        self.members = members
        self._registry = registry

    def count(self, name: str) -> float:
        return self._registry.get_sample_value(name) or 0.0


def thaw(members: list[Member]) -> None:
    """Let frozen members answer: who serves waits for its answers before it leaves."""
    for member in members:
        member.thawed.set()


@asynccontextmanager
async def open_scene(server: NatsServer, *instances: str) -> AsyncIterator[Scene]:
    """An Edge's pool, and Dachas that it has heard of."""
    log = ChangeLog()
    log.create_environment(HERE)
    log.assign()
    settings, registry = bus_settings(server.url), CollectorRegistry()
    async with AsyncExitStack() as parts:
        bus = await parts.enter_async_context(open_nats_bus(settings, instance="edge-1"))
        pool = await parts.enter_async_context(open_dacha_pool(bus, registry=registry))
        members = []
        for instance in instances:
            theirs = await parts.enter_async_context(open_nats_bus(settings, instance=instance))
            member = Member(instance, log, theirs)
            await parts.enter_async_context(member.serving())
            members.append(member)
        scene = Scene(bus, pool, members, registry)
        await eventually(lambda: scene.count("burgee_edge_dacha_members") >= len(instances))
        parts.callback(thaw, members)
        yield scene


async def test_a_question_is_answered_over_the_bus(server: NatsServer) -> None:
    async with open_scene(server, "dacha-a", "dacha-b") as scene:
        found = await scene.pool.load_environment(HERE)
        assert found.snapshot is not None
        # One more for each time that the answer took so long that another was asked as well.
        assert sum(each.asked for each in scene.members) <= 1 + scene.count("burgee_edge_dacha_hedges_total")
        assert any(each.asked for each in scene.members)


async def test_with_one_of_two_frozen_nobody_waits_long(server: NatsServer) -> None:
    async with open_scene(server, "dacha-a", "dacha-b") as scene:
        scene.members[0].frozen = True
        begun = time.monotonic()
        times = []
        for _ in range(100):
            asked = time.monotonic()
            assert (await scene.pool.load_environment(HERE)).snapshot is not None
            times.append(time.monotonic() - asked)
        # Somebody else is asked after a tenth of a second or so; nobody waits for the frozen one to answer.
        assert sorted(times)[90] < QUESTION_SECONDS / 2
        # It is left alone, longer and longer, and tried with one question in between.
        assert scene.members[0].asked < 20 + (time.monotonic() - begun)


async def test_without_any_dacha_the_answer_is_unknown_at_once(server: NatsServer) -> None:
    async with open_scene(server) as scene:

        async def refused() -> bool:
            begun = time.monotonic()
            with pytest.raises(Unavailable):
                await scene.pool.state()
            return time.monotonic() - begun < QUESTION_SECONDS / 2

        assert await eventually(refused)


async def test_who_leaves_is_asked_no_more(server: NatsServer) -> None:
    async with open_scene(server, "dacha-a") as scene:
        leaving = Member("dacha-b", ChangeLog(), scene.bus)
        async with leaving.serving():
            await eventually(lambda: scene.count("burgee_edge_dacha_members") == 2)
        await eventually(lambda: scene.count("burgee_edge_dacha_members") == 1)
        asked = leaving.asked
        for _ in range(10):
            assert (await scene.pool.load_environment(HERE)).snapshot is not None
        assert leaving.asked == asked
