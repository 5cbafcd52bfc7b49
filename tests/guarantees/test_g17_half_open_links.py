"""G17: half-open links.

Fault: nothing passes any more in one direction between a process and its NATS server, while the connection
stays open on both sides: towards the process, or from it; of a Dacha and of an Edge. Edits go on.
Assertion: the process knows within two heartbeats (and what a heartbeat may be late) that it hears
nothing, serves on, and has caught up soon after the link is whole; its streams miss nothing.
"""

import asyncio
import time

import pytest

from tests.guarantees.conftest import T_RESTART, Scale, T
from tests.support.driver import Driver, open_driver
from tests.support.fleet import STREAMS, open_fleet
from tests.support.processes import BurgeeProcess
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.watchers import Watch, converge, open_watch

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

HEARTBEAT_SECONDS = 2.0
LATE_SECONDS = T / 2
"""The clock of silence is looked at once a second, and the machine is shared."""
LEAVES_SECONDS = 6.0
"""Who is heard no more but still hears goes on hearing the log, until it finds that nobody answers it."""
SEED = 20261117


async def silent(process: BurgeeProcess) -> float:
    return await asyncio.to_thread(process.metric, f"burgee_{process.kind}_silent_seconds")


async def cut_one_way(split: Split, process: BurgeeProcess, driver: Driver, direction: str) -> float:
    """Cut, edit, see the silence noticed, mend; answer when it was mended."""
    links = split.bus_links(process)
    async with driver.at_work(rate=20):
        for link in links:
            link.stall(direction)
        noticed: bool = await eventually(
            lambda: _is_silent(process),
            within_seconds=2 * HEARTBEAT_SECONDS
            + LATE_SECONDS
            + (LEAVES_SECONDS if direction == "up" else 0.0),
            what=f"{process.name} to notice that it hears nothing",
        )
        assert noticed
        await asyncio.sleep(0.5)
        for link in links:
            link.resume(direction)
    return time.monotonic()


async def _is_silent(process: BurgeeProcess) -> bool:
    return await silent(process) > 0


async def hears_again(process: BurgeeProcess) -> None:
    async def hears() -> bool:
        return await silent(process) == 0

    heard: bool = await eventually(hears, within_seconds=T_RESTART, what=f"{process.name} to hear again")
    assert heard


async def all_converge(split: Split, driver: Driver, watch: Watch, fleets: list, mended: float) -> None:  # type: ignore[type-arg]
    took = await converge(
        driver,
        [edge.url for edge in split.edges],
        watch=watch,
        fleets=fleets,
        within_seconds=T_RESTART,
        since=mended,
    )
    print(f"converged {took:.2f} s after the link was whole")


async def test_a_link_that_is_open_one_way_is_noticed_and_heals(split: Split, scale: Scale) -> None:
    urls = [edge.url for edge in split.edges]
    async with (
        open_driver(
            [each.url for each in split.mrs], split.database_url, token=split.token, seed=SEED
        ) as driver,
        open_watch(driver, urls, streams=8) as watch,
        open_fleet(split.edges[0].port, [driver.keys[0]], kinds=STREAMS) as fleet,
    ):
        await watch.all_open()
        await fleet.ready()
        cuts = [(split.edges[0], "down"), (split.dachas[0], "down"), (split.edges[1], "up")]
        for process, direction in cuts[: 3 if scale.is_long else 2]:
            mended = await cut_one_way(split, process, driver, direction)
            await all_converge(split, driver, watch, [fleet], mended)
            await hears_again(process)
        fleet.assert_no_errors()
