"""G5 and G6 between processes: a load and an update cannot cross, and no miss outlives a creation.

Fault: the links between the Dachas and MR's internal API hold the answers of the first loads, while edits
commit and their events overtake those answers on the bus. Assertion: the new value is served to polls,
streams and SDK processes of both Edges, and what the held answer denied is served too.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager

import aiohttp
import pytest

from tests.guarantees.conftest import T
from tests.support.admin import ALL_ROLES
from tests.support.cold import caught_up, chill, heard
from tests.support.fleet import STREAMS, open_fleet
from tests.support.judge import agree, delivered
from tests.support.ledger import ledger
from tests.support.split import Split
from tests.support.streams import Stream, open_stream
from tests.support.waiting import eventually
from tests.support.watchers import poll
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]


@pytest.fixture
async def world(split: Split) -> AsyncIterator[World]:
    """A world that exists, and that no cache holds."""
    async with open_world(split.mrs[0].url, split.edges[0].port, split.token) as made:
        await made.create("text", "STRING")
        await made.admin.set(made.environment_id, "text", "before")
        yield made


def questions(split: Split, path: str) -> int:
    return sum(link.asked(lambda request: request.path.startswith(path)) for link in split.internal.values())


@contextmanager
def held_answers(split: Split) -> Iterator[None]:
    """MR's answers to the Dachas are on their way for as long as the block lasts."""
    for link in split.internal.values():
        link.stall("down")
    try:
        yield
    finally:
        for link in split.internal.values():
            link.resume("down")


async def asked(split: Split, path: str, before: int) -> None:
    await eventually(lambda: questions(split, path) > before, within_seconds=T, what=f"a load of {path}")


async def serve(http: aiohttp.ClientSession, split: Split, key: str) -> None:
    """Wait until both Edges serve the key."""

    async def served() -> bool:
        return all([(await poll(http, edge.url, key))[0] == 200 for edge in split.edges])

    done: bool = await eventually(served, within_seconds=T, what="both Edges to serve")
    assert done


async def test_an_edit_during_the_first_load_is_served(split: Split, world: World) -> None:
    environment = world.environment_id
    other = await world.admin.create_environment(world.application.id)
    everything = {environment: ALL_ROLES, other: ALL_ROLES}
    await world.admin.change_account(world.account.id, environments=everything)
    await caught_up(split)
    await chill(split)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        # Edges know the account from another environment: what is held is the environment's first load.
        await serve(http, split, world.account.sdk_key(other, client=True))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        with held_answers(split):
            path = f"/internal/environments/{environment}"
            before = questions(split, path)
            streams = [
                await stack.enter_async_context(open_stream(edge.url, world.client_key))
                for edge in split.edges
            ]
            polls = [tasks.create_task(poll(http, edge.url, world.server_key)) for edge in split.edges]
            await asked(split, path, before)
            await world.admin.set(environment, "text", "written meanwhile")
            await world.admin.set(environment, "text", "written twice")
            await heard(split)
        began = time.monotonic()
        for each in polls:
            status, held = await each
            assert status == 503 or held["text"].value == "written twice"
        for stream in streams:
            await eventually(
                lambda stream=stream: _newest(stream) == "written twice",
                within_seconds=T,
                what="streams to be told the new value",
            )
        await serve(http, split, world.client_key)
        ledger().converged(time.monotonic() - began)
        wanted = delivered(split.database_url, environment)
        for edge in split.edges:
            assert await poll(http, edge.url, world.client_key) == (200, wanted)
    async with open_fleet(split.edges[1].port, [world.client_key], kinds=STREAMS) as fleet:
        await agree(fleet, split.database_url, environment, T)
        fleet.assert_no_errors()


@pytest.mark.row(6)
async def test_a_permission_given_while_the_account_is_looked_up_is_served(
    split: Split, world: World
) -> None:
    other = await world.admin.create_environment(world.application.id)
    key = world.account.sdk_key(other, client=True)
    await caught_up(split)
    await chill(split)
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        with held_answers(split):
            before = questions(split, "/internal/accounts/")
            polls = [tasks.create_task(poll(http, edge.url, key)) for edge in split.edges]
            await asked(split, "/internal/accounts/", before)
            await world.admin.change_account(
                world.account.id, environments={world.environment_id: ALL_ROLES, other: ALL_ROLES}
            )
            await heard(split)
        began = time.monotonic()
        # The look-up was right when it was made: this one request may hear anything, no later one.
        for each in polls:
            status, _ = await each
            assert status in {200, 404, 503}
        await serve(http, split, key)
        ledger().converged(time.monotonic() - began)
    async with open_fleet(split.edges[0].port, [key], kinds=STREAMS) as fleet:
        await agree(fleet, split.database_url, other, T)
        fleet.assert_no_errors()


@pytest.mark.row(6)
async def test_a_remembered_refusal_ends_with_the_permission(split: Split, world: World) -> None:
    other = await world.admin.create_environment(world.application.id)
    key = world.account.sdk_key(other, client=True)
    async with aiohttp.ClientSession() as http:
        for _ in range(3):
            for edge in split.edges:
                assert (await poll(http, edge.url, key))[0] == 404
        began = time.monotonic()
        await world.admin.change_account(
            world.account.id, environments={world.environment_id: ALL_ROLES, other: ALL_ROLES}
        )
        await serve(http, split, key)
        ledger().converged(time.monotonic() - began)


def _newest(stream: Stream) -> object:
    """What the stream was last told of the feature."""
    told = [event.data for event in stream.events if event.name == "feature"]
    for event in stream.named("features"):
        told = [state for state in event.data if state["key"] == "text"] + told
    return told[-1]["value"] if told else None
