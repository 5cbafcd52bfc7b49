"""G7: absence is told only when it is confirmed.

Fault: all MRs are dead, later PostgreSQL as well; keys are asked for that no cache holds, by poll and by
stream. Assertion: 503 or a held stream, never 404 and never `failure`. What is held is served on, also by
Dachas and Edges that are restarted in place meanwhile with their state folders; everything is equal when
MR is back.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest

from tests.guarantees.conftest import T_RESTART, T
from tests.support.admin import ALL_ROLES, Account
from tests.support.cold import caught_up, chill
from tests.support.fleet import STREAMS, open_fleet
from tests.support.judge import agree
from tests.support.ledger import ledger
from tests.support.processes import BurgeeProcess
from tests.support.scene import open_scene
from tests.support.split import Split
from tests.support.streams import open_stream
from tests.support.waiting import eventually
from tests.support.watchers import poll
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

SEED = 20261126
HELD_SECONDS = 4.0
"""So long a stream with a cold key is watched: what is told to strangers would have been told by then."""


@pytest.fixture
async def world(split: Split) -> AsyncIterator[World]:
    async with open_world(split.mrs[0].url, split.edges[0].port, split.token) as made:
        await made.create("flag")
        yield made


async def kill_all(processes: Sequence[BurgeeProcess]) -> None:
    for process in processes:
        await asyncio.to_thread(process.kill)


async def start_all(processes: Sequence[BurgeeProcess]) -> None:
    def start() -> None:
        for process in processes:
            process.launch()
        for process in processes:
            process.wait_until_ready(60)

    await asyncio.to_thread(start)


async def statuses(split: Split, http: aiohttp.ClientSession, key: str) -> set[int]:
    return {(await poll(http, edge.url, key))[0] for edge in split.edges}


async def test_a_cold_key_is_never_refused_while_mr_is_down(split: Split, world: World) -> None:
    environment = world.environment_id
    cold: Account = await world.admin.create_account(world.application.portfolio_id, {environment: ALL_ROLES})
    cold_key = cold.sdk_key(environment, client=True)
    nobody = f"{environment}/nobodynobodynobody*nobodynobodynobodynobody"
    await caught_up(split)
    await chill(split)
    async with (
        aiohttp.ClientSession() as http,
        open_fleet(split.edges[0].port, [world.client_key], kinds=STREAMS) as held,
    ):
        await held.ready()
        await eventually(lambda: _all_serve(split, http, world.client_key), within_seconds=T)
        await kill_all(split.mrs)
        async with (
            open_fleet(split.edges[1].port, [cold_key], kinds=STREAMS) as waiting,
            open_stream(split.edges[0].url, cold_key) as stream,
        ):
            assert stream.status == 200
            began = time.monotonic()
            while time.monotonic() < began + HELD_SECONDS:
                for key in (cold_key, nobody):
                    found = await statuses(split, http, key)
                    assert found == {503}, f"a key that nobody could look up was answered {found}"
                assert await statuses(split, http, world.client_key) == {200}, "what is held is served on"
            assert {event.name for event in stream.events} <= {"ack"}, stream.events
            assert not stream.ended
            await start_all(split.mrs)
            back = time.monotonic()
            await stream.heard("features", T_RESTART)
            await waiting.ready(T_RESTART)
            await eventually(lambda: _all_serve(split, http, cold_key), within_seconds=T)
            ledger().converged(time.monotonic() - back)
            await world.admin.set(environment, "flag", True)
            for fleet in (held, waiting):
                await agree(fleet, split.database_url, environment, T)
            held.assert_no_errors()


async def _all_serve(split: Split, http: aiohttp.ClientSession, key: str) -> bool:
    return await statuses(split, http, key) == {200}


async def test_what_is_held_is_served_without_mr_and_database_and_over_restarts(
    split: Split, world: World, scale, repetition
) -> None:
    cold = world.client_key
    async with open_scene(split, seed=SEED + repetition) as scene, aiohttp.ClientSession() as http:
        await scene.driver.edit(scale.changes_of(20))
        await scene.converge(T)
        await kill_all(split.mrs)
        await asyncio.to_thread(split.postgres.kill)
        polls = [each.polls for each in scene.watch.pollers]
        await still_served(split, scene.driver.keys, http)
        for process in (*split.dachas, *split.edges):
            # As an operator would: one after the other, in place.
            for fleet in scene.fleets:
                fleet.streams.hold()
                fleet.polls.hold()
            await asyncio.to_thread(process.stop)
            await asyncio.to_thread(process.start)
            for fleet in scene.fleets:
                fleet.streams.release()
                fleet.polls.release()
            await still_served(split, scene.driver.keys, http)
        await scene.watch.all_open()
        scene.watch.take_faults()
        scene.driver.history.check()
        assert all(after.polls > before + 5 for after, before in zip(scene.watch.pollers, polls, strict=True))
        # It was made known to the Dachas by its event; only who never heard of a key cannot know it.
        assert await statuses(split, http, cold) <= {200, 503}
        nobody = f"{scene.driver.environments[0]}/nobodynobodynobody*nobodynobodynobodynobody"
        assert await statuses(split, http, nobody) == {503}
        await asyncio.to_thread(split.start_database)
        await start_all(split.mrs)
        await scene.driver.edit(10)
        await scene.converge(T_RESTART)


async def still_served(split: Split, keys: Sequence[str], http: aiohttp.ClientSession) -> None:
    for key in keys:
        assert await statuses(split, http, key) == {200}, "something that was held is not served any more"
