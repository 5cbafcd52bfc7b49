"""Dacha2's answers to Edges: as new as the asker needs them, or marked; and each look-up is counted once."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from common.contracts.events import CounterId
from common.contracts.lookups import ANY, AtLeast, State
from common.errors import Unavailable
from dacha.lookups import Lookups
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.origins import SOON_SILENT, ModelOrigin, running_dacha
from tests.support.waiting import eventually

HOME = environment_id("home")
ACCOUNT = account_id("shop")
CLIENT = key_hash("client")
SERVER = key_hash("server")
NOBODY = key_hash("nobody")


@pytest.fixture
def log():
    log = ChangeLog()
    log.create_environment(HOME)
    log.set_feature(HOME, "a", b"true")
    log.save_account(ACCOUNT, CLIENT, SERVER, environments=[HOME])
    return log


@pytest.fixture
def origin(log):
    return ModelOrigin(log)


def counted(dacha):
    """Look-ups by kind and outcome, as the metric shows them."""
    hits = {
        ("account", "hit"): dacha.metrics.account_hits,
        ("environment", "hit"): dacha.metrics.environment_hits,
    }
    total = Counter(dacha.metrics.lookups)
    total.update(hits)
    return {each: count for each, count in total.items() if count}


async def test_what_is_held_is_answered_at_once_with_the_position_it_is_known_at(log, origin):
    async with running_dacha(origin) as dacha:
        lookups = Lookups(dacha)
        first = await lookups.load_environment(HOME)
        assert (first.snapshot.revision, first.position, first.behind) == (2, log.position, False)
        log.create_environment(environment_id("other"))
        await eventually(lambda: dacha.cache.position == log.position == first.position + 1)
        again = await lookups.load_environment(HOME, AtLeast("epoch-0", 2, log.position))
        assert (again.snapshot.revision, again.position) == (2, log.position)
        assert counted(dacha) == {("environment", "load"): 1, ("environment", "hit"): 1}
        assert origin.asked["environment"] == 1


async def test_a_mix_of_questions_is_counted_exactly_and_costs_exactly_these_loads(log, origin):
    async with running_dacha(origin) as dacha:
        lookups = Lookups(dacha)
        junk = [key_hash(f"junk {number}") for number in range(20)]
        late = key_hash("late")
        for _ in range(3):
            assert (await lookups.load_account(CLIENT)).record.id == ACCOUNT
            assert (await lookups.load_account(SERVER)).record.id == ACCOUNT
            assert (await lookups.load_environment(HOME)).snapshot is not None
            assert (await lookups.load_account(late)).record is None
            for each in junk:
                assert (await lookups.load_account(each)).record is None
        log.save_account(account_id("late"), late, key_hash("late server"), environments=[HOME])
        log.save_account(ACCOUNT, key_hash("client 2"), SERVER, environments=[HOME])
        await eventually(lambda: not log.drafts and dacha.cache.position == log.position)
        for _ in range(2):
            assert (await lookups.load_account(late)).record.id == account_id("late")
            assert (await lookups.load_account(CLIENT)).record is None
            assert (await lookups.load_account(SERVER)).record.id == ACCOUNT
        assert counted(dacha) == {
            ("account", "load"): 1,
            ("account", "hit"): 5 + 2 + 2,
            ("account", "miss"): 21 + 1,
            ("account", "negative_hit"): 2 * 21 + 1,
            ("environment", "load"): 1,
            ("environment", "hit"): 2,
        }
        assert (origin.asked["account"], origin.asked["environment"]) == (1 + 21 + 1, 1)


async def test_who_knows_more_makes_dacha_load(log, origin):
    async with running_dacha(origin) as dacha:
        lookups = Lookups(dacha)
        await lookups.load_environment(HOME)
        await lookups.load_account(CLIENT)
        await lookups.load_account(NOBODY)
        # Edge heard of two changes that do not reach this Dacha.
        log.set_feature(HOME, "a", b"false")
        log.save_account(account_id("new"), NOBODY, key_hash("new server"))
        origin.lost = {each.position for each in log.assign()}
        origin.log_cut_off = True
        floor = AtLeast("epoch-0", 3, log.position)
        answer = await lookups.load_environment(HOME, floor)
        assert (answer.snapshot.revision, answer.position, answer.behind) == (3, log.position, False)
        found = await lookups.load_account(NOBODY, AtLeast("epoch-0", 0, log.position))
        assert (found.record.id, found.behind) == (account_id("new"), False)


async def test_what_is_held_is_marked_as_behind_while_mr_is_away(log, origin):
    async with running_dacha(origin) as dacha:
        lookups = Lookups(dacha)
        await lookups.load_environment(HOME)
        await lookups.load_account(CLIENT)
        origin.cut_off = origin.log_cut_off = True
        here = await lookups.load_environment(HOME, AtLeast("epoch-0", 2, log.position))
        assert not here.behind
        above = AtLeast("epoch-0", 3, log.position + 1)
        late = await lookups.load_environment(HOME, above)
        assert (late.snapshot.revision, late.behind) == (2, True)
        assert (await lookups.load_account(CLIENT, above)).behind
        for question in (lookups.load_account(NOBODY), lookups.load_environment(environment_id("cold"))):
            with pytest.raises(Unavailable):
                await question
        for pass_on in (lookups.changes(0), lookups.revisions([])):
            with pytest.raises(Unavailable):
                await pass_on
        # For who knows no epoch at all; no word on where MR stands.
        assert await lookups.state() == State(epoch="epoch-0", term=0, position=0, second_hand=True)
        assert counted(dacha) == {
            ("environment", "load"): 1,
            ("account", "load"): 1,
            ("environment", "hit"): 1,
            ("environment", "behind"): 1,
            ("account", "behind"): 1,
            ("environment", "unavailable"): 1,
            ("account", "unavailable"): 1,
        }


async def test_a_remembered_miss_is_no_answer_while_the_log_is_silent(origin):
    async with running_dacha(origin, heartbeat_seconds=SOON_SILENT) as dacha:
        lookups = Lookups(dacha)
        assert (await lookups.load_account(NOBODY)).record is None
        origin.cut_off = origin.log_cut_off = True
        await eventually(lambda: dacha.cache.silent_seconds > 0)
        with pytest.raises(Unavailable):
            await lookups.load_account(NOBODY)


async def test_what_ended_is_absent_at_every_later_position(log, origin):
    async with running_dacha(origin) as dacha:
        lookups = Lookups(dacha)
        log.delete_environment(HOME)
        await eventually(lambda: not log.drafts and dacha.cache.position == log.position)
        origin.cut_off = True
        gone = await lookups.load_environment(HOME, AtLeast("epoch-0", 3, log.position + 7))
        assert (gone.snapshot, gone.revision, gone.position, gone.behind) == (
            None,
            3,
            log.position + 7,
            False,
        )
        assert counted(dacha) == {("environment", "negative_hit"): 1}


async def test_a_moment_of_lag_costs_no_load(log, origin):
    async with running_dacha(origin) as dacha:
        lookups = Lookups(dacha, catch_up_seconds=5)
        await lookups.load_account(NOBODY)
        origin.log_cut_off = True
        await asyncio.sleep(0.03)
        log.create_environment(environment_id("other"))
        log.assign()
        async with asyncio.TaskGroup() as tasks:
            question = tasks.create_task(lookups.load_account(NOBODY, AtLeast("epoch-0", 0, log.position)))
            await asyncio.sleep(0.03)
            assert not question.done()
            origin.log_cut_off = False
        answer = question.result()
        assert (answer.record, answer.position) == (None, log.position)
        assert origin.asked["account"] == 1


async def test_an_asker_from_another_epoch_hears_of_ours_and_of_mrs(log, origin):
    log.assign()
    backup = log.backup()
    async with running_dacha(origin) as dacha:
        lookups = Lookups(dacha)
        await lookups.load_environment(HOME)
        states = origin.asked["state"]
        for _ in range(5):
            answer = await lookups.load_environment(HOME, AtLeast("epoch-none", 99, 99))
            assert (answer.epoch, answer.behind) == ("epoch-0", False)
        assert origin.asked["state"] == states + 1
        # An Edge that heard of the restore before this Dacha did.
        origin.log_cut_off = True
        await asyncio.sleep(0.03)
        log.restore(backup)
        answer = await lookups.load_environment(HOME, AtLeast("epoch-1", 0, log.position))
        assert (answer.epoch, answer.snapshot.revision, answer.behind) == ("epoch-1", 1_002, False)


async def test_made_up_keys_are_limited_and_whoever_is_known_to_the_asker_is_none(origin):
    async with running_dacha(origin, strangers_per_second=0.001, cache_misses=0) as dacha:
        while dacha.strangers.take():
            pass
        lookups = Lookups(dacha)
        with pytest.raises(Unavailable):
            await lookups.load_account(NOBODY)
        known = await lookups.load_account(CLIENT, AtLeast("epoch-0", 1, 0))
        assert known.record is not None
        assert counted(dacha) == {("account", "refused"): 1, ("account", "load"): 1}


async def test_environments_are_what_accounts_name_and_nobodys_invention(origin):
    async with running_dacha(origin, strangers_per_second=0.001, cache_misses=0) as dacha:
        while dacha.strangers.take():
            pass
        assert (await Lookups(dacha).load_environment(HOME)).snapshot is not None
        assert counted(dacha) == {("environment", "load"): 1}


async def test_identical_questions_about_changes_are_asked_once_and_survive_whoever_asked_first(log, origin):
    async with running_dacha(origin) as dacha:
        lookups = Lookups(dacha)
        asked = origin.asked["changes"]
        async with asyncio.TaskGroup() as tasks:
            questions = [tasks.create_task(lookups.changes(1)) for _ in range(50)]
            await asyncio.sleep(0)
            questions[0].cancel()
        assert {each.result().position for each in questions[1:]} == {log.position}
        assert origin.asked["changes"] <= asked + 2


async def test_a_suspect_is_loaded_before_it_is_told_to_who_knows_more(log, origin):
    async with running_dacha(origin) as dacha:
        lookups = Lookups(dacha)
        await lookups.load_environment(HOME)
        held = dacha.holdings.replica.environments[HOME]
        dacha.holdings.replica._suspect(CounterId("environment", HOME))
        before = held.position
        answer = await lookups.load_environment(HOME, AtLeast("epoch-0", 2, before + 0))
        assert not answer.behind
        assert (await lookups.load_environment(HOME, ANY)).snapshot is not None
