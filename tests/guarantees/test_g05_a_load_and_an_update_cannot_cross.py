"""G5: a load and an update cannot cross.

Fault: the answer of the cache's load is held after it was read, and an edit commits meanwhile.
Assertion: the new value is served, to polls and to streams that were waiting for that very load.
"""

import asyncio

import aiohttp
import pytest

from tests.support.fleet import JS_POLL, STREAMS, open_fleet
from tests.support.judge import agree
from tests.support.party import PartyHere
from tests.support.waiting import eventually
from tests.support.world import World

pytestmark = pytest.mark.guarantees

T = 5.0


async def test_an_edit_during_the_first_load_is_served(world: World, party: PartyHere) -> None:
    admin, environment = world.admin, world.environment_id
    await world.create("flag")
    await world.create("text", "STRING")
    origin = party.origin
    origin.hold("environment")
    # The Python poller is left out: its agent answers nothing before its first poll did.
    async with open_fleet(world.port, [world.client_key], kinds=[*STREAMS, JS_POLL]) as fleet:
        await eventually(lambda: origin.held, what="a load to be held")
        await admin.set(environment, "flag", True)
        await admin.set(environment, "text", "written during the load")
        await admin.set(environment, "text", "written twice")
        origin.release("environment")
        await fleet.hold("flag", True, T)
        await fleet.hold("text", "written twice", T)
        await agree(fleet, party.database_url, environment, T)
        fleet.assert_no_errors()


async def test_a_key_reset_during_the_first_load_of_its_account_is_obeyed(
    world: World, party: PartyHere
) -> None:
    await world.create("flag")
    origin = party.origin
    origin.hold("account")
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as asking:
        poll = asking.create_task(status_of(http, world.url, world.client_key))
        await eventually(lambda: origin.held, what="a load to be held")
        account = await world.admin.reset_keys(world.account.id)
        origin.release("account")
        assert await poll in {404, 503}, "the old key must not be served after its reset"

        async def refused() -> bool:
            return await status_of(http, world.url, world.client_key) == 404

        await eventually(refused, within_seconds=T, what="the refusal of the old key")
        fresh = account.sdk_key(world.environment_id, client=True)

        async def served() -> bool:
            return await status_of(http, world.url, fresh) == 200

        await eventually(served, within_seconds=T, what="the new key to be served")


async def status_of(http: aiohttp.ClientSession, url: str, key: str) -> int:
    async with http.get(f"{url}/features", params={"apiKey": key}) as answer:
        return answer.status
