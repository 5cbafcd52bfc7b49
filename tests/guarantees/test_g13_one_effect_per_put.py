"""G13: one effect per PUT.

Fault: the MR that carried an update out is killed after its commit and before its answer, which a link
holds. Assertion: the value takes one step. Edge's own retry finds the other MR and answers 200; a client
that gave up and repeats with its `Idempotency-Key` hears 200, through whichever Edge; one that repeats
without hears 202, since it is so already.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.guarantees.conftest import T_RESTART, T
from tests.support.fleet import ALL, open_fleet
from tests.support.judge import agree, delivered
from tests.support.processes import BurgeeProcess
from tests.support.split import Split
from tests.support.waiting import DeadlineMissed, eventually
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

FEATURE = "steps"
ATTEMPTS = 20
ANSWER_SECONDS = 30.0
COMMIT_SECONDS = 2.5
"""Longer than Edge waits for one MR, and short enough that it has time to ask another one."""


@pytest.fixture
async def world(split: Split) -> AsyncIterator[World]:
    async with open_world(split.mrs[0].url, split.edges[0].port, split.token) as made:
        await made.create(FEATURE, "NUMBER")
        await made.admin.set(made.environment_id, FEATURE, 0)
        yield made


class Updater:
    """An SDK's program that counts a feature up."""

    def __init__(self, split: Split, world: World, http: aiohttp.ClientSession) -> None:
        self.number = 0
        self._split = split
        self._world = world
        self._http = http

    @property
    def version(self) -> int:
        return delivered(self._split.database_url, self._world.environment_id)[FEATURE].version

    @property
    def value(self) -> object:
        return delivered(self._split.database_url, self._world.environment_id)[FEATURE].value

    async def put(self, edge: BurgeeProcess, request_id: str = "") -> int:
        """Ask for the present number; answer the status."""
        headers = {"idempotency-key": request_id} if request_id else {}
        async with self._http.put(
            f"{edge.url}/features/{self._world.client_key}/{FEATURE}",
            json={"value": self.number, "updateValue": True, "lock": False},
            headers=headers,
        ) as answer:
            await answer.read()
            return answer.status

    async def served(self, edge: BurgeeProcess) -> int:
        """Ask until this Edge knows MR again; answer the first status that says something."""

        async def answered() -> int:
            status = await self.put(edge)
            return 0 if status == 503 else status

        return await eventually(answered, within_seconds=T_RESTART, what="an answer to a PUT")


@asynccontextmanager
async def dead_before_its_answer(
    split: Split, updater: Updater, request_id: str
) -> AsyncIterator["asyncio.Task[int]"]:
    """PUT through the first Edge so that an MR commits and dies; the request is still waiting.

    The other MR is frozen meanwhile, so who committed is certain. The bus may have asked the frozen one:
    then it is asked again with a new number. The task's name is the request's id.
    """
    victim, other = split.mrs
    (link,) = split.bus_links(victim)
    async with asyncio.TaskGroup() as asking:
        for attempt in range(ATTEMPTS):
            updater.number += 1
            before, name = updater.version, f"{request_id}-{attempt}"
            link.stall("up")
            other.pause()
            put = asking.create_task(updater.put(split.edges[0], name), name=name)
            try:
                await eventually(
                    lambda before=before: updater.version > before,
                    within_seconds=COMMIT_SECONDS,
                    what="the commit",
                )
            except DeadlineMissed:
                other.resume()
                link.resume("up")
                assert await put == 200
                continue
            await asyncio.to_thread(victim.kill)
            link.lose()
            other.resume()
            assert not put.done()
            yield put
            assert updater.version == before + 1, "one step, however often it was sent"
            await asyncio.to_thread(victim.start)
            return
    raise AssertionError(f"{victim.name} was never asked")


async def test_an_update_that_is_sent_again_has_one_effect(split: Split, world: World, scale) -> None:
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        open_fleet(split.edges[1].port, [world.client_key], kinds=ALL, limit_seconds=1800) as fleet,
    ):
        await fleet.ready()
        updater = Updater(split, world, http)
        for round_ in range(scale.faults_of(1)):
            async with dead_before_its_answer(split, updater, f"waits-{round_}") as put:
                assert await put == 200, "Edge asked the other MR"
                assert await updater.put(split.edges[0]) == 202, "it is so already"
            async with dead_before_its_answer(split, updater, f"gives-up-{round_}") as put:
                put.cancel()
                assert await updater.served(split.edges[1]) == 202
            async with dead_before_its_answer(split, updater, f"repeats-{round_}") as put:
                put.cancel()
                for edge in (*split.edges, *split.edge_rests):
                    assert await updater.put(edge, put.get_name()) == 200
            await agree(fleet, split.database_url, world.environment_id, T)
        fleet.assert_no_errors()
    assert updater.value == updater.number
