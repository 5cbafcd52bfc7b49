"""G22: webhooks arrive at least once.

Fault: the process is killed while it sends, and again at a random moment while the endpoint answers 500 for a
while. Assertion: after recovery every change was taken by the endpoint, there is one record per
change, and all attempts of a message were the very same bytes under the same signature.
"""

import asyncio
import hashlib
import hmac
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.admin import Json
from tests.support.ledger import ledger
from tests.support.listener import Heard, Listener, open_listener
from tests.support.party import PartyProcess, running_party
from tests.support.waiting import DeadlineMissed, eventually
from tests.support.world import World, open_world

pytestmark = pytest.mark.guarantees

SLOWEST_SECONDS = 120.0
"""Each attempt that failed doubles the pause before the next one: a slow machine is away for longer."""
OUTAGE_SECONDS = 1.5
SEED = 20261122
SECRET = "signing key"
SETTINGS = {
    "BURGEE_OUTGOING_PRIVATE_NETWORKS": "127.0.0.0/8",
    "BURGEE_ENCRYPTION_PASSWORD": "a password for tests",
    "BURGEE_DELIVERY_TIMEOUT": "1",
    "BURGEE_DELIVERY_PAUSE": "0.1",
}


@pytest.fixture
def party(database_url: str, tmp_path: Path) -> Iterator[PartyProcess]:
    with running_party(tmp_path, database_url=database_url, settings=SETTINGS) as started:
        yield started


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with open_listener() as opened:
        yield opened


async def connect(world: World, listener: Listener) -> None:
    path = f"/environment/{world.environment_id}"
    found = await world.admin.call("GET", path)
    settings = {
        "webhook.features.enabled": "true",
        "webhook.features.endpoint": listener.url,
        "webhook.features.secret": SECRET,
    }
    body = {"version": found["version"], "webhookEnvironmentInfo": settings}
    await world.admin.call("PUT", path + "/v2", body)


async def records(world: World) -> list[Json]:
    """Everything the environment's endpoint is or was owed, the oldest first."""
    found: list[Json] = []
    while True:
        answer = await world.admin.call(
            "GET", f"/burgee/deliveries/{world.environment_id}", max="100", startAt=str(len(found))
        )
        found += answer["deliveries"]
        if len(found) >= answer["count"]:
            return found[::-1]


async def all_taken(world: World) -> list[Json]:
    """Wait until the endpoint has taken everything; answer the records."""
    began = time.monotonic()

    async def taken() -> list[Json] | None:
        found = await records(world)
        return found if all(each["state"] == "delivered" for each in found) else None

    try:
        found = await eventually(
            taken, within_seconds=SLOWEST_SECONDS, every_seconds=0.2, what="every change to arrive"
        )
    except DeadlineMissed:
        ledger().missed(sum(each["state"] != "delivered" for each in await records(world)))
        raise
    assert found is not None
    ledger().converged(time.monotonic() - began)
    return found


def check(found: list[Json], taken: list[Heard], everything: list[Heard], edits: int) -> None:
    """One record per change, each taken, and each message the same whenever it came."""
    revisions = [each["revision"] for each in found]
    assert revisions == list(range(revisions[0], revisions[0] + len(found))), "one record per change"
    assert len(found) >= edits
    assert {each["id"] for each in found} == {each.id for each in taken}
    first: dict[str, Any] = {}
    for each in everything:
        message = (each.body, each.headers["x-burgee-signature"], each.headers["ce-time"])
        assert first.setdefault(each.id, message) == message, "an attempt differed from the one before it"
        moment, signature = (part.split("=")[1] for part in message[1].split(","))
        signed = hmac.new(SECRET.encode(), f"{moment}.".encode() + each.body, hashlib.sha256)
        assert signed.hexdigest() == signature


async def test_webhooks_survive_a_kill_in_mid_send_and_an_endpoint_that_fails_for_a_while(
    party: PartyProcess, listener: Listener
) -> None:
    print(f"seed {SEED}")
    dice, taken, failing = random.Random(SEED), [], False

    def answer(heard: Heard) -> tuple[int, str]:
        if failing:
            return 500, "not now"
        taken.append(heard)
        return 200, "taken"

    listener.answer = answer
    async with open_world(party.url, party.port, party.token) as world:
        await connect(world, listener)
        listener.hold()
        await world.create("number", "NUMBER")
        edits = 1
        first, *_ = await listener.wait_for(1)
        await asyncio.to_thread(party.kill)
        failing = True
        ledger().fault()
        listener.let_go()
        await asyncio.to_thread(party.start)
        for _ in range(dice.randint(2, 5)):
            await world.admin.set(world.environment_id, "number", dice.randint(0, 10**9))
            edits += 1
        await asyncio.sleep(dice.uniform(0.5, OUTAGE_SECONDS))
        await asyncio.to_thread(party.kill)
        await asyncio.to_thread(party.start)
        failing = False
        found = await all_taken(world)
        check(found, taken, listener.heard, edits)
        assert len(found) == edits
        assert len([each for each in listener.heard if each.id == first.id]) > 1
        path = f"/environment/{world.environment_id}"
        environment = await world.admin.call("GET", path, includeDetails="true")
        assert environment["webhookEnvironmentInfo"]["webhook.features.enabled"] == "true"
