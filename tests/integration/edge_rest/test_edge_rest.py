"""Edge-REST over real databases: the answers of Edge, updates of its own, and a replica that lags."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import select

from burgee.settings import every_name
from burgee.topologies.edge_rest import compose_edge_rest
from common.serve import running
from common.settings import load
from edge_rest.settings import EdgeRestSettings
from mr.db.models.delivery import OutboxRow
from mr.db.session import open_database
from mr.internal import internal_app
from mr.origin import DatabaseOrigin
from mr.relay import open_relay
from tests.support.internals import DACHA_TOKENS, EDGE_TOKENS
from tests.support.party import open_party_here
from tests.support.postgres import PostgresServer
from tests.support.projection import assert_projection_true
from tests.support.proxy import Proxy, open_proxy
from tests.support.standby import Standby, running_standby
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = pytest.mark.integration


@dataclass
class Site:
    """A server as SDKs see it."""

    url: str
    http: aiohttp.ClientSession

    async def poll(self, key: str, **headers: str) -> tuple[int, bytes, str | None]:
        """Status, body and etag of one poll."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.url}/features?apiKey={key}"
        async with self.http.get(url, headers=named) as answer:
            return answer.status, await answer.read(), answer.headers.get("etag")

    async def value(self, key: str, feature: str = "COUNT") -> object:
        """The feature's value in a poll; the status when there is none."""
        status, body, _ = await self.poll(key)
        if status != 200:
            return status
        return next(each.get("value") for each in json.loads(body)[0]["features"] if each["key"] == feature)

    async def put(self, key: str, value: object, feature: str = "COUNT") -> int:
        body = json.dumps({"value": value, "updateValue": True})
        async with self.http.put(f"{self.url}/features/{key}/{feature}", data=body) as answer:
            return answer.status

    async def stream(self, key: str) -> int:
        headers = {"accept": "text/event-stream"}
        async with self.http.get(f"{self.url}/features/{key}", headers=headers) as answer:
            return answer.status


@asynccontextmanager
async def open_edge_rest(**settings: str) -> AsyncIterator[Site]:
    """Edge-REST as an operator would set it up, in this event loop."""
    named = {f"BURGEE_{name.upper()}": value for name, value in settings.items()}
    loaded = load(EdgeRestSettings, named, known=every_name())
    async with (
        compose_edge_rest(loaded) as process,
        running(process.app) as url,
        aiohttp.ClientSession() as http,
    ):
        yield Site(url, http)


@asynccontextmanager
async def open_office(url: str, folder: Path) -> AsyncIterator[tuple[World, Site]]:
    """A party server with something to serve, as MR for the others and as an Edge to compare with."""
    async with (
        open_party_here(url, folder) as party,
        open_world(party.url, party.port) as world,
        aiohttp.ClientSession() as http,
    ):
        await world.create("COUNT", "NUMBER")
        await world.create("ON")
        await world.admin.set(world.environment_id, "COUNT", 1, locked=False)
        yield world, Site(party.url, http)


@pytest.fixture(scope="module")
def standby(postgres_server: PostgresServer) -> Iterator[Standby]:
    with running_standby(postgres_server) as server:
        yield server


@dataclass
class Pair:
    """Edge-REST on a primary, behind a proxy, and on its standby; and MR on the primary."""

    world: World
    edge: Site
    primary: Proxy
    standby: Standby


@pytest.fixture
async def pair(
    postgres_server: PostgresServer, postgresql_url: str, standby: Standby, tmp_path: Path
) -> AsyncIterator[Pair]:
    name = postgresql_url.rsplit("/", 1)[1]
    async with open_office(postgresql_url, tmp_path) as (world, _), open_proxy(postgres_server.port) as proxy:
        standby.catch_up()
        through = postgresql_url.replace(f":{postgres_server.port}/", f":{proxy.port}/")
        async with open_edge_rest(database_url=through, database_replica_url=standby.url(name)) as edge:
            yield Pair(world, edge, proxy, standby)
        standby.let_go()


async def test_it_answers_with_the_bytes_and_etags_of_edge(postgresql_url, tmp_path):
    async with open_office(postgresql_url, tmp_path) as (world, party):
        await world.admin.set(world.environment_id, "ON", value=True, locked=False)
        async with open_edge_rest(database_url=postgresql_url) as edge:
            await eventually(lambda: agree(edge, party, world.client_key), within_seconds=60)
            for key in (world.client_key, world.server_key):
                for headers in ({}, {"x_featurehub": "userkey=fred,country=peru"}):
                    told = await edge.poll(key, **headers)
                    assert told == await party.poll(key, **headers)
                    assert told[0] == 200
                    again = await edge.poll(key, if_none_match=told[2], **headers)
                    assert again == (304, b"", told[2])
                assert await edge.stream(key) == 501
            assert await edge.value(f"{world.environment_id}/{'x' * 40}") == 404


async def agree(one: Site, other: Site, key: str) -> bool:
    return await one.poll(key) == await other.poll(key)


async def test_without_any_mr_updates_are_made_and_wait_for_the_next_relay(database_url, tmp_path):
    async with open_office(database_url, tmp_path) as (world, _):
        keys = (world.client_key, world.server_key)
    async with open_edge_rest(database_url=database_url) as edge:
        for number, key in enumerate(keys, start=5):
            assert await edge.put(key, number) == 200
            assert await edge.value(key) == number
            assert await edge.put(key, number) == 202
    async with open_database(database_url) as database:
        assert await waiting(database) == 2
        await assert_projection_true(database)
        before = (await DatabaseOrigin(database).state()).position
        async with open_relay(database, holder="the next one"):
            await eventually(lambda: nothing_waits(database), within_seconds=60)
        assert (await DatabaseOrigin(database).state()).position == before + 2


async def waiting(database) -> int:
    async with database.read() as session:
        return len((await session.scalars(select(OutboxRow.seq).where(OutboxRow.position.is_(None)))).all())


async def nothing_waits(database) -> bool:
    return await waiting(database) == 0


async def test_who_updated_sees_it_though_the_replica_lags(pair):
    key = pair.world.server_key
    assert await pair.edge.value(key) == 1
    pair.standby.hold()
    # What others change is as old as the replica.
    await pair.world.admin.set(pair.world.environment_id, "COUNT", 2)
    assert await pair.edge.value(key) == 1
    assert await pair.edge.put(key, 3) == 200
    for _ in range(3):
        assert await pair.edge.value(key) == 3
    pair.standby.let_go()
    pair.standby.catch_up()
    assert await pair.edge.value(key) == 3
    # Read from the replica again: it goes on without the primary.
    await pair.primary.refuse()
    pair.primary.end_all()
    assert await pair.edge.value(key) == 3
    await pair.primary.accept()


async def test_what_is_newer_than_the_replica_is_never_absent(pair):
    pair.standby.hold()
    admin = pair.world.admin
    environment_id = await admin.create_environment(pair.world.application.id)
    account = await admin.create_account(pair.world.application.portfolio_id, {environment_id: ["READ"]})
    key = account.sdk_key(environment_id, client=True)
    assert await pair.edge.value(key, "ON") is False
    nobody = f"{environment_id}/{'x' * 40}"
    assert await pair.edge.value(nobody) == 404
    await pair.primary.refuse()
    pair.primary.end_all()
    assert await pair.edge.value(nobody) == 503
    assert await pair.edge.value(key) == 503
    assert await pair.edge.value(pair.world.client_key) == 1
    await pair.primary.accept()


async def test_with_only_a_replica_updates_go_to_mr_or_nowhere(postgresql_url, standby, tmp_path):
    replica = {
        "database_url": standby.url(postgresql_url.rsplit("/", 1)[1]),
        "database_read_only": "true",
    }
    async with open_office(postgresql_url, tmp_path) as (world, _), open_database(postgresql_url) as database:
        standby.catch_up()
        key = world.server_key
        async with open_edge_rest(**replica) as edge:
            assert await edge.value(key) == 1
            async with edge.http.put(f"{edge.url}/features/{key}/COUNT", data=b'{"value":4}') as answer:
                # Its own word, and not that of somebody who tried until the deadline.
                assert answer.status == 503
                assert "BURGEE_MR_URL" in (await answer.json())["detail"]
        mr = internal_app(database, dacha_tokens=DACHA_TOKENS, edge_tokens=EDGE_TOKENS)
        async with (
            running(mr) as url,
            open_edge_rest(**replica, mr_url=url, internal_token=EDGE_TOKENS[0]) as edge,
        ):
            assert await edge.put(key, 4) == 200
            assert await edge.put(key, 4) == 202
            assert await edge.put(key, "text") == 400
            standby.catch_up()
            assert await edge.value(key) == 4


async def test_a_standby_tells_the_same_place_as_its_primary(pair, postgresql_url):
    pair.standby.catch_up()
    address = pair.standby.url(postgresql_url.rsplit("/", 1)[1])
    async with open_database(postgresql_url) as database, open_database(address, read_only=True) as replica:
        told = await DatabaseOrigin(replica).state()
        assert told == await DatabaseOrigin(database).state()
        assert told.position > 0
