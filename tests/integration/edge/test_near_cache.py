"""Edge over its near-cache over Dacha: what an SDK sees when either tier hears late, wrongly or nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from common.caching.app import OpenCache
from common.contracts.environments import hash_key
from common.contracts.events import CounterId
from edge.near import open_near_cache
from edge.settings import EdgeSettings
from tests.support.chain import CLIENT, ENVIRONMENT, SERVER, Chain, running_chain
from tests.support.change_log import account_id, environment_id
from tests.support.edges import EventReader, RunningEdge, edge_over
from tests.support.sources import SERVER_KEY, MemorySink
from tests.support.waiting import eventually

ANOTHER_KEY = "anotherkeyanotherkeyanotherkeyanotherkey"


async def version_polled(chain: Chain, key: str) -> int | None:
    """The version of a feature as a poll shows it; None = it is not there."""
    answer = await chain.edge.poll(CLIENT)
    assert answer.status == 200
    return next((each["version"] for each in answer.json[0]["features"] if each["key"] == key), None)


async def heard(stream: EventReader, key: str, version: int) -> None:
    """Read on until the stream tells this version of the feature; it must not have told a higher one."""
    while True:
        event = await stream.next(within_seconds=30)
        assert event is not None, "the stream ended"
        if event.name == "feature" and event.data["key"] == key:
            assert event.data["version"] <= version
            if event.data["version"] == version:
                return


def version_of(chain: Chain, key: str, environment: str = ENVIRONMENT) -> int:
    """The version of a feature at MR."""
    features = chain.log.environments[environment].features.values()
    return next(each.version for each in features if each.key == key)


async def test_what_was_asked_for_once_is_at_hand() -> None:
    async with running_chain() as chain:
        assert (await chain.edge.poll(CLIENT)).status == 200
        asked = sum(chain.requests.words.values())
        for _ in range(5):
            assert (await chain.edge.poll(SERVER)).status == 200
        assert sum(chain.requests.words.values()) == asked
        assert chain.edge.metric("burgee_edge_lookups_total", kind="environment", outcome="hit") >= 5


async def test_streams_open_and_go_on_where_nothing_else_is_held() -> None:
    async with running_chain(cache_environments=0) as chain:
        async with chain.edge.stream(SERVER) as stream:
            await stream.until("features")
            async with chain.edge.stream(CLIENT) as second:
                await second.until("features")
            chain.change("SECOND")
            await heard(stream, "SECOND", version_of(chain, "SECOND"))
        await eventually(lambda: chain.edge.edge.open_streams == 0)


async def test_a_change_reaches_polls_and_streams_without_a_question() -> None:
    async with running_chain() as chain, chain.edge.stream(SERVER) as stream:
        await stream.until("features")
        await chain.caught_up()
        asked = sum(chain.requests.words.values())
        chain.change("SECOND")
        await heard(stream, "SECOND", version_of(chain, "SECOND"))
        assert await version_polled(chain, "SECOND") == version_of(chain, "SECOND")
        assert sum(chain.requests.words.values()) == asked


async def test_an_event_that_only_this_edge_missed_is_asked_for_and_reaches_open_streams() -> None:
    async with running_chain() as chain, chain.edge.stream(SERVER) as stream:
        await stream.until("features")
        chain.lose_next(chain.tail)
        chain.change("SECOND")
        await heard(stream, "SECOND", version_of(chain, "SECOND"))
        await chain.caught_up()


async def test_an_event_that_everybody_missed_is_asked_for_through_both_tiers() -> None:
    async with running_chain() as chain, chain.edge.stream(SERVER) as stream:
        await stream.until("features")
        chain.lose_next(chain.tail, chain.dachas[0].tail)
        chain.change("SECOND")
        await heard(stream, "SECOND", version_of(chain, "SECOND"))
        await chain.caught_up()


async def test_a_deletion_that_was_missed_reaches_open_streams() -> None:
    async with running_chain() as chain, chain.edge.stream(SERVER) as stream:
        await stream.until("features")
        version = version_of(chain, "FIRST")
        chain.lose_next(chain.tail, chain.dachas[0].tail)
        chain.log.delete_feature(ENVIRONMENT, "FIRST")
        event = await stream.until("delete_feature", within_seconds=30)
        assert (event.data["key"], event.data["version"]) == ("FIRST", version)


async def test_after_a_long_silence_only_what_changed_is_loaded() -> None:
    async with running_chain() as chain:
        others = [environment_id(f"other {number}") for number in range(20)]
        for other in others:
            chain.log.create_environment(other)
        chain.log.save_account(account_id("sdk"), *_hashes(chain), environments=[ENVIRONMENT, *others])
        await chain.caught_up()
        for other in others:
            assert (await chain.edge.poll(f"{other}/{SERVER_KEY}")).status == 200
        async with chain.edge.stream(SERVER) as stream:
            await stream.until("features")
            await chain.caught_up()
            loads = chain.loads()
            asked = sum(chain.requests.words.values())
            chain.tail.cut = chain.dachas[0].tail.cut = True
            await eventually(lambda: chain.near.cache.silent_seconds)
            for number in range(50):
                chain.change(f"F{number % 5}", b"%d" % number)
            chain.tail.cut = chain.dachas[0].tail.cut = False
            await chain.caught_up()
            await heard(stream, "F4", version_of(chain, "F4"))
        # One environment changed; the log may have brought it by itself.
        assert chain.loads() - loads <= 2
        assert sum(chain.requests.words.values()) - asked <= 6


def _hashes(chain: Chain) -> tuple[str, str]:
    record = chain.log.accounts[account_id("sdk")]
    return record.client_key_hash, record.server_key_hash


async def test_a_dacha_that_lags_takes_nothing_back() -> None:
    async with running_chain() as chain, chain.edge.stream(SERVER) as stream:
        await stream.until("features")
        assert (await chain.edge.poll(CLIENT)).status == 200
        await chain.caught_up()
        chain.dachas[0].tail.cut = True
        chain.dachas[0].origin.cut_off = True
        chain.change("SECOND")
        await heard(stream, "SECOND", version_of(chain, "SECOND"))
        # What is loaded again now can only be the former state.
        chain.near.holdings.replica.evict(CounterId("environment", ENVIRONMENT))
        assert (await chain.edge.poll(CLIENT)).status == 503
        chain.dachas[0].origin.cut_off = False
        await eventually(lambda: version_is(chain, "SECOND"), within_seconds=30)


async def version_is(chain: Chain, key: str) -> bool:
    answer = await chain.edge.poll(CLIENT)
    if answer.status == 503:
        return False
    return await version_polled(chain, key) == version_of(chain, key)


async def test_a_removed_account_ends_its_streams_at_once() -> None:
    async with running_chain() as chain, chain.edge.stream(SERVER) as stream:
        await stream.until("features")
        chain.log.delete_account(account_id("sdk"))
        assert [event.name for event in await stream.rest()] == ["bye"]
        assert (await chain.edge.poll(SERVER)).status == 404


async def test_a_removal_that_nobody_heard_of_ends_streams_as_well() -> None:
    async with running_chain() as chain, chain.edge.stream(SERVER) as stream:
        await stream.until("features")
        chain.lose_next(chain.tail, chain.dachas[0].tail)
        chain.log.delete_account(account_id("sdk"))
        assert [event.name for event in await stream.rest(within_seconds=30)] == ["bye"]
        await eventually(lambda: status_is(chain, SERVER, 404))


async def test_a_key_that_was_reset_is_refused_although_dacha_has_not_heard() -> None:
    async with running_chain() as chain, chain.edge.stream(SERVER) as stream:
        await stream.until("features")
        await chain.caught_up()
        chain.dachas[0].tail.cut = True
        chain.dachas[0].origin.cut_off = True
        client, _ = _hashes(chain)
        chain.log.save_account(account_id("sdk"), client, hash_key(ANOTHER_KEY), environments=[ENVIRONMENT])
        assert [event.name for event in await stream.rest()] == ["bye"]
        # Dacha still knows the former key; an answer that old must not bring it back.
        assert (await chain.edge.poll(SERVER)).status in {404, 503}
        assert (await chain.edge.poll(f"{ENVIRONMENT}/{ANOTHER_KEY}")).status == 200


async def test_an_environment_that_is_gone_ends_its_streams() -> None:
    async with running_chain() as chain, chain.edge.stream(SERVER) as stream:
        await stream.until("features")
        chain.lose_next(chain.tail)
        chain.log.delete_environment(ENVIRONMENT)
        assert [event.name for event in await stream.rest(within_seconds=30)] == ["bye"]


async def status_is(chain: Chain, key: str, status: int) -> bool:
    return (await chain.edge.poll(key)).status == status


async def test_a_miss_does_not_outlive_the_creation() -> None:
    async with running_chain() as chain:
        key = f"{ENVIRONMENT}/{ANOTHER_KEY}"
        assert (await chain.edge.poll(key)).status == 404
        chain.log.save_account(
            account_id("new"), hash_key("another client's"), hash_key(ANOTHER_KEY), environments=[ENVIRONMENT]
        )
        await eventually(lambda: status_is(chain, key, 200))


async def test_a_miss_is_asked_for_once_in_a_while() -> None:
    async with running_chain() as chain:
        key = f"{ENVIRONMENT}/{ANOTHER_KEY}"
        assert (await chain.edge.poll(key)).status == 404
        asked, loads = sum(chain.requests.words.values()), chain.loads()
        for _ in range(5):
            assert (await chain.edge.poll(key)).status == 404
        assert (sum(chain.requests.words.values()), chain.loads()) == (asked, loads)


async def test_without_mr_what_is_held_goes_on_and_the_rest_is_unknown() -> None:
    async with running_chain() as chain:
        assert (await chain.edge.poll(CLIENT)).status == 200
        chain.mr_away(True)
        assert (await chain.edge.poll(SERVER)).status == 200
        answer = await chain.edge.poll(f"{ENVIRONMENT}/{ANOTHER_KEY}")
        assert (answer.status, "retry-after" in answer.headers) == (503, True)


async def test_a_cold_stream_is_held_while_mr_is_away_and_gets_its_features_afterwards() -> None:
    async with running_chain() as chain:
        chain.mr_away(True)
        async with chain.edge.stream(SERVER) as stream:
            await stream.until("ack")
            await asyncio.sleep(0.3)
            chain.mr_away(False)
            assert (await stream.until("features", within_seconds=30)).data[0]["key"] == "FIRST"


async def test_an_edge_that_comes_back_without_mr_serves_what_it_knew_and_what_dacha_knows(
    tmp_path: Path,
) -> None:
    async with running_chain() as chain:
        other = environment_id("known to Dacha alone")
        chain.log.create_environment(other)
        chain.log.save_account(account_id("sdk"), *_hashes(chain), environments=[ENVIRONMENT, other])
        await chain.caught_up()
        settings = EdgeSettings(state_dir=tmp_path)
        async with an_edge_with_state(chain, settings) as (near, edge):
            assert (await edge.poll(CLIENT)).status == 200
            near.holdings.replica.evict(CounterId("environment", other))
        chain.mr_away(True)
        chain.tail.cut = True
        async with an_edge_with_state(chain, settings) as (near, edge):
            assert near.cache.ready
            assert (await edge.poll(CLIENT)).status == 200
            assert (await edge.poll(f"{other}/{SERVER_KEY}")).status == 200
            assert (await edge.poll(f"{ENVIRONMENT}/{ANOTHER_KEY}")).status == 503


@asynccontextmanager
async def an_edge_with_state(
    chain: Chain, settings: EdgeSettings
) -> AsyncIterator[tuple[OpenCache, RunningEdge]]:
    """Another Edge of the chain, with a folder in which it finds what it knew."""
    async with (
        open_near_cache(settings, bus=chain.tail.bus(), origin=chain.pool) as near,
        edge_over(near.cache, MemorySink()) as edge,
    ):
        await eventually(lambda: near.holdings.replica.live or chain.tail.cut)
        yield near, edge


async def test_an_edge_that_hears_nothing_says_how_old_its_answers_may_be() -> None:
    async with running_chain() as chain:
        assert "burgee-silent-seconds" not in (await chain.edge.poll(CLIENT)).headers
        chain.tail.cut = True
        await eventually(lambda: chain.near.cache.silent_seconds >= 1)

        async def silence_that_a_poll_is_told() -> bool:
            answer = await chain.edge.poll(CLIENT)
            assert answer.status == 200
            return int(answer.headers.get("burgee-silent-seconds", 0)) >= 1

        # Looked at once a second.
        await eventually(silence_that_a_poll_is_told)
        async with chain.edge.http.get(f"{chain.edge.url}/features/{SERVER}") as stream:
            assert int(stream.headers["burgee-silent-seconds"]) >= 1
        assert not chain.report().live


async def test_a_frozen_dacha_costs_cold_polls_a_moment() -> None:
    async with running_chain(dachas=2) as chain:
        others = [environment_id(f"cold {number}") for number in range(30)]
        for other in others:
            chain.log.create_environment(other)
        chain.log.save_account(account_id("sdk"), *_hashes(chain), environments=others)
        await chain.caught_up()
        for other in others:
            chain.near.holdings.replica.evict(CounterId("environment", other))
        chain.dachas[0].member.frozen = True
        begun = time.monotonic()
        answers = [await chain.edge.poll(f"{other}/{SERVER_KEY}") for other in others]
        assert {each.status for each in answers} == {200}
        # Without another to ask, each of every second one would have cost four seconds.
        assert time.monotonic() - begun < 40
        assert chain.edge.metric("burgee_edge_dacha_hedge_wins_total") >= 1


async def test_an_edge_reports_where_it_is_and_how_far_changes_came() -> None:
    async with running_chain() as chain, chain.edge.stream(SERVER) as stream:
        await stream.until("features")
        position = chain.change("SECOND")
        await heard(stream, "SECOND", version_of(chain, "SECOND"))
        await eventually(lambda: [each.reached for each in chain.report().reaches] == [1])
        report = chain.report()
        assert (report.role, report.epoch, report.live) == ("edge", chain.log.epoch, True)
        assert (report.position, report.streams) == (position, {ENVIRONMENT: 1})
        (reach,) = report.reaches
        assert (reach.position, reach.environment_id, reach.streams) == (position, ENVIRONMENT, 1)
        assert reach.revision == chain.log.environments[ENVIRONMENT].revision


async def test_another_history_is_taken_over_on_open_streams() -> None:
    async with running_chain() as chain, chain.edge.stream(SERVER) as stream:
        await stream.until("features")
        backup = chain.log.backup()
        chain.change("LOST")
        await heard(stream, "LOST", version_of(chain, "LOST"))
        chain.log.restore(backup)
        event = await stream.until("delete_feature", within_seconds=30)
        assert event.data["key"] == "LOST"
        await eventually(lambda: chain.report().epoch == chain.log.epoch)


async def test_while_another_history_may_have_begun_nothing_is_called_absent() -> None:
    async with running_chain() as chain:
        gone = environment_id("gone since the backup")
        chain.log.create_environment(gone)
        chain.log.save_account(account_id("sdk"), *_hashes(chain), environments=[ENVIRONMENT, gone])
        await chain.caught_up()
        backup = chain.log.backup()
        chain.log.delete_environment(gone)
        await chain.caught_up()
        assert await status_is(chain, f"{gone}/{SERVER_KEY}", 404)
        chain.mr_away(True)
        chain.log.restore(backup)
        await eventually(lambda: chain.near.holdings.replica.doubts_epoch)
        assert await status_is(chain, f"{gone}/{SERVER_KEY}", 503)
        chain.mr_away(False)
        await eventually(lambda: status_is(chain, f"{gone}/{SERVER_KEY}", 200), within_seconds=30)
