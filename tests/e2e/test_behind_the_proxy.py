"""What a person and an SDK see through the nginx that compose/split.yaml puts in front."""

from collections.abc import Iterator

import aiohttp
import pytest

from tests.support.admin import open_admin
from tests.support.nginx import NEEDS_NGINX, running_nginx
from tests.support.party import PartyProcess
from tests.support.streams import open_events, open_stream
from tests.support.waiting import eventually
from tests.support.watchers import poll
from tests.support.world import World

pytestmark = NEEDS_NGINX


@pytest.fixture
def proxy(party: PartyProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_nginx(tmp_path_factory.mktemp("nginx"), edges=[party.port]) as url:
        yield url


async def test_streams_pass_unbuffered_and_polls_keep_their_etags(proxy: str, world: World) -> None:
    await world.create("BLUE")
    async with open_stream(proxy, world.client_key) as stream:
        assert stream.status == 200
        await stream.heard("features")
        await world.admin.set(world.environment_id, "BLUE", value=True, locked=False)
        await stream.changed("BLUE", value=True, within_seconds=15)
    async with aiohttp.ClientSession() as http:
        address = f"{proxy}/features?apiKey={world.client_key}"
        async with http.get(address) as first:
            assert first.status == 200
            etag = first.headers["etag"]
        async with http.get(address, headers={"if-none-match": etag}) as second:
            assert second.status == 304


async def test_people_hear_of_changes_through_it(proxy: str, world: World, party: PartyProcess) -> None:
    bearer = {"authorization": f"Bearer {party.token}"}
    async with open_events(f"{proxy}/mr-api/burgee/live", headers=bearer) as stream:
        await stream.heard("ready")
        async with open_admin(proxy, party.token) as admin:
            await admin.create_feature(world.application.id, "GREEN")
        await stream.heard("change", within_seconds=15)


async def test_edge_rest_has_an_address_below_a_path(proxy: str, world: World) -> None:
    await world.create("RED")
    async with aiohttp.ClientSession() as http:
        polled = f"{proxy}/rest"
        await eventually(lambda: _value(http, polled, world.client_key, "RED", expected=False))
        async with http.put(
            f"{proxy}/rest/features/{world.server_key}/RED",
            json={"lock": False, "value": True, "updateValue": True},
        ) as updated:
            assert updated.status == 200
        await eventually(lambda: _value(http, polled, world.client_key, "RED", expected=True))


async def _value(http: aiohttp.ClientSession, url: str, key: str, name: str, *, expected: bool) -> bool:
    status, held = await poll(http, url, key)
    assert status == 200
    return name in held and held[name].value is expected
