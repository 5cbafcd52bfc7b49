"""G10 between processes: no gap when a stream opens.

Fault: 1,000 streams (10,000 in the long form) connect to both Edges while 100 values a second are changed,
retired and brought back through both MRs.
Assertion: the last state of every client, SDK processes among them, equals the database.
"""

import asyncio
import random
import time
from typing import Any

import pytest

from tests.guarantees.conftest import Scale, T
from tests.support.admin import Admin, open_admin
from tests.support.crowd import Crowd, open_crowd
from tests.support.fleet import STREAMS, open_fleet
from tests.support.judge import agree, delivered
from tests.support.ledger import ledger
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

SEED = 20261110
CLIENTS = 1_000
CLIENTS_IN_THE_LONG_FORM = 10_000
EDITS = 600
EDITS_PER_SECOND = 100
LONGEST_SECONDS = 300.0
"""A machine that cannot keep the rate is given time: streams open along the edits, not along the clock."""
FEATURES = 40
AT_ONCE = 25
"""Values in one request, each an edit with a version of its own: it is caches that are to be busy."""


class Editor:
    """Changes values of one environment at a steady rate, several in a request."""

    def __init__(self, world: World, admins: list[Admin], dice: random.Random) -> None:
        self.edits = 0
        self._world = world
        self._admins = admins
        self._dice = dice
        self._rows: dict[str, Any] = {}

    async def begin(self) -> None:
        for number in range(FEATURES):
            await self._world.create(f"feature {number}", "STRING")
        rows = [
            {"key": f"feature {each}", "version": 0, "locked": False, "valueString": "first"}
            for each in range(FEATURES)
        ]
        await self._save(rows)

    async def edit(self) -> float:
        """Make all edits, no faster than the rate; answer the rate that was reached."""
        began = time.monotonic()
        while self.edits < EDITS:
            await asyncio.sleep(max(0.0, began + self.edits / EDITS_PER_SECOND - time.monotonic()))
            await self._save([self._changed(key) for key in self._dice.sample(sorted(self._rows), AT_ONCE)])
            self.edits += AT_ONCE
        return self.edits / (time.monotonic() - began)

    async def _save(self, rows: list[dict[str, Any]]) -> None:
        admin = self._dice.choice(self._admins)
        answer = await admin.call("PUT", f"/features/{self._world.environment_id}", rows)
        self._rows |= {row["key"]: row for row in answer}

    def _changed(self, key: str) -> dict[str, Any]:
        row = dict(self._rows[key])
        row.pop("value", None)
        row["valueString"] = f"edit {self.edits} of {key}"
        row["retired"] = self._dice.random() < 0.15
        return row


async def arrive(crowds: list[Crowd], clients: int, keys: list[str], editor: Editor) -> None:
    """Open the streams one by one, spread over the edits."""
    for number in range(clients):
        while editor.edits * clients < number * EDITS * 0.9:
            await asyncio.sleep(0.005)
        await crowds[number % len(crowds)].join(keys[number // len(crowds) % len(keys)])
        await asyncio.sleep(0.5 * EDITS / EDITS_PER_SECOND / clients)


async def test_streams_that_open_by_thousands_under_edits_miss_nothing(split: Split, scale: Scale) -> None:
    print(f"seed {SEED}")
    clients = CLIENTS_IN_THE_LONG_FORM if scale.is_long else CLIENTS
    # All of them are read by one process here, which takes its time as well.
    in_time = T * max(1.0, clients / (2 * CLIENTS))
    here, there = split.edges
    async with (
        open_world(split.mrs[0].url, here.port, split.token) as world,
        open_admin(split.mrs[1].url, split.token) as second,
        open_crowd(here.port) as at_here,
        open_crowd(there.port) as at_there,
        open_fleet(there.port, [world.client_key], kinds=STREAMS) as fleet,
    ):
        editor = Editor(world, [world.admin, second], random.Random(SEED))
        await editor.begin()
        crowds = [at_here, at_there]
        async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as both:
            rate = both.create_task(editor.edit())
            both.create_task(arrive(crowds, clients, [world.client_key, world.server_key], editor))
        began = time.monotonic()
        expected = delivered(split.database_url, world.environment_id)
        for crowd in crowds:
            await eventually(
                lambda crowd=crowd: not crowd.disagreeing(expected),
                within_seconds=in_time,
                what="every stream to hold what is stored",
            )
            crowd.assert_unharmed()
        ledger().converged(time.monotonic() - began)
        heard = sum(each.changes for crowd in crowds for each in crowd.listeners)
        print(f"{rate.result():.0f} edits/s, {clients} streams, {heard} changes heard")
        await agree(fleet, split.database_url, world.environment_id, T)
        fleet.assert_no_errors()
