"""An Edge that has just started, and is asked for everything that one account names."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from common.caching.app import STRANGERS_AT_ONCE, OpenCache
from common.contracts.environments import EnvironmentSnapshot, SdkKey, hash_key
from common.errors import Unavailable
from common.messaging.local import LocalBus
from dacha.lookups import Lookups
from edge.access import Access, Grant, Outrun
from edge.dachas import DachaPool
from edge.limits import ColdLookups
from edge.near import open_near_cache
from edge.settings import EdgeSettings
from tests.support.change_log import ChangeLog, account_id, environment_id
from tests.support.dachas import ScriptedDacha, ScriptedRequests
from tests.support.origins import ModelOrigin, running_dacha
from tests.support.waiting import eventually

KEY, SERVER_KEY = "a" * 40 + "*client", "b" * 40
MANY = STRANGERS_AT_ONCE + 500
"""More than may be made up at once."""


@asynccontextmanager
async def cold_edge(names: list[str], **settings: Any) -> AsyncIterator[tuple[OpenCache, ChangeLog]]:
    """MR with these environments, and over it a Dacha and an Edge that both hold nothing of them."""
    log = ChangeLog()
    log.save_account(account_id("a"), hash_key(KEY), hash_key(SERVER_KEY), environments=names)
    for name in names:
        log.create_environment(name)
    log.assign()
    mr = ModelOrigin(log)
    async with running_dacha(mr) as dacha:
        bus = LocalBus(mr.tail, poll_seconds=0.01)
        pool = DachaPool(ScriptedRequests(ScriptedDacha("one", Lookups(dacha))))
        async with open_near_cache(EdgeSettings(**settings), bus=bus, origin=pool) as near:
            await eventually(lambda: near.holdings.replica.live and near.holdings.replica.hole is None)
            yield near, log


def key_of(name: str) -> SdkKey:
    key = SdkKey.parse(f"{name}/{KEY}")
    assert key is not None
    return key


async def test_all_environments_of_one_account_are_answered_however_many() -> None:
    names = [environment_id(f"cold {number}") for number in range(MANY)]
    async with cold_edge(names) as (near, _):
        access = Access(near.cache, ColdLookups())
        assert await access.find(key_of(names[0])) is not None
        outcomes: Counter[str] = Counter()

        def told(outcome: Grant | Unavailable | Outrun | None) -> None:
            outcomes[type(outcome).__name__] += 1

        for first in range(0, MANY, 500):
            some = names[first : first + 500]
            assert all(access.admit(key_of(name), "one caller") for name in some)
            assert all(access.seek(key_of(name), told) for name in some)
            await eventually(lambda: outcomes.total() == first + len(some), within_seconds=20)  # noqa: B023
        assert outcomes == {"Grant": MANY}
        assert near.metrics.lookups["environment", "refused"] == 0


async def test_an_account_that_is_revoked_meanwhile_is_found_out() -> None:
    names = [environment_id("home"), environment_id("other")]
    async with cold_edge(names, cache_environments=0) as (near, log):
        access = Access(near.cache, ColdLookups())
        assert await access.find(key_of(names[0])) is not None
        outcomes: list[Grant | Unavailable | Outrun | None] = []
        assert access.seek(key_of(names[1]), outcomes.append)
        log.save_account(account_id("a"), hash_key(KEY), hash_key(SERVER_KEY), environments=[names[0]])
        log.assign()
        near.holdings.replica.on_event(log.events[-1])
        await eventually(lambda: outcomes)
        assert isinstance(outcomes[0], Outrun)
        assert await access.find(key_of(names[1])) is None


async def test_what_changes_between_its_landing_and_a_look_at_it_is_loaded_again() -> None:
    """Where nothing is kept, an event that comes in between leaves only the word that there is more."""
    names = [environment_id("home")]
    async with cold_edge(names, cache_environments=0) as (near, log):
        replica, heard = near.holdings.replica, asyncio.Event()

        def landed(outcome: EnvironmentSnapshot | Unavailable | None) -> None:
            # In the very step in which it landed, and before the one who waits below has looked.
            assert isinstance(outcome, EnvironmentSnapshot)
            assert outcome.revision == 1
            log.set_feature(names[0], "a")
            log.assign()
            replica.on_event(log.events[-1])
            heard.set()

        near.cache.seek_environment(names[0], landed)
        found = await near.cache.find_environment(names[0])
        assert heard.is_set()
        assert found is not None
        assert found.revision == 2
        assert near.metrics.lookups["environment", "unavailable"] == 0


async def test_what_ends_between_its_landing_and_a_look_at_it_is_absent() -> None:
    names = [environment_id("home")]
    async with cold_edge(names, cache_environments=0) as (near, log):
        replica = near.holdings.replica

        def landed(_: EnvironmentSnapshot | Unavailable | None) -> None:
            log.delete_environment(names[0])
            log.assign()
            replica.on_event(log.events[-1])

        near.cache.seek_environment(names[0], landed)
        assert await near.cache.find_environment(names[0]) is None
