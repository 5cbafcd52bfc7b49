"""One kind of client beside another: polls during fan-outs, live streams beside stopped ones."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.pinning import unsent_bytes
from tests.benchmarks.polls import CONNECTIONS
from tests.benchmarks.programs import poll, polling, running_crowd, told
from tests.benchmarks.rows import Bench, Row, group
from tests.benchmarks.streams import OurCrowd, open_streams
from tests.benchmarks.world import NOTE, Place, World, poll_request, settled
from tests.support.crowd import stream_request
from tests.support.processes import BurgeeProcess

STREAMS = 5_000
CHANGES_PER_SECOND = 10
POLLS_PER_SECOND = 4_000
POLL_SECONDS = 3.0
STOPPED = 500
STOPPED_RECEIVE_BYTES = 4096
"""The kernel buffers little for those, so that what they do not take is the server's concern soon."""
CHANGED = (NOTE, "TEXT_0", "TEXT_1", "TEXT_2")
"""In turn, so that a slow change does not keep the next one waiting."""
BIG = "LAYOUT"
"""The feature whose value becomes big, to fill what is between the server and who takes nothing."""
BIG_BYTES = 60_000
FILLING = 100
"""At most so many changes make it so."""
CHANGES = 9


@group("polls-beside-fan-out")
def polls_beside_fan_out(bench: Bench) -> Iterator[Row]:
    """The same paced polls with and without changes to thousands of streams."""
    world, place = bench.world, bench.world.place
    seconds = bench.size(POLL_SECONDS, 0.5)
    made: list[float] = []
    with (
        world.edge() as edge,
        running_crowd(bench.folder, edge.port, stream_request(edge.port, place.client_key)) as crowd,
    ):
        open_streams(crowd, bench.size(STREAMS, 20))
        requests = bench.folder / "paced"
        requests.write_bytes(poll_request(edge.port, place.client_key))
        pace = bench.size(POLLS_PER_SECOND, 500)

        def idle() -> float:
            return float(
                poll(edge.port, requests, connections=CONNECTIONS, seconds=seconds, rate=pace)["p99"]
            )

        def busy() -> float:
            beside = polling(edge.port, requests, connections=CONNECTIONS, seconds=seconds, rate=pace)
            with beside as process:
                began = time.monotonic()
                count = world.run(_changes(world, place, seconds))
                made.append(count / max(seconds, time.monotonic() - began))
                return float(told(process)["p99"])

        idle()
        busy()
        pairs = [(busy(), idle()) for _ in range(bench.pairs)]
        count = crowd.tell("count")
    if count["closed"]:
        raise RuntimeError(f"{count['closed']} streams were closed")
    yield Row.of_pairs(
        "poll_p99_beside_fan_out",
        f"p99 of {pace:,} polls/s while changes go to {STREAMS:,} streams at {CHANGES_PER_SECOND}/s",
        pairs,
        unit="µs",
        baseline_name="the same polls, idle",
        goal=5,
        note=f"{statistics.median(made):.1f} changes/s were made",
    )


async def _changes(world: World, place: Place, seconds: float) -> int:
    """Make changes at even moments for a time; answer how many."""
    began, made = time.monotonic(), 0
    busy = {key: asyncio.Lock() for key in CHANGED}

    async def change(key: str) -> None:
        # The next change of a feature needs the version that the one before has made.
        async with busy[key]:
            await world.admin.set(place.environment_id, key, world.token())

    async with asyncio.TaskGroup() as tasks:
        while (moment := made / CHANGES_PER_SECOND) < seconds:
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            tasks.create_task(change(CHANGED[made % len(CHANGED)]))
            made += 1
    return made


# ------------------------------------------------------------------ stopped clients


@group("stopped-clients")
def stopped_clients(bench: Bench) -> Iterator[Row]:
    """The same changes to live streams, with and without those who take nothing."""
    world, place = bench.world, bench.world.place
    with (
        world.edge() as edge,
        running_crowd(
            bench.folder, edge.port, stream_request(edge.port, place.client_key), hears=world.bus
        ) as live,
    ):
        open_streams(live, bench.size(STREAMS, 20))
        ours = OurCrowd(world, place, edge, live)
        changes = bench.size(CHANGES, 2)
        ours.fan_out()

        def p99() -> float:
            return statistics.median(ours.fan_out().p99_ms for _ in range(changes))

        pairs, waiting = [], []
        for _ in range(bench.pairs):
            without = p99()
            with _stuck(bench, world, place, edge):
                waiting.append(unsent_bytes(edge.port) / bench.size(STOPPED, 5) / 1024)
                pairs.append((p99(), without))
        closed = edge.metric("burgee_edge_slow_closes_total")
        world.run(world.admin.set(place.environment_id, BIG, '{"columns":[1,2,3],"dense":true}'))
    yield Row.of_pairs(
        "live_p99_beside_stopped",
        f"p99 of a change to {STREAMS:,} live streams with {STOPPED} stopped clients beside them",
        pairs,
        unit="ms",
        baseline_name="without them",
        goal=1.2,
        note=f"the kernel holds {statistics.median(waiting):.0f} KB for each of the stopped;"
        f" {closed:.0f} clients were closed as too slow",
    )


@contextmanager
def _stuck(bench: Bench, world: World, place: Place, edge: BurgeeProcess) -> Iterator[None]:
    """Clients of the same environment that took their features and then nothing more, until Edge is stuck."""
    request = stream_request(edge.port, place.client_key)
    count = bench.size(STOPPED, 5)
    with running_crowd(bench.folder, edge.port, request, receive_bytes=STOPPED_RECEIVE_BYTES) as crowd:
        open_streams(crowd, count)
        crowd.tell("stop", count)
        waiting = unsent_bytes(edge.port)
        for number in range(bench.size(FILLING, 2)):
            text = f'{{"filling":"{number:03}{"x" * BIG_BYTES}"}}'
            world.run(world.admin.set(place.environment_id, BIG, text))
            settled(0.3)
            waiting, before = unsent_bytes(edge.port), waiting
            # Once hardly more is taken by the kernel, the rest is with the server.
            if waiting - before < count * BIG_BYTES / 10:
                break
        settled(bench.size(1, 0))
        yield
    settled(bench.size(1, 0))
