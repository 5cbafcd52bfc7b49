"""Strategies decide alike whether the SDK evaluates or the server does, and a new context is heard."""

import aiohttp
import mmh3
import pytest

from tests.support.admin import ALL_ROLES, attribute, strategy
from tests.support.fleet import ALL, JS_POLL, JS_STREAM, POLLS, PYTHON_POLL, open_fleet
from tests.support.party import ON_BOTH_DATABASES, PartyProcess
from tests.support.proxy import Proxy
from tests.support.waiting import eventually
from tests.support.world import World

pytestmark = pytest.mark.e2e

RULES = [
    strategy("by user", "for fred", attribute("userkey", "EQUALS", ["fred", "mary"])),
    strategy("by country", "for turkey", attribute("country", "EQUALS", ["turkey", "peru"])),
    strategy("by version", "for new", attribute("version", "GREATER_EQUALS", ["2.1.0"], "SEMANTIC_VERSION")),
]
CASES = [
    ({"userkey": ["fred"], "country": ["turkey"]}, "for fred"),
    ({"userkey": ["pat"], "country": ["peru"]}, "for turkey"),
    ({"userkey": ["pat"], "country": ["norway"], "version": ["2.10.0"]}, "for new"),
    ({"userkey": ["pat"], "country": ["norway"], "version": ["2.0.9"]}, "for everybody"),
    ({"userkey": ["Fred"]}, "for everybody"),
]
# The Python SDK sends no context with a stream: server evaluation by stream is JavaScript's.
SERVER_EVALUATED = (JS_STREAM, JS_POLL, PYTHON_POLL)


def bucket(user: str, feature_id: str) -> int:
    """Where a user falls, by the published rule (contract, section 5.1), written once more."""
    return mmh3.hash(f"{user}{feature_id}", seed=0, signed=False) * 1_000_000 // 2**32


async def offer(world: World) -> None:
    await world.create("offer", "STRING")
    await world.admin.set(world.environment_id, "offer", "for everybody", strategies=RULES)


async def test_sdks_that_evaluate_by_themselves_get_the_rules(world: World) -> None:
    await offer(world)
    async with open_fleet(world.port, [world.client_key], kinds=ALL) as fleet:
        await fleet.hold("offer", "for everybody", within_seconds=30)
        for attributes, expected in CASES:
            found = await fleet.each(lambda sdk, asked=attributes: sdk.evaluate("offer", asked))
            assert set(found) == {expected}, attributes
        saved = await world.admin.set(world.environment_id, "offer", strategies=[])
        await fleet.see(lambda now: now.feature("offer").version == saved["version"], what="new rules")
        found = await fleet.each(lambda sdk: sdk.evaluate("offer", {"userkey": ["fred"]}))
        assert set(found) == {"for everybody"}
        fleet.assert_no_errors()


@ON_BOTH_DATABASES
async def test_the_server_evaluates_for_sdks_that_do_not(world: World, party: PartyProcess) -> None:
    await offer(world)
    first, expected = CASES[0]
    async with open_fleet(world.port, [world.server_key], kinds=SERVER_EVALUATED, attributes=first) as fleet:
        await fleet.hold("offer", expected, within_seconds=30)
        for attributes, expected in CASES[1:]:
            await fleet.each(lambda sdk, asked=attributes: sdk.set_context(asked))
            await fleet.hold("offer", expected)
            await fleet.ready()
        changed = [strategy("by user", "still fred", attribute("userkey", "EQUALS", ["Fred"]))]
        await world.admin.set(world.environment_id, "offer", strategies=changed)
        await fleet.hold("offer", "still fred")
        fleet.assert_no_errors()


async def test_the_server_tells_no_rules_to_a_server_evaluated_key(world: World) -> None:
    await offer(world)
    async with aiohttp.ClientSession() as http:

        async def told(key: str) -> list[bool]:
            async with http.get(f"{world.url}/features", params={"apiKey": key}) as answer:
                (environment,) = await answer.json()
                return ["strategies" in each for each in environment["features"] if "value" in each]

        async def known() -> bool:
            return await told(world.client_key) == [True]

        await eventually(known, what="the rules to be served")
        assert await told(world.server_key) == [False]


async def test_a_percentage_takes_the_same_users_in_every_sdk_and_on_the_server(world: World) -> None:
    feature_id = await world.create("share", "STRING")
    place = bucket("fred", feature_id)
    context = {"userkey": ["fred"]}

    async def rollout(share: int) -> int:
        rule = strategy("a share", "inside", percentage=share)
        saved = await world.admin.set(world.environment_id, "share", "outside", strategies=[rule])
        return int(saved["version"])

    await rollout(max(place - 1, 0))
    async with (
        open_fleet(world.port, [world.client_key]) as own,
        open_fleet(world.port, [world.server_key], kinds=SERVER_EVALUATED, attributes=context) as served,
    ):
        await own.hold("share", "outside", within_seconds=30)
        await served.hold("share", "outside", within_seconds=30)
        assert set(await own.each(lambda sdk: sdk.evaluate("share", context))) == {"outside"}
        version = await rollout(max(place, 1))
        await served.hold("share", "inside")
        await own.see(lambda now: now.feature("share").version == version)
        assert set(await own.each(lambda sdk: sdk.evaluate("share", context))) == {"inside"}
        own.assert_no_errors()
        served.assert_no_errors()


@pytest.mark.parametrize("kind", SERVER_EVALUATED, ids="-".join)
async def test_a_new_context_makes_an_sdk_ready_again_although_nothing_differs(world: World, kind) -> None:
    """An etag without the context would answer 304 here, and the SDK would stay NotReady for ever."""
    await world.create("flag")
    await world.admin.set(world.environment_id, "flag", True)
    async with open_fleet(
        world.port, [world.server_key], kinds=[kind], attributes={"userkey": ["fred"]}, interval_seconds=0.3
    ) as fleet:
        await fleet.hold("flag", True, within_seconds=30)
        for user in ("mary", "fred", "pat"):
            await fleet.each(lambda sdk, user=user: sdk.set_context({"userkey": [user]}))
            await fleet.ready()
            await fleet.hold("flag", True)
        fleet.assert_no_errors()


@pytest.mark.parametrize("evaluation", ["client", "server"])
async def test_two_keys_in_one_poll_give_the_features_of_both_environments(
    world: World, evaluation: str
) -> None:
    admin = world.admin
    other = await admin.create_application(world.application.portfolio_id)
    account = await admin.create_account(other.portfolio_id, {other.environment_id: ALL_ROLES})
    await world.create("first", "STRING")
    await admin.set(world.environment_id, "first", "one")
    await admin.create_feature(other.id, "second", "STRING")
    await admin.set(other.environment_id, "second", "two")
    keys = [world.key(evaluation), account.sdk_key(other.environment_id, client=evaluation == "client")]
    async with open_fleet(world.port, keys, kinds=POLLS) as fleet:
        await fleet.hold("first", "one", within_seconds=30)
        await fleet.hold("second", "two")
        await admin.set(other.environment_id, "second", "changed")
        await fleet.hold("second", "changed")
        await fleet.hold("first", "one")
        await polls_later(fleet.polls, 6)
        await fleet.hold("second", "changed")
        await fleet.hold("first", "one")
        fleet.assert_no_errors()


async def test_several_unchanged_keys_are_answered_with_304(world: World) -> None:
    admin = world.admin
    other = await admin.create_application(world.application.portfolio_id)
    account = await admin.create_account(other.portfolio_id, {other.environment_id: ALL_ROLES})
    await world.create("first")
    keys = [world.client_key, account.sdk_key(other.environment_id, client=True)]
    query = [("apiKey", key) for key in keys]
    await served(world, "first")
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{world.url}/features", params=query) as answer:
            assert answer.status == 200
            assert [each["id"] for each in await answer.json()] == [
                world.environment_id,
                other.environment_id,
            ]
            etag = answer.headers["etag"]
        async with http.get(f"{world.url}/features/", params=query, headers={"if-none-match": etag}) as again:
            assert (again.status, await again.read()) == (304, b"")
            assert again.headers["etag"] == etag


async def polls_later(proxy: Proxy, polls: int) -> None:
    """Wait until that many more requests were answered or are on their way."""
    target = proxy.asked() + polls
    await eventually(lambda: proxy.asked() >= target, within_seconds=30, what=f"{polls} more polls")


async def served(world: World, key: str) -> None:
    """Wait until polls hear of this feature."""

    async def heard() -> bool:
        async with http.get(f"{world.url}/features", params={"apiKey": world.client_key}) as answer:
            (environment,) = await answer.json()
            return key in {feature["key"] for feature in environment["features"]}

    async with aiohttp.ClientSession() as http:
        await eventually(heard, what=f"{key} to be served")
