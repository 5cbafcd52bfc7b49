"""Dacha and Edge's near-cache in one loop, as they are in the product, over ways that lose what they like.

The state machine in ``tests/unit/revisions`` tells the stories; this shows that the parts which act them
out (loader, upkeep, look-ups, codec) keep to them.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from common.errors import Unavailable
from common.messaging.local import LocalBus
from common.origins.remote import RemoteOrigin, answer
from dacha.lookups import Lookups
from edge.near import open_near_cache
from edge.settings import EdgeSettings
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.origins import SOON_SILENT, ModelOrigin, running_dacha
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from common.caching.app import OpenCache

NAMES = [str(number) for number in range(6)]


class NeverBackwards:
    """A watcher that refuses an older revision within an epoch."""

    def __init__(self, near: OpenCache) -> None:
        self.near = near
        self.revisions: dict[tuple[str, str], int] = {}

    def environment_changed(self, environment_id, snapshot):
        if snapshot is not None:
            self._forwards(environment_id, snapshot.revision)

    def account_changed(self, record):
        if not record.removed:
            self._forwards(record.id, record.revision)

    def _forwards(self, identity, revision):
        place = (self.near.cache.epoch, identity)
        assert revision >= self.revisions.get(place, 0)
        self.revisions[place] = revision


class Delayed:
    """What `ModelOrigin.tail` gives, as late as one likes, with holes of its own."""

    def __init__(self, origin: ModelOrigin, numbers: random.Random) -> None:
        self.numbers = numbers
        self.origin = origin
        self.losing = 0.0
        self.lost: set[int] = set()

    async def tail(self, after, limit):
        await asyncio.sleep(self.numbers.choice([0, 0, 0.005]))
        tail = await self.origin.tail(after, limit)
        self.lost |= {each.position for each in tail.events if self.numbers.random() < self.losing}
        kept = [each for each in tail.events if each.position not in self.lost]
        tail.events[:] = kept
        return tail


@asynccontextmanager
async def two_tiers(log, **settings):
    """MR's model, a Dacha over it and a near-cache over that, each with its own bus."""
    origin = ModelOrigin(log)
    async with running_dacha(origin, strangers_per_second=1e6, **settings) as dacha:
        lookups = Lookups(dacha)

        async def ask(question, _seconds):
            return await answer(lookups, question)

        way = Delayed(origin, random.Random(1))
        bus = LocalBus(way.tail, poll_seconds=0.01)
        both = (origin.log.on_commit, bus.wake)
        origin.log.on_commit = lambda: [wake() for wake in both]
        async with open_near_cache(
            EdgeSettings(nats_urls=("nats://nowhere:1",), event_key="x" * 32),
            bus=bus,
            origin=RemoteOrigin(ask),
        ) as near:
            near.cache.watch(NeverBackwards(near))
            await eventually(lambda: near.holdings.replica.live and near.holdings.replica.hole is None)
            yield SimpleNamespace(origin=origin, dacha=dacha, lookups=lookups, near=near, way=way)


def made(log):
    for name in NAMES:
        log.create_environment(environment_id(name))
        log.save_account(account_id(name), key_hash(name), key_hash(f"{name} server"))
    return log


async def equal(log, near):
    """True when whoever asks Edge now gets exactly what MR has."""
    if log.drafts or near.cache.position != log.position:
        return False
    for name in NAMES:
        truth = log.environments.get(environment_id(name))
        try:
            found = await near.cache.find_environment(environment_id(name))
            account = await near.cache.find_account(key_hash(name))
        except Unavailable:
            return False
        if (truth and truth.revision) != (found and found.revision):
            return False
        if (account is None) != (log.account_answer(key_hash(name)).record is None):
            return False
    return True


async def test_a_mix_of_questions_through_edge_costs_exactly_these_look_ups_and_loads():
    log = made(ChangeLog())
    async with two_tiers(log) as node:
        cache, junk = node.near.cache, [key_hash(f"junk {number}") for number in range(10)]
        for _ in range(3):
            for name in NAMES:
                assert await cache.find_environment(environment_id(name)) is not None
                assert await cache.find_account(key_hash(name)) is not None
            for each in junk:
                assert await cache.find_account(each) is None
        log.save_account(account_id("late"), junk[0], key_hash("late server"))
        log.delete_account(account_id(NAMES[0]))
        await eventually(lambda: not log.drafts and cache.position == log.position)
        await eventually(lambda: node.dacha.cache.position == log.position)
        assert await cache.find_account(junk[0]) is not None
        assert await cache.find_account(key_hash(NAMES[0])) is None
        asked = len(NAMES) + len(junk) + 1
        assert (node.origin.asked["account"], node.origin.asked["environment"]) == (asked, len(NAMES))
        assert node.dacha.metrics.lookups == {
            ("environment", "load"): len(NAMES),
            ("account", "load"): len(NAMES),
            ("account", "miss"): len(junk) + 1,
        }


@pytest.mark.parametrize("fill", ["lazy", "eager"])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_edits_losses_and_outages_in_both_tiers_end_in_equality(seed, fill):
    numbers = random.Random(seed)
    log = made(ChangeLog())
    log.assign()
    backup = log.backup()
    async with two_tiers(log, fill=fill) as node:
        for _ in range(150):
            name = numbers.choice(NAMES)
            await hit_or_miss(node, numbers.choice(NAMES))
            edit(log, name, numbers)
            node.way.losing = numbers.choice([0, 0, 0.5])
            node.origin.cut_off = numbers.random() < 0.15
            if numbers.random() < 0.1:
                node.origin.lost |= {each.position for each in log.assign()}
            if numbers.random() < 0.02:
                log.restore(backup)
            await asyncio.sleep(numbers.choice([0, 0.003]))
        node.way.losing, node.origin.cut_off = 0.0, False
        await eventually(lambda: equal(log, node.near), within_seconds=30)
        await node.near.upkeep.audit_once()
        await node.dacha.upkeep.audit_once()
        assert not node.near.metrics.mismatches
        assert not node.dacha.metrics.mismatches


def edit(log, name, numbers):
    if environment_id(name) in log.environments:
        log.set_feature(environment_id(name), numbers.choice("abc"), numbers.choice([b"true", b"false"]))
    if account_id(name) in log.accounts and numbers.random() < 0.2:
        log.save_account(account_id(name), key_hash(name), key_hash(f"{name} {numbers.random()}"))


async def hit_or_miss(node, name):
    """What exists is found or unknown, whatever goes on: never absent."""
    for question in (
        node.near.cache.find_environment(environment_id(name)),
        node.near.cache.find_account(key_hash(name)),
    ):
        try:
            assert await question is not None
        except Unavailable:
            continue


async def test_keys_that_come_to_be_under_junk_are_never_refused_once_edge_knows_of_them():
    """G6 in two tiers: Edge hears of the creation before Dacha does, or after, and asks at once."""
    numbers = random.Random(7)
    log = made(ChangeLog())
    async with two_tiers(log) as node:
        for number in range(40):
            fresh = f"fresh {number}"
            assert await node.near.cache.find_account(key_hash(fresh)) is None
            node.way.losing = numbers.choice([0, 1])
            log.save_account(account_id(fresh), key_hash(fresh), key_hash(f"{fresh} server"))
            log.create_environment(environment_id(fresh))
            slow = numbers.choice([node.near, node.dacha])
            await eventually(lambda: not log.drafts)
            await eventually(lambda slow=slow: slow.cache.position == log.position)
            if slow is node.near:
                assert await node.near.cache.find_account(key_hash(fresh)) is not None
                assert await node.near.cache.find_environment(environment_id(fresh)) is not None
        node.way.losing = 0.0
        await eventually(lambda: node.near.cache.position == log.position)
        for number in range(40):
            assert await node.near.cache.find_account(key_hash(f"fresh {number}")) is not None


async def test_what_dacha_could_not_tell_for_long_is_no_younger_at_edge():
    """A key is believed for so long after MR was last heard of, not after Dacha was last asked."""
    log = made(ChangeLog())
    async with two_tiers(log, heartbeat_seconds=SOON_SILENT) as node:
        await node.dacha.cache.find_account(key_hash(NAMES[0]))
        node.origin.cut_off = node.origin.log_cut_off = True
        await eventually(lambda: node.dacha.cache.silent_seconds > 1.2)
        replica = node.near.holdings.replica
        assert await node.near.cache.find_account(key_hash(NAMES[0])) is not None
        held = replica.keys[key_hash(NAMES[0])]
        assert replica.age(held) > 0.6


async def test_a_dacha_that_goes_on_from_its_state_with_mr_away_answers_what_it_knew(tmp_path):
    log = made(ChangeLog())
    async with two_tiers(log, state_dir=tmp_path) as node:
        for name in NAMES:
            await node.near.cache.find_environment(environment_id(name))
    origin = ModelOrigin(log)
    origin.cut_off = origin.log_cut_off = True
    async with running_dacha(origin, heard=False, state_dir=tmp_path) as dacha:
        lookups = Lookups(dacha)
        assert lookups.ready
        for name in NAMES:
            answered = await lookups.load_environment(environment_id(name))
            assert (answered.snapshot.revision, answered.behind) == (1, False)
            assert answered.position <= log.position
        with pytest.raises(Unavailable):
            await lookups.load_account(key_hash("cold"))
