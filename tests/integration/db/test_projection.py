"""What is delivered follows from MR's tables after every transaction, whatever it was."""

import asyncio
import random
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, update

from mr.db.models.base import utc_now
from mr.db.models.delivery import Delivered, KeyFloor, KeyTombstone, OutboxRow
from mr.db.models.features import Feature, FeatureValue, FeatureValueVersion
from mr.db.models.portfolios import Application, Environment
from mr.db.models.service_accounts import ServiceAccount
from mr.db.projection import Touched, project
from mr.db.session import Locks
from tests.support.histories import Shop
from tests.support.projection import Replayed, assert_projection_true

numbers = st.integers(0, 30)
steps = st.tuples(st.sampled_from(Shop.STEPS), numbers, numbers, numbers)
histories = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@given(st.lists(steps, min_size=5, max_size=30))
@histories
def test_any_history_leaves_a_true_projection_and_a_log_that_leads_to_it(
    new_database_url, open_templated, plan
):
    # The template is migrated in a loop of its own, so not inside this one.
    url = new_database_url()

    async def play():
        async with open_templated(url) as database:
            shop = Shop(database)
            replayed = Replayed()
            await shop.open()
            for step in plan:
                await shop.take(step)
                await replayed.read_on(database)
                await assert_projection_true(database)
            await replayed.assert_equals(database)

    asyncio.run(play())


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_edits_of_the_structure_in_parallel_keep_it_true_and_show_no_deadlock(shop, database, seed):
    """G27: what the database calls a deadlock is tried again where it happened, and never gets further."""
    numbers = random.Random(seed)
    for thing in ("environment", "feature", "strategy", "filter", "account"):
        await shop.take((f"create_{thing}", 0, seed, seed))

    async def work():
        for _ in range(25):
            await shop.take((numbers.choice(Shop.STEPS), *(numbers.randrange(31) for _ in range(3))))

    async with asyncio.timeout(120):
        await asyncio.gather(*(work() for _ in range(5)))
    await assert_projection_true(database)
    replayed = Replayed()
    await replayed.read_on(database)
    await replayed.assert_equals(database)


async def test_a_rolled_back_change_leaves_no_trace(shop, database):
    """G2."""
    before = await _log_length(database)

    async def fail_after_the_event_was_written():
        application = (await _all(database, Application))[0]
        async with database.write(Locks(applications=(application.id,))) as session:
            session.add(Environment(application_id=application.id, name="never"))
            await project(session, application.id, Touched(), author=None)
            assert (await session.scalar(select(func.count()).select_from(OutboxRow))) > before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_the_event_was_written()
    assert await _log_length(database) == before
    assert len(await _all(database, Environment)) == 1


async def test_a_save_that_sdks_cannot_see_still_makes_a_version_and_history(shop, database):
    value = (await _all(database, FeatureValue))[0]
    await _project_again(database, Touched(saved={(value.environment_id, value.feature_id)}))
    versions = sorted(row.version for row in await _all(database, FeatureValueVersion))
    assert versions == [1, 2]
    assert (await _all(database, FeatureValue))[0].version == 2


async def test_nothing_changed_means_no_version_and_no_event(shop, database):
    before = await _log_length(database)
    await _project_again(database, Touched(everything=True))
    assert await _log_length(database) == before
    assert (await _all(database, FeatureValue))[0].version == 1


async def test_one_transaction_is_one_event_for_each_environment(shop, database):
    await shop.create_environment(0, 0, 0)
    await _add_features(database, 50)
    async with database.read() as session:
        rows = (await session.scalars(select(OutboxRow).order_by(OutboxRow.seq.desc()).limit(2))).all()
    assert len({row.counter_id for row in rows}) == 2
    assert all(row.payload.count('"valueType"') == 50 for row in rows)


async def test_a_key_that_comes_back_begins_above_where_it_left(shop, database):
    """G28: SDKs compare versions by key, whatever feature is behind it."""
    for number in (1, 2, 3):
        await shop.save_value(0, 0, number)
    before = (await _all(database, Delivered))[0]
    await shop.archive_feature(0, 0, 0)
    assert (await _all(database, KeyFloor))[0].version == before.version
    assert (await _all(database, KeyTombstone))[0].feature_id == before.feature_id
    await shop.create_feature(0, 0, 1)
    after = (await _all(database, Delivered))[0]
    assert (after.key, after.version) == (before.key, before.version + 1)
    assert after.feature_id != before.feature_id
    assert await _all(database, KeyTombstone) == []
    await shop.save_value(0, 0, 1)
    assert (await _all(database, Delivered))[0].version == before.version + 2


async def test_two_features_may_exchange_their_keys_in_one_transaction(shop, database):
    await shop.create_feature(0, 1, 0)
    for number in range(4):
        await shop.toggle_lock(0, 0, number)
    first, second = sorted(await _all(database, Feature), key=lambda row: row.key)
    high, low = (await _version(database, "alpha")), (await _version(database, "beta"))
    assert high > low
    async with database.write(Locks(applications=(first.application_id,))) as session:
        one, other = await session.get_one(Feature, first.id), await session.get_one(Feature, second.id)
        one.key = "swapping"
        await session.flush()
        other.key = first.key
        await session.flush()
        one.key = second.key
        touched = Touched(features={one.id, other.id})
        await project(session, first.application_id, touched, author=None)
    assert await _version(database, "alpha") > high
    assert await _version(database, "beta") > low
    assert await _all(database, KeyTombstone) == []


async def test_a_feature_without_a_value_is_delivered_at_zero_and_its_first_value_at_one(shop, database):
    await shop.create_feature(0, 1, 1)
    assert await _version(database, "beta") == 0
    await shop.save_value(1, 0, 0)
    assert await _version(database, "beta") == 1


async def test_an_account_that_had_a_filter_stays_restricted_when_the_filter_is_deleted(shop, database):
    await shop.create_account(0, 0, 1)
    await shop.create_filter(0, 0, 0)
    await shop.filter_account(0, 0, 0)
    await shop.delete_filter(0, 0, 0)
    account = (await _all(database, ServiceAccount))[0]
    assert account.restricted
    replayed = Replayed()
    await replayed.read_on(database)
    record = replayed.accounts[str(account.id)]
    assert (record.filters, record.restricted) == ((), True)


@pytest.mark.parametrize("step", ["archive_environment", "archive_application"])
async def test_what_is_archived_is_taken_from_the_accounts_that_could_see_it(shop, database, step):
    await shop.create_account(0, 0, 1)
    await shop.create_application(0, 0, 0)
    environment = (await _all(database, Environment))[0]
    replayed = Replayed()
    await replayed.read_on(database)
    (record,) = replayed.accounts.values()
    assert record.roles(str(environment.id)) == ("READ",)
    await shop.take((step, 0, 0, 0))
    await assert_projection_true(database)
    await replayed.read_on(database)
    (record,) = replayed.accounts.values()
    assert record.permissions == {}


async def test_a_permission_given_while_its_environment_is_archived_does_not_survive(shop, database):
    for number in range(20):
        await shop.create_account(0, 0, 0)
        await shop.create_environment(0, 0, 0)
        created = len(await _all(database, ServiceAccount)) - 1
        await asyncio.gather(
            shop.take(("permit_account", created, 1, 1)),
            shop.take(("create_account", 0, 1, 1)),
            shop.take(("archive_environment", 1, 0, 0)),
            shop.take(("reset_keys", number, 0, 0)),
        )
        await assert_projection_true(database)


async def test_a_key_reset_and_a_removal_name_every_key_to_forget(shop, database):
    await shop.create_account(0, 0, 1)
    replayed = Replayed()
    await replayed.read_on(database)
    (old,) = replayed.accounts.values()
    await shop.reset_keys(0, 0, 0)
    await replayed.read_on(database)
    (reset,) = replayed.accounts.values()
    assert set(reset.former_key_hashes) == set(old.key_hashes)
    await shop.archive_account(0, 0, 0)
    await replayed.read_on(database)
    (gone,) = replayed.accounts.values()
    assert gone.removed
    assert set(gone.former_key_hashes) == {reset.client_key_hash, reset.server_key_hash}


async def test_the_author_and_the_moment_are_remembered_in_the_value_already_loaded(shop, database):
    value = (await _all(database, FeatureValue))[0]
    author = value.id
    feature = (await _all(database, Feature))[0]
    async with database.write(Locks(applications=(feature.application_id,))) as session:
        loaded = await session.get_one(FeatureValue, value.id)
        loaded.value = "true"
        saved = {(loaded.environment_id, loaded.feature_id)}
        await project(session, feature.application_id, Touched(saved=saved), author=author)
        assert (loaded.version, loaded.updated_by) == (2, author)
        assert loaded.updated_at > value.updated_at


async def test_the_number_of_statements_does_not_depend_on_the_number_of_features(shop, database):
    await shop.create_environment(0, 0, 0)
    with _counted(database) as few:
        await _add_features(database, 10)
    with _counted(database) as many:
        await _add_features(database, 1_000)
    # Long lists are sent as several statements by the driver's own batching, in pages of a thousand.
    assert few.statements <= 30
    assert many.statements <= few.statements + 6


async def test_a_forgotten_projection_is_found_by_the_oracle(shop, database):
    """The check that other tests rely on does fail when it should."""
    async with database.write() as session:
        await session.execute(update(FeatureValue).values(locked=False))
    with pytest.raises(AssertionError):
        await assert_projection_true(database)
    await _project_again(database, Touched(everything=True))


async def _add_features(database, count):
    application = (await _all(database, Application))[0]
    environments = await _all(database, Environment)
    async with database.write(Locks(applications=(application.id,))) as session:
        offset = await session.scalar(select(func.count()).select_from(Feature))
        features = [
            Feature(
                application_id=application.id,
                key=f"key {offset + number}",
                name="many",
                value_type="BOOLEAN",
                created_at=utc_now(),
            )
            for number in range(count)
        ]
        session.add_all(features)
        await session.flush()
        session.add_all(
            FeatureValue(feature_id=each.id, environment_id=environment.id, value="false")
            for each in features
            for environment in environments
        )
        touched = Touched(features={each.id for each in features})
        await project(session, application.id, touched, author=None)


class _Count:
    statements = 0


@contextmanager
def _counted(database):
    count = _Count()
    engine = database._engines.writer.sync_engine

    def add(*_arguments):
        count.statements += 1

    event.listen(engine, "before_cursor_execute", add)
    try:
        yield count
    finally:
        event.remove(engine, "before_cursor_execute", add)


async def _project_again(database, touched):
    application = (await _all(database, Application))[0]
    async with database.write(Locks(applications=(application.id,))) as session:
        await project(session, application.id, touched, author=None)


async def _all(database, model):
    async with database.read() as session:
        return (await session.scalars(select(model))).all()


async def _version(database, key):
    async with database.read() as session:
        return await session.scalar(select(Delivered.version).where(Delivered.key == key))


async def _log_length(database):
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(OutboxRow))
