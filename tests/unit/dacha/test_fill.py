"""The eager fill: ready when everything is here, and then nobody's junk reaches MR."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from common.contracts.events import CounterId
from common.contracts.lookups import AtLeast, Many
from common.errors import Unavailable
from common.revisions.targets import Target
from dacha.lookups import Lookups
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.origins import ModelOrigin, running_dacha
from tests.support.waiting import eventually

NAMES = [f"{number:02}" for number in range(25)]


@pytest.fixture
def log():
    log = ChangeLog()
    for name in NAMES:
        log.create_environment(environment_id(name))
        log.save_account(
            account_id(name), key_hash(name), key_hash(f"{name} server"), environments=[environment_id(name)]
        )
    return log


@pytest.fixture
def origin(log):
    origin = ModelOrigin(log)
    origin.page_size = 7
    return origin


class ManyOrigin(ModelOrigin):
    """One that loads several environments at a time; every seventh it leaves out."""

    async def load_many(self, question, /):
        self._ask("many")
        answers = [
            None if number % 7 == 6 else self.log.environment_answer(identity)
            for number, (identity, _) in enumerate(question.environments)
        ]
        return await self._on_its_way(Many(environments=tuple(answers)))


async def test_an_origin_that_takes_many_at_once_is_asked_seldom(log):
    origin = ManyOrigin(log)
    async with running_dacha(origin, fill="eager") as dacha:
        await eventually(lambda: dacha.cache.ready)
        assert dacha.holdings.replica.complete
        assert len(dacha.holdings.replica.environments) == len(NAMES)
        assert (origin.asked["many"], origin.asked["environment"]) == (1, 3)


async def test_what_changes_while_many_are_loaded_is_not_lost(log):
    origin = ManyOrigin(log)
    origin.holding = True
    async with running_dacha(origin, heard=False, fill="eager") as dacha:
        await eventually(lambda: origin.held)
        joined = asyncio.ensure_future(dacha.cache.find_environment(environment_id(NAMES[0])))  # noqa: TID251
        log.set_feature(environment_id(NAMES[0]), "late")
        await eventually(lambda: not log.drafts and dacha.cache.position == log.position)
        origin.release()
        await eventually(lambda: dacha.cache.ready)
        for snapshot in (await joined, dacha.cache.peek_environment(environment_id(NAMES[0]))):
            assert [each.key for each in snapshot.ordered] == ["late"]


async def test_mr_away_while_many_are_loaded_costs_another_try(log):
    origin = ManyOrigin(log)
    origin.holding = True
    async with running_dacha(origin, heard=False, fill="eager") as dacha:
        await eventually(lambda: origin.held)
        origin.cut_off = True
        origin.release()
        await asyncio.sleep(0.05)
        origin.cut_off = False
        await eventually(lambda: dacha.cache.ready)
        assert len(dacha.holdings.replica.environments) == len(NAMES)


def loads(origin):
    return origin.asked["environment"] + origin.asked["account"]


async def caught_up(log, dacha):
    await eventually(lambda: not log.drafts and dacha.cache.position == log.position)


async def test_it_is_ready_when_everything_is_here_and_junk_costs_no_load(log, origin):
    async with running_dacha(origin, fill="eager") as dacha:
        await eventually(lambda: dacha.cache.ready)
        assert len(dacha.holdings.replica.environments) == len(NAMES)
        assert len(dacha.holdings.replica.accounts) == len(NAMES)
        assert loads(origin) == 2 * len(NAMES)
        lookups = Lookups(dacha)
        for number in range(5_000):
            assert (await lookups.load_account(key_hash(f"junk {number}"))).record is None
            assert await dacha.cache.find_environment(environment_id(f"junk {number}")) is None
            # Or the log would not be heard meanwhile.
            await asyncio.sleep(0)
        assert (await lookups.load_account(key_hash(NAMES[3]))).record.id == account_id(NAMES[3])
        assert loads(origin) == 2 * len(NAMES)
        assert dacha.metrics.lookups["account", "negative_hit"] == 5_000


async def test_what_comes_to_be_arrives_by_itself(log, origin):
    async with running_dacha(origin, fill="eager") as dacha:
        await eventually(lambda: dacha.cache.ready)
        before = loads(origin)
        log.create_environment(environment_id("new"))
        log.save_account(account_id("new"), key_hash("new"), key_hash("new server"))
        log.save_account(account_id(NAMES[0]), key_hash("reset"), key_hash("00 server"))
        await caught_up(log, dacha)
        lookups = Lookups(dacha)
        floor = AtLeast("epoch-0", 0, log.position)
        assert (await lookups.load_environment(environment_id("new"), floor)).snapshot is not None
        assert (await lookups.load_account(key_hash("new"), floor)).record is not None
        assert (await lookups.load_account(key_hash("reset"), floor)).record is not None
        revoked = await lookups.load_account(key_hash(NAMES[0]), floor)
        assert (revoked.record, revoked.position) == (None, log.position)
        assert loads(origin) == before


@pytest.mark.parametrize("pruned", [False, True])
async def test_what_was_created_in_a_hole_is_found_and_never_called_absent(log, origin, pruned):
    async with running_dacha(origin, fill="eager") as dacha:
        await eventually(lambda: dacha.cache.ready)
        origin.log_cut_off = True
        await asyncio.sleep(0.03)
        log.create_environment(environment_id("new"))
        log.save_account(account_id("new"), key_hash("new"), key_hash("new server"))
        log.save_account(account_id(NAMES[0]), key_hash("reset"), key_hash("reset server"))
        origin.lost = {each.position for each in log.assign()}
        if pruned:
            log.prune(log.position)
        origin.log_cut_off = False
        replica = dacha.holdings.replica
        while not (replica.complete and replica.position == log.position):
            said = replica.missed(Target("key", key_hash("new")))
            assert not said or replica.position < log.position, "absent at a position where it exists"
            await asyncio.sleep(0.002)
        before = loads(origin)
        for name in ("new", "reset", "reset server"):
            assert (await dacha.cache.find_account(key_hash(name))) is not None
        assert await dacha.cache.find_environment(environment_id("new")) is not None
        assert await dacha.cache.find_account(key_hash(NAMES[0])) is None
        assert loads(origin) == before


async def test_another_history_is_filled_anew(log, origin):
    log.assign()
    backup = log.backup()
    async with running_dacha(origin, fill="eager") as dacha:
        await eventually(lambda: dacha.cache.ready)
        log.create_environment(environment_id("new"))
        await caught_up(log, dacha)
        log.restore(backup)
        replica = dacha.holdings.replica
        await eventually(lambda: replica.epoch == "epoch-1" and replica.complete)
        assert environment_id("new") not in replica.environments
        assert len(replica.environments) == len(NAMES)


async def test_a_bound_that_is_too_small_is_said_and_absence_stays_uncertain(log, origin):
    with capture_logs() as logs:
        async with running_dacha(
            origin, fill="eager", cache_environments=10, start_degraded_after=0.5
        ) as dacha:
            await eventually(lambda: any(each["event"] == "cache.too_small_for_everything" for each in logs))
            assert not dacha.holdings.replica.complete
            _, complete = dacha.holdings.gauges()["complete"]
            assert not complete
            await eventually(lambda: dacha.cache.ready)
            assert await dacha.cache.find_account(key_hash("junk")) is None
            assert dacha.metrics.lookups["account", "miss"] == 1
            assert await dacha.cache.find_environment(environment_id(NAMES[0])) is not None


async def test_it_waits_for_mr_and_is_not_ready_before(origin):
    origin.cut_off = True
    async with running_dacha(origin, heard=False, fill="eager") as dacha:
        await eventually(lambda: origin.asked["state"])
        assert not dacha.cache.ready
        with pytest.raises(Unavailable):
            await dacha.cache.find_account(key_hash(NAMES[0]))
        origin.cut_off = False
        await eventually(lambda: dacha.cache.ready, within_seconds=20)
        assert dacha.holdings.replica.complete


async def test_edits_all_the_while_do_not_keep_it_from_becoming_complete(log, origin):
    async with running_dacha(origin, heard=False, fill="eager") as dacha:
        edits = 0
        while not dacha.cache.ready:
            log.set_feature(environment_id(NAMES[edits % len(NAMES)]), "a")
            edits += 1
            await asyncio.sleep(0.001)
        await caught_up(log, dacha)
        await dacha.upkeep.audit_once()
        assert not dacha.metrics.mismatches


async def test_what_it_held_completely_is_complete_after_a_restart(log, origin, tmp_path):
    async with running_dacha(origin, fill="eager", state_dir=tmp_path) as dacha:
        await eventually(lambda: dacha.cache.ready)
    log.create_environment(environment_id("new"))
    log.assign()
    origin.lost = {log.position}
    before = loads(origin)
    async with running_dacha(origin, fill="eager", state_dir=tmp_path) as dacha:
        await eventually(lambda: dacha.holdings.replica.complete)
        assert await dacha.cache.find_environment(environment_id("new")) is not None
        assert await dacha.cache.find_account(key_hash("junk")) is None
        assert loads(origin) == before + 1


async def test_a_suspect_account_keeps_new_keys_from_being_called_absent(log, origin):
    async with running_dacha(origin, fill="eager") as dacha:
        await eventually(lambda: dacha.cache.ready)
        origin.cut_off = True
        dacha.holdings.replica._suspect(CounterId("account", account_id(NAMES[0])))
        with pytest.raises(Unavailable):
            await dacha.cache.find_account(key_hash("perhaps its new one"))
