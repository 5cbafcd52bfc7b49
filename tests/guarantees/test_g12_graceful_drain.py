"""G12: graceful drain.

Fault: SIGTERM for an Edge with many streams and polls under edits.
Assertion: no poll fails; every stream gets `bye`, and they leave spread over the grace period; whoever
comes back elsewhere has missed nothing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

import aiohttp
import pytest

from tests.guarantees.conftest import Scale, T
from tests.support.crowd import Crowd, open_crowd
from tests.support.judge import delivered
from tests.support.ledger import ledger
from tests.support.processes import BurgeeProcess
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

STREAMS = 300
STREAMS_IN_THE_LONG_FORM = 10_000
GRACE_SECONDS = 5.0
LONG_GRACE_SECONDS = 15.0
POLLERS = 20
EDIT_SECONDS = 0.1
SLOTS = 10
"""Into how many parts the grace period is divided to see how streams are spread over it."""


@pytest.fixture
def grace_seconds(scale: Scale) -> float:
    return LONG_GRACE_SECONDS if scale.is_long else GRACE_SECONDS


@pytest.fixture
def edge(split: Split, grace_seconds: float) -> Iterator[BurgeeProcess]:
    """An Edge of its own, which the test ends."""
    process = split.outpost("edge", 11, split.nodes[0].url)
    process.settings["BURGEE_DRAIN_SECONDS"] = str(grace_seconds)
    process.start()
    yield process
    process.stop()


class Departures:
    """Who left when, and comes back at once to another Edge."""

    def __init__(self, elsewhere: Crowd, key: str, tasks: asyncio.TaskGroup) -> None:
        self.moments: list[float] = []
        self._elsewhere = elsewhere
        self._key = key
        self._tasks = tasks

    def leave(self) -> None:
        self.moments.append(time.monotonic())
        self._tasks.create_task(self._elsewhere.join(self._key))

    def slots(self, began: float, seconds: float) -> list[int]:
        """How many left in each part of the time."""
        counted = Counter(min(SLOTS - 1, int((moment - began) / seconds * SLOTS)) for moment in self.moments)
        return [counted[slot] for slot in range(SLOTS)]


class Polls:
    """Pollers behind a balancer that sends them elsewhere half a grace period after readiness went."""

    def __init__(self, leaving: BurgeeProcess, other: BurgeeProcess, key: str) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self.over = False
        self._leaving = leaving
        self._url = leaving.url
        self._other = other
        self._key = key

    async def poll(self) -> None:
        async with aiohttp.ClientSession() as http:
            while not self.over:
                try:
                    async with http.get(f"{self._url}/features", params={"apiKey": self._key}) as answer:
                        await answer.read()
                        if answer.status == 200:
                            self.answered += 1
                        else:
                            self.failed.append(str(answer.status))
                except aiohttp.ClientError as error:
                    self.failed.append(repr(error))
                await asyncio.sleep(0.05)

    async def move(self, grace_seconds: float) -> None:
        """Do as a balancer does."""
        async with aiohttp.ClientSession() as http:

            async def unready() -> bool:
                async with http.get(f"{self._leaving.url}/health/readiness") as answer:
                    return answer.status != 200

            await eventually(unready, what="readiness to go")
            await asyncio.sleep(grace_seconds / 2)
            self._url = self._other.url


async def edit_until(world: World, over: asyncio.Event) -> int:
    """Change values until it is over; answer how many."""
    number = 0
    while not over.is_set():
        number += 1
        await world.admin.set(world.environment_id, f"feature {number % 5}", f"edit {number}")
        await asyncio.sleep(EDIT_SECONDS)
    return number


async def test_an_edge_that_ends_loses_nobody_and_no_change(
    split: Split, edge: BurgeeProcess, grace_seconds: float, scale: Scale
) -> None:
    streams = STREAMS_IN_THE_LONG_FORM if scale.is_long else STREAMS
    other = split.edges[0]
    async with (
        open_world(split.mrs[0].url, edge.port, split.token) as world,
        open_crowd(edge.port) as here,
        open_crowd(other.port) as elsewhere,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(5):
            await world.create(f"feature {number}", "STRING")
            await world.admin.set(world.environment_id, f"feature {number}", "first")
        departures = Departures(elsewhere, world.client_key, tasks)
        for _ in range(streams):
            listener = await here.join(world.client_key)
            listener.on_end = departures.leave
        await eventually(lambda: all(each.held for each in here.listeners), within_seconds=4 * T)
        polls = Polls(edge, other, world.server_key)
        for _ in range(POLLERS):
            tasks.create_task(polls.poll())
        over = asyncio.Event()
        edits = tasks.create_task(edit_until(world, over))

        began = time.monotonic()
        edge.ask_to_stop()
        ledger().fault()
        await polls.move(grace_seconds)
        await eventually(lambda: not edge.running, within_seconds=grace_seconds + 30, what="the Edge to end")
        lasted = time.monotonic() - began
        polls.over = True
        over.set()
        await edits
        await eventually(lambda: len(elsewhere.listeners) == streams, within_seconds=2 * T)

        expected = delivered(split.database_url, world.environment_id)
        ended = time.monotonic()
        await eventually(
            lambda: not elsewhere.disagreeing(expected),
            within_seconds=4 * T,
            what="all who came back to hold what is stored",
        )
        ledger().converged(time.monotonic() - ended)
        slots = departures.slots(began, grace_seconds)
        print(
            f"{streams} streams left within {lasted:.1f} s: {slots}; "
            f"{polls.answered} polls, {edits.result()} edits"
        )
        assert not polls.failed, polls.failed[:10]
        assert polls.answered > POLLERS
        assert all(each.names[-1] == "bye" for each in here.listeners)
        # `bye` is spread over nine tenths of the time; a pause of this machine may move some slots' into one.
        assert max(slots) <= streams / 2
        assert sum(1 for slot in slots if slot) >= SLOTS / 2
        elsewhere.assert_unharmed()
