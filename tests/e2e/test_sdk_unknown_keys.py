"""A key that nobody knows must not set any SDK spinning: the server's requests are counted."""

import asyncio
import time
from collections.abc import Iterator
from uuid import uuid4

import aiohttp
import pytest

from tests.support.fleet import ALL, JS_POLL, JS_STREAM, PYTHON_POLL, PYTHON_STREAM, STREAMS, Kind, open_fleet
from tests.support.party import PartyProcess, running_party
from tests.support.sdk import Sdk, SdkSnapshot
from tests.support.waiting import eventually
from tests.support.world import World

pytestmark = pytest.mark.e2e

UNKNOWN_SERVER_KEY = "nobody-knows-this-server-key-00001"
UNKNOWN_CLIENT_KEY = "nobody-knows*this-client-key-00001"
HOLD_SECONDS = 0.5
# Longer than the hold: what an SDK does after the server let go of it is the interesting part.
WATCH_SECONDS = 1.5
SAID_OF_UNKNOWN_KEYS = (
    "The API Key provided does not exist",
    "Failed to connect to FeatureHub Edge",
    "Specified API Key does not exist",
    "key provided for featurehub is invalid",
    "repository not in ready state indicating persistent failure",
)


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartyProcess]:
    """A server that lets go of unknown keys quickly."""
    with running_party(
        tmp_path_factory.mktemp("party"), settings={"BURGEE_UNKNOWN_KEY_HOLD_SECONDS": str(HOLD_SECONDS)}
    ) as made:
        yield made


async def until_refused(sdk: Sdk) -> SdkSnapshot:
    return await sdk.eventually(lambda now: now.readiness == "Failed", 30, what="the refusal")


@pytest.mark.parametrize(
    "service_key", ["nobody-knows-this-server-key-00001", "nobody-knows*this-client-key-00001"]
)
@pytest.mark.parametrize("environment", ["existing", "made up"])
async def test_an_unknown_key_makes_no_sdk_busy(world: World, environment: str, service_key: str) -> None:
    environment_id = world.environment_id if environment == "existing" else str(uuid4())
    began = time.monotonic()
    async with open_fleet(world.port, [f"{environment_id}/{service_key}"], kinds=ALL) as fleet:
        await fleet.each(until_refused, of=lambda sdk: sdk.language == "js")
        await eventually(lambda: fleet.polls.asked() >= 2, what="both pollers to ask")
        await asyncio.sleep(WATCH_SECONDS)  # what is asserted is that nothing happens in this time
        assert fleet.streams.asked() <= 2 * (time.monotonic() - began) / HOLD_SECONDS
        assert fleet.polls.asked() == 2, "a poller stops at its first 404"
        states = {sdk.name: (await sdk.snapshot()).readiness for sdk in fleet.sdks}
        assert "Ready" not in states.values()
        assert states["js-stream"] == states["js-poll"] == "Failed"
        fleet.assert_no_errors(allow=SAID_OF_UNKNOWN_KEYS)


async def test_a_key_that_stops_being_known_ends_streams_without_a_busy_loop(world: World) -> None:
    await world.create("flag")
    async with open_fleet(world.port, [world.client_key], kinds=STREAMS) as fleet:
        await fleet.ready()
        began = time.monotonic()
        await world.admin.reset_keys(world.account.id)
        await fleet.each(until_refused, of=lambda sdk: sdk.language == "js")
        await asyncio.sleep(WATCH_SECONDS)  # what is asserted is that nothing happens in this time
        assert fleet.streams.asked() <= 4 + 2 * (time.monotonic() - began) / HOLD_SECONDS
        fleet.assert_no_errors(allow=SAID_OF_UNKNOWN_KEYS)


@pytest.mark.parametrize("kind", [JS_POLL, PYTHON_POLL], ids="-".join)
async def test_a_poller_whose_key_was_reset_stops_asking(world: World, kind: Kind) -> None:
    await world.create("flag")
    async with open_fleet(world.port, [world.client_key], kinds=[kind]) as fleet:
        await fleet.ready()
        await world.admin.reset_keys(world.account.id)
        await fleet.each(
            lambda sdk: sdk.eventually(lambda now: not now.ready, 30, what="the refusal"),
        )
        asked = fleet.polls.asked()
        await asyncio.sleep(1)  # five of its intervals
        assert fleet.polls.asked() == asked
        fleet.assert_no_errors(allow=SAID_OF_UNKNOWN_KEYS)


@pytest.mark.parametrize("kind", [JS_STREAM, PYTHON_STREAM], ids="-".join)
async def test_a_new_key_works_at_once_although_the_old_one_was_just_refused(
    world: World, kind: Kind
) -> None:
    await world.create("flag")
    await world.admin.set(world.environment_id, "flag", True)
    account = await world.admin.reset_keys(world.account.id)
    async with open_fleet(
        world.port, [account.sdk_key(world.environment_id, client=True)], kinds=[kind]
    ) as fleet:
        await fleet.hold("flag", True, within_seconds=30)
        fleet.assert_no_errors()


async def test_what_cannot_be_a_key_is_refused_without_being_looked_up(world: World) -> None:
    async with aiohttp.ClientSession() as http:
        for query, status in (
            ("", 400),
            ("?apiKey=", 404),
            ("?apiKey=abc", 404),
            ("?apiKey=no-uuid/abcdefgh", 404),
        ):
            async with http.get(f"{world.url}/features{query}") as answer:
                assert answer.status == status, query


async def test_an_unknown_key_beside_a_known_one_is_an_environment_without_features(world: World) -> None:
    await world.create("flag")
    stranger = str(uuid4())
    query = [("apiKey", f"{stranger}/{UNKNOWN_CLIENT_KEY}"), ("apiKey", world.client_key)]
    async with aiohttp.ClientSession() as http:

        async def answered() -> bool:
            async with http.get(f"{world.url}/features", params=query) as answer:
                assert answer.status == 200
                unknown, known = await answer.json()
            assert unknown == {"id": stranger, "features": []}
            return [feature["key"] for feature in known["features"]] == ["flag"]

        await eventually(answered, what="the known key's feature")
