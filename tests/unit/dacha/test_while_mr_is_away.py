"""An Edge that starts while MR is away, and has kept nothing: what a Dacha holds is served all the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from common.caching.app import OpenCache
from common.errors import Unavailable
from common.messaging.bus import Bus
from common.messaging.local import LocalBus
from common.messaging.polled import PolledBus
from dacha.lookups import Lookups
from edge.near import open_near_cache
from edge.settings import EdgeSettings
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.origins import ModelOrigin, running_dacha
from tests.support.waiting import eventually

HOME, COLD = environment_id("home"), environment_id("cold")
CLIENT = key_hash("client")


@dataclass
class Away:
    """MR is away; a Dacha holds one environment and one account; an Edge has just started."""

    log: ChangeLog
    mr: ModelOrigin
    near: OpenCache

    def mr_comes_back(self) -> None:
        self.mr.cut_off = self.mr.log_cut_off = False


@asynccontextmanager
async def open_away(*, polled: bool = False) -> AsyncIterator[Away]:
    log = ChangeLog()
    for name in (HOME, COLD):
        log.create_environment(name)
        log.set_feature(name, "a", b"true")
    log.save_account(account_id("a"), CLIENT, key_hash("server"), environments=[HOME, COLD])
    log.assign()
    mr = ModelOrigin(log)
    async with running_dacha(mr) as dacha:
        await dacha.cache.find_environment(HOME)
        await dacha.cache.find_account(CLIENT)
        mr.cut_off = mr.log_cut_off = True
        lookups = Lookups(dacha)
        bus: Bus = LocalBus(mr.tail, poll_seconds=0.01)
        if polled:
            bus = PolledBus(lookups.state, poll_seconds=0.01)
        async with open_near_cache(EdgeSettings(), bus=bus, origin=lookups) as near:
            yield Away(log, mr, near)


@pytest.mark.parametrize("polled", [False, True])
async def test_what_a_dacha_holds_is_served(polled: bool) -> None:
    async with open_away(polled=polled) as away:
        account = await away.near.cache.find_account(CLIENT)
        assert account is not None
        assert account.policy(HOME) is not None
        snapshot = await away.near.cache.find_environment(HOME)
        assert snapshot is not None
        assert [each.value for each in snapshot.ordered] == [b"true"]


async def test_nothing_is_said_to_be_absent_that_nobody_can_know() -> None:
    async with open_away() as away:
        await away.near.cache.find_account(CLIENT)
        for question in (
            away.near.cache.find_environment(COLD),
            away.near.cache.find_environment(environment_id("made up")),
            away.near.cache.find_account(key_hash("made up")),
        ):
            with pytest.raises(Unavailable):
                await question
        assert not away.near.cache.ready
        assert not away.near.holdings.replica.live


@pytest.mark.parametrize("polled", [False, True])
async def test_what_changed_meanwhile_is_served_when_mr_is_back(polled: bool) -> None:
    async with open_away(polled=polled) as away:
        await asyncio.gather(away.near.cache.find_account(CLIENT), away.near.cache.find_environment(HOME))
        away.log.set_feature(HOME, "a", b"false")
        away.log.assign()
        away.mr_comes_back()
        await eventually(lambda: _value(away) == b"false")
        await eventually(lambda: away.near.cache.ready)
        await eventually(lambda: not away.near.holdings.replica.doubts_epoch)
        assert not away.near.metrics.mismatches


async def test_a_database_that_was_restored_meanwhile_is_noticed() -> None:
    async with open_away() as away:
        backup = away.log.backup()
        await asyncio.gather(away.near.cache.find_account(CLIENT), away.near.cache.find_environment(HOME))
        old = away.near.cache.epoch
        away.log.restore(backup)
        away.log.set_feature(HOME, "a", b"false")
        away.mr_comes_back()
        await eventually(lambda: _value(away) == b"false")
        assert away.near.cache.epoch not in {"", old}


def _value(away: Away) -> bytes | None:
    snapshot = away.near.cache.peek_environment(HOME)
    return None if snapshot is None else snapshot.ordered[0].value
