"""`burgee edge --workers 2`, as processes on a real bus: one of them dies, all of them leave."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.support.backbones import SDK_KEY, Backbone, a_log, open_backbone
from tests.support.edges import EventReader
from tests.support.nats import EVENT_KEY, running_nats
from tests.support.ports import free_port
from tests.support.processes import BurgeeProcess
from tests.support.waiting import eventually

POLL = f"GET /features?apiKey={SDK_KEY} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n".encode()


@dataclass
class World:
    edge: BurgeeProcess
    backbone: Backbone
    http: aiohttp.ClientSession

    def workers(self) -> list[int]:
        """The processes that the parent started."""
        children = Path(f"/proc/{self.edge.pid}/task/{self.edge.pid}/children")
        return [int(word) for word in children.read_text().split()]

    async def metric(self, name: str, **labels: str) -> float:
        return await asyncio.to_thread(self.edge.metric, name, **labels)

    async def poll(self) -> int:
        async with self.http.get(f"{self.edge.url}/features", params={"apiKey": SDK_KEY}) as answered:
            return answered.status


@asynccontextmanager
async def open_world(folder: Path, **settings: str) -> AsyncIterator[World]:
    with running_nats() as server:
        edge = BurgeeProcess(
            "edge",
            folder,
            {
                "BURGEE_NATS_URLS": server.url,
                "BURGEE_EVENT_KEY": EVENT_KEY,
                "BURGEE_STATE_DIR": str(folder / "state"),
                "BURGEE_DRAIN_SECONDS": "1",
                "BURGEE_EDGE_WORKERS": "2",
                **settings,
            },
        )
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        try:
            async with (
                open_backbone(server, a_log()) as backbone,
                aiohttp.ClientSession(connector=connector) as http,
            ):
                edge.launch()
                health = f"http://127.0.0.1:{settings.get('BURGEE_MONITOR_PORT', edge.port)}/health/readiness"
                await eventually(lambda: _is_ready(http, health), within_seconds=120)
                yield World(edge, backbone, http)
        finally:
            await asyncio.to_thread(edge.stop)


async def _is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answered:
            return answered.status == 200
    except aiohttp.ClientError:
        return False


@dataclass
class Knocks:
    """What became of connection attempts, one after the other."""

    port: int
    answered: int = 0
    #: Connections that were there, and ended without an answer.
    lost: int = 0
    refused: list[OSError] = field(default_factory=list)
    enough: bool = False

    async def knock(self) -> None:
        """Connect and poll until told to stop."""
        while not self.enough:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError as error:
                self.refused.append(error)
                continue
            answer = b""
            with suppress(ConnectionError):
                writer.write(POLL)
                answer = await reader.read()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            if answer.startswith(b"HTTP/1.1 200 "):
                self.answered += 1
                # Steadily, and without taking all of the machine.
                await asyncio.sleep(0.002)
            else:
                assert answer == b"", answer
                self.lost += 1


async def test_a_worker_that_dies_is_replaced_and_no_connection_attempt_is_lost(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world, AsyncExitStack() as stack:
        first = world.workers()
        assert len(first) == 2
        knocks = Knocks(world.edge.port)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        for _ in range(4):
            tasks.create_task(knocks.knock())
        stack.callback(setattr, knocks, "enough", True)
        await eventually(lambda: knocks.answered >= 50, within_seconds=60)
        os.kill(first[0], signal.SIGKILL)
        # Which of the two had accepted them is the kernel's affair; what the survivor counts stays.
        polls = await eventually(lambda: counted_at_least(world, 20), within_seconds=60)
        await eventually(lambda: len(set(world.workers()) - set(first)) == 1, within_seconds=60)
        # Nobody accepts in a new worker's place before it can answer: it never says 503.
        await eventually(lambda: accepted_by_all(world), within_seconds=60)
        assert await counted(world) >= polls, "a sum fell"
        knocks.enough = True
        assert knocks.refused == []
        assert knocks.lost <= 4, "only what the dead one had in hand may be lost"
        assert await world.metric("burgee_workers_restarts_total") == 1
        assert await world.metric("burgee_workers_running") == 2


async def counted(world: World) -> float:
    """How many polls all workers have answered."""
    return await world.metric("burgee_http_requests_total", route="/features", status="200")


async def counted_at_least(world: World, polls: float) -> float:
    """What `counted` says, or nothing while that is less."""
    now = await counted(world)
    return now if now >= polls else 0.0


async def accepted_by_all(world: World) -> bool:
    """True once every worker has answered a poll, and so holds its environment."""
    # Many at once: to few, one worker alone may be always the first.
    assert set(await asyncio.gather(*(world.poll() for _ in range(20)))) == {200}
    holding = [await world.metric("burgee_edge_environments", worker=str(number)) for number in range(2)]
    return holding == [1, 1]


async def test_workers_are_one_edge_to_whoever_asks_for_health_and_metrics(tmp_path: Path) -> None:
    monitor = str(free_port())
    async with open_world(tmp_path, BURGEE_MONITOR_PORT=monitor) as world:
        base = f"http://127.0.0.1:{monitor}"
        before = await of_monitor(world, base)
        for _ in range(20):
            assert await world.poll() == 200
        # An answer is on its way a moment before it is counted.
        await eventually(lambda: counts(world, base, before + 20))
        async with world.http.get(f"{base}/health/liveness") as answered:
            assert answered.status == 200
        async with world.http.get(f"{world.edge.url}/metrics") as answered:
            assert answered.status == 404, "with a port of their own they are not on the main one"


async def counts(world: World, base: str, polls: float) -> bool:
    return await of_monitor(world, base) == polls


async def of_monitor(world: World, base: str) -> float:
    async with world.http.get(f"{base}/metrics") as answered:
        text = await answered.text()
    lines = [line for line in text.splitlines() if line.startswith("burgee_http_requests_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if 'route="/features"' in line)


async def test_all_workers_drain_and_the_parent_ends_well(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world, AsyncExitStack() as stack:
        streams = []
        for _ in range(8):
            answer = await stack.enter_async_context(world.http.get(f"{world.edge.url}/features/{SDK_KEY}"))
            streams.append(EventReader(answer))
        for stream in streams:
            await stream.until("features")
        await eventually(lambda: has_streams(world, 8))
        children = world.workers()
        ending = asyncio.create_task(asyncio.to_thread(world.edge.stop))  # noqa: TID251 - awaited below
        for stream in streams:
            await stream.until("bye", within_seconds=60)
        assert await ending == 0
        assert not any(alive(child) for child in children)


async def has_streams(world: World, number: int) -> bool:
    return await world.metric("burgee_edge_streams") == number


async def test_workers_end_when_their_parent_was_killed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        children = world.workers()
        await asyncio.to_thread(world.edge.kill)
        await eventually(lambda: not any(alive(child) for child in children), within_seconds=60)


async def test_each_worker_keeps_a_state_of_its_own(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        assert await world.poll() == 200
    assert sorted(each.name for each in (tmp_path / "state").iterdir()) == ["worker-0", "worker-1"]


def alive(pid: int) -> bool:
    """True while there is such a process and it is not merely waiting to be noticed as dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(autouse=True)
def _needs_proc() -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("looks at processes as Linux shows them")
