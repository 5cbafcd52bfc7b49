"""G29: time rules.

Fault: a rule on `now` crosses its moment without any edit. Assertion: polls and server-evaluated streams
flip then, and no poll hears 304 for an answer that has changed.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from tests.guarantees.conftest import T
from tests.support.admin import attribute, strategy
from tests.support.fleet import ALL, open_fleet
from tests.support.party import PartyHere
from tests.support.waiting import eventually
from tests.support.world import World

pytestmark = pytest.mark.guarantees


PATIENCE = (4, 8, 16, 32, 64)
"""Seconds until the moment: a machine that needs longer to see what was before it gets a later one."""


async def rule_that_changes_in(world: World, seconds: float, conditional: str) -> datetime:
    """Give `sale` a rule that holds from (or until) a moment; answer the moment."""
    moment = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
    text = moment.isoformat().replace("+00:00", "Z")
    rule = strategy("by time", "by rule", attribute("now", conditional, [text], "DATETIME"))
    await world.admin.set(world.environment_id, "sale", "default", strategies=[rule])
    return moment


async def rule_that_is_seen_before(
    world: World, conditional: str, seen: Callable[[], Awaitable[object]]
) -> datetime:
    """The same, with a moment that had not come when ``seen`` was true; answer the moment."""
    for seconds in PATIENCE:
        moment = await rule_that_changes_in(world, seconds, conditional)
        while not await seen() and datetime.now(UTC) < moment:
            await asyncio.sleep(0.02)
        if datetime.now(UTC) < moment:
            return moment
    raise AssertionError(f"what was before it was not seen within {PATIENCE[-1]} s")


@pytest.mark.parametrize(
    ("conditional", "before", "after"),
    [("GREATER_EQUALS", "default", "by rule"), ("LESS", "by rule", "default")],
    ids=["from a moment on", "until a moment"],
)
async def test_server_evaluated_sdks_flip_when_the_moment_comes(
    world: World, conditional: str, before: str, after: str
) -> None:
    await world.create("sale", "STRING")
    async with open_fleet(world.port, [world.server_key], kinds=ALL) as fleet:
        await fleet.ready()

        async def all_hold_it() -> bool:
            held = [(await sdk.snapshot()).value("sale") for sdk in fleet.sdks]
            return held == [before] * len(fleet.sdks)

        moment = await rule_that_is_seen_before(world, conditional, all_hold_it)
        version = (await fleet.sdks[0].snapshot()).feature("sale").version
        left = (moment - datetime.now(UTC)).total_seconds()
        await fleet.hold("sale", after, within_seconds=left + T)
        assert datetime.now(UTC) >= moment
        await fleet.each(
            lambda sdk: sdk.eventually(lambda now: now.feature("sale").version == version, what="no edit")
        )
        fleet.assert_no_errors()


async def test_no_poll_hears_304_for_an_answer_that_changed_by_itself(world: World, party: PartyHere) -> None:
    await world.create("sale", "STRING")
    async with aiohttp.ClientSession() as http:
        etag = ""

        async def default_is_served() -> bool:
            nonlocal etag
            etag, value = await poll(http, world)
            return value == "default"

        moment = await rule_that_is_seen_before(world, "GREATER_EQUALS", default_is_served)
        while datetime.now(UTC) < moment - timedelta(seconds=0.3):
            status, _ = await revalidate(http, world, etag)
            # What was asked before it may be answered after it.
            assert status == 304 or datetime.now(UTC) >= moment
            await asyncio.sleep(0.1)
        await asyncio.sleep(max(0.0, moment.timestamp() - time.time()) + 0.01)
        # From the first request on: this is about a cached answer that should have ended.
        status, changed = await revalidate(http, world, etag)
        assert status == 200
        assert changed != etag
        assert (await poll(http, world)) == (changed, "by rule")
        assert (await revalidate(http, world, changed))[0] == 304


async def test_a_rule_on_todays_date_is_judged_in_utc(world: World) -> None:
    await world.create("sale", "STRING")
    today = datetime.now(UTC).date()
    if datetime.now(UTC).hour == 23 and datetime.now(UTC).minute >= 59:
        await eventually(lambda: datetime.now(UTC).date() > today, within_seconds=90)
        today = datetime.now(UTC).date()
    rule = strategy("today", "today", attribute("now", "EQUALS", [today.isoformat()], "DATE"))
    await world.admin.set(world.environment_id, "sale", "another day", strategies=[rule])
    async with aiohttp.ClientSession() as http:
        await eventually(lambda: is_served(http, world, "today"), what="today's value")


async def is_served(http: aiohttp.ClientSession, world: World, value: str) -> bool:
    return (await poll(http, world))[1] == value


async def poll(http: aiohttp.ClientSession, world: World) -> tuple[str, str | None]:
    """Answer the etag and the evaluated value of `sale`."""
    async with http.get(f"{world.url}/features", params={"apiKey": world.server_key}) as answer:
        assert answer.status == 200
        (environment,) = await answer.json()
        values = {each["key"]: each.get("value") for each in environment["features"]}
        return answer.headers["etag"], values.get("sale")


async def revalidate(http: aiohttp.ClientSession, world: World, etag: str) -> tuple[int, str]:
    async with http.get(
        f"{world.url}/features", params={"apiKey": world.server_key}, headers={"if-none-match": etag}
    ) as answer:
        return answer.status, answer.headers["etag"]
