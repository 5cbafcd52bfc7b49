"""Updates by SDKs on their ways to MR, over HTTP and over the bus: one effect, within the deadline."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import pytest

from common.client import open_client
from common.contracts.environments import hash_key
from common.contracts.lookups import SdkUpdate, SdkUpdateOutcome, decode_outcome, encode_update
from common.errors import Unavailable
from common.messaging.bus import Handler
from common.serve import running
from edge.sinks import BusSink, HttpSink
from edge.updates import UpdateSink
from mr.internal import internal_app, update_handler
from tests.support.internals import DACHA_TOKENS, EDGE_TOKENS
from tests.support.party import PartyHere, open_party_here
from tests.support.ports import free_port
from tests.support.world import World, open_world

pytestmark = pytest.mark.integration


class OneAnswerer:
    """The bus as an asker sees it: one process that serves the word."""

    connected = True

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.asked: list[tuple[str, float]] = []

    async def request(self, word: str, question: bytes, *, seconds: float) -> bytes:
        self.asked.append((word, seconds))
        return await self._handler(question)


@dataclass
class Ways:
    """A feature that may be changed, and the ways to change it."""

    party: PartyHere
    world: World
    internal_url: str
    http: aiohttp.ClientSession
    bus: OneAnswerer
    sinks: dict[str, UpdateSink]

    def update(self, **members) -> SdkUpdate:
        return SdkUpdate(
            **{
                "request_id": str(uuid4()),
                "environment_id": self.world.environment_id,
                "key_hash": hash_key(self.world.account.server_key),
                "feature_key": "COUNT",
                "deadline": time.time() + 20,
            }
            | members
        )

    async def value(self) -> tuple[object, int]:
        row = await self.world.admin.value(self.world.environment_id, "COUNT")
        return row["valueNumber"], row["version"]

    async def post(self, body: bytes, token: str | None = EDGE_TOKENS[0]) -> int:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        url = self.internal_url + "/internal/sdk-updates"
        async with self.http.post(url, data=body, headers=headers) as answer:
            return answer.status


@pytest.fixture
async def ways(sqlite_url: str, tmp_path) -> AsyncIterator[Ways]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        party = await enter(open_party_here(sqlite_url, tmp_path))
        world = await enter(open_world(party.url, party.port))
        await world.create("COUNT", "NUMBER")
        await world.admin.set(world.environment_id, "COUNT", 1, locked=False)
        app = internal_app(party.database, dacha_tokens=DACHA_TOKENS, edge_tokens=EDGE_TOKENS)
        url = await enter(running(app))
        bus = OneAnswerer(update_handler(party.database))
        client = await enter(open_client())
        http = await enter(aiohttp.ClientSession())
        sinks = {"http": HttpSink(url, EDGE_TOKENS[0], client), "bus": BusSink(bus)}
        yield Ways(party, world, url, http, bus, sinks)


async def test_an_update_has_one_effect_however_often_and_wherever_it_is_sent(ways):
    update = ways.update(value=b"2.50", update_value=True)
    _, before = await ways.value()
    for _ in range(2):
        for sink in ways.sinks.values():
            assert (await sink.update(update)).status == 200
    assert await ways.value() == (2.5, before + 1)
    again = ways.update(value=b"2.5")
    assert (await ways.sinks["bus"].update(again)).status == 202
    assert (await ways.sinks["http"].update(again)).status == 202
    assert await ways.value() == (2.5, before + 1)
    assert {word for word, _ in ways.bus.asked} == {"update"}
    assert all(0 < seconds <= 20 for _, seconds in ways.bus.asked)


async def test_what_mr_refuses_is_an_answer(ways):
    for sink in ways.sinks.values():
        for update, status in (
            (ways.update(value=b'"text"'), 400),
            (ways.update(feature_key="NOBODY", value=b"1"), 404),
            (ways.update(environment_id="not-a-uuid", value=b"1"), 404),
            (ways.update(environment_id=str(uuid4()), value=b"1"), 404),
            (ways.update(key_hash="0" * 64, value=b"1"), 404),
            (ways.update(), 400),
        ):
            assert (await sink.update(update)).status == status, update
        outcome = await sink.update(ways.update(feature_key="NOBODY", value=b"1"))
        assert outcome == SdkUpdateOutcome(status=404, detail="There is no such feature for this key.")


async def test_a_late_update_starts_nothing(ways):
    before = await ways.value()
    late = ways.update(value=b"7", deadline=time.time() - 0.001)
    for sink in ways.sinks.values():
        with pytest.raises(Unavailable):
            await sink.update(late)
    assert ways.bus.asked == []
    assert await ways.post(encode_update(late)) == 503
    with pytest.raises(Unavailable):
        await update_handler(ways.party.database)(encode_update(late))
    assert await ways.value() == before


async def test_only_an_edge_may_send_updates_and_nothing_else(ways):
    body = encode_update(ways.update(value=b"3"))
    before = await ways.value()
    for token, status in ((None, 401), ("wrong", 401), (DACHA_TOKENS[0], 403), (DACHA_TOKENS[1], 403)):
        assert await ways.post(body, token) == status
    assert await ways.value() == before
    assert await ways.post(body) == 200
    assert (await ways.value())[0] == 3
    handler = update_handler(ways.party.database)
    for body in (b"", b"{}", b"null", encode_update(ways.update()).replace(b"requestId", b"id")):
        assert await ways.post(body) == 400
        assert decode_outcome(await handler(body)).status == 400


async def test_it_is_not_known_what_became_of_an_update_that_nobody_answered(ways):
    async with open_client() as client:
        for sink in (
            HttpSink(f"http://127.0.0.1:{free_port()}", EDGE_TOKENS[0], client),
            HttpSink(ways.internal_url, "a-token-of-somebody-else", client),
        ):
            with pytest.raises(Unavailable):
                await sink.update(ways.update(value=b"4"))

    async def nonsense(_question: bytes) -> bytes:
        return b"{}"

    with pytest.raises(Unavailable):
        await BusSink(OneAnswerer(nonsense)).update(ways.update(value=b"4"))
