"""One Edge is dead: its SDKs go to another one and miss nothing, and nobody there notices.

Fault: kill −9 of an Edge with many streams; values change while it is dead. Assertion: whoever comes to the
other Edge holds what is stored, no version falls on any stream, those who were there before stay connected,
and the Edge serves what was changed once it is back.
"""

import asyncio

import aiohttp
import pytest

from tests.guarantees.conftest import T
from tests.support.crowd import open_crowd
from tests.support.judge import delivered
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.watchers import poll
from tests.support.world import open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow, pytest.mark.row(10)]

STREAMS = 30


async def test_the_sdks_of_a_killed_edge_miss_nothing_at_another_one(split: Split) -> None:
    victim, other = split.edges
    async with (
        open_world(split.mrs[0].url, other.port, split.token) as world,
        aiohttp.ClientSession() as http,
        open_crowd(victim.port) as here,
        open_crowd(other.port) as elsewhere,
        asyncio.TaskGroup() as tasks,
    ):
        environment, key = world.environment_id, world.client_key

        def move() -> None:
            tasks.create_task(elsewhere.join(key))

        for name in ("kept", "changed"):
            await world.create(name, "STRING")
            await world.admin.set(environment, name, "first")
        for _ in range(STREAMS):
            await elsewhere.join(key)
            (await here.join(key)).on_end = move
        everybody = [*here.listeners, *elsewhere.listeners]
        first = delivered(split.database_url, environment)
        await eventually(
            lambda: all(each.held == first for each in everybody),
            within_seconds=2 * T,
            what="everybody to be served",
        )

        await asyncio.to_thread(victim.kill)
        await world.admin.set(environment, "changed", "second")
        await eventually(lambda: len(elsewhere.listeners) == 2 * STREAMS, within_seconds=T)
        expected = delivered(split.database_url, environment)
        await eventually(lambda: not elsewhere.disagreeing(expected), within_seconds=T)

        await asyncio.to_thread(victim.start)

        async def serves_the_change() -> bool:
            status, held = await poll(http, victim.url, key)
            return status == 200 and held["changed"].value == "second"

        await eventually(serves_the_change, within_seconds=T)
        elsewhere.assert_unharmed()
