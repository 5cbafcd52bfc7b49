"""Commit to SDK in the split topology, one change at a time, beside NATS alone in the same run.

The clock starts at PostgreSQL's own moment of the commit and stops when the bytes of the change arrive on a
stream; on the way it is heard on the bus. Between two changes the same payload goes from one bare NATS
client to another, over the same server. All clocks are this machine's.
"""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import nats
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.benchmarks.rows import Bench, Row, group
from tests.support.admin import ALL_ROLES, Admin, Application, open_admin
from tests.support.crowd import stream_request
from tests.support.split import DATABASE, QUICK, Shape, Split
from tests.support.waiting import eventually

FEATURES = 20
STREAMS_READY_SECONDS = 60.0
CHANGE_SECONDS = 20.0
WARM_UP = 5


@dataclass
class Journey:
    """The moments of one change."""

    value: str
    bare_seconds: float
    at_relay: bool
    committed: float = 0.0
    on_bus: float = 0.0
    arrivals: list[float] = field(default_factory=list)


class Listener(asyncio.Protocol):
    """One stream, read as fast as it comes and looked at only for the value that is awaited."""

    def __init__(self, watch: "Watch", request: bytes) -> None:
        self._watch = watch
        self._request = request
        self._seen = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        # What is looked for may be cut in two.
        text = self._seen + data
        self._seen = data[-64:]
        self._watch.heard(text, now)


class Watch:
    """What all listeners together wait for."""

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._ready = 0
        self.journey: Journey | None = None
        self.done = asyncio.Event()
        self.all_ready = asyncio.Event()

    def heard(self, text: bytes, now: float) -> None:
        journey = self.journey
        if journey is None:
            self._ready += text.count(b"event: features\n")
            if self._ready >= self._streams:
                self.all_ready.set()
        elif journey.value.encode() in text:
            journey.arrivals.append(now)
            if len(journey.arrivals) == self._streams:
                self.done.set()


@dataclass(frozen=True)
class Ground:
    """An environment with features, and its SDK key."""

    application: Application
    key: str

    @property
    def environment_id(self) -> str:
        return self.application.environment_id


async def lay_ground(admin: Admin) -> Ground:
    application = await admin.create_application()
    for number in range(FEATURES):
        await admin.create_feature(application.id, f"FEATURE_{number}", "STRING")
        await admin.set(application.environment_id, f"FEATURE_{number}", f"value {number}")
    account = await admin.create_account(application.portfolio_id, {application.environment_id: ALL_ROLES})
    return Ground(application, account.sdk_key(application.environment_id, client=True))


@asynccontextmanager
async def open_streams(split: Split, key: str, streams: int) -> AsyncIterator[Watch]:
    """Open that many streams, spread over the Edges, and wait until each has its features."""
    watch = Watch(streams)
    loop = asyncio.get_running_loop()
    listeners: list[Listener] = []
    try:
        for number in range(streams):
            port = split.edges[number % len(split.edges)].port
            make = partial(Listener, watch, stream_request(port, key))
            _, listener = await loop.create_connection(make, "127.0.0.1", port)
            listeners.append(listener)
        async with asyncio.timeout(STREAMS_READY_SECONDS):
            await watch.all_ready.wait()
        yield watch
    finally:
        for listener in listeners:
            if listener.transport is not None:
                listener.transport.abort()


class BareNats:
    """Two clients and nothing else: how long a payload takes from the one to the other."""

    def __init__(self, sender: Client) -> None:
        self._sender = sender
        self._arrived = asyncio.Event()
        self._at = 0.0

    async def hear(self, _message: Msg) -> None:
        self._at = time.time()
        self._arrived.set()

    async def seconds(self, payload: bytes) -> float:
        self._arrived.clear()
        began = time.time()
        await self._sender.publish("bench.bare", payload)
        await self._sender.flush()
        await self._arrived.wait()
        return self._at - began


@asynccontextmanager
async def open_bare_nats(url: str) -> AsyncIterator[BareNats]:
    async with AsyncExitStack() as stack:
        sender, receiver = await nats.connect(url), await nats.connect(url)
        stack.push_async_callback(sender.close)
        stack.push_async_callback(receiver.close)
        bare = BareNats(sender)
        await receiver.subscribe("bench.bare", cb=bare.hear)
        await receiver.flush()
        yield bare


class BusWatch:
    """Hears each change on the bus, as the processes do."""

    def __init__(self) -> None:
        self.journey: Journey | None = None
        self.payload = b"x" * 1000

    async def hear(self, message: Msg) -> None:
        now = time.time()
        journey = self.journey
        if journey is not None and not journey.on_bus and journey.value.encode() in message.data:
            journey.on_bus = now
            self.payload = message.data


@asynccontextmanager
async def open_bus_watch(split: Split) -> AsyncIterator[BusWatch]:
    watch = BusWatch()
    client = await nats.connect(split.nodes[0].url)
    try:
        await client.subscribe("burgee.split.c.>", cb=watch.hear)
        await client.flush()
        yield watch
    finally:
        await client.close()


async def travel(split: Split, *, streams: int, changes: int) -> tuple[list[Journey], str]:
    """Make changes one at a time, each through the next MR, and follow each to every stream.

    Answers also what MR's own record says of the last one.
    """
    journeys: list[Journey] = []
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_admin(split.mrs[0].url))
        admins = [first] + [
            await stack.enter_async_context(open_admin(each.url, first.token)) for each in split.mrs[1:]
        ]
        ground = await lay_ground(first)
        watch = await stack.enter_async_context(open_streams(split, ground.key, streams))
        on_bus = await stack.enter_async_context(open_bus_watch(split))
        bare = await stack.enter_async_context(open_bare_nats(split.nodes[0].url))
        leader = split.leader()
        for number in range(changes + WARM_UP):
            place = number % len(admins)
            journey = Journey(
                f"change-{number:06}",
                await bare.seconds(on_bus.payload),
                at_relay=split.mrs[place] is leader,
            )
            watch.done.clear()
            watch.journey = on_bus.journey = journey
            await admins[place].set(ground.environment_id, "FEATURE_0", journey.value)
            async with asyncio.timeout(CHANGE_SECONDS):
                await watch.done.wait()
            if number >= WARM_UP:
                journeys.append(journey)
        told = await _record(first, ground.environment_id)
    _stamp_commits(split, journeys)
    return journeys, told


async def _record(admin: Admin, environment_id: str) -> str:
    """What MR itself says of the last change, once the last reports have come."""

    async def settled() -> dict[str, Any] | None:
        record = await admin.call("GET", "/burgee/propagation", environmentId=environment_id, max="1")
        change: dict[str, Any] = record["changes"][0]
        return change if change["settled"] else None

    change: dict[str, Any] | None = await eventually(
        settled, within_seconds=CHANGE_SECONDS, what="the last change to be settled"
    )
    assert change is not None
    edges, streams = change["edges"], change["streams"]
    return (
        f"live on {edges['live']} of {edges['total']} Edges, {streams['reached']} of {streams['total']}"
        f" streams, slowest {change['slowestMilliseconds']} ms"
    )


def _stamp_commits(split: Split, journeys: Sequence[Journey]) -> None:
    """The history's row is written by the change's own transaction and never touched again."""
    rows = split.postgres.execute(
        "SELECT value, extract(epoch FROM pg_xact_commit_timestamp(xmin))"
        " FROM feature_value_version WHERE value LIKE '\"change-%'",
        database=DATABASE,
    )
    moments = {json.loads(value): float(moment) for value, moment in rows}
    for journey in journeys:
        journey.committed = moments[journey.value]


def keep_commit_times(split: Split) -> None:
    """Let PostgreSQL note the moment of each commit, which it does not by default."""
    split.start_database()
    split.postgres.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    split.postgres.stop()


@group("propagation")
def propagation(bench: Bench) -> Iterator[Row]:
    """One change after the other through two each of MR, Dacha and Edge."""
    streams, changes = bench.size(200, 10), bench.size(200, 3)
    many = bench.size(2, 1)
    shape = Shape(mr=many, dacha=many, edge=many, edge_rest=0, common=QUICK)
    split = Split(bench.folder / "propagation", shape)
    try:
        keep_commit_times(split)
        split.start()
        journeys, told = uvloop.run(travel(split, streams=streams, changes=changes))
    finally:
        split.stop()
    yield from rows(journeys, streams=streams, told=told)


def rows(journeys: Sequence[Journey], *, streams: int, told: str) -> Iterator[Row]:
    """Latency of every stream of every change, its ratio to NATS alone, and where the time goes."""
    every = [arrival - journey.committed for journey in journeys for arrival in journey.arrivals]
    bare = [journey.bare_seconds for journey in journeys]
    parts: dict[str, Callable[[Sequence[float]], float]] = {"p50": statistics.median, "p99": _p99}
    for part, part_of in parts.items():
        yield Row.of_pairs(
            f"commit_to_sdk_{part}",
            f"commit in MR to {streams} SDK streams, two each of MR, Dacha and Edge, {part}",
            [(part_of(every) * 1000, part_of(bare) * 1000)],
            unit="ms",
            baseline_name="bare NATS publish to subscribe",
            note=told if part == "p50" else "",
        )
    # The last bytes may be here before the bus is heard here: this process has other work, too.
    heard = [each for each in journeys if each.on_bus]
    stages = {
        "commit to bus, through the MR whose relay is active": [
            each.on_bus - each.committed for each in heard if each.at_relay
        ],
        "commit to bus, through another MR": [
            each.on_bus - each.committed for each in heard if not each.at_relay
        ],
        "bus to first stream": [min(each.arrivals) - each.on_bus for each in heard],
        "first to last stream": [max(each.arrivals) - min(each.arrivals) for each in journeys],
        "commit to last stream": [max(each.arrivals) - each.committed for each in journeys],
    }
    for stage, seconds in stages.items():
        if seconds:
            name = stage.replace(",", "").replace(" ", "_")
            note = f"p99 {_p99(seconds) * 1000:.2f} ms"
            yield Row.of_values(
                name, f"of that: {stage}", [statistics.median(seconds) * 1000], unit="ms", note=note
            )


def _p99(seconds: Sequence[float]) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
