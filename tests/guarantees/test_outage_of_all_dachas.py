"""Every Dacha is dead: what Edges hold is served and changed as ever, and nothing is said to be absent.

Fault: kill −9 of all Dachas; values change, an SDK updates, keys are asked for that no Edge holds. Assertion:
changes arrive at polls and streams, updates have their effect, cold keys hear 503 and never 404, and are
served when a Dacha is back.
"""

import asyncio

import aiohttp
import pytest

from tests.guarantees.conftest import T_RESTART, T
from tests.support.admin import ALL_ROLES
from tests.support.cold import caught_up, chill
from tests.support.fleet import STREAMS, open_fleet
from tests.support.judge import agree
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.watchers import poll
from tests.support.world import open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow, pytest.mark.row(7)]


async def test_without_any_dacha_what_is_held_is_served_and_changed(split: Split) -> None:
    async with (
        open_world(split.mrs[0].url, split.edges[0].port, split.token) as world,
        aiohttp.ClientSession() as http,
    ):
        environment = world.environment_id
        await world.create("flag", "STRING")
        await world.admin.set(environment, "flag", "first")
        cold = await world.admin.create_account(world.application.portfolio_id, {environment: ALL_ROLES})
        await caught_up(split)
        await chill(split)

        async def answers(key: str) -> list[tuple[int, object]]:
            told = [await poll(http, edge.url, key) for edge in split.edges]
            return [(status, held["flag"].value if held else None) for status, held in told]

        async def all_answer(key: str, value: str) -> bool:
            return await answers(key) == [(200, value)] * len(split.edges)

        async with open_fleet(split.edges[0].port, [world.client_key], kinds=STREAMS) as fleet:
            await fleet.ready()
            await eventually(lambda: all_answer(world.client_key, "first"), within_seconds=T)
            for dacha in split.dachas:
                await asyncio.to_thread(dacha.kill)
            await world.admin.set(environment, "flag", "second")
            await eventually(lambda: all_answer(world.client_key, "second"), within_seconds=T)
            async with http.put(
                f"{split.edges[1].url}/features/{world.server_key}/flag",
                json={"lock": False, "value": "third", "updateValue": True},
            ) as answer:
                assert answer.status == 200
            await eventually(lambda: all_answer(world.client_key, "third"), within_seconds=T)
            await agree(fleet, split.database_url, environment, T)
            cold_key = cold.sdk_key(environment, client=True)
            nobody = f"{environment}/nobodynobodynobody*nobodynobodynobodynobody"
            for key in (cold_key, nobody):
                assert {status for status, _ in await answers(key)} == {503}
            for dacha in split.dachas:
                await asyncio.to_thread(dacha.start)
            await eventually(lambda: all_answer(cold_key, "third"), within_seconds=T_RESTART)
            await agree(fleet, split.database_url, environment, T)
            fleet.assert_no_errors()
