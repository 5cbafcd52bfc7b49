"""`POST /mr-api/burgee/evaluation`: what a context gets in an environment, and why."""

import json

import pytest

from common.evaluation.context import EvaluationContext
from common.evaluation.evaluate import decide
from mr.db.snapshots import load_snapshot, parse_id
from tests.support.admin import attribute, strategy

PATH = "/burgee/evaluation"
TURKS = attribute("country", "EQUALS", ["turkey"])
GOLD = attribute("plan", "EQUALS", ["gold"])


async def evaluate(api, application, **asked):
    body = {"environmentId": application.environment_id, **asked}
    return await api.admin.call("POST", PATH, body)


@pytest.fixture
async def ruled(api, application):
    """A feature with a rule of each kind, and one that is switched off."""
    where, app = application.environment_id, application.id
    await api.admin.create_feature(app, "F", "STRING")
    group = {
        "name": "Beta group",
        "environmentId": where,
        "features": [],
        "strategies": [
            {"name": "Beta", "percentage": 1_000_000, "percentageAttributes": [], "attributes": []}
        ],
    }
    shared = {"name": "Gold plan", "attributes": [GOLD], "percentageAttributes": []}
    made = await api.admin.call("POST", f"/application/{app}/strategy", shared, expect=201)
    identity = made["id"] if "id" in made else made["strategy"]["id"]
    features = await api.admin.call("GET", f"/application/{app}/features")
    group["features"] = [{"id": features[0]["id"], "value": "group"}]
    await api.admin.call("POST", f"/application/{app}/feature-groups", group, expect=201)
    row = await api.admin.value(where, "F")
    row = {
        **(row or {"key": "F", "locked": False, "version": 0}),
        "valueString": "default",
        "rolloutStrategies": [
            strategy("Turkish users", "turks", TURKS),
            {**strategy("Switched off", "off", TURKS), "disabled": True},
        ],
        "rolloutStrategyInstances": [{"strategyId": identity, "value": "shared"}],
    }
    row.pop("value", None)
    await api.admin.put(where, "F", row)
    return application


async def test_the_rule_that_decided_is_told_and_why_the_others_did_not(api, ruled):
    (found,) = (await evaluate(api, ruled, attributes={"plan": ["gold"]}, userKey="fred"))["features"]
    assert (found["key"], found["value"], found["defaultValue"]) == ("F", "shared", "default")
    assert found["reason"] == "TARGETING_MATCH"
    turks, gold, beta, off = found["rules"]
    assert found["ruleId"] == gold["id"]
    assert (turks["kind"], turks["name"], turks["outcome"]) == (
        "custom",
        "Turkish users",
        "ATTRIBUTE_MISMATCH",
    )
    assert turks["field"] == "country"
    assert turks["conditions"] == [
        {
            "fieldName": "country",
            "conditional": "EQUALS",
            "type": "STRING",
            "values": ["turkey"],
            "present": False,
            "holds": False,
        }
    ]
    assert (gold["kind"], gold["ownerName"], gold["outcome"]) == ("application", "Gold plan", "MATCHED")
    assert gold["conditions"][0]["given"] == ["gold"]
    assert (beta["kind"], beta["ownerName"], beta["name"]) == ("group", "Beta group", "Beta")
    assert beta["outcome"] == "NOT_REACHED"
    assert (off["name"], off["outcome"]) == ("Switched off", "DISABLED")


async def test_a_share_shows_its_arithmetic(api, ruled):
    (found,) = (await evaluate(api, ruled, userKey="fred"))["features"]
    beta = found["rules"][2]
    assert (found["value"], found["reason"], beta["outcome"]) == ("group", "SPLIT", "MATCHED")
    assert beta["share"]["text"] == "fred"
    assert beta["share"]["end"] == beta["share"]["percentage"] == 1_000_000
    assert 0 <= beta["share"]["number"] < 1_000_000


async def test_a_header_is_read_as_edge_reads_it(api, ruled):
    answer = await evaluate(api, ruled, header="x-featurehub: userkey=fred,country=turkey%2Cperu,odd")
    assert answer["attributes"] == {"country": ["turkey", "peru"], "userkey": ["fred"]}
    assert answer["features"][0]["value"] == "turks"
    joined = await evaluate(api, ruled, header="userkey=fred&plan=gold", ampersand=True)
    assert joined["attributes"] == {"plan": ["gold"], "userkey": ["fred"]}
    assert (await evaluate(api, ruled, header="plan=gold", userKey="wilma"))["attributes"] == {
        "plan": ["gold"],
        "userkey": ["wilma"],
    }


async def test_the_answer_is_what_edge_would_give(api, ruled):
    async with api.database.read() as session:
        snapshot, _ = await load_snapshot(session, parse_id(ruled.environment_id))
    (state,) = snapshot.features.values()
    for attributes in ({}, {"plan": ["gold"]}, {"country": ["turkey"]}, {"userkey": ["x"]}):
        answer = await evaluate(api, ruled, attributes=attributes)
        decided = decide(state, EvaluationContext(attributes), _moment(answer["at"]))
        assert json.dumps(answer["features"][0]["value"]).encode() == decided.value


def _moment(text):
    from datetime import datetime

    return datetime.fromisoformat(text)


async def test_a_moment_can_be_chosen(api, application):
    await api.admin.create_feature(application.id, "F", "STRING")
    late = attribute("now", "GREATER", ["2030-01-01"], "DATE")
    await api.admin.set(
        application.environment_id, "F", "before", strategies=[strategy("after", "after", late)]
    )
    now = (await evaluate(api, application))["features"][0]
    then = (await evaluate(api, application, at="2031-05-05T00:00:00"))["features"][0]
    assert (now["value"], then["value"]) == ("before", "after")
    assert now["rules"][0]["conditions"][0]["present"]
    assert now["changesAt"].startswith("2030-01-02")


async def test_features_without_a_value_and_retired_ones_say_what_they_are(api, application):
    await api.admin.create_feature(application.id, "EMPTY", "NUMBER")
    await api.admin.create_feature(application.id, "OLD", "STRING")
    await api.admin.set(application.environment_id, "OLD", "x", retired=True)
    answer = await evaluate(api, application, featureKeys=["EMPTY", "OLD"])
    empty, old = answer["features"]
    assert "value" not in empty
    assert empty["reason"] == "DEFAULT"
    assert "value" not in old
    assert (old["reason"], old["retired"]) == ("DISABLED", True)
    only = await evaluate(api, application, featureKeys=["OLD"])
    assert [each["key"] for each in only["features"]] == ["OLD"]


async def test_who_may_not_read_the_environment_learns_nothing(api, application):
    other = await api.admin.create_application()
    person = await api.person(other.portfolio_id, admin=True)
    body = {"environmentId": application.environment_id}
    assert await person.status("POST", PATH, body) == 404
    reader = await api.person(application.portfolio_id, environments={application.environment_id: {"READ"}})
    assert await reader.status("POST", PATH, body) == 200
    assert await api.status("POST", PATH, {"environmentId": other.portfolio_id}) == 404
    assert await api.status("POST", PATH, {}) == 400
