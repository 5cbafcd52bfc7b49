"""G18: a frozen bus.

Fault: SIGSTOP of every nats-server, to which sending succeeds for as long as buffers last. Assertion:
nothing is marked as published that was not, the backlog is in the outbox; caches know within two
heartbeats that they hear nothing, and catch up when it thaws.
"""

import asyncio

import pytest

from tests.guarantees.conftest import T
from tests.support.scene import open_scene
from tests.support.split import Split
from tests.support.waiting import eventually

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

SEED = 20261125
EDITS = 60
SILENT_SECONDS = 2 * 2.0 + T
"""Two heartbeats, and what lies between a moment and the next look at it."""


def silent(split: Split) -> bool:
    caches = [*split.dachas, *split.edges]
    return all(each.metric(f"burgee_{each.kind}_silent_seconds") > 0 for each in caches)


async def test_a_frozen_bus_confirms_nothing_and_nothing_is_lost(split: Split, scale, repetition) -> None:
    async with open_scene(split, seed=SEED + repetition) as scene:
        freezes = scale.faults_of(1)
        for number in range(freezes):
            before = await eventually(split.published, within_seconds=T, what="a quiet log")
            for node in split.nodes:
                node.pause()
            await scene.edit_until(scale.changes_of(EDITS) * (number + 1) // freezes)
            await eventually(
                lambda: asyncio.to_thread(silent, split),
                within_seconds=SILENT_SECONDS,
                what="every cache to know that it hears nothing",
            )
            assert split.marked(above=before) == 0, "marked as published while nobody could confirm it"
            for node in split.nodes:
                node.resume()
            await scene.converge(T)
            await eventually(split.published, within_seconds=T, what="the backlog to be marked")
