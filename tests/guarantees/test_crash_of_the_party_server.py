"""Crash: the party server is killed at random points under edits (issue B, point 5; part of G1).

Fault: kill -9 between any two instructions, several times from a printed seed. Assertion: every
acknowledged edit is stored afterwards and nothing that nobody wrote; SDK processes converge; no version
ever falls, neither on polls nor for SDKs, across all of the crashes.
"""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from mr.db.session import open_database
from tests.guarantees.conftest import T_RESTART, Scale
from tests.support.fleet import CUT_STREAM, STREAMS, Fleet, open_fleet
from tests.support.judge import Delivered, agree, delivered
from tests.support.party import PartyProcess, running_party
from tests.support.projection import assert_projection_true
from tests.support.scribes import BuilderScribe, Office, ValueScribe, open_office, open_poller
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow, pytest.mark.row(1)]

SLOWEST_SECONDS = 60.0
SEED = 20261122
CRASHES = 2
LONG_CRASHES = 3
VALUES = 4


@pytest.fixture
def party(database_url: str, tmp_path: Path) -> Iterator[PartyProcess]:
    with running_party(tmp_path, database_url=database_url) as started:
        yield started


class Highest:
    """The highest version seen per key; a later one is never lower."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}

    def check(self, stored: dict[str, Delivered]) -> None:
        for key, each in stored.items():
            assert each.version >= self._versions.get(key, 0), f"{key} fell to {each.version}"
            self._versions[key] = each.version


async def crash(party: PartyProcess, fleet: Fleet, office: Office, dice: random.Random) -> None:
    """Let the scribes make some edits, kill the server under the next ones, and start it again."""
    edits = dice.randint(5, 25)
    await eventually(lambda: office.edits >= edits, within_seconds=SLOWEST_SECONDS, what=f"{edits} edits")
    await asyncio.sleep(dice.uniform(0.0, 0.05))
    fleet.streams.hold()
    await asyncio.to_thread(party.kill)
    print(f"killed after {office.edits} edits")
    await asyncio.to_thread(party.start)
    fleet.streams.release()


async def settled(world: World, office: Office, fleet: Fleet, database_url: str) -> dict[str, Delivered]:
    """With the scribes at rest: what was acknowledged is stored, and SDKs hold what is stored."""
    office.check(delivered(database_url, world.environment_id))
    return await agree(fleet, database_url, world.environment_id, T_RESTART)


async def test_a_killed_party_server_loses_nothing_that_was_acknowledged(
    party: PartyProcess, scale: Scale
) -> None:
    print(f"seed {SEED}")
    crashes = LONG_CRASHES if scale.is_long else CRASHES
    dice, highest = random.Random(SEED), Highest()
    async with open_world(party.url, party.port, party.token) as world:
        scribes = [ValueScribe(world, f"number-{each}") for each in range(VALUES)]
        for scribe in scribes:
            await world.create(scribe.key, "NUMBER")
        everyone = [*scribes, BuilderScribe(world, "built")]
        async with (
            open_fleet(world.port, [world.client_key], kinds=STREAMS) as fleet,
            open_poller(world.url, world.client_key) as poller,
        ):
            await fleet.ready()
            unanswered = 0
            for _ in range(crashes):
                async with open_office(everyone, [world.admin], dice) as office:
                    await crash(party, fleet, office, dice)
                    await asyncio.sleep(dice.uniform(0.0, 0.3))
                unanswered += office.unanswered
                highest.check(await settled(world, office, fleet, party.database_url))
            fleet.assert_no_errors(allow=[CUT_STREAM])
    edits = sum(scribe.acknowledged for scribe in scribes)
    print(f"{edits} edits acknowledged, {unanswered} not answered, {poller.polls} polls")
    assert unanswered >= crashes, "no edit was under way when the server was killed"
    assert edits >= 5 * crashes
    await asyncio.to_thread(party.kill)
    async with open_database(party.database_url) as database:
        await assert_projection_true(database)
