"""G28: keys that go and come back.

Fault: keys are renamed, swapped, archived, retired, deleted and created again, with other types, while
JavaScript and Python SDKs are connected and while they are disconnected. Assertion: streaming SDKs of
both kinds end with exactly the database's features, pollers with its values; no version ever falls.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.guarantees.conftest import T
from tests.support.fleet import ALL, CUT_STREAM, Fleet, open_fleet
from tests.support.judge import Delivered, agree
from tests.support.party import PartyHere
from tests.support.world import World

pytestmark = pytest.mark.guarantees

SEEDS = [20261122, 7]
KEYS = ["alpha", "beta", "gamma", "delta", "beta max"]
KINDS = ("BOOLEAN", "STRING", "NUMBER", "JSON")


@dataclass
class Expected:
    """One feature as the history says it must be."""

    kind: str
    value: Any
    locked: bool
    retired: bool = False


@dataclass
class Driver:
    """Edits through the management API and keeps the history that must come of it."""

    world: World
    random: random.Random
    features: dict[str, Expected] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    written: int = 0

    async def create(self, key: str, kind: str) -> None:
        await self.world.create(key, kind)
        # A new boolean is false and locked; every other type begins without a value.
        boolean = kind == "BOOLEAN"
        self.features[key] = Expected(kind, False if boolean else None, locked=boolean)

    async def set(self, key: str) -> None:
        feature = self.features[key]
        value = self.new_value(feature.kind)
        # A locked value changes only together with its lock.
        locked = not feature.locked and self.random.random() < 0.3
        await self.world.admin.set(self.world.environment_id, key, value, locked=locked)
        feature.value, feature.locked = value, locked

    async def retire(self, key: str, retired: bool) -> None:
        await self.world.admin.set(self.world.environment_id, key, retired=retired)
        self.features[key].retired, self.features[key].locked = retired, False

    async def rename(self, key: str, to: str) -> None:
        await self.world.admin.rename(self.world.application.id, key, to=to)
        self.features[to] = self.features.pop(key)

    async def delete(self, key: str) -> None:
        await self.world.admin.delete_feature(self.world.application.id, key)
        del self.features[key]

    async def swap(self, one: str, other: str) -> None:
        """Exchange two keys by way of a third: every version must stay above what its key had."""
        await self.rename(one, "in between")
        await self.rename(other, one)
        await self.rename("in between", other)

    async def recreate(self, key: str) -> None:
        kind = self.random.choice([each for each in KINDS if each != self.features[key].kind])
        await self.delete(key)
        await self.create(key, kind)

    def new_value(self, kind: str) -> Any:
        self.written += 1
        return {
            "BOOLEAN": bool(self.written % 2),
            "STRING": f"text {self.written}",
            "NUMBER": self.written + 0.5,
            "JSON": f'{{"number":{self.written}}}',
        }[kind]

    async def step(self) -> None:
        """One random edit that is possible now."""
        free = [key for key in KEYS if key not in self.features]
        there = sorted(self.features)
        choices: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        if free:
            key, kind = self.random.choice(free), self.random.choice(KINDS)
            choices.append((f"create {key} {kind}", lambda: self.create(key, kind)))
        if there:
            old = self.random.choice(there)
            choices += [
                (f"set {old}", lambda: self.set(old)),
                (f"retire {old}", lambda: self.retire(old, not self.features[old].retired)),
                (f"delete {old}", lambda: self.delete(old)),
                (f"recreate {old}", lambda: self.recreate(old)),
            ]
        if there and free:
            here, gone = self.random.choice(there), self.random.choice(free)
            choices.append((f"rename {here} {gone}", lambda: self.rename(here, gone)))
        if len(there) > 1:
            one, other = self.random.sample(there, 2)
            choices.append((f"swap {one} {other}", lambda: self.swap(one, other)))
        told, edit = self.random.choice(choices)
        self.said.append(told)
        await edit()

    @property
    def visible(self) -> dict[str, tuple[str, Any, bool]]:
        return {
            key: (each.kind, each.value, each.locked)
            for key, each in self.features.items()
            if not each.retired
        }


class Versions:
    """What versions each key had when everybody agreed; a later one is never lower."""

    def __init__(self) -> None:
        self._highest: dict[str, int] = {}

    def check(self, delivered: dict[str, Delivered]) -> None:
        for key, each in delivered.items():
            assert each.version >= self._highest.get(key, 0), f"{key} fell to version {each.version}"
            self._highest[key] = each.version


async def converged(fleet: Fleet, party: PartyHere, driver: Driver, versions: Versions) -> None:
    expected = await agree(fleet, party.database_url, driver.world.environment_id, T)
    found = {key: (each.type, each.value, each.locked) for key, each in expected.items()}
    assert found == driver.visible, "the database is not what the history says"
    versions.check(expected)


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_histories_of_keys_end_alike_everywhere(
    world: World, party: PartyHere, seed: int
) -> None:
    print(f"seed {seed}")
    driver, versions = Driver(world, random.Random(seed)), Versions()
    for key in KEYS[:3]:
        await driver.create(key, "BOOLEAN")
    async with open_fleet(world.port, [world.client_key], kinds=ALL) as fleet:
        await fleet.ready()
        try:
            for connected in (True, False, True, False):
                if not connected:
                    fleet.disconnect()
                for _ in range(8):
                    await driver.step()
                fleet.reconnect()
                await converged(fleet, party, driver, versions)
        finally:
            print("\n".join(driver.said))
        fleet.assert_no_errors(allow=[CUT_STREAM])


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "disconnected"])
async def test_each_way_for_a_key_to_go_and_come_back(
    world: World, party: PartyHere, connected: bool
) -> None:
    driver, versions = Driver(world, random.Random(1)), Versions()
    for key in ("one", "two", "chain a", "chain b", "archived", "retired", "twice"):
        await driver.create(key, "STRING")
        await driver.set(key)
        await driver.set(key)
    async with open_fleet(world.port, [world.client_key], kinds=ALL) as fleet:
        await converged(fleet, party, driver, versions)
        if not connected:
            fleet.disconnect()
        await driver.swap("one", "two")
        await driver.rename("chain b", "chain c")
        await driver.rename("chain a", "chain b")
        await driver.rename("chain c", "chain a")
        await driver.delete("archived")
        await driver.create("archived", "BOOLEAN")
        await driver.retire("retired", retired=True)
        await driver.set("retired")
        await driver.retire("retired", retired=False)
        await driver.delete("twice")
        await driver.create("twice", "NUMBER")
        await driver.delete("twice")
        await driver.create("twice", "STRING")
        fleet.reconnect()
        await converged(fleet, party, driver, versions)
        await driver.set("twice")
        await driver.set("one")
        await converged(fleet, party, driver, versions)
        fleet.assert_no_errors(allow=[CUT_STREAM])
