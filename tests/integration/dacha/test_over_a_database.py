"""Dacha2 on MR's real database, with the real relay and the bus that tails it, on both databases."""

import asyncio
import random
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from common.contracts.environments import states_digest
from common.errors import Unavailable
from common.messaging.local import LocalBus
from dacha.app import open_dacha
from dacha.settings import DachaSettings
from mr.db.session import open_database
from mr.origin import DatabaseOrigin
from mr.relay import open_relay
from tests.support.histories import Shop
from tests.support.nodes import delivered, running_node
from tests.support.waiting import eventually


async def everything_equals(node):
    """True when the cache knows every environment and account exactly as the database does."""
    environments, hashes = await delivered(node.database)
    for environment_id in environments:
        truth = (await node.origin.load_environment(environment_id)).snapshot
        found = await node.dacha.cache.find_environment(environment_id)
        if (truth is None) != (found is None):
            return False
        if truth is None or found is None:
            continue
        if truth.revision != found.revision or truth.tombstones != found.tombstones:
            return False
        assert states_digest(found.features.values(), found.info) == truth.digest == found.digest
    for key_hash in hashes:
        truth = (await node.origin.load_account(key_hash)).record
        found = await node.dacha.cache.find_account(key_hash)
        if (truth and (truth.revision, truth.digest)) != (found and (found.revision, found.digest)):
            return False
    return True


async def look_at_something(node, numbers):
    environments, hashes = await delivered(node.database)
    await node.dacha.cache.find_environment(numbers.choice(environments))
    if hashes:
        await node.dacha.cache.find_account(numbers.choice(hashes))


class NeverBackwards:
    """A watcher that refuses an older revision."""

    def __init__(self):
        self.revisions = {}

    def environment_changed(self, environment_id, snapshot):
        if snapshot is not None:
            assert snapshot.revision >= self.revisions.get(environment_id, 0)
            self.revisions[environment_id] = snapshot.revision

    def account_changed(self, record):
        assert record.revision >= self.revisions.get(record.id, 0)
        self.revisions[record.id] = record.revision


@pytest.mark.parametrize("seed", [1, 2])
async def test_after_any_history_the_cache_equals_the_database(database_url, seed):
    numbers = random.Random(seed)
    async with running_node(database_url) as node:
        node.dacha.cache.watch(NeverBackwards())
        shop = Shop(node.database)
        await shop.open()
        for _ in range(50):
            await shop.take((numbers.choice(Shop.STEPS), *(numbers.randrange(31) for _ in range(3))))
            if numbers.random() < 0.3:
                await look_at_something(node, numbers)
        await node.relay.drained()
        await eventually(lambda: everything_equals(node), what="equality with the database")
        await node.dacha.upkeep.audit_once()
        assert not node.dacha.metrics.mismatches


async def test_edits_and_look_ups_at_the_same_time_end_in_equality(database_url):
    async with running_node(database_url) as node:
        node.dacha.cache.watch(NeverBackwards())
        shop = Shop(node.database)
        await shop.open()
        ended = asyncio.Event()

        async def edit(seed):
            numbers = random.Random(seed)
            for _ in range(25):
                await shop.take((numbers.choice(Shop.STEPS), *(numbers.randrange(31) for _ in range(3))))

        async def look(seed):
            numbers = random.Random(seed)
            while not ended.is_set():
                await look_at_something(node, numbers)
                await asyncio.sleep(0.005)

        async with asyncio.TaskGroup() as tasks:
            for seed in range(3):
                tasks.create_task(look(seed))
            await asyncio.gather(edit(10), edit(11))
            ended.set()
        await node.relay.drained()
        await eventually(lambda: everything_equals(node), what="equality with the database")
        await node.dacha.upkeep.audit_once()
        assert not node.dacha.metrics.mismatches


async def test_two_servers_on_one_postgresql_hear_each_other(postgresql_url):
    """G21: the bus inside each process is a tail of the same log."""
    async with (
        running_node(postgresql_url, holder="one") as one,
        running_node(postgresql_url, holder="two") as two,
    ):
        shop = Shop(one.database)
        await shop.open()
        (environment_id, *_), _ = await delivered(one.database)
        await two.dacha.cache.find_environment(environment_id)
        for number in range(6):
            await shop.take(("create_feature", 0, number, 0))
        await eventually(lambda: everything_equals(two))
        await eventually(lambda: everything_equals(one))
        assert two.dacha.metrics.questions["environment", "answered"] <= 1


async def test_a_change_is_known_well_before_the_next_poll_of_the_log(sqlite_url):
    """The relay wakes the bus: the poll is only the net under it."""
    async with running_node(sqlite_url) as node:
        # As the subscription has it: the present short wait is its last.
        for each in node.bus._subscriptions:
            each._poll_seconds = 600.0
            each.wake()
        await asyncio.sleep(0.3)
        shop = Shop(node.database)
        await shop.open()
        (environment_id, *_), _ = await delivered(node.database)
        await eventually(lambda: node.dacha.cache.peek_environment(environment_id))


async def test_a_log_that_nobody_carries_on_is_silence(sqlite_url):
    async with AsyncExitStack() as parts:
        database = await parts.enter_async_context(open_database(sqlite_url))
        origin = DatabaseOrigin(database)
        bus = LocalBus(origin.tail, heartbeat_seconds=0.8)
        dacha = await parts.enter_async_context(open_dacha(DachaSettings(), bus=bus, origin=origin))
        await eventually(lambda: dacha.cache.silent_seconds > 0)
        with pytest.raises(Unavailable):
            await dacha.cache.find_account("0" * 64)
        async with open_relay(database, holder="late", on_positions=bus.wake):
            await eventually(lambda: dacha.holdings.replica.live)
            assert await dacha.cache.find_account("0" * 64) is None
            await eventually(lambda: dacha.cache.silent_seconds == 0)


class Moved:
    """An origin whose database is exchanged under it, as when an operator restores a backup."""

    def __init__(self):
        self.now = None

    def __getattr__(self, name):
        async def ask(*arguments):
            if self.now is None:
                raise Unavailable("The database is being restored.")
            return await getattr(self.now, name)(*arguments)

        return ask


async def test_a_restored_backup_is_taken_over_by_a_running_cache(sqlite_url, tmp_path):
    """G23, without the processes around it."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    origin = Moved()
    bus = LocalBus(origin.tail)
    async with open_dacha(DachaSettings(), bus=bus, origin=origin) as dacha:
        async with open_database(sqlite_url) as database:
            origin.now = DatabaseOrigin(database)
            async with open_relay(database, holder="one", on_positions=bus.wake) as relay:
                shop = Shop(database)
                await shop.open()
                await shop.create_account(0, 0, 0)
                await relay.drained()
                copy = sqlite3.connect(tmp_path / "burgee.db")
                with sqlite3.connect(path) as source:
                    source.backup(copy)
                source.close()
                copy.close()
                for number in range(5):
                    await shop.take(("create_feature", 0, number, 0))
                await shop.reset_keys(0, 0, 0)
                await relay.drained()
                (environment_id, *_), hashes = await delivered(database)
                await dacha.cache.find_environment(environment_id)
                await eventually(lambda: dacha.cache.position == relay.position)
                epoch = dacha.cache.epoch
            origin.now = None
        assert dacha.cache.peek_environment(environment_id) is not None
        async with open_database(f"sqlite:///{tmp_path / 'burgee.db'}") as database:
            origin.now = DatabaseOrigin(database)
            async with open_relay(database, holder="one", on_positions=bus.wake):
                node = SimpleNamespace(database=database, origin=origin.now, dacha=dacha)
                await eventually(lambda: dacha.cache.epoch not in {"", epoch})
                await eventually(lambda: everything_equals(node))
                _, restored = await delivered(database)
                for key_hash in set(hashes) - set(restored):
                    assert await dacha.cache.find_account(key_hash) is None
                assert not dacha.metrics.mismatches


async def test_a_database_that_goes_away_and_comes_back_is_survived(postgresql_url, postgres_server):
    name = postgresql_url.rsplit("/", 1)[1].split("?")[0]
    async with running_node(postgresql_url) as node:
        cache = node.dacha.cache
        shop = Shop(node.database)
        await shop.open()
        await shop.create_account(0, 0, 0)
        (environment_id, *_), (key_hash, *_) = await delivered(node.database)
        await cache.find_environment(environment_id)
        await cache.find_account(key_hash)
        async with await psycopg.AsyncConnection.connect(
            postgres_server.url("postgres"), autocommit=True
        ) as operator:
            await operator.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
            await operator.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )
            await eventually(lambda: cache.silent_seconds > 0, within_seconds=60)
            assert await cache.find_environment(environment_id) is not None
            assert await cache.find_account(key_hash) is not None
            with pytest.raises(Unavailable):
                await cache.find_account("0" * 64)
            await operator.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
        await eventually(lambda: cache.silent_seconds == 0, within_seconds=60)
        await shop.take(("create_feature", 0, 3, 0))
        await eventually(lambda: everything_equals(node))
        assert await cache.find_account("0" * 64) is None
