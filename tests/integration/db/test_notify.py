"""Commits of other processes are heard at once, where PostgreSQL can tell, and never anything else is."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from mr.db.notify import hear_commits
from mr.db.session import open_database
from mr.relay import open_relay
from tests.support.histories import Shop
from tests.support.waiting import eventually


@pytest.fixture
async def two(postgresql_url):
    """The same database as two processes have it open, the first with a shop."""
    async with open_database(postgresql_url) as one, open_database(postgresql_url) as other:
        shop = Shop(one)
        await shop.open()
        yield one, other, shop


async def test_one_hears_each_commit_of_another_that_logged_something_once(two):
    one, other, shop = two
    async with _hearing(other) as heard:
        for number in range(3):
            await shop.save_value(0, 0, number)
        async with one.write():
            pass
        with pytest.raises(RuntimeError, match="rolled back"):
            await _save_and_fail(one)
        await shop.save_value(0, 0, 3)
        await eventually(lambda: len(heard) >= 4)
    assert len(heard) == 4


async def test_one_does_not_hear_oneself(two):
    one, other, shop = two
    async with _hearing(one) as mine, _hearing(other) as others:
        await shop.save_value(0, 0, 0)
        await eventually(lambda: others)
    assert mine == []


async def test_a_lost_connection_is_made_again_and_what_was_missed_meanwhile_is_looked_for(
    two, postgres_server
):
    _one, other, shop = two
    async with _hearing(other) as heard:
        postgres_server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'burgee-relay'",
            database=other.url.database,
        )
        await eventually(lambda: heard, within_seconds=60)
        heard.clear()
        await shop.save_value(0, 0, 0)
        await eventually(lambda: heard)


async def test_the_leader_gives_a_position_to_what_another_process_committed_without_polling(
    two, monkeypatch
):
    monkeypatch.setattr("mr.relay.POLL_SECONDS", 60)
    one, other, shop = two
    async with open_relay(other, holder="other") as relay:
        await relay.drained()
        position = relay.position
        await eventually(lambda: _listens(one))
        await shop.save_value(0, 0, 0)
        await eventually(lambda: relay.position == position + 1)


@asynccontextmanager
async def _hearing(database):
    """Hear from now on: what the start itself wakes for is left out."""
    heard = []
    async with asyncio.TaskGroup() as tasks:
        hearing = hear_commits(database.url, lambda: heard.append(True), but_not=database.name)
        task = tasks.create_task(hearing, name="hearing")
        await eventually(lambda: heard)
        heard.clear()
        yield heard
        task.cancel()


async def _save_and_fail(database):
    async with database.write() as session:
        session.highest_seq = 1
        raise RuntimeError("rolled back")


async def _listens(database):
    async with database.read() as session:
        connection = await session.connection()
        found = await connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'burgee-relay'"
            " AND query LIKE 'LISTEN%%' AND datname = current_database()"
        )
        return found.scalar_one()
