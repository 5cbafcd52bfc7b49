"""Measure what lies between MR and Edges: cold starts, bursts of changes, and what a full Dacha weighs.

A world of its own, for its database is filled at once rather than by people (`tests.benchmarks.bulk`).
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp
import uvloop

from mr.db.session import open_database
from tests.benchmarks.bulk import Bulk, burst, fill
from tests.benchmarks.pinning import on_server_cpu, resident_bytes
from tests.benchmarks.rows import Bench, Row, group
from tests.support.processes import BurgeeProcess
from tests.support.split import QUICK, Shape, Split
from tests.support.waiting import eventually_sync

CLIENTS = 64
GOAL_PER_SECOND = 5_000.0
START_SECONDS = 600.0


@dataclass
class Scene:
    """A split world whose database is full, and nobody who has read it."""

    split: Split
    bulk: Bulk
    empty_bytes: int
    """What a Dacha weighs that holds nothing."""

    @property
    def mr(self) -> BurgeeProcess:
        return self.split.mrs[0]

    @property
    def dacha(self) -> BurgeeProcess:
        return self.split.dachas[0]

    @property
    def edge(self) -> BurgeeProcess:
        return self.split.edges[0]

    def commit(self, count: int) -> None:
        """Commit so many changes in one transaction, and let relays know as any commit does."""
        uvloop.run(self._commit(count))

    async def _commit(self, count: int) -> None:
        async with open_database(self.split.database_url) as database:
            await burst(self.bulk, count).commit(database)


@group("backbone")
def backbone(bench: Bench) -> Iterator[Row]:
    """Rows of one world, from its cold start to bursts of changes."""
    environments = bench.size(10_000, 40)
    features = bench.size(50, 5)
    size = f"{environments:,} environments × {features} features"
    with _scene(bench, environments, features) as scene:
        yield from _cold_dacha(scene, size)
        yield from _cold_edge(scene, size)
        yield from _bursts(scene, bench.size(20_000, 200), bench.size(3, 1))


def _cold_dacha(scene: Scene, size: str) -> Iterator[Row]:
    with on_server_cpu():
        scene.dacha.launch()
    begun = time.perf_counter()
    scene.dacha.wait_until_ready(START_SECONDS)
    seconds = time.perf_counter() - begun
    asked = scene.dacha.metric("burgee_dacha_questions_total")
    held = scene.dacha.metric("burgee_dacha_environments")
    if held != len(scene.bulk.places):
        raise RuntimeError(f"Dacha is ready and holds {held} environments")
    yield Row.of_values(
        "dacha_cold_start",
        f"eager Dacha, from its start until it holds {size}; MR and PostgreSQL share the other processor",
        [seconds],
        unit="s",
    )
    yield Row.of_values(
        "dacha_cold_start_questions",
        f"questions to MR at that cold start of {size}",
        [asked],
        unit="questions",
    )
    weight = resident_bytes(scene.dacha.pid) - scene.empty_bytes
    yield Row.of_values(
        "dacha_memory",
        f"resident memory of a Dacha that holds {size}, beyond what an empty one needs",
        [weight / 2**20],
        unit="MiB",
        note=f"{weight / held / 1024:.1f} KiB per environment",
    )


def _cold_edge(scene: Scene, size: str) -> Iterator[Row]:
    with on_server_cpu():
        scene.edge.start()
    before = scene.dacha.metric("burgee_dacha_questions_total")
    begun = time.perf_counter()
    refused = uvloop.run(_poll_each(scene.edge.url, scene.bulk.sdk_keys()))
    seconds = time.perf_counter() - begun
    asked = scene.dacha.metric("burgee_dacha_questions_total") - before
    count = len(scene.bulk.places)
    yield Row.of_values(
        "edge_first_polls",
        f"cold Edge: one poll for each of {size} by {CLIENTS} connections; Dacha is warm",
        [count / seconds],
        unit="polls/s",
        direction="higher",
        note=f"{asked:g} questions to MR meanwhile; {refused} polls were told to come again (503)",
    )


async def _poll_each(url: str, keys: Sequence[str]) -> int:
    """Poll as SDKs do, again when told to wait; answer how often that was."""
    waiting = iter(keys)
    refused = 0

    async def poll(http: aiohttp.ClientSession) -> None:
        nonlocal refused
        for key in waiting:
            while (patience := await _poll(http, url, key)) is not None:
                refused += 1
                await asyncio.sleep(patience)

    connector = aiohttp.TCPConnector(limit=CLIENTS)
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(poll(http))
    return refused


async def _poll(http: aiohttp.ClientSession, url: str, key: str) -> float | None:
    """Poll once; answer for how long one is to wait, if that is the answer."""
    async with http.get(f"{url}/features", params={"apiKey": key}) as answer:
        said = await answer.text()
        if answer.status == 503:
            return float(answer.headers["retry-after"])
        if answer.status != 200:
            raise RuntimeError(f"a first poll was answered {answer.status}: {said}")
        return None


def _bursts(scene: Scene, count: int, times: int) -> Iterator[Row]:
    relayed, applied, at_edge = [], [], []
    for _ in range(times):
        target = scene.split.position() + count
        scene.commit(count)
        begun = time.perf_counter()
        relayed.append(count / (_reached(scene.mr, "burgee_relay_published_position", target) - begun))
        applied.append(count / (_reached(scene.dacha, "burgee_dacha_position", target) - begun))
        at_edge.append(count / (_reached(scene.edge, "burgee_edge_position", target) - begun))
        if scene.dacha.metric("burgee_dacha_suspects") or scene.dacha.metric(
            "burgee_bus_slow_consumer_total"
        ):
            raise RuntimeError("the burst was not applied but loaded")
    what = f"{count:,} changes committed at once, from their commit until"
    for name, until, values in (
        ("burst_published", "all of them are published", relayed),
        ("burst_applied_by_dacha", "Dacha has applied the last one", applied),
        ("burst_applied_by_edge", "Edge has applied the last one", at_edge),
    ):
        yield Row.of_values(
            name, f"{what} {until}", values, unit="changes/s", goal=GOAL_PER_SECOND, direction="higher"
        )


def _reached(process: BurgeeProcess, metric: str, position: int) -> float:
    """When the process had come to a position, to a fifth of a second."""
    eventually_sync(
        lambda: process.metric(metric) >= position,
        within_seconds=120,
        # To tell its metrics costs a process some milliseconds.
        every_seconds=0.2,
        what=f"{process.name} at {position}",
    )
    return time.perf_counter()


@contextmanager
def _scene(bench: Bench, environments: int, features: int) -> Iterator[Scene]:
    folder = bench.folder / "backbone"
    folder.mkdir(mode=0o711)
    # Cold: nothing is kept from one start to the next.
    holding = {
        "BURGEE_CACHE_BYTES": str(4 * 2**30),
        "BURGEE_STATE_DIR": "",
        "BURGEE_START_DEGRADED_AFTER": str(START_SECONDS),
    }
    settings = {"dacha": {"BURGEE_FILL": "eager", **holding}, "edge": holding}
    split = Split(folder, Shape(mr=1, dacha=1, edge=1, edge_rest=0, common=QUICK, settings=settings))
    try:
        split.start_bus()
        split.start_database()
        split.mrs[0].start()
        # Nothing is there yet, so it is ready with nothing.
        split.dachas[0].start()
        empty = resident_bytes(split.dachas[0].pid)
        split.dachas[0].stop()
        bench.say(f"filling a database with {environments:,} environments …")
        bulk = uvloop.run(_fill(split.database_url, environments, features))
        split.postgres.execute("VACUUM ANALYZE", database="burgee")
        yield Scene(split, bulk, empty)
    finally:
        split.stop()


async def _fill(url: str, environments: int, features: int) -> Bulk:
    async with open_database(url) as database:
        return await fill(database, environments=environments, features=features)
