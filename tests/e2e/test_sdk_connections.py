"""SDKs live through the ends of their connections: planned ones, cuts, and a restart of the server."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.support.fleet import ALL, CUT_STREAM, STREAMS, open_fleet
from tests.support.judge import agree
from tests.support.party import PartyProcess, running_party
from tests.support.postgres import PostgresServer
from tests.support.waiting import eventually
from tests.support.world import World

pytestmark = pytest.mark.e2e

STREAM_SECONDS = 2


@pytest.fixture(params=["sqlite", "postgresql"])
def party(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartyProcess]:
    """A server of this test alone, whose streams live for two seconds."""
    url = None
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.url(server.create_database())
    with running_party(
        tmp_path_factory.mktemp("party"),
        database_url=url,
        settings={"BURGEE_STREAM_SECONDS": str(STREAM_SECONDS), "BURGEE_DRAIN_SECONDS": "1"},
    ) as made:
        yield made


@pytest.mark.parametrize("party", ["sqlite"], indirect=True)
async def test_sdks_live_on_over_two_ends_of_their_stream(world: World, party: PartyProcess) -> None:
    await world.create("number", "NUMBER")
    async with open_fleet(world.port, [world.client_key], kinds=STREAMS) as fleet:
        await fleet.ready()
        # Each SDK opens a stream, hears `bye` twice, and opens two more.
        edits, began = 0, time.monotonic()
        while fleet.streams.asked() < 3 * len(fleet.sdks):
            edits += 1
            assert time.monotonic() < began + 90, f"only {fleet.streams.asked()} streams in {edits} edits"
            await world.admin.set(world.environment_id, "number", edits)
            await fleet.hold("number", edits)
            await asyncio.sleep(0.2)
        await world.admin.set(world.environment_id, "number", -1)
        await fleet.hold("number", -1)
        for sdk in fleet.sdks:
            assert set((await sdk.snapshot()).history) <= {"NotReady", "Ready"}
        # A stream lives for two seconds, more or less a fifth.
        most = len(fleet.sdks) * (2 + (time.monotonic() - began) / (0.8 * STREAM_SECONDS))
        assert fleet.streams.asked() <= most, "reconnecting is no busy loop"
        fleet.assert_no_errors()


async def test_a_restart_with_the_port_kept_open_is_nothing_to_any_sdk(
    world: World, party: PartyProcess
) -> None:
    await world.create("flag")
    await world.admin.set(world.environment_id, "flag", True)
    async with open_fleet(world.port, [world.client_key], kinds=ALL) as fleet:
        await fleet.hold("flag", True, within_seconds=30)
        fleet.streams.hold()
        fleet.polls.hold()
        code = await asyncio.to_thread(party.stop)
        assert code == 0, "a party server that is told to end, ends well"
        await asyncio.to_thread(party.start)
        await world.admin.set(world.environment_id, "flag", False)
        fleet.streams.release()
        fleet.polls.release()
        await fleet.hold("flag", False, within_seconds=30)
        await agree(fleet, party.database_url, world.environment_id)
        fleet.assert_no_errors()


@pytest.mark.parametrize("party", ["sqlite"], indirect=True)
async def test_a_crash_of_the_server_loses_nothing_that_an_sdk_was_told(
    world: World, party: PartyProcess
) -> None:
    await world.create("flag")
    async with open_fleet(world.port, [world.client_key], kinds=STREAMS) as fleet:
        await fleet.ready()
        await world.admin.set(world.environment_id, "flag", True)
        await fleet.hold("flag", True)
        fleet.streams.hold()
        await asyncio.to_thread(party.kill)
        await asyncio.to_thread(party.start)
        fleet.streams.release()
        before = fleet.streams.asked()
        await eventually(lambda: fleet.streams.asked() >= before + 1, within_seconds=30)
        await world.admin.set(world.environment_id, "flag", False)
        await fleet.hold("flag", False, within_seconds=30)
        await agree(fleet, party.database_url, world.environment_id)
        fleet.assert_no_errors(allow=[CUT_STREAM])
