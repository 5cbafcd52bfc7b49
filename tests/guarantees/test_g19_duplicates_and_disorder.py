"""G19: duplicates and disorder have no effect. The form for one process: between the log and the cache.

Fault: the bus repeats, holds back and reorders what it carries; an old creation arrives after the
deletion. Assertion: SDKs end with exactly the database's features, and nothing comes back that was
deleted: no feature, no environment, no key.
"""

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from common.contracts.events import AccountChanged, EnvironmentChanged, Event, FeaturesChanged
from tests.guarantees.conftest import T
from tests.support.admin import ALL_ROLES
from tests.support.crowd import open_crowd
from tests.support.disorder import DisorderlyBus
from tests.support.fleet import ALL, STREAMS, open_fleet
from tests.support.judge import agree, delivered
from tests.support.party import PartyHere, open_party_here
from tests.support.projection import assert_projection_true
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = pytest.mark.guarantees

SEED = 20261122
EDITS = 40
KEYS = ("alpha", "beta", "gamma")


@pytest.fixture
def buses() -> list[DisorderlyBus]:
    return []


@pytest.fixture
async def party(database_url: str, tmp_path: Path, buses: list[DisorderlyBus]) -> AsyncIterator[PartyHere]:
    def disorderly(bus):
        buses.append(DisorderlyBus(bus, random.Random(SEED)))
        return buses[-1]

    async with open_party_here(database_url, tmp_path, wrap_bus=disorderly) as opened:
        await eventually(lambda: buses[0].heartbeats, what="the log to be heard, from its beginning")
        yield opened
        await assert_projection_true(opened.database)


@pytest.fixture
def bus(party: PartyHere, buses: list[DisorderlyBus]) -> DisorderlyBus:
    (made,) = buses
    return made


@pytest.fixture
def orderly(bus: DisorderlyBus) -> DisorderlyBus:
    """Disorder only where the test asks for it."""
    bus.disorderly = False
    return bus


class Editor:
    """Random edits, creations and deletions among them."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self._world = world
        self._random = dice
        self._there: dict[str, str] = {}
        self._written = 0

    async def step(self) -> None:
        key = self._random.choice(KEYS)
        if key not in self._there:
            self._there[key] = self._random.choice(["STRING", "BOOLEAN"])
            await self._world.create(key, self._there[key])
        elif self._random.random() < 0.15:
            await self._world.admin.delete_feature(self._world.application.id, key)
            del self._there[key]
        else:
            await self._change(key)

    async def _change(self, key: str) -> None:
        admin, environment = self._world.admin, self._world.environment_id
        self._written += 1
        value = bool(self._written % 2) if self._there[key] == "BOOLEAN" else f"text {self._written}"
        await admin.set(environment, key, value, retired=self._random.random() < 0.2)


async def test_a_disorderly_bus_makes_no_difference(
    world: World, party: PartyHere, bus: DisorderlyBus
) -> None:
    print(f"seed {SEED}")
    editor = Editor(world, random.Random(SEED))
    async with (
        open_fleet(world.port, [world.client_key], kinds=ALL) as fleet,
        open_crowd(world.port) as crowd,
    ):
        for number in range(EDITS):
            if number % 6 == 0:
                await crowd.join(world.client_key)
            await editor.step()
        await agree(fleet, party.database_url, world.environment_id, T)
        expected = delivered(party.database_url, world.environment_id)
        await eventually(
            lambda: not crowd.disagreeing(expected), within_seconds=T, what="all streams to agree"
        )
        crowd.assert_unharmed()
        fleet.assert_no_errors()
    print(f"{bus.repeated} repeated, {bus.reordered} batches reordered")
    assert bus.repeated >= 5
    assert bus.reordered >= 1


async def test_the_whole_past_told_again_changes_nothing(
    world: World, party: PartyHere, orderly: DisorderlyBus
) -> None:
    await world.create("text", "STRING")
    await world.create("deleted")
    async with (
        open_fleet(world.port, [world.client_key], kinds=STREAMS) as fleet,
        open_crowd(world.port) as crowd,
    ):
        listener = await crowd.join(world.client_key)
        for number in range(5):
            await world.admin.set(world.environment_id, "text", f"edit {number}")
        await world.admin.delete_feature(world.application.id, "deleted")
        expected = await agree(fleet, party.database_url, world.environment_id, T)
        await eventually(lambda now=expected: not crowd.disagreeing(now), within_seconds=T)
        told = listener.changes
        for _ in range(3):
            assert orderly.replay() > 5
            await barrier(world)
            expected = await agree(fleet, party.database_url, world.environment_id, T)
            await eventually(lambda now=expected: not crowd.disagreeing(now), within_seconds=T)
        assert listener.changes == told + 3, "nothing was told but the three edits of the barriers"
        crowd.assert_unharmed()
        fleet.assert_no_errors()


async def test_an_old_creation_brings_no_key_back(world: World, orderly: DisorderlyBus) -> None:
    await world.create("text", "STRING")
    other = await world.admin.create_account(
        world.application.portfolio_id, {world.environment_id: ALL_ROLES}
    )
    old = other.sdk_key(world.environment_id, client=True)
    async with aiohttp.ClientSession() as http:
        await answers(http, world, old, 200)
        await world.admin.delete_account(other.id)
        await answers(http, world, old, 404)
        created = await in_the_log(orderly, lambda event: of_account(event, other.id) and not removes(event))
        assert orderly.replay(created.__contains__) == len(created)
        await barrier(world)
        await answers(http, world, world.client_key, 200)
        assert await status_of(http, world, old) == 404, "a revoked key opens nothing"


async def test_a_reset_key_is_not_revived_by_the_record_before_it(
    world: World, orderly: DisorderlyBus
) -> None:
    await world.create("text", "STRING")
    async with aiohttp.ClientSession() as http:
        await answers(http, world, world.client_key, 200)
        fresh = (await world.admin.reset_keys(world.account.id)).sdk_key(world.environment_id, client=True)
        await answers(http, world, fresh, 200)
        # The new key may be served by a look-up before the event has come.
        heard = await eventually(lambda: of_at_least_two(orderly, world.account.id), what="both records")
        *before, _ = heard
        assert orderly.replay(before.__contains__) == len(before)
        await barrier(world, key=fresh)
        assert await status_of(http, world, world.client_key) == 404
        assert await status_of(http, world, fresh) == 200


async def test_an_environment_whose_creation_comes_after_its_end_stays_gone(
    world: World, orderly: DisorderlyBus
) -> None:
    await world.create("text", "STRING")
    orderly.keep(lambda event: is_environment(event, deleted=False))
    other = await world.admin.create_environment(world.application.id)
    await world.admin.change_account(
        world.account.id, environments={world.environment_id: ALL_ROLES, other: ALL_ROLES}
    )
    key = world.account.sdk_key(other, client=True)
    async with aiohttp.ClientSession() as http:
        await answers(http, world, key, 200)
        await world.admin.delete_environment(other)
        await answers(http, world, key, 404)
        orderly.keep(lambda _: False)
        creation = await in_the_log(orderly, lambda event: event.counter.id == other and not removes(event))
        assert orderly.replay(creation.__contains__) == len(creation)
        await barrier(world)
        assert await status_of(http, world, key) == 404
    (replica,) = orderly.subscribers
    assert other not in replica.environments, "what is gone is not even held"


async def test_a_deletion_that_comes_before_the_creation_wins(
    world: World, party: PartyHere, orderly: DisorderlyBus
) -> None:
    await world.create("kept", "STRING")
    async with open_fleet(world.port, [world.client_key], kinds=ALL) as fleet:
        await fleet.ready()
        orderly.keep(lambda event: isinstance(event.data, FeaturesChanged) and event.data.states)
        await world.create("brief", "STRING")
        await world.admin.delete_feature(world.application.id, "brief")
        orderly.keep(lambda _: False)
        orderly.replay(lambda event: isinstance(event.data, FeaturesChanged) and event.data.states)
        await barrier(world, "kept")
        await agree(fleet, party.database_url, world.environment_id, T)
        await fleet.lack("brief")
        fleet.assert_no_errors()


async def barrier(world: World, feature: str = "text", *, key: str = "") -> None:
    """One more edit, and its arrival: whatever was told before has had its effect by then."""
    row = await world.admin.set(world.environment_id, feature, f"barrier {random.random()}")
    async with open_crowd(world.port) as crowd:
        listener = await crowd.join(key or world.client_key)
        await eventually(
            lambda: listener.held is not None and listener.held[feature].version >= row["version"],
            within_seconds=T,
            what="the barrier's edit",
        )


async def in_the_log(bus: DisorderlyBus, matching: Callable[[Event], bool]) -> list[Event]:
    """Wait until such an event has come: what it tells may have been served by a look-up before it."""
    return await eventually(
        lambda: [event for event in bus.heard if matching(event)], within_seconds=T, what="the event"
    )


def of_at_least_two(bus: DisorderlyBus, account_id: str) -> list[Event]:
    found = [event for event in bus.heard if of_account(event, account_id)]
    return found if len(found) > 1 else []


def of_account(event: Event, account_id: str) -> bool:
    return event.counter.kind == "account" and event.counter.id == account_id


def is_environment(event: Event, *, deleted: bool) -> bool:
    return isinstance(event.data, EnvironmentChanged) and (event.data.snapshot is None) == deleted


def removes(event: Event) -> bool:
    if isinstance(event.data, AccountChanged):
        return event.data.record.removed
    return is_environment(event, deleted=True)


async def answers(http: aiohttp.ClientSession, world: World, key: str, status: int) -> None:
    async def answered() -> bool:
        return await status_of(http, world, key) == status

    await eventually(answered, within_seconds=T, what=f"an answer {status}")


async def status_of(http: aiohttp.ClientSession, world: World, key: str) -> int:
    async with http.get(f"{world.url}/features", params={"apiKey": key}) as answer:
        return answer.status


@pytest.fixture
async def world(party: PartyHere) -> AsyncIterator[World]:
    async with open_world(party.url, party.port) as made:
        yield made
