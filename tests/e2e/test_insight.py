"""What is going on, seen from outside of a split world: changes at another MR, and what Edges count."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.admin import open_admin
from tests.support.party import PartyProcess, running_party
from tests.support.split import Shape, running_split
from tests.support.streams import open_events, open_stream
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TOLD_SECONDS = 90.0


async def poll(url: str, key: str, times: int) -> None:
    async with aiohttp.ClientSession() as http:
        for _ in range(times):
            async with http.get(f"{url}/features", params={"apiKey": key}) as answer:
                assert answer.status == 200


async def used(url: str, token: str, environment_id: str) -> dict[str, float]:
    """What the last hour's numbers of an environment add up to."""
    async with open_admin(url, token) as admin:
        record = await admin.call("GET", "/burgee/usage", environmentId=environment_id)
    (found,) = record["environments"]
    names = ("polls", "streamsOpened", "streams")
    return {name: sum(point[name] for point in found["points"]) for name in names}


async def until_used(url: str, world: World, **wanted: int) -> dict[str, float]:
    async def enough() -> dict[str, float] | None:
        found = await used(url, world.admin.token, world.environment_id)
        return found if all(found[name] >= least for name, least in wanted.items()) else None

    found = await eventually(enough, within_seconds=TOLD_SECONDS, what=f"usage of {wanted}")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def split():
    with running_split(Shape(mr=2, dacha=1, edge=1, edge_rest=1)) as started:
        yield started


async def test_what_one_mr_changes_is_heard_at_the_other(split) -> None:
    one, other = split.mrs
    async with open_world(one.url, split.edges[0].port, split.token) as world:
        split.token = world.admin.token
        headers = {"Authorization": f"Bearer {world.admin.token}"}
        async with open_events(f"{other.url}/mr-api/burgee/live", headers=headers) as stream:
            await stream.heard("ready")
            await world.create("HEARD")
            # What made the world may be heard as well.
            await eventually(
                lambda: any("HEARD" in json.dumps(each.data) for each in stream.named("change")),
                within_seconds=TOLD_SECONDS,
                what="word of the feature",
            )


async def test_edges_tell_over_the_bus_and_edge_rest_by_the_database(split) -> None:
    (edge,), (rest,) = split.edges, split.edge_rests
    async with open_world(split.mrs[0].url, edge.port, split.token) as world:
        split.token = world.admin.token
        await world.create("COUNTED")
        async with open_stream(edge.url, world.client_key) as stream:
            await stream.heard("features")
            await poll(edge.url, world.client_key, 20)
            await poll(rest.url, world.client_key, 10)
            await until_used(split.mrs[1].url, world, polls=30, streamsOpened=1, streams=0)
        found = await used(split.mrs[0].url, world.admin.token, world.environment_id)
    assert found["polls"] == 30
    assert found["streamsOpened"] == 1


@pytest.fixture
def own_party(tmp_path: Path) -> Iterator[PartyProcess]:
    with running_party(tmp_path) as party:
        yield party


async def test_a_party_server_tells_what_is_left_when_it_stops(own_party: PartyProcess) -> None:
    async with open_world(own_party.url, own_party.port, own_party.token) as world:
        await world.create("COUNTED")
        await poll(own_party.url, world.client_key, 7)
        environment_id, token = world.environment_id, world.admin.token
    own_party.stop()
    await asyncio.to_thread(own_party.start)
    assert (await used(own_party.url, token, environment_id))["polls"] == 7
