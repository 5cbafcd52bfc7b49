"""What happens to a feature reaches every published SDK, connected or not."""

import pytest

from tests.support.admin import ALL_ROLES
from tests.support.fleet import CUT_STREAM, JS_STREAM, Fleet, forgets, open_fleet
from tests.support.judge import agree
from tests.support.party import ON_BOTH_DATABASES, PartyProcess
from tests.support.sdk import SdkSnapshot
from tests.support.world import World

pytestmark = pytest.mark.e2e

EVALUATIONS = pytest.mark.parametrize("evaluation", ["client", "server"])


@EVALUATIONS
@ON_BOTH_DATABASES
async def test_every_sdk_follows_a_feature_from_creation_to_re_creation(
    world: World, party: PartyProcess, evaluation: str
) -> None:
    admin, environment = world.admin, world.environment_id
    async with open_fleet(world.port, [world.key(evaluation)]) as fleet:
        await fleet.ready()

        await world.create("flag")
        await fleet.see(is_boolean_made("flag"), what="a new flag: false and locked")
        await admin.set(environment, "flag", True)
        await fleet.hold("flag", True)
        await admin.set(environment, "flag", locked=True)
        await fleet.see(lambda now: now.feature("flag").locked, what="the lock")
        await admin.set(environment, "flag", False, locked=False)
        await fleet.see(lambda now: not now.feature("flag").locked, what="the end of the lock")
        await fleet.hold("flag", False)

        await admin.set(environment, "flag", retired=True)
        await fleet.lack("flag")
        await admin.set(environment, "flag", True)
        await admin.set(environment, "flag", retired=False)
        await fleet.hold("flag", True)

        await admin.rename(world.application.id, "flag", to="banner")
        await fleet.hold("banner", True)
        await fleet.lack("flag")

        await admin.delete_feature(world.application.id, "banner")
        await fleet.lack("banner")
        await world.create("banner", "STRING")
        await admin.set(environment, "banner", "back again")
        await fleet.hold("banner", "back again")

        await agree(fleet, party.database_url, environment)
        fleet.assert_no_errors()


@EVALUATIONS
async def test_every_sdk_reads_all_four_types_as_they_were_written(world: World, evaluation: str) -> None:
    admin, environment = world.admin, world.environment_id
    values = {
        "truth": ("BOOLEAN", True),
        "text": ("STRING", 'Grüße, 世界 🚩 "quoted" \\ and\nnew lines'),
        "number": ("NUMBER", 12.5),
        "document": ("JSON", '{"colours":["red","grün"],"depth":{"a":1}}'),
    }
    for key, (kind, _) in values.items():
        await world.create(key, kind)
    async with open_fleet(world.port, [world.key(evaluation)]) as fleet:
        await fleet.ready()
        for key in ("text", "number", "document"):
            await fleet.see(is_without_value(key), what=f"{key} without a value")
        for key, (_, value) in values.items():
            await admin.set(environment, key, value)
        for key, (kind, value) in values.items():
            await fleet.hold(key, value)
            await fleet.see(lambda now, key=key, kind=kind: now.feature(key).type == kind)
        fleet.assert_no_errors()


async def test_a_value_set_to_null_again_is_no_value(world: World) -> None:
    await world.create("text", "STRING")
    await world.admin.set(world.environment_id, "text", "something")
    async with open_fleet(world.port, [world.client_key]) as fleet:
        await fleet.hold("text", "something", within_seconds=30)
        await world.admin.set(world.environment_id, "text", None)
        await fleet.see(lambda now: now.feature("text").exists and now.value("text") is None)
        fleet.assert_no_errors()


@ON_BOTH_DATABASES
async def test_what_happened_while_an_sdk_was_disconnected_is_seen_when_it_is_back(
    world: World, party: PartyProcess
) -> None:
    admin, environment, application = world.admin, world.environment_id, world.application.id
    for key in ("changed", "locked", "retired", "revived", "deleted", "renamed", "again"):
        await world.create(key)
        await admin.set(environment, key, True)
    await admin.set(environment, "revived", retired=True)
    async with open_fleet(world.port, [world.client_key]) as fleet:
        await fleet.hold("again", True, within_seconds=30)
        await disconnected(fleet)

        await world.create("created", "STRING")
        await admin.set(environment, "created", "meanwhile")
        await admin.set(environment, "changed", False)
        await admin.set(environment, "locked", locked=True)
        await admin.set(environment, "retired", retired=True)
        await admin.set(environment, "revived", retired=False)
        await admin.delete_feature(application, "deleted")
        await admin.rename(application, "renamed", to="new name")
        await admin.delete_feature(application, "again")
        await world.create("again", "NUMBER")
        await admin.set(environment, "again", 7)

        await fleet.see(lambda now: not now.feature("created").exists and now.value("again") is True)
        fleet.reconnect()
        await fleet.hold("created", "meanwhile", within_seconds=30)
        await fleet.hold("again", 7)
        await agree(fleet, party.database_url, environment)
        fleet.assert_no_errors(allow=[CUT_STREAM])


async def test_an_sdk_that_never_drops_features_still_hears_of_those_that_ended(world: World) -> None:
    """The Python SDK ignores what is merely missing from `features`: tombstones tell its stream."""
    admin = world.admin
    for key in ("deleted", "retired", "renamed", "stays"):
        await world.create(key)
        await admin.set(world.environment_id, key, True)
    async with open_fleet(world.port, [world.client_key]) as fleet:
        await fleet.hold("stays", True, within_seconds=30)
        await disconnected(fleet)
        await admin.delete_feature(world.application.id, "deleted")
        await admin.set(world.environment_id, "retired", retired=True)
        await admin.rename(world.application.id, "renamed", to="other")
        fleet.reconnect()
        await fleet.each(
            lambda sdk: sdk.eventually(lambda now: set(now.existing) == {"stays", "other"}, 30),
            of=forgets,
        )
        fleet.assert_no_errors(allow=[CUT_STREAM])


async def test_a_removed_environment_ends_the_features_of_its_key(world: World, party: PartyProcess) -> None:
    other = await world.admin.create_environment(world.application.id)
    account = await world.admin.create_account(world.application.portfolio_id, {other: ALL_ROLES})
    await world.create("flag")
    async with open_fleet(world.port, [account.sdk_key(other, client=True)], kinds=[JS_STREAM]) as fleet:
        await fleet.ready()
        await world.admin.delete_environment(other)
        await fleet.see(lambda now: now.readiness == "Failed", 30, what="the end of the environment")
        assert fleet.streams.asked() <= 3


async def disconnected(fleet: Fleet) -> None:
    """Take the fleet off the network, and be sure that no answer is still on its way."""
    fleet.disconnect()
    before = [await sdk.snapshot() for sdk in fleet.sdks]
    assert all(each.ready for each in before)


def is_boolean_made(key: str):
    def check(now: SdkSnapshot) -> bool:
        feature = now.feature(key)
        return feature.exists and feature.value is False and feature.locked and feature.type == "BOOLEAN"

    return check


def is_without_value(key: str):
    def check(now: SdkSnapshot) -> bool:
        feature = now.feature(key)
        return feature.exists and feature.value is None and not feature.locked and feature.version == 0

    return check
