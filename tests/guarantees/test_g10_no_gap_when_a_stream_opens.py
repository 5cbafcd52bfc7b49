"""G10: no gap when a stream opens. Also G21's form of it: the streams are on one of two servers.

Fault: 500 streams connect while 100 values a second are changed, retired and brought back.
Assertion: the last state of every client, JavaScript and Python SDKs among them, equals the database.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.guarantees.conftest import IN_THE_LONG_FORM, T
from tests.support.crowd import Crowd, open_crowd
from tests.support.fleet import ALL, open_fleet
from tests.support.judge import agree, delivered
from tests.support.party import PartyProcess, running_party
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

SEED = 20261122
STREAMS = 500
EDITS = 600
EDITS_PER_SECOND = 100
LONGEST_SECONDS = 200.0
"""A machine that cannot keep the rate is given time: streams open along the edits, not along the clock."""
FEATURES = 40
AT_ONCE = 25
"""Values in one request. One at a time, a request each, this machine's two cores would be busy with
requests alone; each value of a request is an edit with a version of its own."""


@dataclass(frozen=True)
class Servers:
    """Where edits go, where streams are, and what both stand on."""

    editing: PartyProcess
    streaming: PartyProcess


@pytest.fixture(
    params=[
        "sqlite",
        *(pytest.param(each, marks=IN_THE_LONG_FORM) for each in ("postgresql", "two servers")),
    ]
)
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Servers]:
    fixture = "sqlite_url" if request.param == "sqlite" else "postgresql_url"
    database_url = request.getfixturevalue(fixture)

    def party(name: str) -> AbstractContextManager[PartyProcess]:
        (tmp_path / name).mkdir()
        return running_party(tmp_path / name, database_url=database_url)

    with ExitStack() as stack:
        first = stack.enter_context(party("one"))
        second = stack.enter_context(party("two")) if request.param == "two servers" else first
        yield Servers(first, second)


class Editor:
    """Changes values of one environment at a steady rate, several in a request."""

    def __init__(self, world: World, seed: int) -> None:
        self.edits = 0
        self._world = world
        self._random = random.Random(seed)
        self._rows: dict[str, Any] = {}

    async def begin(self) -> None:
        for number in range(FEATURES):
            await self._world.create(f"feature {number}", "STRING")
            row = await self._world.admin.set(self._world.environment_id, f"feature {number}", "first")
            self._rows[row["key"]] = row

    async def edit(self, count: int, rate: float) -> float:
        """Make that many edits, no faster than this; answer the rate that was reached."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while self.edits < count:
            await asyncio.sleep(max(0.0, start + self.edits / rate - loop.time()))
            await self._edit_some()
        return self.edits / (loop.time() - start)

    async def _edit_some(self) -> None:
        chosen = self._random.sample(sorted(self._rows), AT_ONCE)
        answer = await self._world.admin.call(
            "PUT", f"/features/{self._world.environment_id}", [self._changed(key) for key in chosen]
        )
        self._rows = {row["key"]: row for row in answer}
        self.edits += AT_ONCE

    def _changed(self, key: str) -> dict[str, Any]:
        row = dict(self._rows[key])
        row["valueString"] = f"edit {self.edits} of {key}"
        row.pop("value", None)
        row["retired"] = self._random.random() < 0.15
        return row


async def arrive(crowd: Crowd, keys: list[str], editor: Editor) -> None:
    """Open the streams one by one, spread over the edits."""
    for number in range(STREAMS):
        while editor.edits * STREAMS < number * EDITS * 0.9:
            await asyncio.sleep(0.005)
        await crowd.join(keys[number % len(keys)])
        await asyncio.sleep(0.9 / EDITS_PER_SECOND)


async def converged(crowd: Crowd, database_url: str, environment_id: str) -> None:
    expected = delivered(database_url, environment_id)
    await eventually(
        lambda: not crowd.disagreeing(expected), within_seconds=T, what="every stream to hold what is stored"
    )
    crowd.assert_unharmed()


async def test_streams_that_open_under_edits_miss_nothing(servers: Servers) -> None:
    print(f"seed {SEED}")
    editing, streaming = servers.editing, servers.streaming
    async with open_world(editing.url, streaming.port, editing.token) as world:
        editor = Editor(world, SEED)
        await editor.begin()
        keys = [world.client_key, world.server_key]
        async with (
            open_crowd(streaming.port) as crowd,
            open_fleet(streaming.port, [world.client_key], kinds=ALL) as fleet,
        ):
            async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as both:
                rate = both.create_task(editor.edit(EDITS, EDITS_PER_SECOND))
                both.create_task(arrive(crowd, keys, editor))
            heard = sum(each.changes for each in crowd.listeners)
            print(f"{rate.result():.0f} edits/s, {heard} changes heard")
            await converged(crowd, editing.database_url, world.environment_id)
            await agree(fleet, editing.database_url, world.environment_id, T)
            fleet.assert_no_errors()
