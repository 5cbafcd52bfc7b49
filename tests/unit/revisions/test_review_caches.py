"""What a reviewer asked of caches: keys, answers and epochs that must not be believed for too long."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from common.contracts.environments import SdkKey, hash_key
from common.contracts.lookups import ANY
from common.errors import Unavailable
from common.origins.remote import RemoteOrigin, answer
from edge.access import Access
from edge.limits import ColdLookups
from edge_rest.database import DatabaseSource
from edge_rest.replica import FollowingReader
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.origins import SOON_SILENT, ModelOrigin, running_dacha
from tests.support.waiting import eventually

HOME = environment_id("home")
CLIENT = key_hash("client")
SERVER = key_hash("server")


@pytest.fixture
def log():
    log = ChangeLog()
    log.create_environment(HOME)
    log.save_account(account_id("shop"), CLIENT, SERVER, environments=[HOME])
    return log


@pytest.fixture
def origin(log):
    return ModelOrigin(log)


async def test_keys_are_not_believed_for_ever_while_a_loss_cannot_be_made_good(log, origin):
    """The bus works and MR's API does not: heartbeats alone say nothing of what was lost."""
    async with running_dacha(origin, max_stale_keys=0.5) as dacha:
        await dacha.cache.find_account(CLIENT)
        origin.cut_off = True
        origin.lost.add(log.position + 1)
        log.delete_account(account_id("shop"))
        await eventually(lambda: dacha.cache.peek_account(CLIENT) is None)
        assert not dacha.cache.silent_seconds
        with pytest.raises(Unavailable):
            await dacha.cache.find_account(CLIENT)
        origin.cut_off = False
        await eventually(lambda: dacha.cache.position == log.position)
        assert await dacha.cache.find_account(CLIENT) is None


KEY = "qwertyuiopasdfghjklzxcvbnmqwertyuiopasdf"


async def test_an_account_that_may_be_behind_does_not_make_a_new_environment_unknown(log, origin):
    """It got the environment while nobody here could hear of it: an SDK that is told 404 gives up."""
    log.save_account(account_id("app"), CLIENT + "x", hash_key(KEY), environments=[HOME])
    new = environment_id("new")
    key = SdkKey.parse(f"{new}/{KEY}")
    assert key is not None
    async with running_dacha(origin, heartbeat_seconds=SOON_SILENT) as dacha:
        access = Access(dacha.cache, ColdLookups())
        assert await access.find(key) is None, "as far as anybody knows"
        origin.log_cut_off = True
        await eventually(lambda: dacha.cache.silent_seconds)
        log.create_environment(new)
        log.save_account(account_id("app"), CLIENT + "x", hash_key(KEY), environments=[HOME, new])
        log.assign()
        assert (await access.find(key)).snapshot.id == new
        other = SdkKey.parse(f"{environment_id('other')}/{KEY}")
        assert other is not None
        assert await access.find(other) is None, "MR said so a moment ago"
        origin.cut_off = True
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await access.find(other)


async def test_whoever_asks_for_what_an_account_lacks_while_nobody_knows_pays_for_it(log, origin):
    log.save_account(account_id("app"), CLIENT + "x", hash_key(KEY), environments=[HOME])
    async with running_dacha(origin, heartbeat_seconds=SOON_SILENT) as dacha:
        access = Access(dacha.cache, ColdLookups(per_second=0, at_once=1))
        await dacha.cache.find_account(hash_key(KEY))
        key = SdkKey.parse(f"{environment_id('other')}/{KEY}")
        assert key is not None
        for _ in range(3):
            assert access.admit(key, "caller")
        origin.log_cut_off = True
        await eventually(lambda: dacha.cache.silent_seconds)
        assert [access.admit(key, "caller") for _ in range(3)] == [True, False, False]


async def test_what_a_replica_of_the_database_lacks_is_asked_of_the_primary(log, origin):
    behind = ModelOrigin(ChangeLog())
    new = environment_id("new")
    for each in (behind.log, log):
        each.save_account(account_id("app"), CLIENT + "x", hash_key(KEY), environments=[HOME])
    log.create_environment(new)
    log.save_account(account_id("app"), CLIENT + "x", hash_key(KEY), environments=[HOME, new])
    source = DatabaseSource(FollowingReader(behind, origin), primary=origin)
    key = SdkKey.parse(f"{new}/{KEY}")
    assert key is not None
    assert (await Access(source, None).find(key)).snapshot.id == new


@pytest.mark.parametrize(
    "data", [b'{"epoch":"\xff","term":1,"position":1}', b"[" * 100_000], ids=["no UTF-8", "deep"]
)
async def test_bytes_that_are_no_text_are_no_answer_and_end_no_process(data):
    async def ask(_question, _seconds):
        return data

    with pytest.raises(Unavailable):
        await RemoteOrigin(ask).state()
    with pytest.raises(Unavailable):
        await answer(RemoteOrigin(ask), data)


async def test_a_late_word_on_an_epoch_that_is_over_is_not_believed(log, origin):
    """Two ask at once where MR stands, and a restore comes between their answers."""
    async with running_dacha(origin) as dacha:
        old, backup = log.where(), log.backup()
        gate = asyncio.Event()

        async def late():
            await gate.wait()
            return old

        now, origin.state = origin.state, late
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(dacha.loader.ask_state())
            await asyncio.sleep(0)
            origin.state = now
            log.restore(backup)
            await eventually(lambda: dacha.cache.epoch == log.epoch)
            gate.set()
        assert dacha.cache.epoch == log.epoch


class Refusing(ModelOrigin):
    """One key is refused by somebody who has not heard of the account yet, the other one rightly."""

    async def load_account(self, key_hash, at_least=ANY, /):
        found = await super().load_account(key_hash, at_least)
        if self.holding_back and key_hash == CLIENT:
            return msgspec.structs.replace(found, record=None, position=0)
        return found

    holding_back = False


async def test_an_account_ends_only_when_all_its_keys_were_refused_by_who_knows(log):
    origin = Refusing(log)
    async with running_dacha(origin) as dacha:
        await dacha.cache.find_account(CLIENT)
        heard = Removals()
        dacha.cache.watch(heard)
        origin.holding_back = True
        origin.lost.add(log.position + 1)
        log.save_account(account_id("shop"), CLIENT, key_hash("another server"), environments=[HOME])
        await eventually(lambda: origin.asked["account"] > 3)
        origin.holding_back = False
        await eventually(lambda: not dacha.holdings.replica.suspects and not dacha.holdings.replica.hole)
        assert not heard.removed
        assert (await dacha.cache.find_account(CLIENT)).revision == 2


class Removals:
    """A watcher that notes who was removed."""

    def __init__(self):
        self.removed = []

    def environment_changed(self, environment_id, snapshot):
        """Not of interest."""

    def account_changed(self, record):
        if record.removed:
            self.removed.append(record.id)
