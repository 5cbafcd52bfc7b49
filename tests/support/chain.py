"""MR's log, Dachas and an Edge in one event loop: real caches and the real codec on both tiers.

What lies between them is the double: a bus made of a table of words, and a tail of MR's log for each
process, so that each may be cut off, or lose events, on its own.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from prometheus_client import CollectorRegistry

from common.contracts.environments import hash_key
from common.errors import Unavailable
from common.messaging.local import LocalBus, Tail
from dacha.app import Dacha, open_dacha, report
from dacha.lookups import Lookups
from dacha.settings import DachaSettings
from edge.dachas import DachaPool
from edge.near import open_near_cache, report_of
from edge.reach import ReachLog, noted
from edge.settings import EdgeSettings
from tests.support.change_log import ChangeLog, account_id, environment_id
from tests.support.dachas import ScriptedDacha, ScriptedRequests
from tests.support.edges import RunningEdge, edge_over
from tests.support.origins import ModelOrigin
from tests.support.sources import CLIENT_KEY, SERVER_KEY, MemorySink
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from common.caching.app import OpenCache
    from common.caching.cache import FeatureCache
    from common.contracts.reports import Report

ENVIRONMENT = environment_id("production")
CLIENT = f"{ENVIRONMENT}/{CLIENT_KEY}"
SERVER = f"{ENVIRONMENT}/{SERVER_KEY}"
HEARTBEAT_SECONDS = 0.4
"""Often enough for a test, and so seldom that a busy machine does not make a silence of a hiccup."""


class LogTail:
    """One process's way to MR's log."""

    def __init__(self, log: ChangeLog) -> None:
        self._log = log
        self.cut = False
        #: Positions that never arrive here.
        self.lost: set[int] = set()

    async def __call__(self, after: int, limit: int) -> Tail:
        if self.cut:
            raise Unavailable("The log cannot be read.")
        self._log.assign()
        tail = self._log.tail_after(after, limit)
        return msgspec.structs.replace(
            tail, events=[each for each in tail.events if each.position not in self.lost]
        )

    def bus(self) -> LocalBus:
        return LocalBus(self, heartbeat_seconds=HEARTBEAT_SECONDS, poll_seconds=0.01)


@dataclass
class DachaTier:
    """One Dacha, its way to the log, and its way to MR."""

    dacha: Dacha
    lookups: Lookups
    tail: LogTail
    origin: ModelOrigin
    member: ScriptedDacha


@dataclass
class Chain:
    """Everything between MR's log and an SDK."""

    log: ChangeLog
    dachas: list[DachaTier]
    requests: ScriptedRequests
    tail: LogTail
    pool: DachaPool
    near: OpenCache
    edge: RunningEdge[FeatureCache, MemorySink]

    def change(self, key: str, value: bytes = b"true", *, environment: str = ENVIRONMENT) -> int:
        """Set a feature; returns the position that the change has."""
        self.log.set_feature(environment, key, value)
        self.log.assign()
        return self.log.position

    def lose_next(self, *tails: LogTail) -> None:
        """The next event will not reach these."""
        for tail in tails:
            tail.lost.add(self.log.position + 1)

    def mr_away(self, away: bool) -> None:
        for each in self.dachas:
            each.origin.cut_off = away

    def loads(self) -> int:
        """How many look-ups MR had to answer."""
        asked = [each.origin.asked for each in self.dachas]
        return sum(each["environment"] + each["account"] for each in asked)

    def report(self) -> Report:
        return report_of("edge-1", self.near, self.edge.edge)

    async def caught_up(self) -> None:
        """Wait until the Edge and every Dacha know all that there is."""
        self.log.assign()
        replicas = [self.near.holdings.replica, *(each.dacha.holdings.replica for each in self.dachas)]
        await eventually(
            lambda: all(
                each.live and each.position == self.log.position and not each.suspects for each in replicas
            )
        )


@asynccontextmanager
async def running_chain(
    *, dachas: int = 1, cache_environments: int = 10_000, **settings: Any
) -> AsyncIterator[Chain]:
    """An environment with one feature and an account, Dachas over it, and an Edge that is served."""
    log = ChangeLog()
    log.create_environment(ENVIRONMENT)
    log.set_feature(ENVIRONMENT, "FIRST")
    log.save_account(
        account_id("sdk"), hash_key(CLIENT_KEY), hash_key(SERVER_KEY), environments=[ENVIRONMENT]
    )
    log.assign()
    async with AsyncExitStack() as parts:
        requests = ScriptedRequests()
        tiers = [await _dacha(parts, requests, log, f"dacha-{number}") for number in range(dachas)]
        registry = CollectorRegistry()
        pool = DachaPool(requests, registry=registry, hedge_seconds=0.05, passed_on_hedge_seconds=0.1)
        for each in tiers:
            pool.told(report(each.dacha, each.member.instance))
        reach, tail = ReachLog(), LogTail(log)
        near = await parts.enter_async_context(
            open_near_cache(
                EdgeSettings(cache_environments=cache_environments),
                bus=noted(tail.bus(), reach),
                origin=pool,
                registry=registry,
            )
        )
        edge = await parts.enter_async_context(
            edge_over(near.cache, MemorySink(), reach=reach, registry=registry, **settings)
        )
        made = Chain(log, tiers, requests, tail, pool, near, edge)
        await made.caught_up()
        yield made


async def _dacha(
    parts: AsyncExitStack, requests: ScriptedRequests, log: ChangeLog, instance: str
) -> DachaTier:
    tail, origin = LogTail(log), ModelOrigin(log)
    dacha = await parts.enter_async_context(open_dacha(DachaSettings(), bus=tail.bus(), origin=origin))
    lookups = Lookups(dacha)
    await eventually(lambda: lookups.ready)
    member = ScriptedDacha(instance, lookups)
    requests.dachas[instance] = member
    return DachaTier(dacha, lookups, tail, origin, member)
