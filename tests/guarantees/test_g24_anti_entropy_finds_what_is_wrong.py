"""G24: anti-entropy finds what is wrong.

Fault: an Edge and a Dacha that run a patched copy of the tree remember a value wrongly, once, and compare
what they hold every three seconds. Assertion: each finds it by the digest within a period, loads it again,
and counts exactly one; who is connected ends with the database's value. (That the counter is 0 in every
other test is checked after each of them, by the fixture `split`.)
"""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.guarantees.conftest import T
from tests.guarantees.selftest import ROOT
from tests.support.cold import caught_up
from tests.support.crowd import open_crowd
from tests.support.fleet import STREAMS, open_fleet
from tests.support.judge import agree
from tests.support.ledger import ledger
from tests.support.processes import BurgeeProcess
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.watchers import poll
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

PATCH = Path(__file__).parent / "corruptions" / "g24-spoil-a-value.patch"
PACKAGES = ("burgee", "common", "dacha", "edge", "edge_rest", "mr")
PERIOD_SECONDS = 3.0 * 1.2


@pytest.fixture(scope="module")
def spoiling_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product's packages, patched."""
    copy = tmp_path_factory.mktemp("spoiling")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "apply", PATCH], cwd=copy, check=True)
    return copy


@asynccontextmanager
async def spoiler(split: Split, kind: str, tree: Path) -> AsyncIterator[BurgeeProcess]:
    """One more process of this kind, which spoils."""
    process = split.outpost(kind, 3, split.nodes[0].url, tree=tree)
    try:
        await asyncio.to_thread(process.start)
        yield process
    finally:
        await asyncio.to_thread(process.stop)


async def mismatches(process: BurgeeProcess) -> float:
    return await asyncio.to_thread(process.metric, f"burgee_{process.kind}_digest_mismatches_total")


async def found_once(process: BurgeeProcess) -> None:
    """Wait until it was found and repaired; a period later nothing else was found."""

    async def repaired() -> bool:
        suspects = await asyncio.to_thread(process.metric, f"burgee_{process.kind}_suspects")
        return await mismatches(process) == 1 and not suspects

    began = time.monotonic()
    done: bool = await eventually(
        repaired, within_seconds=PERIOD_SECONDS + T, what=f"{process.name} to find it"
    )
    assert done
    ledger().converged(time.monotonic() - began)
    await asyncio.sleep(PERIOD_SECONDS)
    assert await mismatches(process) == 1, "found once, repaired for good"


@pytest.fixture
async def world(split: Split) -> AsyncIterator[World]:
    async with open_world(split.mrs[0].url, split.edges[0].port, split.token) as made:
        await made.create("text", "STRING")
        await made.admin.set(made.environment_id, "text", "well")
        yield made


async def test_an_edge_that_holds_something_wrong_repairs_it(
    split: Split, world: World, spoiling_tree: Path
) -> None:
    async with (
        spoiler(split, "edge", spoiling_tree) as edge,
        open_fleet(edge.port, [world.client_key], kinds=STREAMS) as fleet,
        open_crowd(edge.port) as crowd,
    ):
        await fleet.hold("text", "well")
        heard: list[object] = []
        await crowd.join(world.client_key, note=lambda _, told: heard.append(told.value))
        await eventually(lambda: "well" in heard, what="a stream")
        await world.admin.set(world.environment_id, "text", "corrupt me")
        ledger().fault()
        # Not by a poll: that may come when it is repaired already.
        await eventually(lambda: "spoilt" in heard, within_seconds=T, what="the patch to spoil")
        await found_once(edge)
        await agree(fleet, split.database_url, world.environment_id, T)
        fleet.assert_no_errors()


async def test_a_dacha_that_holds_something_wrong_repairs_it(
    split: Split, world: World, spoiling_tree: Path
) -> None:
    async with (
        aiohttp.ClientSession() as http,
        spoiler(split, "dacha", spoiling_tree) as dacha,
    ):
        # An environment that is made now comes to it as an event, and is held.
        other = await world.admin.create_environment(world.application.id)
        await caught_up(split, [dacha])
        await world.admin.set(other, "text", "corrupt me")
        ledger().fault()
        await found_once(dacha)
        assert (await poll(http, split.edges[0].url, world.client_key))[0] == 200
