"""Test updates by SDKs (PUT): every permission and every status, over raw HTTP and the JS test client."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest
from yarl import URL

from tests.support.fleet import ALL, JS_STREAM, open_fleet
from tests.support.judge import agree
from tests.support.party import ON_BOTH_DATABASES, PartyProcess
from tests.support.world import World

pytestmark = pytest.mark.e2e

NO_LOCK = ("READ", "UNLOCK", "CHANGE_VALUE")
NO_UNLOCK = ("READ", "LOCK", "CHANGE_VALUE")
NO_CHANGE = ("READ", "LOCK", "UNLOCK")
EVERY = ("READ", "LOCK", "UNLOCK", "CHANGE_VALUE")


class Feature(NamedTuple):
    """What stands before an update; None = the feature has no value yet."""

    kind: str
    value: Any
    locked: bool = False


FLAG = Feature("BOOLEAN", False)
LOCKED_FLAG = Feature("BOOLEAN", False, locked=True)
TEXT = Feature("STRING", "old")
NUMBER = Feature("NUMBER", 10)
DOCUMENT = Feature("JSON", '{"a": 1}')


class Case(NamedTuple):
    """One row: with these roles, on this feature, this body is answered with this status."""

    name: str
    roles: Sequence[str]
    feature: Feature
    body: Mapping[str, Any] | bytes
    status: int
    value: Any = ...
    locked: bool | None = None


# Numbers are the rows of the contract's table (section 6).
CASES = [
    Case("2 only READ", ("READ",), FLAG, {"value": True}, 403),
    Case("2 only READ and nothing asked", ("READ",), FLAG, {}, 403),
    Case("3 lock without LOCK", NO_LOCK, FLAG, {"lock": True}, 403),
    Case("3 unlock without UNLOCK", NO_UNLOCK, LOCKED_FLAG, {"lock": False}, 403),
    Case(
        "3 the same beside a value",
        NO_UNLOCK,
        LOCKED_FLAG,
        {"lock": False, "value": True},
        403,
    ),
    Case("4 a value alone means updateValue", EVERY, FLAG, {"value": True}, 200, True),
    Case(
        "4 even if it says false",
        EVERY,
        FLAG,
        {"value": True, "updateValue": False},
        200,
        True,
    ),
    Case("5 nothing asked", EVERY, FLAG, {}, 400),
    Case("5 updateValue false and no lock", EVERY, FLAG, {"updateValue": False}, 400),
    Case("6 a value without CHANGE_VALUE", NO_CHANGE, FLAG, {"value": True}, 403),
    Case("7 a value while locked", EVERY, LOCKED_FLAG, {"value": True}, 412, False, True),
    Case(
        "7 with a lock as well",
        EVERY,
        LOCKED_FLAG,
        {"value": True, "lock": True},
        412,
        False,
        True,
    ),
    Case("7 a value and an unlock", EVERY, LOCKED_FLAG, {"value": True, "lock": False}, 200, True, False),
    Case("8 no boolean", EVERY, FLAG, {"value": "perhaps"}, 400),
    Case("8 a boolean as text", EVERY, FLAG, {"value": "TRUE"}, 200, True),
    Case("8 no number", EVERY, NUMBER, {"value": "many"}, 400),
    Case("8 a number as text", EVERY, NUMBER, {"value": "12.5"}, 200, 12.5),
    Case("8 no JSON", EVERY, DOCUMENT, {"value": "{nothing"}, 400),
    Case("8 JSON with a member twice", EVERY, DOCUMENT, {"value": '{"a":1,"a":2}'}, 400),
    Case("8 an object for JSON is taken", EVERY, DOCUMENT, {"value": {"b": [2]}}, 200),
    Case("9 a boolean to null", EVERY, FLAG, {"updateValue": True}, 412),
    Case("9 a boolean to an explicit null", EVERY, FLAG, {"updateValue": True, "value": None}, 412),
    Case("9 a text to null", EVERY, TEXT, {"updateValue": True, "value": None}, 200, None),
    Case("10 the value it has", EVERY, TEXT, {"value": "old"}, 202, "old"),
    Case("10 the number it has, written otherwise", EVERY, NUMBER, {"value": "10.0"}, 202, 10),
    Case("10 the lock it has", EVERY, LOCKED_FLAG, {"lock": True}, 202, False, True),
    Case("11 a lock", EVERY, FLAG, {"lock": True}, 200, False, True),
    Case("11 a lock with LOCK alone", ("READ", "LOCK"), FLAG, {"lock": True}, 200, False, True),
    Case(
        "11 an unlock with UNLOCK alone", ("READ", "UNLOCK"), LOCKED_FLAG, {"lock": False}, 200, False, False
    ),
    Case("11 a value with CHANGE_VALUE alone", ("READ", "CHANGE_VALUE"), FLAG, {"value": True}, 200, True),
    Case("11 the value it has and a lock", EVERY, TEXT, {"value": "old", "lock": True}, 200, "old", True),
    Case("11 a number for a text", EVERY, TEXT, {"value": 7}, 200, "7"),
    Case("11 a value and a lock at once", EVERY, TEXT, {"value": "new", "lock": True}, 200, "new", True),
    Case("no body", EVERY, FLAG, b"", 400),
    Case("a body that is no JSON", EVERY, FLAG, b"{", 400),
    Case("a body that is no object", EVERY, FLAG, b"[]", 400),
]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def put(http: aiohttp.ClientSession, url: str | URL, body: Mapping[str, Any] | bytes) -> int:
    sent = {"data": body} if isinstance(body, bytes) else {"json": dict(body)}
    async with http.put(url, headers={"content-type": "application/json"}, **sent) as answer:
        return answer.status


async def prepare(world: World, feature: Feature, key: str) -> None:
    await world.create(key, feature.kind)
    await world.admin.set(world.environment_id, key, feature.value, locked=feature.locked)


async def account_key(world: World, roles: Sequence[str], *, client: bool = True) -> str:
    account = await world.admin.create_account(
        world.application.portfolio_id, {world.environment_id: list(roles)}
    )
    return account.sdk_key(world.environment_id, client=client)


@ON_BOTH_DATABASES
async def test_every_permission_and_every_status_of_a_test_update(
    world: World, http: aiohttp.ClientSession, party: PartyProcess
) -> None:
    # The rules are one code for both databases: PostgreSQL gets a third of the table.
    cases = CASES if party.database_url.startswith("sqlite") else CASES[::3]
    keys: dict[tuple[str, ...], str] = {}
    wrong: list[str] = []
    for number, case in enumerate(cases):
        roles = tuple(case.roles)
        if roles not in keys:
            # Either kind of key works.
            keys[roles] = await account_key(world, roles, client=len(keys) % 2 == 0)
        key = f"feature-{number}"
        await prepare(world, case.feature, key)
        status = await put(http, f"{world.url}/features/{keys[roles]}/{key}", case.body)
        row = await world.admin.value(world.environment_id, key) or {}
        expected = case.feature.value if case.status >= 400 or case.value is ... else case.value
        if status != case.status:
            wrong.append(f"{case.name}: {status} instead of {case.status}")
        elif case.name != "8 an object for JSON is taken" and row.get("value") != expected:
            wrong.append(f"{case.name}: value {row.get('value')!r} instead of {expected!r}")
        if case.locked is not None and row["locked"] is not case.locked:
            wrong.append(f"{case.name}: locked is {row['locked']}")
    assert not wrong, "\n".join(wrong)


async def test_what_is_unknown_or_not_permitted_is_404(world: World, http: aiohttp.ClientSession) -> None:
    await prepare(world, FLAG, "flag")
    other = await world.admin.create_application(world.application.portfolio_id)
    service_key = world.account.client_key
    for path in (
        f"{world.environment_id}/{service_key}/nothing",
        f"{world.environment_id}/made-up*key-000000000000000/flag",
        f"{uuid4()}/{service_key}/flag",
        f"{other.environment_id}/{service_key}/flag",
        f"no-uuid/{service_key}/flag",
    ):
        assert await put(http, f"{world.url}/features/{path}", {"value": True}) == 404, path


async def test_all_three_spellings_of_the_path_reach_the_feature(
    world: World, http: aiohttp.ClientSession
) -> None:
    await prepare(world, TEXT, "text")
    whole = f"{world.environment_id}/{world.account.client_key}"
    for number, path in enumerate(
        (whole, f"default/{whole}", quote(whole, safe=""), quote(f"default/{whole}", safe=""))
    ):
        url = URL(f"{world.url}/features/{path}/text", encoded=True)
        assert await put(http, url, {"value": f"by way {number}"}) == 200, path
        row = await world.admin.value(world.environment_id, "text")
        assert row is not None
        assert row["value"] == f"by way {number}"


async def test_a_repeated_update_with_one_key_has_one_effect(
    world: World, http: aiohttp.ClientSession
) -> None:
    await prepare(world, TEXT, "text")
    url = f"{world.url}/features/{world.client_key}/text"
    headers = {"idempotency-key": str(uuid4())}
    statuses = []
    for value in ("new", "new"):
        async with http.put(url, json={"value": value}, headers=headers) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 200]
    assert await put(http, url, {"value": "new"}) == 202


async def test_the_test_client_of_the_sdk_updates_what_every_sdk_sees(
    world: World, party: PartyProcess
) -> None:
    await prepare(world, LOCKED_FLAG, "flag")
    await prepare(world, TEXT, "text")
    async with open_fleet(world.port, [world.client_key], kinds=ALL) as fleet:
        await fleet.hold("text", "old", within_seconds=30)
        sdk = fleet.sdks[0]
        assert await sdk.update("flag", {"value": True}) is False, "locked"
        assert await sdk.update("flag", {"lock": False, "value": True}) is True
        await fleet.hold("flag", True)
        assert await sdk.update("text", {"value": "by the SDK"}) is True
        await fleet.hold("text", "by the SDK")
        assert await sdk.update("text", {"value": "by the SDK"}) is True, "202 is fine as well"
        assert await sdk.update("text", {"lock": True}) is True
        await fleet.see(lambda now: now.feature("text").locked)
        assert await sdk.update("nothing", {"lock": True}) is False
        await agree(fleet, party.database_url, world.environment_id)
        fleet.assert_no_errors()


async def test_parallel_updates_of_one_feature_all_succeed_and_the_sdks_end_with_the_last(
    world: World, http: aiohttp.ClientSession, party: PartyProcess
) -> None:
    await prepare(world, NUMBER, "number")
    url = f"{world.url}/features/{world.client_key}/number"
    async with open_fleet(world.port, [world.client_key], kinds=[JS_STREAM]) as fleet:
        await fleet.ready()
        statuses = await asyncio.gather(*(put(http, url, {"value": 100 + each}) for each in range(8)))
        assert statuses == [200] * 8
        await agree(fleet, party.database_url, world.environment_id)
        assert (await fleet.sdks[0].snapshot()).value("number") in range(100, 108)
        fleet.assert_no_errors()
