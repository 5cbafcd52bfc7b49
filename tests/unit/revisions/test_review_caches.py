"""What a reviewer asked of caches: keys, answers and epochs that must not be believed for too long."""

from __future__ import annotations

import asyncio

import pytest

from common.errors import Unavailable
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.origins import ModelOrigin, running_dacha
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
