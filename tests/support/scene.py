"""A driver, its watchers at every Edge of a split world, and SDK processes: what most rows look at."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tests.support.driver import Driver, open_driver
from tests.support.fleet import CUT_STREAM, JS_POLL, JS_STREAM, PYTHON_STREAM, Fleet, open_fleet
from tests.support.lanes import Weights
from tests.support.split import Split
from tests.support.watchers import Watch, converge, open_watch

LONGEST_SECONDS = 1800.0
KINDS_AT_EDGES = ((JS_STREAM, PYTHON_STREAM), (JS_STREAM, JS_POLL))


@dataclass(frozen=True)
class Scene:
    """Everybody who edits and looks on. The SDKs are on the first environment."""

    split: Split
    driver: Driver
    watch: Watch
    fleets: tuple[Fleet, ...]
    dice: random.Random

    async def edit_until(self, changes: int) -> None:
        """Make edits until so many changes are acknowledged since the scene was opened."""
        if self.driver.changes < changes:
            await self.driver.edit(changes - self.driver.changes)

    async def converge(self, within_seconds: float, *, since: float | None = None) -> float:
        """Wait until every Edge, Edge-REST, stream and SDK holds what is stored; nobody saw a step back."""
        began = time.monotonic() if since is None else since
        urls = [each.url for each in (*self.split.edges, *self.split.edge_rests)]
        took = await converge(
            self.driver,
            urls,
            watch=self.watch,
            fleets=self.fleets,
            within_seconds=within_seconds,
            since=began,
        )
        for fleet in self.fleets:
            fleet.assert_no_errors(allow=[CUT_STREAM])
        print(f"converged in {took:.2f} s after {self.driver.changes} changes")
        return took


@asynccontextmanager
async def open_scene(
    split: Split,
    *,
    seed: int,
    lanes: int = 2,
    environments: int = 2,
    streams: int = 8,
    pollers: int = 1,
    weights: Weights = Weights(),  # noqa: B008 - immutable
) -> AsyncIterator[Scene]:
    """A scene in which everybody is served; so many streams and pollers at each Edge."""
    async with AsyncExitStack() as stack:
        driver = await stack.enter_async_context(
            open_driver(
                [each.url for each in split.mrs],
                split.database_url,
                token=split.token,
                seed=seed,
                lanes=lanes,
                environments=environments,
                weights=weights,
            )
        )
        urls = [edge.url for edge in split.edges]
        watch = await stack.enter_async_context(open_watch(driver, urls, streams=streams, pollers=pollers))
        fleets = []
        for edge, kinds in zip(split.edges, KINDS_AT_EDGES, strict=False):
            opened = open_fleet(edge.port, [driver.keys[0]], kinds=kinds, limit_seconds=LONGEST_SECONDS)
            fleets.append(await stack.enter_async_context(opened))
        await watch.all_open()
        for fleet in fleets:
            await fleet.ready()
        yield Scene(split, driver, watch, tuple(fleets), random.Random(seed))
