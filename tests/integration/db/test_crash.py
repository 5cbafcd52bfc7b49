"""Killed at any moment, a process leaves whole transactions and nothing else (the database's part of G1)."""

import asyncio
import random
import sys

import psycopg
import pytest
from sqlalchemy import func, select

from mr.db.models.delivery import OutboxRow
from mr.db.session import open_database
from mr.origin import DatabaseOrigin
from mr.relay import open_relay
from tests.support.histories import Shop
from tests.support.projection import Replayed, assert_projection_true
from tests.support.waiting import eventually


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_a_killed_process_committed_is_true_and_gets_its_positions(database_url, seed):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.support.scribbler", database_url, str(seed)),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        while (line := await process.stdout.readline()) and line.strip() != b"open":
            pass
    await asyncio.sleep(random.Random(seed).uniform(0.05, 1.5))
    process.kill()
    # Reading to the end also closes the pipe.
    await process.communicate()
    if database_url.startswith("postgresql"):
        await eventually(lambda: nobody_is_connected(database_url), within_seconds=60)

    async with open_database(database_url) as database:
        await assert_projection_true(database)
        replayed = Replayed()
        await replayed.read_on(database)
        await replayed.assert_equals(database)
        async with open_relay(database, holder="next") as relay:
            async with asyncio.timeout(60):
                await relay.drained()
            async with database.read() as session:
                waiting = select(func.count()).select_from(OutboxRow).where(OutboxRow.position.is_(None))
                assert await session.scalar(waiting) == 0
            state = await DatabaseOrigin(database).state()
            assert (state.position, state.term) == (relay.position, relay.term)
            await assert_projection_true(database)


def nobody_is_connected(url):
    """True once the server has noticed that a process is gone: until then it may still end a commit."""
    others = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    with psycopg.connect(url) as connection:
        return connection.execute(others).fetchone() == (0,)


async def drained_by_one_of(*relays):
    """Wait until whoever leads has given all positions; a short lease may go over to another meanwhile."""
    async with asyncio.TaskGroup() as tasks:
        waits = [tasks.create_task(relay.drained()) for relay in relays]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()


async def test_two_processes_on_one_postgresql_exclude_each_other(postgresql_url):
    """Two pools stand for two processes: nothing but the database is between them."""
    numbers = random.Random(11)
    async with open_database(postgresql_url) as one, open_database(postgresql_url) as other:
        shops = [Shop(one), Shop(other)]
        await shops[0].open()

        async def work(shop):
            for _ in range(25):
                await shop.take((numbers.choice(Shop.STEPS), *(numbers.randrange(31) for _ in range(3))))

        shops[1].prefix = "other"
        async with (
            asyncio.timeout(120),
            open_relay(one, holder="one", lease_seconds=0.5) as relay,
            open_relay(other, holder="other", lease_seconds=0.5) as rival,
        ):
            await asyncio.gather(*(work(shop) for shop in shops for _ in range(3)))
            await drained_by_one_of(relay, rival)
        await assert_projection_true(one)
        replayed = Replayed()
        await replayed.read_on(other)
        await replayed.assert_equals(other)
