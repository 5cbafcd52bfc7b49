"""Values: locks, versions, three-way updates, tokens, strategies."""

import asyncio
import json

import pytest
from sqlalchemy import Engine, event

from tests.support.admin import attribute, strategy


@pytest.fixture
async def where(api, application):
    for kind in ("BOOLEAN", "STRING", "NUMBER", "JSON"):
        await api.admin.create_feature(application.id, kind, kind)
    return application.environment_id


def path(where, key):
    return f"/features/{where}/feature/{key}"


async def test_the_first_change_of_a_boolean_is_version_2(api, where):
    row = await api.admin.set(where, "BOOLEAN", True)
    assert (row["value"], row["valueBoolean"], row["locked"], row["version"]) == (True, True, False, 2)
    assert row["whoUpdated"]["name"] == "Ada"


async def test_post_and_put_are_one_upsert_and_delete_is_400(api, where):
    body = {"key": "STRING", "locked": False, "valueString": "a"}
    made = await api.admin.call("POST", path(where, "STRING"), body)
    assert made["version"] == 1
    changed = await api.admin.call("POST", path(where, "STRING"), body | {"valueString": "b", "version": 1})
    assert (changed["value"], changed["version"]) == ("b", 2)
    assert await api.status("DELETE", path(where, "STRING")) == 400
    assert await api.status("PUT", path(where, "NOPE"), body) == 404


async def test_saving_what_is_there_makes_no_version(api, where):
    row = await api.admin.set(where, "NUMBER", 5)
    again = await api.admin.put(where, "NUMBER", row)
    assert again["version"] == row["version"]
    raw = b'{"key":"NUMBER","locked":false,"value":5.0,"version":%d}' % row["version"]
    assert (await api.admin.put(where, "NUMBER", raw))["version"] == row["version"]


@pytest.mark.parametrize(
    "token",
    [
        "123456789012345678901234567890",
        "1e400",
        "12.50",
        "-0.10",
        "0.1000000000000000055511151231257827",
        "1E5",
    ],
)
async def test_a_number_survives_byte_for_byte(api, where, token):
    body = (
        f'{{"key":"NUMBER","locked":false,"valueNumber":{token},"rolloutStrategies":'
        f'[{{"name":"s","percentage":1000,"value":{token}}}]}}'
    )
    status, text = await api.raw("PUT", path(where, "NUMBER"), body.encode())
    assert status == 200
    assert text.count(f":{token},") + text.count(f":{token}}}") == 3
    _, text = await api.raw("GET", path(where, "NUMBER"))
    assert f'"value":{token},"valueNumber":{token}' in text


async def test_values_of_the_wrong_type_are_400(api, where):
    odd = [("BOOLEAN", 1), ("BOOLEAN", "yes"), ("NUMBER", "five"), ("NUMBER", True), ("JSON", "{")]
    for key, value in odd:
        body = {"key": key, "locked": False, "value": value, "version": 1 if key == "BOOLEAN" else 0}
        assert await api.status("PUT", path(where, key), body) == 400


async def test_values_are_coerced_as_clients_expect(api, where):
    assert (await api.admin.set(where, "BOOLEAN", "TRUE"))["value"] is True
    assert (await api.admin.set(where, "NUMBER", "5.50"))["value"] == 5.5
    assert (await api.admin.set(where, "STRING", 5))["value"] == "5"
    assert json.loads((await api.admin.set(where, "JSON", {"a": [1]}))["value"]) == {"a": [1]}
    assert (await api.admin.set(where, "JSON", '{"b": 1}'))["valueJson"] == '{"b": 1}'


async def test_of_two_members_the_changed_one_is_meant(api, where):
    row = await api.admin.set(where, "STRING", "a")
    row = await api.admin.put(where, "STRING", row | {"valueString": "b"})
    assert row["value"] == "b"
    row = await api.admin.put(where, "STRING", row | {"value": "c"})
    assert row["valueString"] == "c"
    await api.admin.put(where, "STRING", row | {"value": "d", "valueString": "e"}, expect=400)
    row = await api.admin.put(where, "STRING", row | {"value": None, "valueString": None})
    assert "value" not in row


async def test_a_locked_value_changes_only_together_with_its_lock(api, where):
    row = await api.admin.set(where, "STRING", "a", locked=True)
    await api.admin.put(where, "STRING", row | {"valueString": "b"}, expect=409)
    await api.admin.put(where, "STRING", row | {"retired": True}, expect=409)
    row = await api.admin.put(where, "STRING", row | {"valueString": "b", "locked": False})
    row = await api.admin.put(where, "STRING", row | {"valueString": "c", "locked": True})
    assert (row["value"], row["locked"]) == ("c", True)


async def test_people_may_change_different_parts_from_the_same_base(api, where):
    base = await api.admin.set(where, "STRING", "a", strategies=[strategy("s", "x", percentage=10)])
    await api.admin.put(where, "STRING", base | {"valueString": "b"})
    (mine,) = base["rolloutStrategies"]
    merged = await api.admin.put(where, "STRING", base | {"rolloutStrategies": [mine | {"percentage": 20}]})
    assert merged["value"] == "b"
    assert merged["rolloutStrategies"][0]["percentage"] == 20
    await api.admin.put(where, "STRING", base | {"valueString": "z"}, expect=409)
    await api.admin.put(where, "STRING", base | {"version": 77}, expect=409)
    await api.admin.put(where, "STRING", base | {"version": 0}, expect=409)


async def test_retiring_and_back_keeps_the_value(api, where):
    await api.admin.set(where, "STRING", "a")
    row = await api.admin.set(where, "STRING", retired=True)
    assert (row["retired"], row["value"]) == (True, "a")
    row = await api.admin.set(where, "STRING", "b", retired=True)
    row = await api.admin.set(where, "STRING", retired=False)
    assert (row["retired"], row["value"]) == (False, "b")


async def test_strategies_get_short_ids_and_keep_them(api, where):
    country = attribute("country", "EQUALS", [" turkey "])
    row = await api.admin.set(
        where,
        "BOOLEAN",
        strategies=[
            strategy("one", True, country) | {"id": "far-too-long"},
            strategy("two", False, percentage=5),
        ],
    )
    ids = [each["id"] for each in row["rolloutStrategies"]]
    assert [len(each) for each in ids] == [4, 4]
    assert len(row["rolloutStrategies"][0]["attributes"][0]["id"]) == 4
    assert row["rolloutStrategies"][0]["attributes"][0]["values"] == ["turkey"]
    again = await api.admin.put(where, "BOOLEAN", row)
    assert again["version"] == row["version"]
    swapped = await api.admin.put(
        where, "BOOLEAN", row | {"rolloutStrategies": row["rolloutStrategies"][::-1]}
    )
    assert [each["id"] for each in swapped["rolloutStrategies"]] == ids[::-1]


async def test_invalid_strategies_are_422_with_the_list(api, where):
    row = await api.admin.value(where, "BOOLEAN")
    body = row | {"rolloutStrategies": [{"name": "", "percentage": -1}]}
    answer = await api.admin.put(where, "BOOLEAN", body, expect=422)
    assert answer["violations"] == ["boolean_has_no_value"]
    found = {each["violation"] for each in answer["customStategyViolations"][0]["violations"]}
    assert found == {"no_name", "negative_percentage"}


async def test_a_repeated_application_strategy_is_412_and_an_unknown_one_400(api, where, application):
    row = await api.admin.value(where, "BOOLEAN")
    use = {"strategyId": application.id, "value": True}
    await api.admin.put(where, "BOOLEAN", row | {"rolloutStrategyInstances": [use, use]}, expect=412)
    body = row | {"locked": False, "rolloutStrategyInstances": [use]}
    await api.admin.put(where, "BOOLEAN", body, expect=400)


async def test_the_validation_endpoint_lists_with_200(api, application):
    answer = await api.admin.call(
        "POST",
        f"/application/{application.id}/rollout-strategy-validation",
        {"customStrategies": [{"name": "a", "percentage": 600_000}, {"name": "b", "percentage": 600_000}]},
    )
    assert answer == {
        "customStategyViolations": [],
        "sharedStrategyViolations": [],
        "violations": ["percentage_adds_over_100_percent"],
    }


async def test_one_feature_is_changed_in_several_environments_at_once(api, application, where):
    test = await api.admin.create_environment(application.id, "test")
    dev = await api.admin.create_environment(application.id, "dev")
    everywhere = f"/application/{application.id}/feature-environments/BOOLEAN"
    values = [
        {"key": "BOOLEAN", "locked": False, "value": True, "version": 1, "environmentId": each}
        for each in (where, test)
    ]
    answer = await api.admin.call("PUT", everywhere, values)
    assert [each["environment"]["name"] for each in answer] == ["production", "test", "dev"]
    assert [each["featureValue"]["value"] for each in answer] == [True, True, False]
    assert set(answer[0]["roles"]) == {"READ", "LOCK", "UNLOCK", "CHANGE_VALUE", "EXTENDED_DATA"}
    assert await api.admin.call("GET", everywhere) == answer
    locked = [{"key": "BOOLEAN", "locked": True, "value": True, "version": 1, "environmentId": dev}]
    await api.admin.call("PUT", everywhere, [locked[0] | {"environmentId": application.id}], expect=400)
    await api.admin.call("PUT", everywhere, locked + locked, expect=400)
    # Locked stays locked while the value changes: 409 for one value, 400 here.
    await api.admin.call("PUT", everywhere, locked, expect=400)


async def test_a_whole_environment_is_changed_at_once_or_not_at_all(api, where):
    values = [
        {"key": "STRING", "locked": False, "value": "s"},
        {"key": "NUMBER", "locked": False, "value": 5},
    ]
    answer = await api.admin.call("PUT", f"/features/{where}", values)
    shown = {each["key"]: each.get("value") for each in answer}
    assert shown == {"BOOLEAN": False, "STRING": "s", "NUMBER": 5}
    await api.admin.call("PUT", f"/features/{where}", values + values, expect=400)
    changed = [values[0] | {"value": "t", "version": 1}, {"key": "NOPE", "locked": False}]
    await api.admin.call("PUT", f"/features/{where}", changed, expect=404)
    assert (await api.admin.value(where, "STRING"))["value"] == "s"
    found = await api.admin.call("GET", f"/features/{where}", includeFeatures="true", filter="str")
    assert [each["key"] for each in found["featureValues"]] == ["STRING"]
    assert [each["key"] for each in found["features"]] == ["STRING"]


async def test_many_values_cost_as_many_statements_as_few(api, application):
    where, statements = application.environment_id, []

    def count(*_arguments):
        statements.append(1)

    counted = {}
    event.listen(Engine, "before_cursor_execute", count)
    try:
        for size in (2, 60):
            keys = [f"F{size}_{number}" for number in range(size)]
            for key in keys:
                await api.admin.create_feature(application.id, key, "STRING")
            wanted = [
                {
                    "key": key,
                    "locked": False,
                    "value": "a",
                    "rolloutStrategies": [strategy("s", "b", percentage=1)],
                }
                for key in keys
            ]
            # After a while a call also says that its session is in use; this one, if it is time.
            assert await api.status("GET", "/portfolio") == 200
            statements.clear()
            await api.admin.call("PUT", f"/features/{where}", wanted)
            counted[size] = len(statements)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert counted[60] == counted[2]


async def test_simultaneous_changes_of_one_value_make_one_version_each_or_conflict(api, where):
    base = await api.admin.set(where, "NUMBER", 0)
    statuses = await asyncio.gather(
        *(api.status("PUT", path(where, "NUMBER"), base | {"valueNumber": number}) for number in range(1, 6))
    )
    assert sorted(statuses) == [200, 409, 409, 409, 409]
    assert (await api.admin.value(where, "NUMBER"))["version"] == base["version"] + 1
