"""Streams: one change to thousands of them, what each costs while idle, and how fast they are accepted.

The baseline is the C server, which is told to write the very bytes that Edge writes. For Edge the clock
starts when the change is on the bus, where the load client listens as well; for the C server when it begins
to write. Both have their streams open all the time, and their changes take turns.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.pinning import cpu_seconds, resident_bytes
from tests.benchmarks.programs import Answer, Program, running_crowd, running_floor
from tests.benchmarks.rows import Bench, Row, group, interleave
from tests.benchmarks.world import NOTE, Ear, Place, World, settled
from tests.support.crowd import stream_request
from tests.support.processes import BurgeeProcess

SIZES = (10_000, 19_000)
AT_ONCE = 256
"""How many streams are under way at once while a crowd opens."""
OPEN_SECONDS = 120.0
CHANGE_SECONDS = 30.0
CHANGES = 3
"""Of each side in each pair."""
FLOOR = "the C server"


@dataclass(frozen=True)
class FannedOut:
    """One change, from its start to all streams."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_micros: float
    """Of the server, for each stream."""
    client_micros: float


@dataclass(frozen=True)
class OurCrowd:
    """An Edge and those who listen to it."""

    world: World
    place: Place
    edge: BurgeeProcess
    crowd: Program

    def fan_out(self) -> FannedOut:
        """Make a change and follow it to every stream."""
        token = self.world.token()
        self.crowd.tell("watch", token, CHANGE_SECONDS)
        before = cpu_seconds(self.edge.pid)
        self.world.change(self.place, token)
        said = self.crowd.hear()
        used = cpu_seconds(self.edge.pid) - before
        return fanned_out(said, said["heard"], used)


@dataclass(frozen=True)
class TheirCrowd:
    """The C server and those who listen to it; ``event`` is what Edge wrote for a change with ``token``."""

    world: World
    folder: Path
    floor: Program
    crowd: Program
    event: bytes
    token: str

    def fan_out(self) -> FannedOut:
        """Write the bytes of a change and follow them to every stream."""
        token = self.world.token()
        path = self.folder / "event"
        path.write_bytes(self.event.replace(self.token.encode(), token.encode()))
        self.crowd.tell("watch", token, CHANGE_SECONDS)
        before = cpu_seconds(self.floor.pid)
        began = self.floor.tell("event", path)["began"]
        said = self.crowd.hear()
        used = cpu_seconds(self.floor.pid) - before
        return fanned_out(said, began, used)


def fanned_out(said: Answer, began: int, cpu: float) -> FannedOut:
    if said["count"] != said["wanted"]:
        raise RuntimeError(f"a change reached {said['count']} of {said['wanted']} streams")
    if not began:
        raise RuntimeError("a change was not heard on the bus")
    count = said["count"]
    parts = {name: (said[name] - began) / 1e6 for name in ("p50", "p99", "max")}
    return FannedOut(parts["p50"], parts["p99"], parts["max"], cpu / count * 1e6, said["cpu"] / count / 1000)


def open_streams(crowd: Program, count: int, *, at_once: int = AT_ONCE) -> Answer:
    """Open so many more, each with its features."""
    said = crowd.tell("open", count, at_once, OPEN_SECONDS)
    if said["opened"] != count:
        raise RuntimeError(f"{said['opened']} of {count} streams were opened, {said['closed']} were closed")
    return said


@dataclass(frozen=True)
class Written:
    """What Edge sends to a stream: until it has its features, and for a change with a token."""

    opening: bytes
    event: bytes
    token: str


def written_by(world: World, place: Place, edge: BurgeeProcess) -> Written:
    """Open a stream by hand and make one change."""
    ear = Ear(edge.port, place.client_key)
    try:
        token = world.token()
        world.change(place, token)
        return Written(ear.opening, ear.event(token), token)
    finally:
        ear.close()


@contextmanager
def both_sides(bench: Bench, stack: ExitStack) -> Iterator[tuple[OurCrowd, TheirCrowd]]:
    """An Edge and the C server side by side, nobody connected yet."""
    world, place = bench.world, bench.world.place
    edge = stack.enter_context(world.edge())
    bytes_of = written_by(world, place, edge)
    floor, port = stack.enter_context(
        running_floor(bench.folder, poll=b"", unchanged=b"", stream=bytes_of.opening)
    )
    crowds = [
        stack.enter_context(
            running_crowd(bench.folder, number, stream_request(number, place.client_key), hears=world.bus)
        )
        for number in (edge.port, port)
    ]
    yield (
        OurCrowd(world, place, edge, crowds[0]),
        TheirCrowd(world, bench.folder, floor, crowds[1], bytes_of.event, bytes_of.token),
    )


@group("fan-out")
def fan_out(bench: Bench) -> Iterator[Row]:
    """Changes to a crowd; idle memory on the way."""
    yield from _fan_out(bench, bench.size(SIZES[0], 50), memory=True)


@group("fan-out-large")
def fan_out_large(bench: Bench) -> Iterator[Row]:
    """The same with twice as many, about as many as a process may have files open here."""
    yield from _fan_out(bench, bench.size(SIZES[1], 60), memory=False)


def _fan_out(bench: Bench, size: int, *, memory: bool) -> Iterator[Row]:
    with ExitStack() as stack, both_sides(bench, stack) as (ours, theirs):
        settled(bench.size(2, 0))
        empty = resident_bytes(ours.edge.pid)
        for side in (ours, theirs):
            open_streams(side.crowd, size)
        if memory:
            yield _memory(bench, ours, empty, size)
        # What is done for the first time only.
        for side in (ours, theirs):
            side.fan_out()
        changes = bench.size(CHANGES, 1)
        pairs = interleave(
            lambda: [ours.fan_out() for _ in range(changes)],
            lambda: [theirs.fan_out() for _ in range(changes)],
            pairs=bench.pairs,
        )
        yield from _fan_out_rows(size, pairs)


def _memory(bench: Bench, ours: OurCrowd, empty: int, size: int) -> Row:
    settled(bench.size(3, 0))
    return Row.of_values(
        "memory_per_idle_stream",
        f"resident memory of the process for each of {size:,} idle streams",
        [(resident_bytes(ours.edge.pid) - empty) / size / 1024],
        unit="KB",
        goal=6,
        note=f"{empty / 2**20:.0f} MB before the first one",
    )


def _fan_out_rows(size: int, pairs: list[tuple[list[FannedOut], list[FannedOut]]]) -> Iterator[Row]:
    ours = [_middle(each) for each, _ in pairs]
    theirs = [_middle(each) for _, each in pairs]
    yield Row.of_pairs(
        f"fan_out_{size}_p99",
        f"one change of `{NOTE}` to {size:,} streams, p99 from the bus to the client",
        [(our.p99_ms, their.p99_ms) for our, their in zip(ours, theirs, strict=True)],
        unit="ms",
        baseline_name=f"{FLOOR} writing the same bytes",
        goal=1.3,
        note=f"p50 {_middle(ours).p50_ms:.1f} ms ({_middle(theirs).p50_ms:.1f}), "
        f"last {_middle(ours).max_ms:.1f} ms ({_middle(theirs).max_ms:.1f})",
    )
    yield Row.of_pairs(
        f"fan_out_{size}_cpu",
        f"the same: CPU of the server for each of {size:,} streams",
        [(our.cpu_micros, their.cpu_micros) for our, their in zip(ours, theirs, strict=True)],
        unit="µs",
        baseline_name=f"{FLOOR} writing the same bytes",
        goal=1.3,
        note=f"the load client takes {_middle(ours).client_micros:.1f} µs",
    )


def _middle(changes: list[FannedOut]) -> FannedOut:
    """The change whose p99 is the median."""
    return sorted(changes, key=lambda each: each.p99_ms)[len(changes) // 2]


ACCEPTED = 5_000


@group("accept")
def accept(bench: Bench) -> Iterator[Row]:
    """Open thousands at once, again and again."""
    count = bench.size(ACCEPTED, 50)

    def accepted(crowd: Program) -> float:
        said = open_streams(crowd, count)
        crowd.tell("close", count)
        settled(bench.size(1, 0))
        return float(count / ((said["ended"] - said["began"]) / 1e9))

    with ExitStack() as stack, both_sides(bench, stack) as (ours, theirs):
        for side in (ours, theirs):
            accepted(side.crowd)
        pairs = interleave(lambda: accepted(ours.crowd), lambda: accepted(theirs.crowd), pairs=bench.pairs)
    yield Row.of_pairs(
        "streams_accepted",
        f"streams accepted per second, {count:,} in a row with {AT_ONCE} under way, each with its features",
        pairs,
        unit="streams/s",
        baseline_name=FLOOR,
        goal=0.25,
        direction="higher",
    )
