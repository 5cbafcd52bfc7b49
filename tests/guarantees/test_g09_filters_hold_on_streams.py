"""G9: filters hold on streams.

Fault: a filtered account is connected while features that are foreign to it are created, edited and
deleted. Assertion: nothing of them is received; an account that was given filters and has none left sees
nothing instead of everything.
"""

import json

import aiohttp
import pytest

from tests.guarantees.conftest import T
from tests.support.admin import ALL_ROLES, Account
from tests.support.fleet import ALL, open_fleet
from tests.support.streams import open_stream
from tests.support.world import World

pytestmark = pytest.mark.guarantees


@pytest.fixture
async def filters(world: World) -> tuple[str, str]:
    portfolio = world.application.portfolio_id
    return (
        await world.admin.create_filter(portfolio, "mine"),
        await world.admin.create_filter(portfolio, "foreign"),
    )


@pytest.fixture
async def account(world: World, filters: tuple[str, str]) -> Account:
    return await world.admin.create_account(
        world.application.portfolio_id, {world.environment_id: ALL_ROLES}, filters=[filters[0]]
    )


async def edit_foreign_features(world: World, foreign: str) -> None:
    """Everything that can happen to features which the account may not see."""
    admin, application, environment = world.admin, world.application.id, world.environment_id
    for key, filters in (("foreign", [foreign]), ("unlabelled", [])):
        await admin.create_feature(application, key, "STRING", filters=filters)
        await admin.set(environment, key, "secret")
        await admin.set(environment, key, "still secret", locked=True)
        await admin.set(environment, key, locked=False, retired=True)
        await admin.set(environment, key, retired=False)
        await admin.rename(application, key, to=f"{key}-renamed")
    await admin.delete_feature(application, "foreign-renamed")


@pytest.mark.parametrize("client", [True, False], ids=["client-evaluated", "server-evaluated"])
async def test_a_filtered_account_hears_nothing_of_foreign_features(
    world: World, account: Account, filters: tuple[str, str], client: bool
) -> None:
    mine, foreign = filters
    key = account.sdk_key(world.environment_id, client=client)
    await world.admin.create_feature(world.application.id, "mine", "STRING", filters=[mine])
    async with (
        open_stream(world.url, key) as stream,
        open_fleet(world.port, [key], kinds=ALL) as fleet,
    ):
        await fleet.ready()
        await stream.heard("features")
        await edit_foreign_features(world, foreign)
        # An edit that is visible, and the last: whatever came before it has been sent by then.
        await world.admin.set(world.environment_id, "mine", "the last edit")
        await stream.changed("mine", value="the last edit")
        await fleet.hold("mine", "the last edit")
        assert stream.keys == {"mine"}
        assert "secret" not in json.dumps([event.data for event in stream.events])
        await fleet.each(lambda sdk: sdk.eventually(lambda now: set(now.features) == {"mine"}, T))
        fleet.assert_no_errors()
    async with open_stream(world.url, key) as later:
        await later.heard("features")
        await world.admin.set(world.environment_id, "mine", "after the tombstones")
        await later.changed("mine", value="after the tombstones")
        assert later.keys == {"mine"}, "a deletion that could not be seen leaves no trace either"


async def test_a_feature_that_changes_its_filters_appears_and_disappears(
    world: World, account: Account, filters: tuple[str, str]
) -> None:
    mine, foreign = filters
    key = account.sdk_key(world.environment_id, client=True)
    await world.admin.create_feature(world.application.id, "flag", filters=[foreign])
    async with open_fleet(world.port, [key], kinds=ALL) as fleet:
        await fleet.ready()
        await world.admin.change_feature(world.application.id, "flag", featureFilter=[mine, foreign])
        await fleet.hold("flag", False)
        await world.admin.change_feature(world.application.id, "flag", featureFilter=[foreign])
        await fleet.lack("flag")
        fleet.assert_no_errors()


async def test_an_account_without_its_last_filter_sees_nothing(
    world: World, account: Account, filters: tuple[str, str]
) -> None:
    mine, _ = filters
    key = account.sdk_key(world.environment_id, client=True)
    await world.admin.create_feature(world.application.id, "mine", filters=[mine])
    await world.create("unlabelled")
    async with open_fleet(world.port, [key], kinds=ALL) as fleet:
        await fleet.hold("mine", False, within_seconds=30)
        await world.admin.delete_filter(world.application.portfolio_id, mine)
        await fleet.lack("mine")
        await world.admin.set(world.environment_id, "unlabelled", True)
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{world.url}/features", params={"apiKey": key}) as answer,
        ):
            assert await answer.json() == [{"id": world.environment_id, "features": []}]
        await fleet.each(lambda sdk: sdk.eventually(lambda now: "unlabelled" not in now.features, T))
        fleet.assert_no_errors()


async def test_an_account_is_opened_only_by_taking_its_filters_off_on_purpose(
    world: World, account: Account, filters: tuple[str, str]
) -> None:
    """The opposite of the test above: here an administrator said so about this very account."""
    key = account.sdk_key(world.environment_id, client=True)
    await world.create("unlabelled")
    async with open_fleet(world.port, [key], kinds=ALL) as fleet:
        await fleet.ready()
        await world.admin.change_account(account.id, filters=[])
        await fleet.hold("unlabelled", False)
        fleet.assert_no_errors()
