"""Positions are gapless, one relay gives them, and answers never run ahead of what they say."""

import asyncio
import random
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from common.contracts.environments import states_digest
from common.contracts.events import CounterId, EnvironmentChanged, FeaturesChanged
from common.errors import Unavailable
from mr.db.epoch import settle_epoch
from mr.db.lease import LeaseLost, assign, take
from mr.db.models.delivery import Counter, Delivered, KeyFloor, KeyTombstone, OutboxRow, RelayLease
from mr.db.models.features import FeatureValue
from mr.db.models.portfolios import Environment
from mr.db.models.service_accounts import ServiceAccount
from mr.db.models.system import INCARNATION, SystemState
from mr.db.properties import PropertyTemplates
from mr.db.session import open_database
from mr.origin import DatabaseOrigin
from mr.relay import open_relay
from tests.support.histories import Shop
from tests.support.projection import assert_projection_true
from tests.support.waiting import eventually


@pytest.fixture
def origin(database):
    return DatabaseOrigin(database)


async def test_every_change_gets_the_next_position_in_the_order_of_the_log(shop, database, origin):
    told = []
    async with open_relay(database, holder="one", on_positions=lambda: told.append(True)) as relay:
        await relay.drained()
        for number in range(5):
            await shop.save_value(0, 0, number)
        await relay.drained()
        tail = await origin.tail(0, 100)
    positions = [event.position for event in tail.events]
    assert positions == list(range(1, len(positions) + 1))
    assert tail.heartbeat.position == positions[-1] == relay.position
    assert told
    assert isinstance(tail.events[0].data, EnvironmentChanged)
    assert isinstance(tail.events[-1].data, FeaturesChanged)
    assert [event.revision for event in tail.events] == list(range(1, len(positions) + 1))


async def test_positions_stay_gapless_while_many_write_and_relays_come_and_go(shop, database, origin):
    numbers = random.Random(7)

    async def write():
        for _ in range(12):
            await shop.take((numbers.choice(Shop.STEPS), *(numbers.randrange(31) for _ in range(3))))

    async def relay_for_a_while():
        for _ in range(4):
            async with open_relay(database, holder="passing", lease_seconds=0.5):
                await asyncio.sleep(numbers.random() / 10)

    await asyncio.gather(write(), write(), relay_for_a_while(), relay_for_a_while())
    async with open_relay(database, holder="last") as relay:
        await relay.drained()
    async with database.read() as session:
        rows = (await session.scalars(select(OutboxRow).order_by(OutboxRow.position))).all()
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    last = {}
    for row in rows:
        assert row.previous == last.get(row.counter_id, 0)
        last[row.counter_id] = row.revision


async def test_only_one_of_two_relays_leads_and_the_other_takes_over(postgresql_url):
    async with open_database(postgresql_url) as one, open_database(postgresql_url) as other:
        shop = Shop(one)
        async with AsyncExitStack() as later:
            async with open_relay(one, holder="first") as first:
                await first.drained()
                second = await later.enter_async_context(open_relay(other, holder="second"))
                await shop.open()
                await first.drained()
                assert second.term is None
            await shop.save_value(0, 0, 0)
            await second.drained()
            assert second.term == 2
            async with one.read() as session:
                waiting = select(func.count()).where(OutboxRow.position.is_(None))
                assert await session.scalar(waiting) == 0


async def test_a_relay_that_lost_its_lease_assigns_nothing(shop, database):
    old = await take(database, "old", 0)
    await asyncio.sleep(0.01)
    new = await take(database, "new", 4_000)
    assert new == old + 1
    with pytest.raises(LeaseLost):
        await assign(database, old, limit=10, lease_milliseconds=4_000)
    async with database.read() as session:
        assert await session.scalar(select(RelayLease.position)) == 0
    assert (await assign(database, new, limit=10, lease_milliseconds=4_000)).given > 0


async def test_a_free_lease_is_judged_on_the_databases_clock(postgresql_url):
    async with open_database(postgresql_url) as database:
        assert await take(database, "one", 60_000) == 1
        assert await take(database, "other", 60_000) is None


async def test_a_snapshot_equals_what_is_delivered_and_carries_its_position(shop, database, origin):
    await shop.create_feature(0, 1, 2)
    await shop.create_filter(0, 0, 0)
    await shop.filter_feature(1, 0, 0)
    async with open_relay(database, holder="one") as relay:
        await relay.drained()
        environment = await _only(database, Environment)
        answer = await origin.load_environment(str(environment.id))
        assert answer.position == relay.position
    snapshot = answer.snapshot
    assert snapshot.digest == states_digest(snapshot.features.values(), snapshot.info)
    assert snapshot.revision == answer.revision == 4
    assert {state.key for state in snapshot.features.values()} == {"alpha", "beta"}
    state = next(state for state in snapshot.features.values() if state.key == "beta")
    assert len(state.filters) == 1


async def test_an_environment_that_never_was_and_one_that_is_gone_are_told_apart(shop, database, origin):
    environment = await _only(database, Environment)
    async with open_relay(database, holder="one") as relay:
        await shop.archive_environment(0, 0, 0)
        await relay.drained()
        gone = await origin.load_environment(str(environment.id))
        never = await origin.load_environment("00000000-0000-0000-0000-000000000000")
        malformed = await origin.load_environment("no id")
    assert gone.snapshot is None
    assert gone.revision == 3
    assert (never.snapshot, never.revision) == (None, 0)
    assert (malformed.snapshot, malformed.revision) == (None, 0)


async def test_an_account_is_found_by_both_hashes_until_it_is_gone(shop, database, origin):
    await shop.create_account(0, 0, 1)
    account = await _only(database, ServiceAccount)
    async with open_relay(database, holder="one") as relay:
        await relay.drained()
        for key_hash in (account.client_key_hash, account.server_key_hash):
            record = (await origin.load_account(key_hash)).record
            assert record.id == str(account.id)
            assert list(record.permissions.values()) == [("READ",)]
        await shop.archive_account(0, 0, 0)
        assert (await origin.load_account(account.client_key_hash)).record is None


async def test_changes_name_each_counter_once_with_its_last_revision(shop, database, origin):
    async with open_relay(database, holder="one") as relay:
        await relay.drained()
        before = relay.position
        for number in range(3):
            await shop.save_value(0, 0, number)
        await relay.drained()
        changes = await origin.changes(before)
        assert await origin.changes(relay.position + 1) == changes.__class__(
            epoch=changes.epoch, term=changes.term, position=relay.position, complete=False
        )
    environment = await _only(database, Environment)
    assert changes.counters == ((CounterId("environment", str(environment.id)), 5),)
    assert changes.complete


async def test_revisions_tell_only_what_has_a_position(shop, database, origin):
    environment = await _only(database, Environment)
    counter = CounterId("environment", str(environment.id))
    async with open_relay(database, holder="one") as relay:
        await relay.drained()
        (positioned,) = await origin.revisions([counter])
    await shop.save_value(0, 0, 0)
    await shop.save_value(0, 0, 1)
    assert await origin.revisions([counter]) == [positioned]
    async with open_relay(database, holder="two") as relay:
        await relay.drained()
        (now,) = await origin.revisions([counter])
    assert now.revision == positioned.revision + 2
    assert now.digest != positioned.digest


async def test_the_log_is_pruned_by_number_and_says_so(shop, database, origin):
    async with open_relay(database, holder="one", keep_rows=3, upkeep_seconds=0.05) as relay:
        for number in range(8):
            await shop.save_value(0, 0, number)
        await relay.drained()

        async def only_three_are_left():
            async with database.read() as session:
                return await session.scalar(select(func.count()).select_from(OutboxRow)) == 3

        await eventually(only_three_are_left)
        assert not (await origin.changes(relay.position - 4)).complete
        assert (await origin.changes(relay.position - 3)).complete
        assert not (await origin.tail(0, 10)).complete
        assert (await origin.tail(relay.position - 3, 10)).events[0].position == relay.position - 2


async def test_the_log_is_pruned_by_age_and_never_below_what_has_no_position(shop, database):
    await shop.save_value(0, 0, 0)
    async with open_relay(database, holder="one", keep_seconds=0.0, upkeep_seconds=0.05) as relay:
        await relay.drained()

        async def nothing_is_left():
            async with database.read() as session:
                return await session.scalar(select(func.count()).select_from(OutboxRow)) == 0

        await eventually(nothing_is_left)
        position = relay.position
        await shop.save_value(0, 0, 1)
        await relay.drained()
        assert relay.position == position + 1


async def test_tombstones_end_with_their_time(shop, database, origin):
    await shop.archive_feature(0, 0, 0)
    environment = await _only(database, Environment)
    async with open_relay(database, holder="one", upkeep_seconds=0.05) as relay:
        await relay.drained()
        snapshot = (await origin.load_environment(str(environment.id))).snapshot
        assert [each.key for each in snapshot.tombstones] == ["alpha"]
        async with database.write() as session:
            await session.execute(update(KeyTombstone).values(until=1))
        snapshot = (await origin.load_environment(str(environment.id))).snapshot
        assert snapshot.tombstones == ()

        async def it_is_forgotten():
            async with database.read() as session:
                return await session.scalar(select(func.count()).select_from(KeyTombstone)) == 0

        await eventually(it_is_forgotten)


async def test_nobody_at_work_is_silence_and_not_a_quiet_log(shop, database, origin):
    with pytest.raises(Unavailable):
        await origin.state()
    async with open_relay(database, holder="one") as relay:
        await relay.drained()
        assert (await origin.tail(0, 0)).events == []
    with pytest.raises(Unavailable):
        await origin.tail(0, 10)
    assert (await origin.state()).position == relay.position


async def test_a_relay_goes_on_after_its_database_was_away(postgres_server, postgresql_url):
    """A restart of the real server: the relay tries until it is back."""
    async with open_database(postgresql_url) as database:
        shop = Shop(database)
        await shop.open()
        async with open_relay(database, holder="one") as relay:
            await relay.drained()
            postgres_server.stop()
            await asyncio.sleep(0.5)
            postgres_server.start()
            await eventually(lambda: _saved(shop), within_seconds=60, what="a write")
            async with asyncio.timeout(60):
                await relay.drained()
            assert relay.position >= 3


async def _saved(shop):
    try:
        await shop.save_value(0, 0, 0)
    except Unavailable:
        return False
    return True


# ------------------------------------------------------------------------------------------- epoch


async def test_a_restart_keeps_the_epoch(database_url):
    epochs = set()
    for _ in range(3):
        async with open_database(database_url) as database:
            shop = Shop(database)
            await (shop.save_value(0, 0, 0) if epochs else shop.open())
            async with open_relay(database, holder="one") as relay:
                await relay.drained()
                epochs.add((await DatabaseOrigin(database).state()).epoch)
    assert len(epochs) == 1


async def test_an_older_sqlite_file_put_in_place_has_a_new_epoch_and_higher_versions(sqlite_url):
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    async with open_database(sqlite_url) as database:
        shop = Shop(database)
        await shop.open()
        async with open_relay(database, holder="one") as relay:
            await relay.drained()
            before = await DatabaseOrigin(database).state()
    backup = path.with_name("backup")
    shutil.copy(path, backup)
    async with open_database(sqlite_url) as database:
        shop = Shop(database)
        for number in range(3):
            await shop.save_value(0, 0, number)
        lost = await _only(database, Delivered)
    # Written over in place: the inode stays, only the content is older.
    path.write_bytes(backup.read_bytes())
    for part in ("-wal", "-shm"):
        path.with_name(path.name + part).unlink(missing_ok=True)
    async with open_database(sqlite_url) as database:
        with pytest.raises(Unavailable, match="restored"):
            await DatabaseOrigin(database).state()
        async with open_relay(database, holder="two") as relay:
            await relay.drained()
            after = await DatabaseOrigin(database).state()
            await assert_projection_true(database)
            row = await _only(database, Delivered)
    assert after.epoch != before.epoch
    assert row.version == 1001 > lost.version


async def test_a_copied_sqlite_file_is_another_life(sqlite_url, tmp_path):
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    async with open_database(sqlite_url) as database:
        await Shop(database).open()
        async with open_relay(database, holder="one") as relay:
            await relay.drained()
            before = await DatabaseOrigin(database).state()
    folder = shutil.copytree(path.parent, tmp_path / "copy")
    async with (
        open_database(f"sqlite:///{folder / path.name}") as database,
        open_relay(database, holder="one") as relay,
    ):
        await relay.drained()
        assert (await DatabaseOrigin(database).state()).epoch != before.epoch


async def test_a_dump_restored_into_another_postgresql_database_has_a_new_epoch(
    postgres_server, postgresql_url
):
    async with open_database(postgresql_url) as database:
        shop = Shop(database)
        await shop.open()
        await shop.create_account(0, 0, 1)
        async with open_relay(database, holder="one") as relay:
            await relay.drained()
            before = await DatabaseOrigin(database).state()
    name = postgres_server.create_database(template=postgresql_url.rpartition("/")[2])
    async with open_database(postgres_server.url(name)) as database:
        with pytest.raises(Unavailable, match="restored"):
            await DatabaseOrigin(database).state()
        async with open_relay(database, holder="one") as relay:
            await relay.drained()
            after = await DatabaseOrigin(database).state()
            await assert_projection_true(database)
    assert after.epoch != before.epoch


async def test_a_new_epoch_raises_revisions_versions_floors_and_what_lies_under_them(shop, database):
    for step in (("create_environment", 0, 0, 0), ("create_feature", 0, 1, 1), ("create_account", 0, 0, 1)):
        await shop.take(step)
    await shop.archive_feature(0, 0, 0)
    async with open_relay(database, holder="one") as relay:
        await relay.drained()
    before = await _numbers(database)
    await _pretend_restore(database)
    async with open_relay(database, holder="two") as relay:
        await relay.drained()
        after = await _numbers(database)
        await assert_projection_true(database)
        assert after == [number + 1000 for number in before]
        await shop.create_feature(0, 2, 1)
        await shop.create_feature(0, 0, 1)
    async with database.read() as session:
        versions = dict(
            (await session.execute(select(Delivered.key, func.min(Delivered.version)).group_by("key"))).all()
        )
    assert versions == {"beta": 1000, "gamma": 1001, "alpha": 1002}


async def test_what_the_backup_had_logged_without_a_position_is_only_a_pointer_in_the_new_epoch(
    shop, database, origin
):
    async with open_relay(database, holder="one") as relay:
        await relay.drained()
        begun = (await origin.state()).position
    await shop.take(("create_environment", 0, 0, 0))
    await shop.take(("create_feature", 0, 1, 1))
    await shop.take(("create_account", 0, 0, 1))
    await _pretend_restore(database)
    async with open_relay(database, holder="two") as relay:
        await relay.drained()
        tail = await origin.tail(begun, 100)
        assert tail.events
        assert [event.data for event in tail.events] == [None] * len(tail.events)
        highest: dict[CounterId, int] = {}
        for event in tail.events:
            highest[event.counter] = event.revision
        for each in await origin.revisions(list(highest)):
            assert each.revision == highest[each.counter] > 1000
        await assert_projection_true(database)


async def test_raising_that_was_interrupted_goes_on_behind_the_last_application(shop, database):
    await shop.create_application(0, 0, 0)
    await shop.create_environment(1, 0, 0)
    async with open_relay(database, holder="one") as relay:
        await relay.drained()
    before = await _numbers(database)
    await _pretend_restore(database)
    calls = 0

    async def fail_later(_session):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        await settle_epoch(database, fail_later)
    with pytest.raises(Unavailable):
        await DatabaseOrigin(database).state()
    async with open_relay(database, holder="two") as relay:
        await relay.drained()
    assert await _numbers(database) == [number + 1000 for number in before]


async def test_a_restore_under_a_running_relay_is_noticed(shop, database):
    async with open_relay(database, holder="one", lease_seconds=0.3) as relay:
        await relay.drained()
        before = await _numbers(database)
        await _pretend_restore(database)

        async def raised():
            return await _numbers(database) == [number + 1000 for number in before]

        await eventually(raised)


async def test_other_templates_project_everything_again(database_url):
    async with open_database(database_url) as database:
        shop = Shop(database)
        await shop.open()
        async with open_relay(database, holder="one") as relay:
            await relay.drained()
            assert "fp" not in (await _only(database, Delivered)).state
    templates = PropertyTemplates.parse("app={application.name}")
    async with open_database(database_url, templates=templates) as database:

        async def projected():
            return '"app"' in (await _only(database, Delivered)).state

        async with open_relay(database, holder="two"):
            await eventually(projected)
        await assert_projection_true(database)
        assert (await _only(database, Delivered)).version == 2


async def _numbers(database):
    """Every number that a new epoch raises."""
    async with database.read() as session:
        numbers = [int(await session.scalar(select(SystemState.value).filter_by(key="floor_base")))]
        for column, order in (
            (Counter.revision, Counter.id),
            (Delivered.version, Delivered.feature_id),
            (KeyFloor.version, KeyFloor.environment_id),
            (FeatureValue.version, FeatureValue.id),
        ):
            numbers += (await session.scalars(select(column).order_by(order))).all()
    return numbers


async def _pretend_restore(database):
    async with database.write() as session:
        statement = update(SystemState).filter_by(key=INCARNATION)
        await session.execute(statement.values(value="an earlier life"))


async def _only(database, model):
    async with database.read() as session:
        return (await session.scalars(select(model))).one()
