"""An Edge that has no bus: it asks where MR stands, and loads what moved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from common.caching.app import OpenCache
from common.contracts.environments import hash_key
from common.messaging.polled import PolledBus
from edge.near import open_near_cache
from edge.settings import EdgeSettings
from tests.support.change_log import ChangeLog, account_id, environment_id, key_hash
from tests.support.edges import RunningEdge, edge_over
from tests.support.origins import ModelOrigin
from tests.support.sources import SERVER_KEY, MemorySink
from tests.support.waiting import eventually

ENVIRONMENT = environment_id("production")
SDK_KEY = f"{ENVIRONMENT}/{SERVER_KEY}"


@dataclass
class Polled:
    log: ChangeLog
    origin: ModelOrigin
    near: OpenCache
    edge: RunningEdge


@asynccontextmanager
async def polled_edge() -> AsyncIterator[Polled]:
    log = ChangeLog()
    log.create_environment(ENVIRONMENT)
    log.set_feature(ENVIRONMENT, "FIRST")
    save_account(log)
    log.assign()
    origin = ModelOrigin(log)
    bus = PolledBus(origin.state, heartbeat_seconds=0.6, poll_seconds=0.03, longest_seconds=0.1)
    settings = EdgeSettings()
    async with (
        open_near_cache(settings, bus=bus, origin=origin) as near,
        edge_over(near.cache, MemorySink()) as edge,
    ):
        await eventually(lambda: near.holdings.replica.live)
        yield Polled(log, origin, near, edge)


def save_account(log: ChangeLog) -> None:
    log.save_account(account_id("sdk"), key_hash("client"), hash_key(SERVER_KEY), environments=[ENVIRONMENT])


async def test_a_change_reaches_open_streams() -> None:
    async with polled_edge() as polled, polled.edge.stream(SDK_KEY) as stream:
        await stream.until("features")
        polled.log.set_feature(ENVIRONMENT, "SECOND")
        polled.log.assign()
        assert (await stream.until("feature")).data["key"] == "SECOND"


async def test_a_removed_account_ends_its_streams() -> None:
    async with polled_edge() as polled, polled.edge.stream(SDK_KEY) as stream:
        await stream.until("features")
        polled.log.delete_account(account_id("sdk"))
        polled.log.assign()
        assert [event.name for event in await stream.rest()] == ["bye"]


async def test_what_changed_while_nobody_answered_arrives_afterwards() -> None:
    async with polled_edge() as polled, polled.edge.stream(SDK_KEY) as stream:
        await stream.until("features")
        polled.origin.cut_off = True
        await eventually(lambda: not polled.near.holdings.replica.live)
        await eventually(lambda: polled.near.cache.silent_seconds > 0)
        polled.log.set_feature(ENVIRONMENT, "SECOND")
        polled.log.assign()
        assert (await polled.edge.poll(SDK_KEY)).status == 200
        polled.origin.cut_off = False
        assert (await stream.until("feature", within_seconds=10)).data["key"] == "SECOND"


async def test_a_key_that_came_to_be_is_found() -> None:
    async with polled_edge() as polled:
        later = environment_id("later")
        assert (await polled.edge.poll(f"{later}/{SERVER_KEY}")).status == 404
        polled.log.create_environment(later)
        polled.log.save_account(
            account_id("sdk"),
            key_hash("client"),
            polled.log.accounts[account_id("sdk")].server_key_hash,
            environments=[ENVIRONMENT, later],
        )
        polled.log.assign()

        async def found() -> bool:
            return (await polled.edge.poll(f"{later}/{SERVER_KEY}")).status == 200

        await eventually(found)
