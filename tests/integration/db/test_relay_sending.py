"""What has a position reaches the bus in order, and counts as published when the bus said so."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import func, select, update

from mr.db.lease import assign, take
from mr.db.models.delivery import OutboxRow, RelayLease
from mr.db.models.system import DATABASE_ID, INCARNATION, SystemState
from mr.db.session import open_database
from mr.db.snapshots import BATCH_BYTES, load_log, load_place
from mr.origin import DatabaseOrigin
from mr.relay import open_relay
from tests.support.histories import Shop
from tests.support.publishers import RecordingPublisher
from tests.support.waiting import eventually


@pytest.fixture
def publisher():
    return RecordingPublisher()


async def test_changes_are_sent_in_the_order_of_their_positions_and_a_heartbeat_follows(
    shop, database, publisher
):
    async with open_relay(database, holder="one", publisher=publisher) as relay:
        for number in range(5):
            await shop.save_value(0, 0, number)
        await _published(relay)
        await eventually(lambda: publisher.heartbeats[-1].position == relay.position)
        state = await DatabaseOrigin(database).state()
    assert publisher.positions == list(range(1, relay.position + 1))
    assert {(each.term, each.epoch) for each in publisher.sent} == {(state.term, state.epoch)}
    assert _nothing_sent_after_a_heartbeat_was_claimed_by_it(publisher)
    revisions = [each.event().revision for each in publisher.events]
    assert revisions == list(range(1, len(revisions) + 1))
    assert await _unpublished(database) == []


async def test_what_the_bus_has_not_confirmed_is_not_published_but_has_its_position(
    shop, database, publisher
):
    publisher.open.clear()
    registry = CollectorRegistry()
    async with open_relay(
        database,
        holder="one",
        publisher=publisher,
        lease_seconds=2.0,
        heartbeat_seconds=0.05,
        registry=registry,
    ) as relay:
        await eventually(lambda: publisher.events)
        await shop.save_value(0, 0, 0)
        await relay.drained()
        # Longer than its lease: it is held on to while the bus is frozen.
        await eventually(lambda: registry.get_sample_value("burgee_relay_oldest_unpublished_seconds") > 2.5)
        assert relay.term == 1
        assert publisher.attempts == 1
        assert await _unpublished(database) == list(range(1, relay.position + 1))
        # It is measured now and then.
        await eventually(lambda: registry.get_sample_value("burgee_relay_backlog_rows") == relay.position)
        tail = await DatabaseOrigin(database).tail(0, 10)
        assert [each.position for each in tail.events] == list(range(1, relay.position + 1))
        assert {each.position for each in publisher.heartbeats} <= {0}
        publisher.open.set()
        await _published(relay)
        await eventually(lambda: publisher.heartbeats[-1].position == relay.position)
        await eventually(lambda: registry.get_sample_value("burgee_relay_backlog_rows") == 0)
    assert registry.get_sample_value("burgee_relay_publish_seconds_count") == relay.position
    assert publisher.positions == list(range(1, relay.position + 1))


async def test_what_may_have_been_lost_is_sent_again_until_it_is_confirmed(shop, database, publisher):
    publisher.fails = True
    registry = CollectorRegistry()
    async with open_relay(database, holder="one", publisher=publisher, registry=registry) as relay:
        await shop.save_value(0, 0, 0)
        await eventually(lambda: publisher.attempts >= 3)
        await relay.drained()
        assert set(publisher.positions) == {1}
        assert await _unpublished(database) == list(range(1, relay.position + 1))
        publisher.fails = False
        await _published(relay)
    failures = registry.get_sample_value("burgee_relay_failures_total", {"reason": "bus"})
    assert failures >= 3
    assert publisher.positions[-relay.position :] == list(range(1, relay.position + 1))


async def test_nothing_is_sent_while_the_bus_is_away_and_a_heartbeat_at_once_when_it_is_back(
    shop, database, publisher
):
    async with open_relay(database, holder="one", publisher=publisher, heartbeat_seconds=60) as relay:
        await _published(relay)
        await eventually(lambda: publisher.heartbeats)
        publisher.connected = False
        before = len(publisher.sent)
        await shop.save_value(0, 0, 0)
        await relay.drained()
        assert (publisher.sent[before:], publisher.attempts) == ([], 1)
        publisher.connected = True
        await eventually(lambda: publisher.heartbeats[-1].position == relay.position)
    assert publisher.positions == list(range(1, relay.position + 1))


async def test_a_heartbeat_comes_when_asked_and_one_for_all_who_ask_at_once(shop, database, publisher):
    async with open_relay(database, holder="one", publisher=publisher, heartbeat_seconds=60) as relay:
        await _published(relay)
        await eventually(
            lambda: publisher.heartbeats[-1:] and publisher.heartbeats[-1].position == relay.position
        )
        for _ in range(3):
            before = len(publisher.heartbeats)
            for _ in range(50):
                publisher.ask()
            await eventually(lambda before=before: len(publisher.heartbeats) > before)
            assert len(publisher.heartbeats) == before + 1


async def test_heartbeats_come_by_themselves(shop, database, publisher):
    async with open_relay(database, holder="one", publisher=publisher, heartbeat_seconds=0.05):
        await eventually(lambda: len(publisher.heartbeats) >= 5)


# ------------------------------------------------------------------------------ several relays


async def test_who_takes_over_sends_again_in_order_what_was_not_confirmed(postgresql_url):
    old, new = RecordingPublisher(), RecordingPublisher()
    async with _two(postgresql_url) as (one, other, shop):
        async with open_relay(one, holder="one", publisher=old) as first:
            await _published(first)
            confirmed = first.position
            old.fails = True
            for number in range(4):
                await shop.save_value(0, 0, number)
            await first.drained()
        async with open_relay(other, holder="other", publisher=new) as second:
            await shop.save_value(0, 0, 5)
            await _published(second)
            await _published(second)
    assert new.positions == list(range(confirmed + 1, second.position + 1))
    assert {each.term for each in new.events} == {2}


async def test_a_dead_relay_is_followed_when_its_lease_ends(postgresql_url, publisher):
    async with _two(postgresql_url) as (one, other, _shop):
        dead = await take(one, "dead", 3_000)
        await assign(one, dead, limit=1, lease_milliseconds=3_000, published=False)
        async with open_relay(other, holder="other", publisher=publisher) as relay:
            assert relay.term is None
            await eventually(lambda: relay.term == dead + 1, within_seconds=60)
            await _published(relay)
    assert publisher.positions == list(range(1, relay.position + 1))


async def test_a_relay_that_was_overtaken_in_the_midst_of_a_batch_marks_nothing_and_sends_no_more(
    postgresql_url,
):
    old, new = RecordingPublisher(), RecordingPublisher()
    registry = CollectorRegistry()
    async with _two(postgresql_url) as (one, other, shop):
        old.open.clear()
        new.open.clear()
        async with (
            open_relay(one, holder="one", publisher=old, registry=registry) as first,
            open_relay(other, holder="other", publisher=new) as second,
        ):
            await eventually(lambda: old.events)
            await eventually(lambda: _overtakes(second, one), within_seconds=60)
            await eventually(lambda: new.events, within_seconds=60)
            old.open.set()
            await eventually(
                lambda: registry.get_sample_value("burgee_relay_failures_total", {"reason": "lease"})
            )
            assert first.term is None
            sent = len(old.sent)
            await shop.save_value(0, 0, 0)
            await second.drained()
            assert await _unpublished(one) == list(range(1, second.position + 1))
            new.open.set()
            await _published(second)
            assert len(old.sent) == sent
    assert new.positions == list(range(1, second.position + 1))


async def test_a_relay_that_cannot_renew_its_lease_falls_silent_by_its_own_clock(postgresql_url, publisher):
    async with (
        _two(postgresql_url) as (one, other, shop),
        open_relay(one, holder="one", publisher=publisher, lease_seconds=1, heartbeat_seconds=0.05) as relay,
    ):
        await _published(relay)
        async with other.write() as session:
            # Whoever holds the lease's row stops its renewal, and nothing else.
            await session.execute(select(RelayLease.id).with_for_update())
            await eventually(lambda: relay.sending_term is None)
            await asyncio.sleep(0.1)  # a heartbeat that was on its way
            before = len(publisher.sent)
            await asyncio.sleep(0.3)
            assert len(publisher.sent) == before
        await eventually(lambda: len(publisher.sent) > before)
        await shop.save_value(0, 0, 0)
        await _published(relay)


async def test_a_leader_that_is_cut_off_from_the_bus_lets_one_lead_that_is_not(postgresql_url, monkeypatch):
    monkeypatch.setattr("mr.relay.WITHOUT_BUS_SECONDS", 0.2)
    cut, well = RecordingPublisher(), RecordingPublisher()
    async with (
        _two(postgresql_url) as (one, other, shop),
        open_relay(one, holder="one", publisher=cut) as first,
    ):
        await _published(first)
        async with open_relay(other, holder="other", publisher=well) as second:
            cut.connected = False
            await eventually(lambda: second.term, within_seconds=60)
            await shop.save_value(0, 0, 0)
            await _published(second)
            assert first.term is None
    assert well.positions == [second.position]


async def test_a_leader_that_is_connected_and_may_not_send_lets_one_lead_that_may(
    postgresql_url, monkeypatch
):
    monkeypatch.setattr("mr.relay.WITHOUT_BUS_SECONDS", 0.2)
    mute, well = RecordingPublisher(), RecordingPublisher()
    async with (
        _two(postgresql_url) as (one, other, shop),
        open_relay(one, holder="one", publisher=mute) as first,
    ):
        await _published(first)
        async with open_relay(other, holder="other", publisher=well) as second:
            mute.fails = True
            await shop.save_value(0, 0, 0)
            await eventually(lambda: second.term, within_seconds=60)
            await _published(second)
            assert first.term is None


async def test_a_leader_that_is_cut_off_goes_on_giving_positions_when_nobody_takes_over(
    postgresql_url, monkeypatch, publisher
):
    monkeypatch.setattr("mr.relay.WITHOUT_BUS_SECONDS", 0.2)
    publisher.connected = False
    async with (
        _two(postgresql_url) as (one, _other, shop),
        open_relay(one, holder="one", publisher=publisher) as relay,
    ):
        await eventually(lambda: (relay.term or 0) >= 2, within_seconds=60)
        # Who only waits for its lease to end does not make the log look dead.
        await DatabaseOrigin(one).tail(0, 10)
        await shop.save_value(0, 0, 0)
        publisher.connected = True
        await _published(relay)
    assert publisher.positions == list(range(1, relay.position + 1))


# ------------------------------------------------------------------------------------ the log


async def test_the_log_keeps_what_is_not_published_whatever_its_age_and_number(shop, database, publisher):
    async with open_relay(
        database, holder="one", publisher=publisher, keep_rows=1, keep_seconds=0.0, upkeep_seconds=0.05
    ) as relay:
        await _published(relay)
        publisher.connected = False
        begun = relay.position
        for number in range(3):
            await shop.save_value(0, 0, number)
        await relay.drained()
        await eventually(lambda: _pruned(database, begun))
        assert await _unpublished(database) == list(range(begun + 1, relay.position + 1))
        publisher.connected = True
        await _published(relay)
        await eventually(lambda: _pruned(database, relay.position))
    assert publisher.positions == list(range(1, relay.position + 1))


async def test_without_a_bus_nothing_stays_unpublished_that_waited_for_one(shop, database, publisher):
    publisher.connected = False
    async with open_relay(database, holder="one", publisher=publisher) as relay:
        await relay.drained()
    assert await _unpublished(database) != []
    async with open_relay(database, holder="two") as relay:
        await relay.drained()
    assert await _unpublished(database) == []


async def test_what_was_not_published_before_a_restore_is_only_a_pointer_after_it(shop, database, publisher):
    publisher.connected = False
    async with open_relay(database, holder="one", publisher=publisher) as relay:
        await relay.drained()
    async with database.write() as session:
        await session.execute(update(SystemState).filter_by(key=INCARNATION).values(value="an earlier life"))
    publisher.connected = True
    async with open_relay(database, holder="two", publisher=publisher) as relay:
        await _published(relay)
    assert publisher.positions == list(range(1, relay.position + 1))
    assert [each.event().data for each in publisher.events] == [None] * relay.position
    assert all(each.revision > 1000 for each in publisher.events)


async def test_what_is_sent_after_a_restore_under_a_relay_is_of_the_new_epoch(shop, database, publisher):
    """Also while changes come so fast that the sender never has to read the log."""
    registry = CollectorRegistry()
    async with open_relay(
        database,
        holder="one",
        publisher=publisher,
        lease_seconds=1.0,
        heartbeat_seconds=600.0,
        registry=registry,
    ) as relay:
        await _published(relay)
        await eventually(lambda: publisher.heartbeats and publisher.heartbeats[-1].position == relay.position)
        before = (await DatabaseOrigin(database).state()).epoch
        async with database.write() as session:
            for key, value in ((INCARNATION, "an earlier life"), (DATABASE_ID, "another")):
                await session.execute(update(SystemState).filter_by(key=key).values(value=value))
        await eventually(lambda: registry.get_sample_value("burgee_relay_restores_total") == 1)
        sent = len(publisher.events)
        await shop.save_value(0, 0, 1)
        await eventually(lambda: len(publisher.events) > sent)
        after = (await DatabaseOrigin(database).state()).epoch
        assert after != before
        assert {each.epoch for each in publisher.events[sent:]} == {after}
        await eventually(lambda: publisher.heartbeats[-1].epoch == after)


async def test_a_batch_is_bounded_by_its_bytes_and_never_empty(shop, database):
    await shop.save_value(0, 0, 0)
    await shop.save_value(0, 0, 1)
    async with open_relay(database, holder="one") as relay:
        await relay.drained()
        sizes = {1: BATCH_BYTES + 1, 2: BATCH_BYTES // 2, 3: BATCH_BYTES // 2}
        async with database.write() as session:
            for position, size in sizes.items():
                await session.execute(
                    update(OutboxRow).where(OutboxRow.position == position).values(payload="x" * size)
                )
        assert await _positions_after(database, 0) == [1]
        assert await _positions_after(database, 1) == [2, 3]
        assert await _positions_after(database, 3) == list(range(4, relay.position + 1))
        assert await _positions_after(database, relay.position) == []


@asynccontextmanager
async def _two(url):
    """One database as two processes see it, and a shop in it."""
    async with open_database(url) as one, open_database(url) as other:
        shop = Shop(one)
        await shop.open()
        yield one, other, shop


async def _published(relay):
    """Wait until everything committed so far is published."""
    async with asyncio.timeout(60):
        await relay.drained()
    await eventually(
        lambda: relay.published == relay.position, within_seconds=60, what="everything to be published"
    )


async def _unpublished(database):
    async with database.read() as session:
        rows = select(OutboxRow.position).where(OutboxRow.published.is_(None)).order_by(OutboxRow.position)
        return list(await session.scalars(rows))


async def _pruned(database, position):
    async with database.read() as session:
        return await session.scalar(select(func.max(RelayLease.pruned))) == position


async def _positions_after(database, after):
    async with database.read() as session:
        place = await load_place(session, database)
        return [each.position for each in await load_log(session, place, after, 100)]


async def _overtakes(relay, database):
    """End the lease: as often as needed, because its holder makes it longer again."""
    async with database.write() as session:
        await session.execute(update(RelayLease).values(until=0))
    return relay.term


def _nothing_sent_after_a_heartbeat_was_claimed_by_it(publisher):
    claimed = 0
    for each in publisher.sent:
        if each in publisher.heartbeats:
            claimed = each.position
        elif each.position <= claimed:
            return False
    return True
