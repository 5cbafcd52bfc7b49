"""Edge over its near-cache over Dacha: what an SDK sees when either tier hears late, wrongly or nothing."""

import asyncio
import time

from common.contracts.environments import hash_key
from common.contracts.events import CounterId
from tests.support.change_log import account_id, environment_id
from tests.support.edges import EventReader
from tests.support.sources import SERVER_KEY
from tests.support.tiers import CLIENT, ENVIRONMENT, SERVER, Tiers, running_tiers
from tests.support.waiting import eventually

ANOTHER_KEY = "anotherkeyanotherkeyanotherkeyanotherkey"


async def version_polled(tiers: Tiers, key: str) -> int | None:
    """The version of a feature as a poll shows it; None = it is not there."""
    answer = await tiers.edge.poll(CLIENT)
    assert answer.status == 200
    return next((each["version"] for each in answer.json[0]["features"] if each["key"] == key), None)


async def heard(stream: EventReader, key: str, version: int) -> None:
    """Read on until the stream tells this version of the feature; it must not have told a higher one."""
    while True:
        event = await stream.next(within_seconds=10)
        assert event is not None, "the stream ended"
        if event.name == "feature" and event.data["key"] == key:
            assert event.data["version"] <= version
            if event.data["version"] == version:
                return


def version_of(tiers: Tiers, key: str, environment: str = ENVIRONMENT) -> int:
    """The version of a feature at MR."""
    features = tiers.log.environments[environment].features.values()
    return next(each.version for each in features if each.key == key)


async def test_what_was_asked_for_once_is_at_hand() -> None:
    async with running_tiers() as tiers:
        assert (await tiers.edge.poll(CLIENT)).status == 200
        asked = sum(tiers.requests.words.values())
        for _ in range(5):
            assert (await tiers.edge.poll(SERVER)).status == 200
        assert sum(tiers.requests.words.values()) == asked
        assert tiers.edge.metric("burgee_edge_lookups_total", kind="environment", outcome="hit") >= 5


async def test_a_change_reaches_polls_and_streams_without_a_question() -> None:
    async with running_tiers() as tiers, tiers.edge.stream(SERVER) as stream:
        await stream.until("features")
        await tiers.caught_up()
        asked = sum(tiers.requests.words.values())
        tiers.change("SECOND")
        await heard(stream, "SECOND", version_of(tiers, "SECOND"))
        assert await version_polled(tiers, "SECOND") == version_of(tiers, "SECOND")
        assert sum(tiers.requests.words.values()) == asked


async def test_an_event_that_only_this_edge_missed_is_asked_for_and_reaches_open_streams() -> None:
    async with running_tiers() as tiers, tiers.edge.stream(SERVER) as stream:
        await stream.until("features")
        tiers.lose_next(tiers.tail)
        tiers.change("SECOND")
        await heard(stream, "SECOND", version_of(tiers, "SECOND"))
        await tiers.caught_up()


async def test_an_event_that_everybody_missed_is_asked_for_through_both_tiers() -> None:
    async with running_tiers() as tiers, tiers.edge.stream(SERVER) as stream:
        await stream.until("features")
        tiers.lose_next(tiers.tail, tiers.dachas[0].tail)
        tiers.change("SECOND")
        await heard(stream, "SECOND", version_of(tiers, "SECOND"))
        await tiers.caught_up()


async def test_a_deletion_that_was_missed_reaches_open_streams() -> None:
    async with running_tiers() as tiers, tiers.edge.stream(SERVER) as stream:
        await stream.until("features")
        tiers.lose_next(tiers.tail, tiers.dachas[0].tail)
        tiers.log.delete_feature(ENVIRONMENT, "FIRST")
        event = await stream.until("delete_feature", within_seconds=10)
        assert (event.data["key"], event.data["version"]) == ("FIRST", 0)


async def test_after_a_long_silence_only_what_changed_is_loaded() -> None:
    async with running_tiers() as tiers:
        others = [environment_id(f"other {number}") for number in range(20)]
        for other in others:
            tiers.log.create_environment(other)
        tiers.log.save_account(account_id("sdk"), *_hashes(tiers), environments=[ENVIRONMENT, *others])
        await tiers.caught_up()
        for other in others:
            assert (await tiers.edge.poll(f"{other}/{SERVER_KEY}")).status == 200
        async with tiers.edge.stream(SERVER) as stream:
            await stream.until("features")
            await tiers.caught_up()
            loads = tiers.loads()
            asked = sum(tiers.requests.words.values())
            tiers.tail.cut = tiers.dachas[0].tail.cut = True
            await eventually(lambda: tiers.near.cache.silent_seconds)
            for number in range(50):
                tiers.change(f"F{number % 5}", b"%d" % number)
            tiers.tail.cut = tiers.dachas[0].tail.cut = False
            await tiers.caught_up()
            await heard(stream, "F4", version_of(tiers, "F4"))
        # One environment changed; the log may have brought it by itself.
        assert tiers.loads() - loads <= 2
        assert sum(tiers.requests.words.values()) - asked <= 6


def _hashes(tiers: Tiers) -> tuple[str, str]:
    record = tiers.log.accounts[account_id("sdk")]
    return record.client_key_hash, record.server_key_hash


async def test_a_dacha_that_lags_takes_nothing_back() -> None:
    async with running_tiers() as tiers, tiers.edge.stream(SERVER) as stream:
        await stream.until("features")
        assert (await tiers.edge.poll(CLIENT)).status == 200
        await tiers.caught_up()
        tiers.dachas[0].tail.cut = True
        tiers.dachas[0].origin.cut_off = True
        tiers.change("SECOND")
        await heard(stream, "SECOND", version_of(tiers, "SECOND"))
        # What is loaded again now can only be the former state.
        tiers.near.holdings.replica.evict(CounterId("environment", ENVIRONMENT))
        assert (await tiers.edge.poll(CLIENT)).status == 503
        tiers.dachas[0].origin.cut_off = False
        await eventually(lambda: version_is(tiers, "SECOND"), within_seconds=10)


async def version_is(tiers: Tiers, key: str) -> bool:
    answer = await tiers.edge.poll(CLIENT)
    if answer.status == 503:
        return False
    return await version_polled(tiers, key) == version_of(tiers, key)


async def test_a_removed_account_ends_its_streams_at_once() -> None:
    async with running_tiers() as tiers, tiers.edge.stream(SERVER) as stream:
        await stream.until("features")
        tiers.log.delete_account(account_id("sdk"))
        assert [event.name for event in await stream.rest()] == ["bye"]
        assert (await tiers.edge.poll(SERVER)).status == 404


async def test_a_removal_that_nobody_heard_of_ends_streams_as_well() -> None:
    async with running_tiers() as tiers, tiers.edge.stream(SERVER) as stream:
        await stream.until("features")
        tiers.lose_next(tiers.tail, tiers.dachas[0].tail)
        tiers.log.delete_account(account_id("sdk"))
        assert [event.name for event in await stream.rest(within_seconds=10)] == ["bye"]
        await eventually(lambda: status_is(tiers, SERVER, 404))


async def test_a_key_that_was_reset_is_refused_although_dacha_has_not_heard() -> None:
    async with running_tiers() as tiers, tiers.edge.stream(SERVER) as stream:
        await stream.until("features")
        await tiers.caught_up()
        tiers.dachas[0].tail.cut = True
        tiers.dachas[0].origin.cut_off = True
        client, _ = _hashes(tiers)
        tiers.log.save_account(account_id("sdk"), client, hash_key(ANOTHER_KEY), environments=[ENVIRONMENT])
        assert [event.name for event in await stream.rest()] == ["bye"]
        # Dacha still knows the former key; an answer that old must not bring it back.
        assert (await tiers.edge.poll(SERVER)).status in {404, 503}
        assert (await tiers.edge.poll(f"{ENVIRONMENT}/{ANOTHER_KEY}")).status == 200


async def test_an_environment_that_is_gone_ends_its_streams() -> None:
    async with running_tiers() as tiers, tiers.edge.stream(SERVER) as stream:
        await stream.until("features")
        tiers.lose_next(tiers.tail)
        tiers.log.delete_environment(ENVIRONMENT)
        assert [event.name for event in await stream.rest(within_seconds=10)] == ["bye"]


async def status_is(tiers: Tiers, key: str, status: int) -> bool:
    return (await tiers.edge.poll(key)).status == status


async def test_a_miss_does_not_outlive_the_creation() -> None:
    async with running_tiers() as tiers:
        key = f"{ENVIRONMENT}/{ANOTHER_KEY}"
        assert (await tiers.edge.poll(key)).status == 404
        tiers.log.save_account(
            account_id("new"), hash_key("another client's"), hash_key(ANOTHER_KEY), environments=[ENVIRONMENT]
        )
        await eventually(lambda: status_is(tiers, key, 200), within_seconds=2)


async def test_a_miss_is_asked_for_once_in_a_while() -> None:
    async with running_tiers() as tiers:
        key = f"{ENVIRONMENT}/{ANOTHER_KEY}"
        assert (await tiers.edge.poll(key)).status == 404
        asked, loads = sum(tiers.requests.words.values()), tiers.loads()
        for _ in range(5):
            assert (await tiers.edge.poll(key)).status == 404
        assert (sum(tiers.requests.words.values()), tiers.loads()) == (asked, loads)


async def test_without_mr_what_is_held_goes_on_and_the_rest_is_unknown() -> None:
    async with running_tiers() as tiers:
        assert (await tiers.edge.poll(CLIENT)).status == 200
        tiers.mr_away(True)
        assert (await tiers.edge.poll(SERVER)).status == 200
        answer = await tiers.edge.poll(f"{ENVIRONMENT}/{ANOTHER_KEY}")
        assert (answer.status, "retry-after" in answer.headers) == (503, True)


async def test_a_cold_stream_is_held_while_mr_is_away_and_gets_its_features_afterwards() -> None:
    async with running_tiers() as tiers:
        tiers.mr_away(True)
        async with tiers.edge.stream(SERVER) as stream:
            await stream.until("ack")
            await asyncio.sleep(0.3)
            tiers.mr_away(False)
            assert (await stream.until("features", within_seconds=10)).data[0]["key"] == "FIRST"


async def test_an_edge_that_hears_nothing_says_how_old_its_answers_may_be() -> None:
    async with running_tiers() as tiers:
        assert "burgee-silent-seconds" not in (await tiers.edge.poll(CLIENT)).headers
        tiers.tail.cut = True
        await eventually(lambda: tiers.near.cache.silent_seconds >= 1)
        answer = await tiers.edge.poll(CLIENT)
        assert (answer.status, int(answer.headers["burgee-silent-seconds"]) >= 1) == (200, True)
        async with tiers.edge.http.get(f"{tiers.edge.url}/features/{SERVER}") as stream:
            assert int(stream.headers["burgee-silent-seconds"]) >= 1
        assert not tiers.report().live


async def test_a_frozen_dacha_costs_cold_polls_a_moment() -> None:
    async with running_tiers(dachas=2) as tiers:
        others = [environment_id(f"cold {number}") for number in range(30)]
        for other in others:
            tiers.log.create_environment(other)
        tiers.log.save_account(account_id("sdk"), *_hashes(tiers), environments=others)
        await tiers.caught_up()
        for other in others:
            tiers.near.holdings.replica.evict(CounterId("environment", other))
        tiers.dachas[0].member.frozen = True
        begun = time.monotonic()
        answers = [await tiers.edge.poll(f"{other}/{SERVER_KEY}") for other in others]
        assert {each.status for each in answers} == {200}
        # Without another to ask, each of every second one would have cost four seconds.
        assert time.monotonic() - begun < 10
        assert tiers.edge.metric("burgee_edge_dacha_hedge_wins_total") >= 1


async def test_an_edge_reports_where_it_is_and_how_far_changes_came() -> None:
    async with running_tiers() as tiers, tiers.edge.stream(SERVER) as stream:
        await stream.until("features")
        position = tiers.change("SECOND")
        await heard(stream, "SECOND", version_of(tiers, "SECOND"))
        await eventually(lambda: [each.reached for each in tiers.report().reaches] == [1])
        report = tiers.report()
        assert (report.role, report.epoch, report.live) == ("edge", tiers.log.epoch, True)
        assert (report.position, report.streams) == (position, {ENVIRONMENT: 1})
        (reach,) = report.reaches
        assert (reach.position, reach.environment_id, reach.streams) == (position, ENVIRONMENT, 1)
        assert reach.revision == tiers.log.environments[ENVIRONMENT].revision


async def test_another_history_is_taken_over_on_open_streams() -> None:
    async with running_tiers() as tiers, tiers.edge.stream(SERVER) as stream:
        await stream.until("features")
        backup = tiers.log.backup()
        tiers.change("LOST")
        await heard(stream, "LOST", version_of(tiers, "LOST"))
        tiers.log.restore(backup)
        event = await stream.until("delete_feature", within_seconds=10)
        assert event.data["key"] == "LOST"
        await eventually(lambda: tiers.report().epoch == tiers.log.epoch)
