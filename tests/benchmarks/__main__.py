"""Measure from outside: a party server alone, with a large application too; commit to SDK when split.

Server and clients share this machine, so compare runs on one machine and trust ratios, not numbers.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import uvloop

from tests.benchmarks.management import large_application
from tests.benchmarks.measurements import Measurement
from tests.benchmarks.numbers import milliseconds
from tests.benchmarks.propagation import keep_commit_times, measurements, travel
from tests.support.admin import ALL_ROLES, open_admin
from tests.support.party import PartyProcess, running_party
from tests.support.postgres import running_postgres
from tests.support.split import QUICK, Shape, Split

FEATURES = 20


@dataclass
class Stream:
    """One SDK's stream, read as fast as it comes; remembers when each value arrived."""

    url: str
    seen: dict[str, float] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, session: aiohttp.ClientSession) -> None:
        async with session.get(self.url) as answer:
            event = ""
            async for line in answer.content:
                if line.startswith(b"event:"):
                    event = line[6:].strip().decode()
                elif line.startswith(b"data:") and event == "feature":
                    state = json.loads(line[5:])
                    self.seen.setdefault(str(state.get("value")), time.perf_counter())
                elif line.startswith(b"data:") and event == "features":
                    self.ready.set()


@dataclass(frozen=True)
class Ground:
    """What is measured on: an environment with features, and keys for it."""

    party: PartyProcess
    environment_id: str
    client_key: str
    server_key: str


async def lay_ground(party: PartyProcess) -> Ground:
    async with open_admin(party.url, party.token) as admin:
        application = await admin.create_application()
        for number in range(FEATURES):
            await admin.create_feature(application.id, f"FEATURE_{number}", "STRING")
            await admin.set(application.environment_id, f"FEATURE_{number}", f"value {number}")
        account = await admin.create_account(
            application.portfolio_id, {application.environment_id: ALL_ROLES}
        )
        environment = application.environment_id
        return Ground(
            party,
            environment,
            account.sdk_key(environment, client=True),
            account.sdk_key(environment, client=False),
        )


async def polls(ground: Ground, *, connections: int, seconds: float, unchanged: bool) -> dict[str, object]:
    """Poll over kept-alive connections for a time."""
    url = f"{ground.party.url}/features?apiKey={ground.server_key}"
    headers: dict[str, str] = {}
    took: list[float] = []
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.get(url) as answer:
            size = len(await answer.read())
            if unchanged:
                headers["if-none-match"] = answer.headers["etag"]
        until = time.perf_counter() + seconds

        async def one() -> None:
            while (began := time.perf_counter()) < until:
                async with session.get(url, headers=headers) as answer:
                    await answer.read()
                    expected = 304 if unchanged else 200
                    if answer.status != expected:
                        raise RuntimeError(f"a poll was answered {answer.status}")
                took.append(time.perf_counter() - began)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(connections):
                tasks.create_task(one())
    return {"per_second": round(len(took) / seconds), "body_bytes": size, **milliseconds(took)}


async def fan_out(ground: Ground, *, streams: int, changes: int) -> dict[str, object]:
    """Change a value again and again; measure from the request's start to each stream."""
    before = resident_bytes(ground.party.pid)
    opened = [Stream(f"{ground.party.url}/features/{ground.client_key}") for _ in range(streams)]
    first: list[float] = []
    last: list[float] = []
    every: list[float] = []
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
            )
        )
        admin = await stack.enter_async_context(open_admin(ground.party.url, ground.party.token))
        async with asyncio.TaskGroup() as tasks:
            reading = [tasks.create_task(stream.read(session)) for stream in opened]
            async with asyncio.timeout(60):
                for stream in opened:
                    await stream.ready.wait()
            memory = (resident_bytes(ground.party.pid) - before) / streams
            for number in range(changes):
                value = f"change {number}"
                began = time.perf_counter()
                await admin.set(ground.environment_id, "FEATURE_0", value)
                async with asyncio.timeout(30):
                    while not all(value in stream.seen for stream in opened):
                        await asyncio.sleep(0.005)
                arrived = sorted(stream.seen[value] - began for stream in opened)
                every += arrived
                first.append(arrived[0])
                last.append(arrived[-1])
            for task in reading:
                task.cancel()
    return {
        "streams": streams,
        "changes": changes,
        "memory_per_stream_bytes": round(memory),
        "every_stream": milliseconds(every),
        "first_stream": milliseconds(first),
        "last_stream": milliseconds(last),
    }


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def machine() -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": os.cpu_count(),
    }


async def measure(party: PartyProcess, options: argparse.Namespace) -> dict[str, object]:
    ground = await lay_ground(party)
    seconds, connections = options.seconds, options.connections
    return {
        "polls_200": await polls(ground, connections=connections, seconds=seconds, unchanged=False),
        "polls_304": await polls(ground, connections=connections, seconds=seconds, unchanged=True),
        "fan_out": await fan_out(ground, streams=options.streams, changes=options.changes),
        "large_application": await large_application(
            party, features=options.features, environments=options.environments
        ),
    }


def measure_party(options: argparse.Namespace) -> dict[str, object]:
    settings = {"BURGEE_LOG_LEVEL": "warning"}
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder, running_postgres() as postgres:
        for name, url in (("sqlite", None), ("postgresql", postgres.url(postgres.create_database()))):
            home = Path(folder) / name
            home.mkdir()
            with running_party(home, database_url=url, settings=settings) as party:
                results[name] = asyncio.run(measure(party, options))
    return results


def measure_split(options: argparse.Namespace) -> list[Measurement]:
    shape = Shape(edge_rest=0, common={**QUICK, "BURGEE_LOG_LEVEL": "warning"})
    with prepared_split(shape) as split:
        keep_commit_times(split)
        split.start()
        journeys, told = uvloop.run(
            travel(split, streams=options.split_streams, changes=options.split_changes)
        )
    print(f"The last change, as MR records it: {told}")
    return measurements(journeys, streams=options.split_streams)


@contextmanager
def prepared_split(shape: Shape) -> Iterator[Split]:
    """A split world that is not started yet; it has ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="burgee-bench-") as folder:
        home = Path(folder)
        # PostgreSQL runs as somebody else when this is root, and must reach its folder.
        home.chmod(0o711)
        split = Split(home, shape)
        try:
            yield split
        finally:
            split.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=("party", "split"), help="one part; both by default")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--features", type=int, default=1000, help="of the large application")
    parser.add_argument("--environments", type=int, default=20, help="of the large application")
    parser.add_argument("--split-streams", type=int, default=200)
    parser.add_argument("--split-changes", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    options = parser.parse_args()
    results: dict[str, object] = {"machine": machine()}
    if options.only != "split":
        results["party"] = measure_party(options)
        print(json.dumps(results["party"], indent=2))
    if options.only != "party":
        found = measure_split(options)
        results["measurements"] = [each.as_json() for each in found]
        for each in found:
            print(each.line())
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
