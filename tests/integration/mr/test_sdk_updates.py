"""Test updates by SDKs: the contract's table, decided in one transaction, with one effect per request id."""

import asyncio
import time
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import select

from common.contracts.environments import hash_key
from common.contracts.lookups import SdkUpdate
from mr.db.models.features import FeatureValue
from mr.db.models.service_accounts import ServiceAccount
from mr.features.sdk_updates import UpdateTooLate, apply_update

EVERYTHING = ("LOCK", "UNLOCK", "CHANGE_VALUE")


@pytest.fixture
async def world(api, application):
    """An application with one feature of each type, unlocked, and keys with every choice of roles."""
    return await World(api, application).fill()


class World:
    def __init__(self, api, application):
        self.api = api
        self.where = application.environment_id
        self.application = application
        self._keys = {}

    async def fill(self):
        for kind in ("BOOLEAN", "STRING", "NUMBER", "JSON"):
            await self.api.admin.create_feature(self.application.id, kind, kind)
            await self.api.admin.set(self.where, kind, {"BOOLEAN": False, "NUMBER": 5}.get(kind, '"x"'))
        return self

    async def key(self, *roles):
        if roles not in self._keys:
            environments = {self.where: list(roles)} if roles else {}
            account = await self.api.admin.create_account(self.application.portfolio_id, environments)
            self._keys[roles] = account.server_key
        return self._keys[roles]

    async def update(self, feature, roles=EVERYTHING, *, key=None, request_id=None, **members):
        if "value" in members and not isinstance(members["value"], bytes | None):
            members["value"] = msgspec.json.encode(members["value"])
        key = key or await self.key(*roles)
        outcome = await apply_update(
            self.api.database,
            SdkUpdate(
                request_id=request_id or str(uuid4()),
                environment_id=self.where,
                key_hash=hash_key(key),
                feature_key=feature,
                deadline=time.time() + 60,
                **members,
            ),
        )
        return outcome.status

    async def value(self, feature):
        return await self.api.admin.value(self.where, feature)


async def test_rule_1_unknown_key_environment_or_feature(world):
    assert await world.update("NOPE", lock=True) == 404
    assert await world.update("BOOLEAN", key="x" * 40, lock=True) == 404
    assert await world.update("BOOLEAN", roles=(), lock=True) == 404
    world.where = str(uuid4())
    assert await world.update("BOOLEAN", lock=True) == 404


async def test_rule_1_a_feature_that_filters_hide(world):
    label = await world.api.admin.create_filter(world.application.portfolio_id)
    account = await world.api.admin.create_account(
        world.application.portfolio_id, {world.where: list(EVERYTHING)}, filters=[label]
    )
    assert await world.update("BOOLEAN", key=account.client_key, lock=True) == 404
    await world.api.admin.change_feature(world.application.id, "BOOLEAN", featureFilter=[label])
    assert await world.update("BOOLEAN", key=account.client_key, lock=True) == 200


async def test_rule_2_only_reading(world):
    assert await world.update("BOOLEAN", roles=("READ",), lock=True) == 403
    assert await world.update("BOOLEAN", roles=("READ", "EXTENDED_DATA"), value=True) == 403


async def test_rule_3_locking_and_unlocking_need_their_roles(world):
    assert await world.update("BOOLEAN", roles=("UNLOCK", "CHANGE_VALUE"), lock=True) == 403
    assert await world.update("BOOLEAN", roles=("LOCK", "CHANGE_VALUE"), lock=False) == 403


async def test_rule_4_a_value_means_that_it_is_to_be_changed(world):
    assert await world.update("BOOLEAN", value=True) == 200
    assert await world.update("BOOLEAN", value=False, update_value=False) == 200
    assert (await world.value("BOOLEAN"))["value"] is False


async def test_rule_5_nothing_to_change(world):
    assert await world.update("BOOLEAN") == 400
    assert await world.update("BOOLEAN", update_value=False) == 400


async def test_rule_6_changing_needs_its_role(world):
    assert await world.update("BOOLEAN", roles=("LOCK", "UNLOCK"), value=True) == 403
    assert await world.update("STRING", roles=("LOCK",), update_value=True) == 403


async def test_rule_7_a_locked_feature(world):
    assert await world.update("BOOLEAN", lock=True) == 200
    assert await world.update("BOOLEAN", value=True) == 412
    assert await world.update("BOOLEAN", value="nonsense") == 412, "before the value is looked at"
    assert await world.update("BOOLEAN", value=True, lock=True) == 412
    assert await world.update("BOOLEAN", value=True, lock=False) == 200
    row = await world.value("BOOLEAN")
    assert (row["value"], row["locked"]) == (True, False)


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("BOOLEAN", "yes"),
        ("BOOLEAN", 1),
        ("NUMBER", "five"),
        ("NUMBER", True),
        ("NUMBER", []),
        ("JSON", "{"),
        ("JSON", '{"a":1,"a":2}'),
    ],
)
async def test_rule_8_a_value_that_is_none_of_the_type(world, feature, value):
    assert await world.update(feature, value=value) == 400


async def test_rule_9_a_boolean_is_never_null(world):
    assert await world.update("BOOLEAN", update_value=True) == 412
    assert await world.update("STRING", update_value=True) == 200
    assert "value" not in await world.value("STRING")


async def test_rule_10_nothing_would_change(world):
    assert await world.update("NUMBER", value=b"5.0") == 202
    assert await world.update("BOOLEAN", value="FALSE") == 202
    assert await world.update("BOOLEAN", lock=False) == 202
    assert (await world.value("NUMBER"))["version"] == 1


async def test_rule_11_the_change_is_there_and_the_twin_is_its_author(world):
    assert await world.update("NUMBER", value=b"12345678901234567890.50") == 200
    _, text = await world.api.raw("GET", f"/features/{world.where}/feature/NUMBER")
    assert '"value":12345678901234567890.50' in text
    author = (await world.value("NUMBER"))["whoUpdated"]
    assert author["personType"] == "sdkServiceAccount"
    assert author["additional"][0]["key"] == "serviceAccountId"
    assert await world.update("JSON", value={"a": [1]}) == 200
    assert (await world.value("JSON"))["value"] == '{"a":[1]}'
    assert await world.update("STRING", value=7) == 200
    assert (await world.value("STRING"))["value"] == "7"
    assert await world.update("STRING", value="7", lock=True) == 200, "equal value: the lock alone changes"
    assert (await world.value("STRING"))["locked"] is True


async def test_the_example_of_the_contract(world):
    await world.update("BOOLEAN", lock=True)
    assert await world.update("BOOLEAN", value=True) == 412
    assert await world.update("BOOLEAN", lock=False, value=True) == 200
    await world.update("BOOLEAN", lock=True)
    assert await world.update("BOOLEAN", lock=True) == 202
    assert await world.update("BOOLEAN") == 400


async def test_a_feature_without_a_value_gets_its_first(world):
    await world.api.admin.create_feature(world.application.id, "NEW", "STRING")
    assert await world.update("NEW", update_value=True) == 202
    assert await world.update("NEW", value="a") == 200
    row = await world.value("NEW")
    assert (row["value"], row["locked"], row["version"]) == ("a", False, 1)


async def test_a_retired_feature_can_be_changed(world):
    await world.api.admin.set(world.where, "STRING", retired=True)
    assert await world.update("STRING", value="later") == 200


async def test_the_same_request_id_has_one_effect_and_one_answer(world):
    assert await world.update("STRING", value="a", request_id="r") == 200
    assert await world.update("STRING", value="b") == 200
    assert await world.update("STRING", value="a", request_id="r") == 200
    assert (await world.value("STRING"))["value"] == "b"
    assert await world.update("STRING", value="c", request_id="r") == 409


async def test_repetitions_at_the_same_time_have_one_effect(world):
    before = (await world.value("STRING"))["version"]
    await world.key(*EVERYTHING)
    answers = await asyncio.gather(
        *(world.update("STRING", value="once", request_id="same") for _ in range(6))
    )
    assert answers == [200] * 6
    assert (await world.value("STRING"))["version"] == before + 1


async def test_a_plain_repetition_is_202(world):
    assert await world.update("STRING", value="a") == 200
    assert await world.update("STRING", value="a") == 202


async def test_nothing_starts_after_the_deadline(world):
    key = await world.key(*EVERYTHING)
    late = SdkUpdate(
        request_id="late",
        environment_id=world.where,
        key_hash=hash_key(key),
        feature_key="BOOLEAN",
        value=b"true",
        deadline=time.time() - 1,
    )
    with pytest.raises(UpdateTooLate):
        await apply_update(world.api.database, late)
    assert (await world.value("BOOLEAN"))["value"] is False


async def test_a_reset_key_changes_nothing_any_more(world):
    key = await world.key(*EVERYTHING)
    async with world.api.database.read() as session:
        account_id = await session.scalar(
            select(ServiceAccount.id).where(ServiceAccount.server_key_hash == hash_key(key))
        )
    await world.api.admin.reset_keys(str(account_id))
    assert await world.update("BOOLEAN", key=key, value=True) == 404
    async with world.api.database.read() as session:
        rows = await session.scalars(
            select(FeatureValue.locked).where(FeatureValue.environment_id == UUID(world.where))
        )
        assert not any(rows)
