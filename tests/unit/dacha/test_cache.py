"""Dacha2 over a model of MR: what is found, what is certainly absent, and what is not known."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from common.contracts.environments import AccountRecord
from common.contracts.events import CounterId
from common.errors import Unavailable
from common.messaging.local import LocalBus
from dacha.app import open_dacha
from dacha.lookups import Lookups
from dacha.settings import DachaSettings
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.origins import SOON_SILENT, ModelOrigin, running_dacha
from tests.support.waiting import eventually

HOME = environment_id("home")
ACCOUNT = account_id("shop")
CLIENT = key_hash("client")
SERVER = key_hash("server")


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


def value(cache, key="a", environment=HOME):
    snapshot = cache.peek_environment(environment)
    return None if snapshot is None else {each.key: each.value for each in snapshot.ordered}.get(key)


class Notes:
    def __init__(self) -> None:
        self.environments: list[tuple[str, int | None]] = []
        self.accounts: list[AccountRecord] = []

    def environment_changed(self, environment_id, snapshot):
        self.environments.append((environment_id, snapshot and snapshot.revision))

    def account_changed(self, record):
        self.accounts.append(record)


# Found, absent, unknown


async def test_what_was_found_is_held(origin):
    async with running_dacha(origin) as dacha:
        assert (await dacha.cache.find_account(SERVER)).id == ACCOUNT
        assert dacha.cache.peek_account(CLIENT) is dacha.cache.peek_account(SERVER)
        await dacha.cache.find_environment(HOME)
        for _ in range(5):
            await dacha.cache.find_environment(HOME)
            await dacha.cache.find_account(CLIENT)
        assert value(dacha.cache) == b"true"
        assert (origin.asked["account"], origin.asked["environment"]) == (1, 1)


async def test_a_confirmed_miss_is_remembered(origin):
    async with running_dacha(origin) as dacha:
        for _ in range(3):
            assert await dacha.cache.find_account(key_hash("nobody")) is None
            assert await dacha.cache.find_environment(environment_id("nowhere")) is None
        assert (origin.asked["account"], origin.asked["environment"]) == (1, 1)
        assert dacha.metrics.lookups["account", "negative_hit"] == 2


async def test_absence_is_never_said_because_mr_is_away(origin):
    origin.cut_off = True
    async with running_dacha(origin, heard=False) as dacha:
        for question in (dacha.cache.find_account(CLIENT), dacha.cache.find_environment(HOME)):
            with pytest.raises(Unavailable):
                await question


async def test_it_starts_while_everything_is_away_and_recovers_by_itself(origin):
    origin.cut_off = origin.log_cut_off = True
    async with running_dacha(origin, heard=False) as dacha:
        assert not dacha.cache.ready
        assert dacha.cache.epoch == ""
        origin.cut_off = origin.log_cut_off = False
        await eventually(lambda: dacha.cache.ready)
        assert dacha.cache.epoch == "epoch-0"
        assert await dacha.cache.find_environment(HOME) is not None


async def test_it_says_that_it_is_ready_degraded_after_a_time(origin):
    origin.cut_off = origin.log_cut_off = True
    async with running_dacha(origin, heard=False, start_degraded_after=0.05) as dacha:
        await eventually(lambda: dacha.cache.ready)


async def test_what_is_held_is_served_while_mr_is_away(origin):
    async with running_dacha(origin, heartbeat_seconds=SOON_SILENT) as dacha:
        await dacha.cache.find_account(CLIENT)
        await dacha.cache.find_environment(HOME)
        origin.cut_off = origin.log_cut_off = True
        await eventually(lambda: dacha.cache.silent_seconds > 0)
        assert await dacha.cache.find_account(CLIENT) is not None
        assert value(dacha.cache) == b"true"


async def test_a_miss_is_not_relied_on_while_the_log_is_silent(log, origin):
    async with running_dacha(origin, heartbeat_seconds=SOON_SILENT) as dacha:
        assert await dacha.cache.find_account(key_hash("new")) is None
        origin.log_cut_off = True
        await eventually(lambda: dacha.cache.silent_seconds > 0)
        log.save_account(account_id("new"), key_hash("new"), key_hash("new server"))
        assert (await dacha.cache.find_account(key_hash("new"))).id == account_id("new")


# Changes


async def test_an_edit_is_seen_without_asking_again(log, origin):
    async with running_dacha(origin) as dacha:
        await dacha.cache.find_environment(HOME)
        log.set_feature(HOME, "a", b"false")
        await eventually(lambda: value(dacha.cache) == b"false")
        log.set_feature(HOME, "b")
        log.delete_feature(HOME, "a")
        await eventually(lambda: value(dacha.cache) is None and value(dacha.cache, "b") == b"true")
        assert [each.key for each in dacha.cache.peek_environment(HOME).tombstones] == ["a"]
        assert origin.asked["environment"] == 1


async def test_a_new_environment_is_a_hit_by_default(log, origin):
    async with running_dacha(origin) as dacha:
        log.create_environment(environment_id("new"))
        await eventually(lambda: dacha.cache.peek_environment(environment_id("new")) is not None)
        assert not origin.asked["environment"]


async def test_an_edit_while_the_answer_to_a_load_is_held_back_is_served(log, origin):
    """G5: a load and an update cannot cross."""
    async with running_dacha(origin) as dacha, asyncio.TaskGroup() as tasks:
        origin.holding = True
        question = tasks.create_task(dacha.cache.find_environment(HOME))
        await eventually(lambda: origin.held)
        log.set_feature(HOME, "a", b"false")
        await eventually(lambda: dacha.cache.position == log.position and not log.drafts)
        origin.release()
        assert (await question).ordered[0].value == b"false"


async def test_a_miss_that_was_held_back_does_not_outlive_the_creation(log, origin):
    """G6: the creation commits while the 404 is on its way."""
    async with running_dacha(origin) as dacha, asyncio.TaskGroup() as tasks:
        origin.holding = True
        new, fresh = environment_id("new"), key_hash("fresh")
        questions = [
            tasks.create_task(dacha.cache.find_environment(new)),
            tasks.create_task(dacha.cache.find_account(fresh)),
        ]
        await eventually(lambda: len(origin.held) == 2)
        log.create_environment(new)
        log.save_account(account_id("fresh"), fresh, key_hash("fresh server"), environments=[new])
        await eventually(lambda: dacha.cache.position == log.position and not log.drafts)
        origin.release()
        assert (await questions[0]).id == new
        assert (await questions[1]).id == account_id("fresh")


async def test_a_miss_ends_with_the_creation(log, origin):
    async with running_dacha(origin) as dacha:
        assert await dacha.cache.find_account(key_hash("new")) is None
        log.save_account(account_id("new"), key_hash("new"), key_hash("new server"))
        await eventually(lambda: dacha.cache.peek_account(key_hash("new")) is not None)


async def test_a_key_reset_while_its_first_look_up_is_held_back_does_not_revive_the_old_key(log, origin):
    """G8, the race of a reset with a first look-up."""
    async with running_dacha(origin) as dacha, asyncio.TaskGroup() as tasks:
        origin.holding = True
        question = tasks.create_task(dacha.cache.find_account(CLIENT))
        await eventually(lambda: origin.held)
        log.save_account(ACCOUNT, key_hash("another client"), SERVER, environments=[HOME])
        await eventually(lambda: dacha.cache.position == log.position and not log.drafts)
        origin.release()
        assert await question is None
        assert await dacha.cache.find_account(CLIENT) is None


async def test_watchers_hear_removals_and_resets_at_once(log, origin):
    async with running_dacha(origin) as dacha:
        await dacha.cache.find_account(CLIENT)
        await dacha.cache.find_environment(HOME)
        notes = Notes()
        stop = dacha.cache.watch(notes)
        log.save_account(ACCOUNT, key_hash("another client"), SERVER)
        await eventually(lambda: notes.accounts)
        assert notes.accounts[0].former_key_hashes == (CLIENT,)
        assert dacha.cache.peek_account(CLIENT) is None
        log.delete_account(ACCOUNT)
        await eventually(lambda: notes.accounts[-1].removed)
        assert dacha.cache.peek_account(SERVER) is None
        log.delete_environment(HOME)
        await eventually(lambda: (HOME, None) in notes.environments)
        assert await dacha.cache.find_environment(HOME) is None
        assert origin.asked["environment"] == 1
        stop()
        log.create_environment(environment_id("later"))
        await eventually(lambda: dacha.cache.peek_environment(environment_id("later")))
        assert notes.environments[-1] == (HOME, None)


async def test_a_deletion_of_what_is_not_held_is_remembered(log, origin):
    async with running_dacha(origin) as dacha:
        log.delete_environment(HOME)
        await eventually(lambda: dacha.cache.position == log.position and not log.drafts)
        assert await dacha.cache.find_environment(HOME) is None
        assert not origin.asked["environment"]


# Catching up


@pytest.mark.parametrize("what", ["events were lost", "the log no longer reaches back"])
async def test_catching_up_costs_as_much_as_was_missed(log, origin, what):
    names = [environment_id(str(number)) for number in range(50)]
    for name in names:
        log.create_environment(name)
    async with running_dacha(origin) as dacha:
        for name in names:
            await dacha.cache.find_environment(name)
        assert await dacha.cache.find_account(key_hash("new")) is None
        origin.log_cut_off = True
        await asyncio.sleep(0.05)
        for name in names[:3]:
            log.set_feature(name, "a")
        log.save_account(account_id("new"), key_hash("new"), key_hash("new server"))
        origin.lost = {each.position for each in log.assign()}
        if what != "events were lost":
            log.prune(log.position)
        origin.log_cut_off = False
        await eventually(lambda: all(value(dacha.cache, "a", name) == b"true" for name in names[:3]))
        assert (await dacha.cache.find_account(key_hash("new"))).id == account_id("new")
        assert origin.asked["environment"] == len(names) + 3
        assert not dacha.metrics.mismatches


async def test_a_restored_database_is_noticed_and_taken_over_while_serving(log, origin):
    """G23 at this level: the same cache, another history."""
    log.assign()
    backup = log.backup()
    async with running_dacha(origin) as dacha:
        await dacha.cache.find_account(CLIENT)
        await dacha.cache.find_environment(HOME)
        log.set_feature(HOME, "a", b"false")
        log.save_account(ACCOUNT, key_hash("another client"), SERVER, environments=[HOME])
        await eventually(lambda: value(dacha.cache) == b"false")
        notes = Notes()
        dacha.cache.watch(notes)
        log.restore(backup)
        await eventually(lambda: dacha.cache.epoch == "epoch-1")
        assert dacha.cache.peek_environment(HOME) is not None
        await eventually(lambda: value(dacha.cache) == b"true")
        await eventually(lambda: dacha.cache.peek_account(CLIENT) is not None)
        assert dacha.cache.peek_account(key_hash("another client")) is None
        assert notes.environments
        assert not dacha.metrics.mismatches


async def test_a_suspect_is_loaded_again_for_as_long_as_needed(log, origin):
    async with running_dacha(origin) as dacha:
        await dacha.cache.find_environment(HOME)
        origin.cut_off = True
        replica = dacha.holdings.replica
        replica._suspect(CounterId("environment", HOME))
        await eventually(lambda: dacha.metrics.questions["environment", "unavailable"] >= 2)
        assert value(dacha.cache) == b"true"
        origin.cut_off = False
        await eventually(lambda: not replica.suspects)


async def test_a_corrupted_state_is_found_by_its_digest_and_repaired_once(origin):
    """G24 at this level."""
    async with running_dacha(origin) as dacha:
        await dacha.cache.find_environment(HOME)
        await dacha.cache.find_account(CLIENT)
        await dacha.upkeep.audit_once()
        assert not dacha.metrics.mismatches
        held = dacha.holdings.replica.environments[HOME]
        features = {
            name: msgspec.structs.replace(each, value=b'"wrong"')
            for name, each in held.value.features.items()
        }
        held.value = msgspec.structs.replace(held.value, features=features, _ordered=None)
        await dacha.upkeep.audit_once()
        await eventually(lambda: value(dacha.cache) == b"true")
        await dacha.upkeep.audit_once()
        assert dacha.metrics.mismatches == {"environment": 1}


# One load for many, and limits


async def test_thousands_who_ask_for_one_key_cost_one_load_each_and_survive_each_other(origin):
    """G14: single flight; the leader is cancelled."""
    async with running_dacha(origin) as dacha, asyncio.TaskGroup() as tasks:
        origin.holding = True
        questions = [tasks.create_task(dacha.cache.find_account(CLIENT)) for _ in range(5_000)]
        await eventually(lambda: origin.held)
        for victim in questions[:100]:
            victim.cancel()
        await asyncio.sleep(0)
        origin.release()
        answers = await asyncio.gather(*questions[100:])
        assert {each.id for each in answers} == {ACCOUNT}
        assert origin.asked["account"] == 1


async def test_leaving_ends_loads_and_nobody_waits_for_ever(origin):
    async with asyncio.TaskGroup() as tasks:
        async with running_dacha(origin) as dacha:
            origin.holding = True
            question = tasks.create_task(_outcome(dacha.cache.find_account(CLIENT)))
            await eventually(lambda: origin.held)
        assert isinstance(await question, Unavailable)


async def _outcome(question):
    try:
        return await question
    except Unavailable as error:
        return error


async def test_junk_costs_a_bounded_rate_and_bounded_memory_and_hurts_nobody_who_is_known(origin):
    """G15, scaled down."""
    async with running_dacha(origin, strangers_per_second=1.0, cache_misses=100) as dacha:
        await dacha.cache.find_account(CLIENT)
        await dacha.cache.find_environment(HOME)
        for batch in range(20):
            await asyncio.gather(
                *(_outcome(dacha.cache.find_account(key_hash(f"{batch} {number}"))) for number in range(500))
            )
            assert await dacha.cache.find_account(CLIENT) is not None
            assert value(dacha.cache) == b"true"
        # As many as may come at once, and a few seconds' worth.
        assert origin.asked["account"] < 2_100
        assert origin.most_at_once <= 16
        assert dacha.metrics.lookups["account", "refused"] > 7_000
        assert len(dacha.holdings.replica._misses) <= 100
        assert not dacha.metrics.evictions


async def test_what_is_least_used_goes_first_and_what_is_held_on_to_stays(log, origin):
    names = [environment_id(str(number)) for number in range(8)]
    for name in names:
        log.create_environment(name)
    async with running_dacha(origin, cache_environments=4) as dacha:
        with dacha.cache.hold(names[0], ACCOUNT):
            for name in names:
                await dacha.cache.find_environment(name)
                dacha.cache.peek_environment(names[1])
            held = set(dacha.holdings.replica.environments)
            assert len(held) == 4
            assert {names[0], names[7]} <= held
        assert dacha.metrics.evictions["environment"] == 4
        # What was evicted comes back, and not older than it was.
        log.set_feature(names[2], "a")
        assert (await dacha.cache.find_environment(names[2])).revision == 2


async def test_what_is_held_on_to_is_not_looked_at_when_something_must_go(log, origin):
    """With every stream's environment above the bound, each change would cost as much as there are."""
    names = [environment_id(str(number)) for number in range(50)]
    for name in names:
        log.create_environment(name)
    async with running_dacha(origin, cache_environments=4) as dacha, AsyncExitStack() as holding:
        for name in names:
            holding.enter_context(dacha.cache.hold(name, ACCOUNT))
            await dacha.cache.find_environment(name)
        environments = dacha.holdings.replica.environments
        assert set(environments) == set(names)
        log.set_feature(names[0], "a")
        await eventually(lambda: environments[names[0]].value.revision == 2)
        assert all(environments[name].used for name in names), "a mark was taken away in passing"
        assert not dacha.metrics.evictions
        await holding.aclose()
        assert len(environments) == 4
        assert dacha.metrics.evictions["environment"] == 46


async def test_bytes_are_bounded_too(log, origin):
    names = [environment_id(str(number)) for number in range(8)]
    for name in names:
        log.create_environment(name)
        log.set_feature(name, "big", b'"%s"' % (b"x" * 10_000))
    async with running_dacha(origin, cache_bytes=100_000) as dacha:
        for name in names:
            await dacha.cache.find_environment(name)
        assert 1 < len(dacha.holdings.replica.environments) < 4
        text, size = dacha.holdings.gauges()["bytes"]
        assert text
        assert 30_000 < size <= 100_000


async def test_whoever_holds_on_to_what_is_not_here_gets_it_as_soon_as_mr_answers(log, origin):
    async with running_dacha(origin) as dacha:
        notes = Notes()
        dacha.cache.watch(notes)
        origin.cut_off = True
        with dacha.cache.hold(HOME, ACCOUNT):
            await eventually(lambda: dacha.metrics.questions["environment", "unavailable"])
            origin.cut_off = False
            await eventually(lambda: notes.environments == [(HOME, 2)])
        with dacha.cache.hold(environment_id("nowhere"), ACCOUNT):
            await eventually(lambda: (environment_id("nowhere"), None) in notes.environments)


# Staleness


async def test_keys_are_not_believed_for_ever_while_cut_off(origin):
    async with running_dacha(origin, heartbeat_seconds=SOON_SILENT, max_stale_keys=0.3) as dacha:
        await dacha.cache.find_account(CLIENT)
        await dacha.cache.find_environment(HOME)
        await asyncio.sleep(0.4)
        assert dacha.cache.peek_account(CLIENT) is not None, "it is kept true, however old it is"
        origin.cut_off = origin.log_cut_off = True
        await eventually(lambda: dacha.cache.peek_account(CLIENT) is None)
        with pytest.raises(Unavailable):
            await dacha.cache.find_account(CLIENT)
        assert value(dacha.cache) == b"true", "values have no limit by default"
        origin.cut_off = origin.log_cut_off = False
        await eventually(lambda: dacha.cache.peek_account(CLIENT) is not None)


async def test_values_may_have_a_limit_too(origin):
    async with running_dacha(origin, heartbeat_seconds=SOON_SILENT, max_stale=0.3) as dacha:
        await dacha.cache.find_environment(HOME)
        origin.cut_off = origin.log_cut_off = True
        await eventually(lambda: value(dacha.cache) is None)
        with pytest.raises(Unavailable):
            await dacha.cache.find_environment(HOME)


# Numbers


async def test_the_numbers_are_shown_and_taken_away_again(origin):
    registry = CollectorRegistry()
    bus = LocalBus(origin.tail, poll_seconds=0.01)
    async with open_dacha(DachaSettings(), bus=bus, origin=origin, registry=registry) as dacha:
        await dacha.cache.find_account(CLIENT)
        text = generate_latest(registry).decode()
        assert 'burgee_dacha_lookups_total{kind="account",outcome="load"} 1.0' in text
        assert "burgee_dacha_position_lag" in text
        assert CLIENT not in text
    assert generate_latest(registry) == b""


@pytest.mark.parametrize("bound", [0, 1])
async def test_who_waited_for_a_load_is_answered_also_when_it_had_to_make_room(log, origin, bound):
    names = [environment_id(str(number)) for number in range(8)]
    for name in names:
        log.create_environment(name)
    async with running_dacha(origin, cache_environments=bound) as dacha:
        for _ in range(3):
            found = await asyncio.gather(*(dacha.cache.find_environment(name) for name in names))
            assert [each.id for each in found] == names
            assert len(dacha.holdings.replica.environments) == bound
        log.set_feature(names[2], "a")
        log.assign()
        assert (await dacha.cache.find_environment(names[2])).revision == 2
        lookups = Lookups(dacha)
        answers = await asyncio.gather(*(lookups.load_environment(name) for name in names))
        assert [each.snapshot.id for each in answers] == names


async def test_with_nothing_to_be_kept_what_streams_need_is_kept(log, origin):
    async with running_dacha(origin, cache_environments=0) as dacha:
        with dacha.cache.hold(HOME, ACCOUNT):
            await dacha.cache.find_environment(HOME)
            assert dacha.cache.peek_environment(HOME) is not None
        assert dacha.cache.peek_environment(HOME) is None
