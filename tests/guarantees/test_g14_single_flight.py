"""G14: single flight.

Fault: a thousand clients (5,000 in a long run) ask for one key at once, through both Edges, while nothing
holds it; MR's answers are held until all have asked, and those who asked first hang up. Assertion: MR is
asked for each thing at most once per Dacha, and everybody who stayed is served.
"""

import time
from collections import Counter

import pytest

from tests.guarantees.conftest import Scale
from tests.support.cold import caught_up, chill
from tests.support.ledger import ledger
from tests.support.split import Split
from tests.support.swarm import gather
from tests.support.waiting import eventually
from tests.support.world import open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

CLIENTS = 500
"""For each Edge; 2,500 in a long run."""
LEADERS = 50
SOURCES = 8


def loads(split: Split) -> Counter[str]:
    """What was asked of MR so far, by path without the query."""
    found: Counter[str] = Counter()
    for link in split.internal.values():
        for request in list(link.proxy.requests):
            path = request.path.split("?")[0]
            if path.startswith(("/internal/environments/", "/internal/accounts/")):
                found[path] += 1
    return found


async def test_thousands_of_cold_requests_for_one_key_are_few_loads(split: Split, scale: Scale) -> None:
    clients = 2_500 if scale.is_long else CLIENTS
    async with open_world(split.mrs[0].url, split.edges[0].port, split.token) as world:
        await world.create("flag")
        await caught_up(split)
        await chill(split)
        leaders = [await gather(edge.port, [world.client_key] * LEADERS) for edge in split.edges]
        others = [
            await gather(edge.port, [world.client_key] * clients, sources=SOURCES) for edge in split.edges
        ]
        before = loads(split)
        for link in split.internal.values():
            link.stall("down")
        for swarm in leaders:
            swarm.ask()
        await eventually(lambda: loads(split) - before, what="a load under way")
        for swarm in others:
            swarm.ask()
        for swarm in leaders:
            swarm.leave()
        began = time.monotonic()
        for link in split.internal.values():
            link.resume("down")
        for swarm in others:
            await swarm.over(60)
            assert swarm.statuses == {200: clients}, swarm.statuses
            assert len({each.body for each in swarm.visits}) == 1
        ledger().converged(time.monotonic() - began)
        made = loads(split) - before
        ledger().loaded(made.total())
        assert set(made.values()) <= set(range(1, len(split.dachas) + 1)), made
        assert len(made) == 2, f"one environment and one account: {made}"
