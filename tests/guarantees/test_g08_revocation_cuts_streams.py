"""G8: revocation cuts streams.

Fault: an account with open streams on both Edges is archived, gets new keys, or loses the environment;
keys are reset while their first look-up is held on its way; then Dachas and Edges crash and come back
with their state. Assertion: streams end (or are diffed, where only a filter was added) within T, and the
former key is never served again; streams of others are unharmed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from common.contracts.environments import SdkKey
from tests.guarantees.conftest import T
from tests.support.admin import ALL_ROLES, Account, Admin
from tests.support.cold import caught_up, chill, crash_and_return, heard
from tests.support.crowd import Crowd, Listener, open_crowd
from tests.support.fleet import STREAMS, open_fleet
from tests.support.judge import agree, delivered
from tests.support.ledger import ledger
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.watchers import poll
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

EACH = 3
"""Streams per account, Edge and kind of key."""


async def archive(admin: Admin, account: Account) -> None:
    await admin.delete_account(account.id)


async def reset(admin: Admin, account: Account) -> None:
    await admin.reset_keys(account.id)


async def forbid(admin: Admin, account: Account) -> None:
    await admin.change_account(account.id, environments={})


WAYS: tuple[Callable[[Admin, Account], Awaitable[None]], ...] = (archive, reset, forbid)


@pytest.fixture
async def world(split: Split) -> AsyncIterator[World]:
    async with open_world(split.mrs[0].url, split.edges[0].port, split.token) as made:
        await made.create("flag")
        yield made


@asynccontextmanager
async def crowds_at_edges(split: Split) -> AsyncIterator[list[Crowd]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_crowd(edge.port)) for edge in split.edges]


async def join_all(crowds: Sequence[Crowd], world: World, account: Account) -> list[Listener]:
    """Streams of this account on every Edge, with both kinds of key; all have their features."""
    keys = [account.sdk_key(world.environment_id, client=client) for client in (True, False)]
    joined = [await crowd.join(key) for crowd in crowds for key in keys for _ in range(EACH)]
    await eventually(lambda: all(each.held for each in joined), within_seconds=30, what="features")
    return joined


async def is_refused(http: aiohttp.ClientSession, split: Split, key: str) -> bool:
    return [(await poll(http, edge.url, key))[0] for edge in split.edges] == [404] * len(split.edges)


async def never_served(http: aiohttp.ClientSession, split: Split, keys: Sequence[str]) -> None:
    """Ask for ever, also while nobody is there to answer; a refused key must stay unserved."""
    while True:
        for edge in split.edges:
            for key in keys:
                status, _ = await poll(http, edge.url, key)
                assert status in {0, 404, 503}, f"{edge.name} answered {status} under a revoked key"
        await asyncio.sleep(0.05)


async def test_streams_of_revoked_accounts_end_and_their_keys_stay_refused(
    split: Split, world: World
) -> None:
    admin, environment = world.admin, world.environment_id
    accounts = [
        await admin.create_account(world.application.portfolio_id, {environment: ALL_ROLES}) for _ in WAYS
    ]
    keys = [account.sdk_key(environment, client=client) for account in accounts for client in (True, False)]
    async with (
        crowds_at_edges(split) as crowds,
        crowds_at_edges(split) as others,
        open_fleet(split.edges[1].port, [world.client_key], kinds=STREAMS) as fleet,
        aiohttp.ClientSession() as http,
    ):
        await fleet.ready()
        await join_all(others, world, world.account)
        for revoke, account in zip(WAYS, accounts, strict=True):
            streams = await join_all(crowds, world, account)
            began = time.monotonic()
            await revoke(admin, account)
            await eventually(
                lambda streams=streams: all(each.ended for each in streams),
                within_seconds=T,
                what=f"streams to end after {revoke.__name__}",
            )
            ledger().converged(time.monotonic() - began)
        for key in keys:
            await eventually(
                lambda key=key: is_refused(http, split, key), within_seconds=T, what="refusal everywhere"
            )
        await admin.set(environment, "flag", True, locked=False)
        await agree(fleet, split.database_url, environment, T)
        stored = delivered(split.database_url, environment)
        for crowd in others:
            await eventually(lambda crowd=crowd: not crowd.disagreeing(stored), within_seconds=T)
            crowd.assert_unharmed()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(never_served(http, split, keys))
            await crash_and_return(split.dachas)
            for crowd in others:
                crowd.assert_unharmed()
            fleet.streams.hold()
            await crash_and_return(split.edges)
            fleet.streams.release()
            for key in keys:
                await eventually(
                    lambda key=key: is_refused(http, split, key), within_seconds=T, what="refusal afterwards"
                )
            asking.cancel()


async def test_a_filter_that_is_added_takes_features_from_open_streams(split: Split, world: World) -> None:
    admin, environment = world.admin, world.environment_id
    portfolio, application = world.application.portfolio_id, world.application.id
    mine = await admin.create_filter(portfolio)
    await admin.create_feature(application, "mine", "STRING", filters=[mine])
    account = await admin.create_account(portfolio, {environment: ALL_ROLES})
    async with crowds_at_edges(split) as crowds:
        streams = await join_all(crowds, world, account)
        key = account.sdk_key(environment, client=True)
        async with open_fleet(split.edges[0].port, [key], kinds=STREAMS) as fleet:
            await fleet.hold("flag", False)
            began = time.monotonic()
            await admin.change_account(account.id, filters=[mine])
            await fleet.lack("flag", T)
            await eventually(
                lambda: all(each.held is not None and set(each.held) == {"mine"} for each in streams),
                within_seconds=T,
                what="streams to lose what is filtered away",
            )
            ledger().converged(time.monotonic() - began)
            fleet.assert_no_errors()
        for crowd in crowds:
            crowd.assert_unharmed()


async def test_a_key_that_is_reset_while_its_first_look_up_is_held_is_not_served(
    split: Split, world: World
) -> None:
    """The look-up read the account with its old keys; the reset overtakes its answer."""
    await caught_up(split)
    await chill(split)
    key = world.client_key
    parsed = SdkKey.parse(key)
    assert parsed is not None
    path = f"/internal/accounts/{parsed.key_hash}"
    links = list(split.internal.values())
    before = [link.asked(lambda request: request.path.startswith(path)) for link in links]
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as asking:
        for link in links:
            link.stall("down")
        polls = [asking.create_task(poll(http, edge.url, key)) for edge in split.edges]
        await eventually(
            lambda: (
                sum(link.asked(lambda request: request.path.startswith(path)) for link in links) > sum(before)
            ),
            what="the look-up at MR",
        )
        account = await world.admin.reset_keys(world.account.id)
        # The event is at the Dachas before the answer: the bus was not held.
        await heard(split)
        for link in links:
            link.resume("down")
        for asked in polls:
            status, _ = await asked
            assert status != 200, "the reset was known when this was answered"
        refused: bool = await eventually(
            lambda: is_refused(http, split, key), within_seconds=T, what="the refusal of the old key"
        )
        assert refused
        fresh = account.sdk_key(world.environment_id, client=True)

        async def served() -> bool:
            return all([(await poll(http, edge.url, fresh))[0] == 200 for edge in split.edges])

        await eventually(served, within_seconds=T, what="the new key to be served")
