"""G6: a cached miss never outlives creation.

Fault: a look-up that found nothing is held, and what it looked for is created meanwhile; also the plain
case, a miss that is cached already. Assertion: it is served within T.
"""

import asyncio
from uuid import UUID

import aiohttp
import pytest

from common.contracts.environments import hash_key
from mr.db.models.service_accounts import ServiceAccount
from mr.db.projection import project_accounts
from mr.db.session import Locks
from tests.guarantees.conftest import T
from tests.support.admin import ALL_ROLES
from tests.support.fleet import ALL, open_fleet
from tests.support.judge import agree
from tests.support.party import PartyHere
from tests.support.waiting import eventually
from tests.support.world import World

pytestmark = pytest.mark.guarantees

SERVICE_KEY = "asked-for-before-it-exists*000000000000001"


async def test_a_key_created_while_its_look_up_is_under_way_is_served(world: World, party: PartyHere) -> None:
    await world.create("flag")
    key = f"{world.environment_id}/{SERVICE_KEY}"
    party.origin.hold("account")
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as asking:
        poll = asking.create_task(status_of(http, world.url, key))
        await eventually(lambda: party.origin.held, what="a look-up to be held")
        await give_key(party, world.account.id)
        party.origin.release("account")
        # The look-up was right when it was made: this one request may hear 404 or 503, no later one.
        assert await poll in {200, 404, 503}
        await served(http, world.url, key)
    await judged(world, party, key)


async def test_a_key_created_after_its_miss_was_remembered_is_served(world: World, party: PartyHere) -> None:
    await world.create("flag")
    key = f"{world.environment_id}/{SERVICE_KEY}"
    async with aiohttp.ClientSession() as http:
        for _ in range(3):
            assert await status_of(http, world.url, key) == 404
        await give_key(party, world.account.id)
        await served(http, world.url, key)
    await judged(world, party, key)


async def test_an_environment_opened_to_an_account_that_was_refused_is_served(
    world: World, party: PartyHere
) -> None:
    other = await world.admin.create_environment(world.application.id)
    await world.create("flag")
    key = world.account.sdk_key(other, client=True)
    async with aiohttp.ClientSession() as http:
        assert await status_of(http, world.url, key) == 404
        await world.admin.change_account(
            world.account.id, environments={world.environment_id: ALL_ROLES, other: ALL_ROLES}
        )
        await served(http, world.url, key)
    async with open_fleet(world.port, [key], kinds=ALL) as fleet:
        await fleet.ready()
        await agree(fleet, party.database_url, other, T)
        fleet.assert_no_errors()


async def give_key(party: PartyHere, account_id: str) -> None:
    """Let the account have the key from now on, as creating it with that key would."""
    identity = UUID(account_id)
    async with party.database.write(Locks(accounts=(identity,))) as session:
        account = await session.get_one(ServiceAccount, identity)
        account.client_key = SERVICE_KEY
        account.client_key_hash = hash_key(SERVICE_KEY)
        await session.flush()
        await project_accounts(session, [identity])


async def served(http: aiohttp.ClientSession, url: str, key: str) -> None:
    async def answered() -> bool:
        return await status_of(http, url, key) == 200

    await eventually(answered, within_seconds=T, what="the key to be served")


async def judged(world: World, party: PartyHere, key: str) -> None:
    async with open_fleet(world.port, [key], kinds=ALL) as fleet:
        await fleet.ready()
        await world.admin.set(world.environment_id, "flag", True)
        await agree(fleet, party.database_url, world.environment_id, T)
        fleet.assert_no_errors()


async def status_of(http: aiohttp.ClientSession, url: str, key: str) -> int:
    async with http.get(f"{url}/features", params={"apiKey": key}) as answer:
        return answer.status
