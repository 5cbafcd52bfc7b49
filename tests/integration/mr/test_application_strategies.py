"""Strategies of an application: made, used by many values, changed under them, put away."""

import json

from tests.support.admin import attribute, strategy


def listed(application) -> str:
    return f"/application/{application.id}/strategy"


def single(application, made) -> str:
    return f"/application/{application.id}/rollout-strategy/{made['id']}"


async def make(api, application, name="Germans", **members) -> dict:
    rule = [attribute("country", "EQUALS", ["germany"])]
    body = {"name": name, "attributes": rule} | members
    return await api.admin.call("POST", listed(application), body, expect=201)


async def use(api, where, key, *uses) -> dict:
    row = await api.admin.value(where, key) or {"key": key, "version": 0}
    instances = [{"strategyId": made["id"], "value": value} for made, value in uses]
    return await api.admin.put(where, key, row | {"locked": False, "rolloutStrategyInstances": instances})


async def test_a_strategy_is_made_shown_changed_and_listed(api, application):
    made = await make(api, application, percentage=200_000, colouring=7, avatar="bear")
    assert made == await api.admin.call("GET", single(application, made), includeUsage="true")
    assert (made["name"], made["percentage"], made["disabled"]) == ("Germans", 200_000, False)
    assert (made["percentageAttributes"], made["colouring"], made["avatar"]) == ([], 7, "bear")
    (rule,) = made["attributes"]
    assert (rule["values"], len(rule["id"])) == (["germany"], 4)
    changed = await api.admin.call("PUT", single(application, made), {"percentage": 300_000})
    assert changed == made | {"percentage": 300_000}
    await make(api, application, "Austrians", attributes=[], percentage=5)
    shown = await api.admin.call("GET", listed(application), sortOrder="DESC", max="1")
    assert (shown["max"], shown["page"]) == (2, 0)
    (item,) = shown["items"]
    assert item["strategy"] == changed
    assert (item["uniqueCode"][0], len(item["uniqueCode"]), item["usage"]) == ("@", 4, [])
    assert item["updatedBy"] == {"email": "ada@burgee.example", "name": "Ada"}
    assert item["whenCreated"] < item["whenUpdated"]
    found = await api.admin.call("GET", listed(application), filter="STRI")
    assert [each["strategy"]["name"] for each in found["items"]] == ["Austrians"]


async def test_names_are_unique_without_case_and_free_again_after_deletion(api, application):
    made = await make(api, application)
    other = await make(api, application, "Others")
    body = {"name": "GERMANS", "percentage": 1}
    assert await api.status("POST", listed(application), body) == 409
    assert await api.status("PUT", single(application, other), body) == 409
    await api.admin.call("DELETE", single(application, made), expect=204)
    for method, sent in (("GET", None), ("PUT", body), ("DELETE", None)):
        assert await api.status(method, single(application, made), sent) == 404
    again = await make(api, application)
    shown = await api.admin.call("GET", listed(application), includeArchived="true")
    assert [each["strategy"]["name"] for each in shown["items"]] == ["Germans", "Germans", "Others"]
    shown = await api.admin.call("GET", listed(application))
    assert [each["strategy"]["id"] for each in shown["items"]] == [again["id"], other["id"]]


UNUSABLE = (
    ({"name": " "}, "no_name"),
    ({"name": None}, "no_name"),
    ({"name": "x" * 201}, "name_too_long"),
    ({"percentage": -1}, "negative_percentage"),
    ({"percentage": 1_000_001}, "percentage_over_100_percent"),
    ({"attributes": []}, "empty_match_criteria"),
    ({"attributes": [attribute("country", "EQUALS", [])]}, "array_attribute_no_values"),
)


async def test_an_unusable_strategy_is_400_and_says_why(api, application):
    made = await make(api, application)
    for members, violation in UNUSABLE:
        body = {"name": "x", "attributes": [attribute("country", "EQUALS", ["germany"])]} | members
        status, text = await api.raw("POST", listed(application), body)
        assert (status, violation in text) == (400, True), members
    assert await api.status("PUT", single(application, made), {"percentage": 1_000_001}) == 400
    assert await api.admin.call("GET", single(application, made)) == made


async def test_values_follow_their_strategies_and_forget_them_when_they_go(api, application):
    where, second = application.environment_id, await api.admin.create_environment(application.id)
    for key in ("A", "B"):
        await api.admin.create_feature(application.id, key, "STRING")
    await api.admin.create_feature(application.id, "FLAG")
    one, two = await make(api, application, "One"), await make(api, application, "Two")
    await use(api, where, "A", (one, "1"), (two, "2"))
    await use(api, where, "B", (one, "1"))
    await use(api, second, "A", (two, "2"))
    flag = await use(api, where, "FLAG", (one, True))
    assert flag["rolloutStrategyInstances"] == [
        {"name": "One", "strategyId": one["id"], "value": True, "disabled": False}
    ]
    shown = await api.admin.call("GET", listed(application))
    usage = {each["strategy"]["name"]: each["usage"] for each in shown["items"]}
    assert [(each["id"], each["featuresCount"]) for each in usage["One"]] == [(where, 3)]
    assert [(each["id"], each["featuresCount"]) for each in usage["Two"]] == [(where, 1), (second, 1)]

    before = await versions(api, where, "A", "B", "FLAG")
    await api.admin.call("PUT", single(application, one), {"percentage": 5})
    assert await versions(api, where, "A", "B", "FLAG") == [each + 1 for each in before]
    await api.admin.call("PUT", single(application, one), {"colouring": 3, "attributes": one["attributes"]})
    assert await versions(api, where, "A", "B", "FLAG") == [each + 1 for each in before]
    assert (await api.admin.value(second, "A"))["version"] == 1

    swapped = await use(api, where, "A", (two, "2"), (one, "1"))
    assert [each["name"] for each in swapped["rolloutStrategyInstances"]] == ["Two", "One"]
    twice = swapped["rolloutStrategyInstances"][:1] * 2
    path = f"/features/{where}/feature/A"
    assert await api.status("PUT", path, swapped | {"rolloutStrategyInstances": twice}) == 412

    await api.admin.call("DELETE", single(application, one), expect=204)
    left = await api.admin.value(where, "A")
    assert [each["name"] for each in left["rolloutStrategyInstances"]] == ["Two"]
    assert left["version"] == swapped["version"] + 1
    assert (await api.admin.value(where, "B"))["rolloutStrategyInstances"] == []
    history = await api.admin.call(
        "GET", f"/application/{application.id}/feature-history", featureKeys="B", environmentIds=where
    )
    told = [[rule["name"] for rule in each["rolloutStrategies"]] for each in history["items"][0]["history"]]
    assert told == [["One"], ["One"], []]
    # Whoever still has the old version in hand does not bring it back.
    assert await api.status("PUT", path, swapped | {"value": "x"}) in {200, 409}
    assert [each["name"] for each in (await api.admin.value(where, "A"))["rolloutStrategyInstances"]] == [
        "Two"
    ]


async def versions(api, where, *keys) -> list[int]:
    return [(await api.admin.value(where, key))["version"] for key in keys]


async def test_only_strategy_roles_write_and_every_role_reads(api, application):
    made = await make(api, application)
    member = await api.person(application.portfolio_id, environments={application.environment_id: ["READ"]})
    allowed = {}
    for role in ("FEATURE_EDIT_AND_DELETE", "APP_STRATEGY_CREATE", "APP_STRATEGY_EDIT"):
        person = await api.person(application.portfolio_id, applications={application.id: [role]})
        body = {"name": role, "percentage": 1}
        allowed[role] = [
            await person.status("POST", listed(application), body),
            await person.status("PUT", single(application, made), {"percentage": 7}),
            await person.status("DELETE", single(application, made)),
        ]
    assert allowed == {
        "FEATURE_EDIT_AND_DELETE": [403, 403, 403],
        "APP_STRATEGY_CREATE": [201, 403, 403],
        "APP_STRATEGY_EDIT": [403, 200, 403],
    }
    assert await member.status("GET", single(application, made)) == 200
    assert await member.status("GET", listed(application)) == 200
    assert await member.status("POST", listed(application), {"name": "x", "percentage": 1}) == 403
    full = await api.person(
        application.portfolio_id, applications={application.id: ["APP_STRATEGY_EDIT_AND_DELETE"]}
    )
    assert await full.status("POST", listed(application), {"name": "x", "percentage": 1}) == 201
    foreigner = await api.person(await api.admin.create_portfolio(), admin=True)
    for method, path in (("GET", listed(application)), ("DELETE", single(application, made))):
        assert await foreigner.status(method, path) == 404
    other = await api.admin.create_application()
    for method, body in (("GET", None), ("PUT", {"percentage": 1}), ("DELETE", None)):
        assert await api.status(method, single(other, made), body) == 404
    assert await full.status("DELETE", single(application, made)) == 204


async def test_the_custom_strategy_rules_hold_beside_shared_ones(api, application):
    await api.admin.create_feature(application.id, "A", "STRING")
    made = await make(api, application)
    body = {
        "key": "A",
        "locked": False,
        "rolloutStrategies": [strategy("all", "x", percentage=1_000_000)],
        "rolloutStrategyInstances": [{"strategyId": made["id"], "value": "y", "disabled": True}],
    }
    saved = await api.admin.put(application.environment_id, "A", body)
    assert saved["rolloutStrategyInstances"][0]["disabled"] is True
    foreign = await make(api, await api.admin.create_application())
    wanted = saved | {"rolloutStrategyInstances": [{"strategyId": foreign["id"], "value": "y"}]}
    status, text = await api.raw("PUT", f"/features/{application.environment_id}/feature/A", wanted)
    assert (status, json.loads(text)["title"]) == (400, "Unknown application strategy")
