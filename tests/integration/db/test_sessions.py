"""Locks come first, races are answers, and nothing half done is ever seen."""

import asyncio
import random
from uuid import uuid4

import pytest
from sqlalchemy import inspect, select
from sqlalchemy.exc import DBAPIError

from common.errors import Unavailable
from mr.db.engines import DatabaseInUse
from mr.db.models.people import Organization
from mr.db.models.portfolios import Application, Environment, Portfolio
from mr.db.projection import Touched, project
from mr.db.session import Locks, Retry, Taken, open_database, run_with_retries
from tests.support.histories import Shop


@pytest.fixture
async def database(database_url):
    async with open_database(database_url) as database:
        yield database


async def _portfolio(database, name="Shop"):
    async with database.write() as session:
        organization = Organization(name="Ours")
        session.add(organization)
        await session.flush()
        portfolio = Portfolio(organization_id=organization.id, name=name)
        session.add(portfolio)
        await session.flush()
        application = Application(portfolio_id=portfolio.id, name="web")
        session.add(application)
    return portfolio, application


async def test_a_write_is_committed_at_the_end_of_its_block(database):
    portfolio, _ = await _portfolio(database)
    async with database.read() as session:
        assert (await session.get(Portfolio, portfolio.id)).name == "Shop"


async def test_those_who_asked_are_woken_after_a_commit_that_logged_a_change(database):
    woken = []
    stop = database.on_commit(lambda: woken.append(True))
    _, application = await _portfolio(database)
    assert woken == []

    async def add_environment(name):
        async with database.write(Locks(applications=(application.id,))) as session:
            session.add(Environment(application_id=application.id, name=name))
            await project(session, application.id, Touched(), author=None)
            assert woken == []

    await add_environment("test")
    assert woken == [True]
    stop()
    woken.clear()
    await add_environment("production")
    assert woken == []


async def test_an_exception_rolls_everything_back(database):
    async def fail_half_way():
        async with database.write() as session:
            session.add(Organization(name="Never"))
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_half_way()
    async with database.read() as session:
        assert (await session.execute(select(Organization))).all() == []


async def test_nothing_loaded_before_the_lock_survives_it(database):
    _, application = await _portfolio(database)
    async with database.write() as session:
        held = await session.get(Application, application.id)
        await session.lock(Locks(applications=(application.id,)))
        # Expired: touching it would be an error, for nothing is loaded behind an attribute's back.
        assert inspect(held).expired
        await session.refresh(held)
        assert held.name == "web"


async def test_a_transaction_locks_only_once(database):
    with pytest.raises(RuntimeError, match="locks once"):
        async with database.write(Locks(portfolios=(uuid4(),))) as session:
            await session.lock(Locks())


async def test_writers_of_one_application_come_one_after_the_other(database):
    _, application = await _portfolio(database)

    async def add_a_letter():
        async with database.write(Locks(applications=(application.id,))) as session:
            row = await session.get(Application, application.id)
            before = row.name
            await asyncio.sleep(0)
            row.name = before + "x"

    await asyncio.gather(*(add_a_letter() for _ in range(8)))
    async with database.read() as session:
        assert (await session.get(Application, application.id)).name == "web" + "x" * 8


async def test_a_lock_that_is_not_to_be_had_ends_as_a_retry(database, monkeypatch):
    _, application = await _portfolio(database)
    monkeypatch.setattr(database, "LOCK_SECONDS", 1.0)
    locks = Locks(applications=(application.id,))
    async with database.write(locks):
        with pytest.raises(Retry) as caught:
            async with database.write(locks):
                pass
    assert caught.value.sqlstate in {"55P03", "SQLITE_BUSY"}


async def test_a_unique_name_in_use_is_a_conflict_that_names_the_index(database):
    portfolio, _ = await _portfolio(database)
    with pytest.raises(Taken) as caught:
        async with database.write() as session:
            session.add(Portfolio(organization_id=portfolio.organization_id, name="Shop"))
    assert caught.value.constraint == "uq_portfolio_name"
    assert caught.value.status == 409


async def test_an_archived_name_is_free_again(database):
    portfolio, _ = await _portfolio(database)
    async with database.write() as session:
        held = await session.get(Portfolio, portfolio.id)
        held.archived_at = held.created_at
        await session.flush()
        session.add(Portfolio(organization_id=portfolio.organization_id, name="Shop"))


async def test_a_read_sees_one_moment_and_cannot_write(database):
    portfolio, _ = await _portfolio(database)
    async with database.read() as session:
        names = select(Portfolio.name)
        assert (await session.scalars(names)).all() == ["Shop"]
        async with database.write() as writer:
            writer.add(Portfolio(organization_id=portfolio.organization_id, name="Second"))
        assert (await session.scalars(names)).all() == ["Shop"]
        session.add(Organization(name="No"))
        with pytest.raises(DBAPIError):
            await session.flush()


async def test_a_lost_race_is_tried_again_at_most_three_times():
    lost = []

    async def lose():
        raise Retry("40P01")

    with pytest.raises(Retry):
        await run_with_retries(lose, on_retry=lost.append)
    assert lost == ["40P01", "40P01"]


async def test_a_sqlite_file_has_one_owner_but_may_be_read_beside_it(sqlite_url):
    async with open_database(sqlite_url) as database:
        await _portfolio(database)
        with pytest.raises(DatabaseInUse):
            async with open_database(sqlite_url):
                pass
        async with open_database(sqlite_url, read_only=True) as beside, beside.read() as session:
            assert (await session.scalars(select(Portfolio.name))).all() == ["Shop"]


async def test_cancelled_writes_do_not_stand_in_the_way_of_others(database):
    """A cancelled request must not leave its transaction open: on SQLite nobody could write any more."""
    numbers = random.Random(3)
    shop = Shop(database)
    await shop.open()
    for number in range(60):
        cancelled = asyncio.ensure_future(shop.save_value(0, 0, number))  # noqa: TID251 - cancelled below
        await asyncio.sleep(numbers.random() / 50)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        async with asyncio.timeout(60):
            await shop.save_value(0, 0, number + 1)


async def test_a_database_that_is_not_there_is_unavailable():
    async with open_database("postgresql://nobody@127.0.0.1:9/none") as database:
        with pytest.raises(Unavailable):
            async with database.read() as session:
                await session.execute(select(Organization))
        with pytest.raises(Unavailable):
            async with database.write():
                pass
