"""Look-ups, the eager fill and restarts over MR's real database, and look-ups over a real NATS server."""

import asyncio
import secrets
from contextlib import AsyncExitStack

import pytest

from common.contracts.environments import hash_key
from common.contracts.lookups import AtLeast
from common.errors import Unavailable
from common.messaging.nats import open_nats_bus
from common.origins.remote import RemoteOrigin
from dacha.app import open_dacha, report, serve_lookups
from dacha.lookups import Lookups
from dacha.settings import DachaSettings
from tests.support.histories import Shop
from tests.support.nats import bus_settings, running_nats
from tests.support.nodes import delivered, running_node
from tests.support.waiting import eventually


async def opened(node, accounts=1):
    """An organisation with a few accounts; returns its environments and the hashes of its keys."""
    shop = Shop(node.database)
    await shop.open()
    for number in range(accounts):
        await shop.create_account(number, number, 0)
    await node.caught_up()
    return shop, *await delivered(node.database)


def junk(count):
    return [hash_key(secrets.token_hex(20)) for _ in range(count)]


async def test_a_mix_of_keys_is_counted_exactly_and_costs_exactly_these_loads(database_url):
    """Known, unknown, created later, revoked and junk."""
    async with running_node(database_url) as node:
        shop, (home, *_), (client, server, *_) = await opened(node)
        lookups = Lookups(node.dacha)
        # What came by events is held; a Dacha that starts later has nothing.
        for counter in node.dacha.holdings.replica.held():
            node.dacha.holdings.replica.evict(counter)
        unknown, *strangers = junk(9)
        for _ in range(3):
            assert (await lookups.load_environment(home)).snapshot is not None
            assert (await lookups.load_account(client)).record is not None
            assert (await lookups.load_account(server)).record is not None
            assert (await lookups.load_account(unknown)).record is None
        for each in strangers:
            assert (await lookups.load_account(each)).record is None
        await shop.create_account(1, 1, 0)
        await shop.reset_keys(0, 0, 0)
        await node.caught_up()
        floor = AtLeast(node.dacha.cache.epoch, 0, node.dacha.cache.position)
        _, hashes = await delivered(node.database)
        assert not {client, server} & set(hashes)
        for each in hashes:
            found = await lookups.load_account(each, floor)
            assert found.record is not None
            assert found.position >= floor.position
        for _ in range(2):
            assert (await lookups.load_account(client, floor)).record is None
            assert (await lookups.load_account(unknown, floor)).record is None
        assert node.dacha.metrics.lookups == {
            ("environment", "load"): 1,
            ("environment", "hit"): 2,
            ("account", "load"): 1,
            ("account", "hit"): 5 + len(hashes),
            ("account", "miss"): 1 + 8 + 1,
            # Creation and reset named their keys: what was remembered of others stayed.
            ("account", "negative_hit"): 2 + 1 + 2,
        }
        assert (node.origin.asked["environment"], node.origin.asked["account"]) == (1, 1 + 1 + 8 + 1)


async def test_an_eager_dacha_holds_everything_and_asks_nothing_for_junk(database_url):
    async with AsyncExitStack() as parts:
        node = await parts.enter_async_context(running_node(database_url))
        shop, environments, hashes = await opened(node, accounts=3)
        eager = await parts.enter_async_context(
            open_dacha(DachaSettings(fill="eager"), bus=node.bus, origin=node.origin)
        )
        await eventually(lambda: eager.cache.ready)
        loads = node.origin.asked.copy()
        lookups = Lookups(eager)
        for each in environments:
            assert (await lookups.load_environment(each)).snapshot is not None
        for each in hashes:
            assert (await lookups.load_account(each)).record is not None
        for each in junk(200):
            assert (await lookups.load_account(each)).record is None
        await shop.create_environment(0, 1, 0)
        await shop.reset_keys(1, 0, 0)
        await shop.archive_account(2, 0, 0)
        await node.caught_up()
        await eventually(lambda: eager.cache.position == node.relay.position)
        assert eager.holdings.replica.complete
        after, hashes_after = await delivered(node.database)
        assert len(after) == len(environments) + 1
        for each in hashes_after:
            truth = (await node.origin._origin.load_account(each)).record
            found = (await lookups.load_account(each)).record
            assert (found and found.digest) == (truth and truth.digest)
        for kind in ("environment", "account"):
            assert node.origin.asked[kind] == loads[kind]


async def test_after_a_restart_without_its_database_it_serves_what_it_knew(sqlite_url, tmp_path):
    folder = tmp_path / "state"
    async with running_node(sqlite_url, state_dir=folder) as node:
        _, environments, hashes = await opened(node, accounts=2)
        before = {each: (await node.dacha.cache.find_environment(each)).digest for each in environments}
    async with running_node(sqlite_url) as node:
        node.origin.cut_off = True
        async with open_dacha(DachaSettings(state_dir=folder), bus=Nobody(), origin=node.origin) as dacha:
            lookups = Lookups(dacha)
            assert lookups.ready
            for each in environments:
                answer = await lookups.load_environment(each)
                assert (answer.snapshot.digest, answer.behind) == (before[each], False)
            for each in hashes:
                assert (await lookups.load_account(each)).record is not None
            with pytest.raises(Unavailable):
                await lookups.load_account(junk(1)[0])


class Nobody:
    """A bus that is down (`common.messaging.bus.Bus`)."""

    heartbeat_seconds = 2.0

    def subscribe(self, subscriber):
        return AsyncExitStack()

    def sync(self):
        """Nobody hears it."""


async def test_edges_ask_over_nats_from_when_there_is_something_to_say_until_it_leaves(sqlite_url):
    with running_nats() as server:
        async with AsyncExitStack() as parts:
            node = await parts.enter_async_context(running_node(sqlite_url))
            _, (home, *_), (client, *_) = await opened(node)
            serving, asking = [
                await parts.enter_async_context(open_nats_bus(bus_settings(server.url), instance=each))
                for each in ("dacha-1", "edge-1")
            ]
            await eventually(lambda: serving.connected and asking.connected)

            def origin(word):
                return RemoteOrigin(lambda question, seconds: asking.request(word, question, seconds=seconds))

            async def answered(word):
                try:
                    return await origin(word).load_environment(home)
                except Unavailable:
                    return None

            async with serve_lookups(Lookups(node.dacha), serving, "dacha-1"):
                for word in ("dacha", "dacha.dacha-1"):
                    answer = await eventually(lambda word=word: answered(word))
                    assert answer.snapshot.id == home
                assert (await origin("dacha").load_account(client)).record is not None
                assert (await origin("dacha").load_account(junk(1)[0])).record is None
                assert (await origin("dacha").state()).position == node.relay.position
                assert (await origin("dacha").changes(0)).complete
                assert (await origin("dacha").listing(None, 10)).ids
                node.origin.cut_off = True
                with pytest.raises(Unavailable):
                    await origin("dacha").load_account(junk(1)[0])
                told = report(node.dacha, "dacha-1")
                assert (told.role, told.position, told.live) == ("dacha", node.relay.position, True)
            for word in ("dacha", "dacha.dacha-1"):
                with pytest.raises(Unavailable):
                    await origin(word).load_environment(home)


async def test_it_serves_nobody_before_it_is_ready(sqlite_url):
    with running_nats() as server:
        async with AsyncExitStack() as parts:
            node = await parts.enter_async_context(running_node(sqlite_url))
            dacha = await parts.enter_async_context(
                open_dacha(DachaSettings(), bus=Nobody(), origin=node.origin)
            )
            bus = await parts.enter_async_context(open_nats_bus(bus_settings(server.url), instance="dacha-1"))
            await eventually(lambda: bus.connected)
            await parts.enter_async_context(serve_lookups(Lookups(dacha), bus, "dacha-1"))
            await asyncio.sleep(0.2)
            with pytest.raises(Unavailable):
                await bus.request("dacha", b"{}", seconds=1)
