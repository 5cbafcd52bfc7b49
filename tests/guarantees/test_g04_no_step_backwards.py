"""G4: no step backwards.

Fault: SIGSTOP of the MR whose relay is active, edits through another until that one has taken over, and
SIGCONT, with edits through both while the sleeper wakes. Assertion: versions never fall on one stream,
nor for one poller of one Edge (every watcher looks for that); all are equal in the end.
"""

import asyncio

import pytest

from tests.guarantees.conftest import T
from tests.support.scene import open_scene
from tests.support.split import Split
from tests.support.waiting import eventually

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

SEED = 20261123
SLEEPS = 1
CHANGES = 40
RATE = 40


async def test_a_relay_that_slept_takes_nothing_back(split: Split, scale, repetition) -> None:
    async with open_scene(split, seed=SEED + repetition, pollers=3) as scene:
        sleeps = scale.faults_of(SLEEPS)
        for number in range(sleeps):
            sleeper = await asyncio.to_thread(split.leader)
            async with scene.driver.at_work(rate=RATE):
                await asyncio.sleep(scene.dice.uniform(0.2, 0.6))
                sleeper.pause()
                await asyncio.to_thread(split.leader)
                await asyncio.sleep(1.0)
                sleeper.resume()
                await asyncio.sleep(1.0)
                await eventually(
                    lambda number=number: (
                        scene.driver.changes >= scale.changes_of(CHANGES) * (number + 1) // sleeps
                    ),
                    within_seconds=120,
                    what="the edits",
                )
            # Exactly one leads: which of them is no promise, where both may be kept waiting for seconds.
            await asyncio.to_thread(split.leader)
            await scene.converge(T)
