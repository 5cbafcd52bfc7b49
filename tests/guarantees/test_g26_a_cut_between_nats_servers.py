"""G26: a cut between NATS servers.

Fault: the route between two nodes of a cluster is cut, with an MR, a Dacha and an Edge on either side;
every client stays connected to its node, so nobody is told. Edits go on through both MRs. Assertion: who
is cut off from the relay notices by a position that is missing or by silence, serves on, and converges
when the route is back.
"""

import asyncio
import time

import pytest

from tests.guarantees.conftest import SCALE, T_RESTART, Scale
from tests.support.driver import open_driver
from tests.support.fleet import STREAMS, open_fleet
from tests.support.links import Link
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.watchers import converge, open_watch

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

SEED = 20261126


def route(split: Split, one: int, other: int) -> Link:
    return split.routes[max(one, other), min(one, other)]


async def disconnects(split: Split) -> float:
    def count() -> float:
        return split.total([*split.dachas, *split.edges], "burgee_bus_reconnects_total")

    return await asyncio.to_thread(count)


async def cut_off_notices(split: Split) -> bool:
    """True when a Dacha or an Edge knows that something is missing, or hears nothing."""

    def ask() -> bool:
        return any(
            each.metric(f"burgee_{each.kind}_silent_seconds") > 0
            or each.metric(f"burgee_{each.kind}_position_lag") > 0
            for each in (*split.dachas, *split.edges)
        )

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize(
    "silently",
    [
        pytest.param(True, id="nothing passes"),
        pytest.param(
            False,
            id="connections refused",
            marks=pytest.mark.skipif(not SCALE.is_long, reason="the same from there on; in long runs"),
        ),
    ],
)
async def test_a_cut_route_is_noticed_and_everybody_converges(
    split: Split, scale: Scale, silently: bool
) -> None:
    urls = [edge.url for edge in split.edges]
    link = route(split, 0, 1)
    async with (
        open_driver(
            [each.url for each in split.mrs], split.database_url, token=split.token, seed=SEED
        ) as driver,
        open_watch(driver, urls, streams=8) as watch,
        open_fleet(split.edges[0].port, [driver.keys[0]], kinds=STREAMS) as here,
        open_fleet(split.edges[1].port, [driver.keys[0]], kinds=STREAMS) as there,
    ):
        await watch.all_open()
        for fleet in (here, there):
            await fleet.ready()
        before = await disconnects(split)
        async with driver.at_work(rate=20):
            if silently:
                link.stall("up")
                link.stall("down")
            else:
                link.refuse()
            noticed: bool = await eventually(
                lambda: cut_off_notices(split), within_seconds=30, what="the cut to be noticed"
            )
            assert noticed
            await asyncio.sleep(20.0 if scale.is_long else 1.0)
            polls = [each.polls for each in watch.pollers]
            # What was on its way is lost with the connection, as when a partition outlives it.
            link.cut()
            link.mend()
            mended = time.monotonic()
        assert all(polls), "it serves on"
        assert await disconnects(split) == before, "no client was told of the cut"
        await asyncio.to_thread(split.cluster.wait_for_routes)
        took = await converge(
            driver, urls, watch=watch, fleets=[here, there], within_seconds=T_RESTART, since=mended
        )
        print(f"converged {took:.2f} s after the route was whole")
        here.assert_no_errors()
        there.assert_no_errors()
