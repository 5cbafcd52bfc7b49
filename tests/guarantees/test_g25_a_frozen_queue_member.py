"""G25: a frozen queue member.

Fault: SIGSTOP one of the two Dachas while clients ask for keys that no Edge holds. Assertion: no 503, and
the slowest of a hundred waits little longer than a hedge.
"""

import asyncio
import time

import pytest

from tests.guarantees.conftest import Scale
from tests.support.admin import ALL_ROLES
from tests.support.cold import caught_up, chill
from tests.support.ledger import ledger
from tests.support.split import Split
from tests.support.swarm import Visit, visit
from tests.support.waiting import eventually
from tests.support.world import World, open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

KEYS = 60
"""Cold keys per frozen member, each of an account of its own."""
P99_SECONDS = 3.0
"""A hedge after 0.1 s, twice (an account, then its environment), on a machine that is shared. Who waits for
the frozen one waits for four."""


async def cold_keys(split: Split, world: World, count: int, *, met: bool) -> list[str]:
    """Keys of new accounts, which Dachas know and no Edge holds."""
    environment = world.environment_id
    accounts = [
        await world.admin.create_account(world.application.portfolio_id, {environment: ALL_ROLES})
        for _ in range(count)
    ]
    await caught_up(split)
    await chill(split, split.edges)
    if met:
        await eventually(
            lambda: asyncio.to_thread(_all_met, split), within_seconds=30, what="Edges to hear both Dachas"
        )
    return [account.sdk_key(environment, client=number % 2 == 0) for number, account in enumerate(accounts)]


def _all_met(split: Split) -> bool:
    return all(each.metric("burgee_edge_dacha_members") == len(split.dachas) for each in split.edges)


@pytest.mark.parametrize(
    ("frozen", "met"), [(0, True), (1, False)], ids=["known by name", "not yet known by name"]
)
async def test_a_frozen_dacha_costs_cold_polls_a_hedge_and_nothing_else(
    split: Split, scale: Scale, frozen: int, met: bool
) -> None:
    async with open_world(split.mrs[0].url, split.edges[0].port, split.token) as world:
        await world.create("flag")
        keys = await cold_keys(split, world, 5 * KEYS if scale.is_long else KEYS, met=met)
        split.dachas[frozen].pause()
        visits: list[Visit] = []
        # First those that nobody could foresee, then those of Edges that have noticed.
        began = time.monotonic()
        for start in range(0, len(keys), 6):
            for edge in split.edges:
                swarm = await visit(edge.port, keys[start : start + 6])
                await swarm.over(30)
                visits += swarm.visits
            await asyncio.sleep(0.02)
        took = time.monotonic() - began
        split.dachas[frozen].resume()
        statuses = {each.status for each in visits}
        times = sorted(each.seconds for each in visits)
        p99 = times[int(len(times) * 0.99)]
        print(f"p50 {times[len(times) // 2]:.3f} s, p99 {p99:.3f} s, {len(visits)} polls in {took:.1f} s")
        ledger().converged(p99)
        assert statuses == {200}, statuses
        assert p99 < P99_SECONDS
