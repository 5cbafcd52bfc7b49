"""G16: a cut-off region heals.

Fault: a Dacha and an Edge stand behind a leaf node; the leaf's link is cut, and the Dacha's way to MR with
it, while edits go on elsewhere. Assertion: the region serves what it knew and says how stale that is; on
its return it loads what was changed and not more, and its SDK processes hold what the database delivers.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.guarantees.conftest import T_RESTART, Scale, T
from tests.support.driver import Driver, open_driver
from tests.support.fleet import STREAMS, open_fleet
from tests.support.lanes import VALUES_ONLY
from tests.support.ledger import ledger
from tests.support.links import Link
from tests.support.nats import NatsServer
from tests.support.processes import BurgeeProcess
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.watchers import Watch, converge, open_watch

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

HEARTBEAT_SECONDS = 2.0
SEED = 20261116
APPLICATIONS = 3
ENVIRONMENTS = 4
"""Per application; edits go to one environment of the first two while the region is away."""


@dataclass(frozen=True)
class Region:
    """A leaf node with a Dacha and an Edge, and its two ways to the rest of the world."""

    leaf: NatsServer
    dacha: BurgeeProcess
    edge: BurgeeProcess
    bus: Link
    internal: Link

    def cut_off(self) -> None:
        self.bus.refuse()
        self.internal.refuse()

    def rejoin(self) -> None:
        self.bus.accept()
        self.internal.accept()

    def environment_loads(self) -> int:
        return self.internal.asked(lambda request: request.path.startswith("/internal/environments/"))


@pytest.fixture
async def region(split: Split, tmp_path: Path) -> AsyncIterator[Region]:
    bus = split.links.open(split.nodes[0].leaf_port)
    leaf = NatsServer(tmp_path, name="leaf", leaf_of=bus.port)
    dacha, edge = (split.outpost(kind, 2, leaf.url) for kind in ("dacha", "edge"))
    processes = (dacha, edge)

    def start() -> None:
        leaf.start()
        for process in processes:
            process.launch()
        for process in processes:
            process.wait_until_ready(60)

    def stop() -> None:
        for process in processes:
            process.ask_to_stop()
        for process in processes:
            process.stop()
        leaf.stop()

    try:
        await asyncio.to_thread(start)
        yield Region(leaf, dacha, edge, bus, split.internal[dacha.name])
    finally:
        bus.mend()
        await asyncio.to_thread(stop)


async def staleness(region: Region, key: str) -> float:
    """What a poll of the region's Edge says about its age."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{region.edge.url}/features", params={"apiKey": key}) as answer,
    ):
        assert answer.status == 200
        return float(answer.headers.get("burgee-silent-seconds", 0))


@asynccontextmanager
async def edits_on_few(driver: Driver, changes: int) -> AsyncIterator[set[str]]:
    """Edit one environment of the first two applications; answers which."""
    chosen = set()
    lanes = driver.lanes[:2]
    for lane in lanes:
        lane.editable = lane.ground.environments[:1]
        chosen.add(lane.editable[0])
    before = driver.changes
    while driver.changes < before + changes:
        for lane in lanes:
            await lane.step()
    yield chosen


async def all_open(watch: Watch, region: Region) -> None:
    """Every environment is held in the region, and every stream open."""
    await watch.all_open()
    held: float = await eventually(
        lambda: asyncio.to_thread(region.edge.metric, "burgee_edge_environments"),
        within_seconds=30,
        what="the region to hold environments",
    )
    assert held >= APPLICATIONS * ENVIRONMENTS


async def test_a_region_that_was_cut_off_serves_and_catches_up(
    split: Split, region: Region, scale: Scale
) -> None:
    urls = [region.edge.url, split.edges[0].url]
    async with (
        open_driver(
            [each.url for each in split.mrs],
            split.database_url,
            token=split.token,
            seed=SEED,
            lanes=APPLICATIONS,
            environments=ENVIRONMENTS,
            accounts=0,
            weights=VALUES_ONLY,
        ) as driver,
        open_watch(driver, urls, streams=APPLICATIONS * ENVIRONMENTS) as watch,
        open_fleet(region.edge.port, [driver.keys[0]], kinds=STREAMS, limit_seconds=1800) as fleet,
    ):
        await all_open(watch, region)
        await fleet.ready()
        region.cut_off()
        async with edits_on_few(driver, scale.changes_of(40)) as changed:
            if scale.is_long:
                await asyncio.sleep(120.0)
            for key in driver.keys:
                await eventually(
                    lambda key=key: staleness(region, key),
                    within_seconds=4 * HEARTBEAT_SECONDS + T,
                    what="staleness to be reported",
                )
            loads = region.environment_loads()
            region.rejoin()
            rejoined = time.monotonic()
        took = await converge(
            driver, urls, watch=watch, fleets=[fleet], within_seconds=T_RESTART, since=rejoined
        )
        made = region.environment_loads() - loads
        ledger().loaded(made)
        print(f"converged {took:.2f} s after the link was back, {made} loads for {len(changed)} changed")
        assert made <= len(changed), "what had not changed was not loaded again"
        fleet.assert_no_errors()
