"""G1: a committed change reaches all caches.

Fault: kill -9 of MRs at random points around commit, publish and mark, most often of the one whose relay
is active; and at the two points that matter most, made by a link that lets nothing pass: committed and
not sent, sent and not confirmed. Assertion: nothing is marked as published that the bus did not confirm,
and after the restart every Edge equals the database.
"""

import asyncio
import random

import pytest

from tests.guarantees.conftest import T_RESTART
from tests.support.scene import open_scene
from tests.support.split import Split
from tests.support.waiting import eventually

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

SEED = 20261122
CRASHES = 3
CHANGES = 90
RATE = 40


async def crash(split: Split, dice: random.Random) -> None:
    """Kill an MR under edits, and start it again a little later."""
    await asyncio.sleep(dice.uniform(0.3, 1.0))
    leader = await asyncio.to_thread(split.leader)
    others = [each for each in split.mrs if each is not leader]
    victim = leader if dice.random() < 0.7 else dice.choice(others)
    await asyncio.to_thread(victim.kill)
    await asyncio.sleep(dice.uniform(0.0, 0.5))
    await asyncio.to_thread(victim.start)


async def test_killed_mrs_lose_nothing_that_was_committed(split: Split, scale, repetition) -> None:
    async with open_scene(split, seed=SEED + repetition) as scene:
        crashes = scale.faults_of(CRASHES)
        for number in range(crashes):
            async with scene.driver.at_work(rate=RATE):
                await crash(split, scene.dice)
            await scene.edit_until(scale.changes_of(CHANGES) * (number + 1) // crashes)
            await scene.converge(T_RESTART)


@pytest.mark.parametrize("direction", ["up", "down"], ids=["not sent", "sent and not confirmed"])
async def test_what_the_bus_did_not_confirm_is_sent_by_the_next_relay(
    split: Split, repetition, direction: str
) -> None:
    async with open_scene(split, seed=SEED + repetition, streams=4) as scene:
        leader = await asyncio.to_thread(split.leader)
        before = await eventually(split.published, within_seconds=30, what="a quiet log")
        (link,) = split.bus_links(leader)
        link.stall(direction)
        await scene.driver.edit(1)
        await eventually(lambda: split.position() > before, within_seconds=30, what="a position")
        # For as long as a relay that believes in itself would need to mark it: not for so long that it lets
        # another one try, which is not cut off and may.
        await asyncio.sleep(0.5)
        assert split.marked(above=before) == 0, "marked as published and not confirmed"
        await scene.driver.edit(10)
        await asyncio.to_thread(leader.kill)
        link.lose()
        await asyncio.to_thread(leader.start)
        await asyncio.to_thread(split.leader)
        await scene.converge(T_RESTART)
        await eventually(split.published, within_seconds=T_RESTART, what="everything to be marked")
