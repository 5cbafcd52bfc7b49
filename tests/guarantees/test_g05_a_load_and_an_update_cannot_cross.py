"""G5: a load and an update cannot cross.

Fault: the answer of the cache's load is held after it was read, and an edit commits meanwhile.
Assertion: the new value is served, to polls and to streams that were waiting for that very load.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from tests.guarantees.conftest import T
from tests.support.admin import open_admin
from tests.support.fleet import JS_POLL, STREAMS, open_fleet
from tests.support.judge import agree
from tests.support.party import PartyHere, open_party_here
from tests.support.projection import assert_projection_true
from tests.support.streams import open_stream
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = pytest.mark.guarantees


class Cold(NamedTuple):
    """A server that holds nothing yet, and two worlds that were made before it started.

    A running server would hold a new environment from its first event on, and load nothing. Edits of
    the second world show how far the server's cache has heard.
    """

    party: PartyHere
    world: World
    other: World


@pytest.fixture
async def cold(database_url: str, tmp_path: Path) -> AsyncIterator[Cold]:
    async with (
        open_party_here(database_url, tmp_path) as before,
        open_world(before.url, before.port) as made,
        open_world(before.url, before.port) as beside,
    ):
        for world in (made, beside):
            await world.create("flag")
            await world.create("text", "STRING")
    async with (
        open_party_here(database_url, tmp_path) as party,
        open_admin(party.url, made.admin.token) as admin,
    ):
        here = {"url": party.url, "port": party.port, "admin": admin}
        yield Cold(party, replace(made, **here), replace(beside, **here))
        await assert_projection_true(party.database)


@asynccontextmanager
async def crossing(cold: Cold, kind: str, *, event_first: bool) -> AsyncIterator[None]:
    """Hold the next answer of this kind until what the block did has (or has not) been heard of."""
    async with open_stream(cold.other.url, cold.other.client_key) as beside:
        await beside.heard("features")
        cold.party.origin.hold(kind)
        yield
        if event_first:
            await cold.other.admin.set(cold.other.environment_id, "text", "later")
            await beside.changed("text", value="later")
        cold.party.origin.release(kind)


ORDERS = pytest.mark.parametrize("event_first", [True, False], ids=["event first", "answer first"])


@ORDERS
async def test_an_edit_during_the_first_load_is_served(cold: Cold, event_first: bool) -> None:
    party, world, _ = cold
    admin, environment = world.admin, world.environment_id
    # The Python poller is left out: its agent answers nothing before its first poll did.
    kinds = [*STREAMS, JS_POLL]
    async with AsyncExitStack() as stack:
        async with crossing(cold, "environment", event_first=event_first):
            opened = open_fleet(world.port, [world.client_key], kinds=kinds)
            fleet = await stack.enter_async_context(opened)
            await eventually(lambda: party.origin.held, within_seconds=30, what="a load to be held")
            await admin.set(environment, "flag", True)
            await admin.set(environment, "text", "written during the load")
            await admin.set(environment, "text", "written twice")
        await fleet.hold("flag", True, T)
        await fleet.hold("text", "written twice", T)
        await agree(fleet, party.database_url, environment, T)
        fleet.assert_no_errors()


@ORDERS
async def test_a_key_reset_during_the_first_load_of_its_account_is_obeyed(
    cold: Cold, event_first: bool
) -> None:
    party, world, _ = cold
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as asking:
        async with crossing(cold, "account", event_first=event_first):
            poll = asking.create_task(status_of(http, world.url, world.client_key))
            await eventually(lambda: party.origin.held, what="a load to be held")
            account = await world.admin.reset_keys(world.account.id)
        if event_first:
            assert await poll in {404, 503}, "the cache knew of the reset when it answered"

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
