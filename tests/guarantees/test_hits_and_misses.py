"""Hits and misses: every look-up is counted for what it was, and costs MR what it must.

A scripted mix of known, unknown, created-later, revoked and junk keys, asked at both Edges with one Dacha
behind them: that Dacha's counters and MR's internal API show exactly the expected numbers.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
import pytest

from tests.support.admin import ALL_ROLES
from tests.support.cold import caught_up, chill
from tests.support.split import Split
from tests.support.watchers import poll
from tests.support.world import open_world

pytestmark = [pytest.mark.guarantees, pytest.mark.slow]

OUTCOMES = ("hit", "miss", "negative_hit", "load", "behind", "refused", "unavailable")
STRANGERS = 12


@dataclass
class Tally:
    """What one step of the script did."""

    lookups: Counter[str] = field(default_factory=Counter)
    loads: Counter[str] = field(default_factory=Counter)
    hedges: float = 0


class Counters:
    """The numbers of one Dacha and of MR, read between the steps of a script."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self._link = split.internal[split.dachas[0].name]
        self._last = self._read()

    def since(self) -> Tally:
        """What was counted since the last call."""
        now = self._read()
        was, self._last = self._last, now
        return Tally(now.lookups - was.lookups, now.loads - was.loads, now.hedges - was.hedges)

    def _read(self) -> Tally:
        metrics = self._split.dachas[0].metrics()
        lookups = Counter(
            {
                f"{kind} {outcome}": int(
                    metrics.sum("burgee_dacha_lookups_total", kind=kind, outcome=outcome)
                )
                for kind in ("account", "environment")
                for outcome in OUTCOMES
            }
        )
        loads = Counter(
            {
                kind: self._link.asked(
                    lambda request, kind=kind: request.path.startswith(f"/internal/{kind}s/")
                )
                for kind in ("account", "environment")
            }
        )
        return Tally(lookups, loads, self._split.total(self._split.edges, "burgee_edge_dacha_hedges_total"))


async def statuses(http: aiohttp.ClientSession, split: Split, key: str) -> list[int]:
    """What both Edges answer, one after the other."""
    return [(await poll(http, edge.url, key))[0] for edge in split.edges]


def stranger(environment_id: str, dice: random.Random) -> str:
    return f"{environment_id}/{''.join(dice.choices('abcdefghijklmnopqrstuvwxyz', k=40))}"


async def test_every_look_up_is_counted_and_costs_what_it_must(split: Split) -> None:
    dice = random.Random()
    async with (
        open_world(split.mrs[0].url, split.edges[0].port, split.token) as world,
        aiohttp.ClientSession() as http,
    ):
        await world.create("flag")
        await caught_up(split)
        await asyncio.to_thread(split.dachas[1].stop)
        await chill(split, [split.dachas[0], *split.edges])
        await caught_up(split, [split.dachas[0], *split.edges])
        counters = await asyncio.to_thread(Counters, split)

        async def step(what: str, lookups: dict[str, int], loads: dict[str, int]) -> None:
            tally = await asyncio.to_thread(counters.since)
            if not tally.hedges:
                # Where an answer was slow, a question was put twice; what MR is asked stays exact.
                assert tally.lookups == Counter(lookups), what
            assert tally.loads == Counter(loads), what

        assert await statuses(http, split, world.client_key) == [200, 200]
        await step(
            "known: the first Edge's question loads, the second's hits",
            {"account load": 1, "environment load": 1, "account hit": 1, "environment hit": 1},
            {"account": 1, "environment": 1},
        )
        for _ in range(5):
            assert await statuses(http, split, world.server_key) == [200, 200]
            assert await statuses(http, split, world.client_key) == [200, 200]
        await step("known: the other key of an account that is held costs nothing, at either Edge", {}, {})

        unknown = stranger(world.environment_id, dice)
        assert await statuses(http, split, unknown) == [404, 404]
        await step(
            "unknown: MR is asked once, the second Edge hears what was remembered",
            {"account miss": 1, "account negative_hit": 1},
            {"account": 1},
        )

        account = await world.admin.create_account(
            world.application.portfolio_id, {world.environment_id: ALL_ROLES}
        )
        await caught_up(split, [split.dachas[0], *split.edges])
        later = account.sdk_key(world.environment_id, client=True)
        assert await statuses(http, split, later) == [200, 200]
        await step("created later: it came with its event", {}, {})

        await world.admin.reset_keys(account.id)
        await caught_up(split, [split.dachas[0], *split.edges])
        assert await statuses(http, split, later) == [404, 404]
        await step(
            "revoked: MR confirms it once",
            {"account miss": 1, "account negative_hit": 1},
            {"account": 1},
        )

        for junk in ("nonsense", f"{world.environment_id}/", "a/b/c/d", f"not-an-id/{'x' * 40}"):
            for edge in split.edges:
                status, _ = await poll(http, edge.url, junk)
                assert status in {400, 404}, junk
        await step("malformed: refused without a look-up", {}, {})

        strangers = [stranger(world.environment_id, dice) for _ in range(STRANGERS)]
        for key in strangers:
            assert await statuses(http, split, key) == [404, 404]
        await step(
            "junk: each is asked once",
            {"account miss": STRANGERS, "account negative_hit": STRANGERS},
            {"account": STRANGERS},
        )
