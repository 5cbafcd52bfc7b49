"""G3: convergence after bus loss.

Fault: kill -9 of all NATS servers, edits, restart; caches come back only after everything was sent.
Assertion: every Edge is equal within T, and what MR is asked for is what was changed, not what is held.
With edits going on at 20 a second and 200 streams on two Edges, every stream has what was committed at the
return of the bus within 5 s of it.
"""

import asyncio
import time

import aiohttp
import pytest

from tests.guarantees.conftest import T_RESTART, T
from tests.support.admin import ALL_ROLES, open_admin
from tests.support.lanes import VALUES_ONLY
from tests.support.ledger import ledger
from tests.support.proxy import Request
from tests.support.scene import Scene, open_scene
from tests.support.split import Split
from tests.support.waiting import eventually
from tests.support.watchers import poll

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

SEED = 20261124
IDLE = 20
"""Environments that everybody holds and nobody changes."""
CONSTANT = 6
"""Questions to MR that have nothing to do with how much was changed, for one Dacha."""
SHORT_OUTAGE, LONG_OUTAGE = 5.5, 60.0
"""The short one is longer than what is taken for peace, two and a half heartbeats."""
STREAMS_AT_EACH = 100


async def hold_idle_environments(split: Split) -> list[str]:
    """Make environments and let every Edge and Dacha hold them; answer their ids."""
    async with open_admin(split.mrs[0].url, split.token) as admin, aiohttp.ClientSession() as http:
        application = await admin.create_application()
        ids = [application.environment_id]
        while len(ids) < IDLE:
            ids.append(await admin.create_environment(application.id))
        await admin.create_feature(application.id, "idle")
        account = await admin.create_account(application.portfolio_id, dict.fromkeys(ids, ALL_ROLES))
        for edge in split.edges:
            for environment_id in ids:
                key = account.sdk_key(environment_id, client=True)

                async def served(url: str = edge.url, key: str = key) -> bool:
                    return (await poll(http, url, key))[0] == 200

                await eventually(served, within_seconds=T, what="an idle environment to be served")
    return ids


def environment_loads(split: Split, *, after: float, ids: list[str] | None = None) -> list[int]:
    """How many environments each Dacha asked MR for since then: all, or these."""

    def matches(request: Request) -> bool:
        _, found, environment_id = request.path.partition("?")[0].partition("/internal/environments/")
        return bool(found) and request.at > after and (ids is None or environment_id in ids)

    return [link.asked(matches) for link in split.internal.values()]


def check_loads(split: Split, scene: Scene, idle: list[str], began: float) -> None:
    loads = environment_loads(split, after=began)
    ledger().loaded(sum(loads))
    assert environment_loads(split, after=began, ids=idle) == [0] * len(loads), "what did not change is kept"
    most = len(scene.driver.environments) + CONSTANT
    assert max(loads) <= most, f"Dachas loaded {loads} environments, {len(scene.driver.environments)} changed"


async def test_all_are_equal_again_when_the_bus_is_back(split: Split, scale, repetition) -> None:
    idle = await hold_idle_environments(split)
    async with open_scene(split, seed=SEED + repetition) as scene:
        losses = scale.faults_of(1)
        for number in range(losses):
            await scene.driver.edit(10)
            await scene.converge(T)
            began = time.monotonic()
            await asyncio.to_thread(split.kill_bus)
            await scene.driver.edit(30)
            await scene.edit_until(scale.changes_of(40) * (number + 1) // losses)
            await come_back(split)
            await scene.converge(T_RESTART)
            check_loads(split, scene, idle, began)


async def come_back(split: Split) -> None:
    """Start the bus; caches find it only when everything that waited was sent and nobody heard it."""
    links = [link for each in (*split.dachas, *split.edges) for link in split.bus_links(each)]
    for link in links:
        link.hold()
    await asyncio.to_thread(split.start_bus)
    await eventually(split.published, within_seconds=T_RESTART, what="the backlog to be sent")
    for link in links:
        link.release()


def behind(scene: Scene, committed: dict[str, dict[str, int]]) -> int:
    """How many streams do not have what was committed at that moment, or something later."""
    late = 0
    for stream in scene.watch.streams:
        held = stream.held or {}
        late += any(
            key not in held or held[key].version < version
            for key, version in committed[stream.environment_id].items()
        )
    return late


async def test_streams_have_what_was_committed_soon_after_a_long_loss(
    split: Split, scale, repetition
) -> None:
    idle = await hold_idle_environments(split)
    opened = open_scene(split, seed=SEED + repetition, streams=STREAMS_AT_EACH, weights=VALUES_ONLY)
    async with opened as scene:
        began = time.monotonic()
        async with scene.driver.at_work(rate=20):
            await asyncio.to_thread(split.kill_bus)
            await asyncio.sleep(LONG_OUTAGE if scale.is_long else SHORT_OUTAGE)
            await asyncio.to_thread(split.start_bus)
            back = time.monotonic()
            committed = {
                environment: {key: state.version for key, state in states.items()}
                for lane in scene.driver.lanes
                for environment, states in (await scene.driver.stored(lane)).items()
            }
            await eventually(lambda: not behind(scene, committed), within_seconds=T, what="every stream")
            ledger().converged(time.monotonic() - back)
        await scene.converge(T)
        check_loads(split, scene, idle, began)
