"""Feature groups: one strategy for several features of an environment, seen by streams; and the refresh."""

from uuid import UUID, uuid4

from sqlalchemy import delete, update

from mr.db.models.delivery import Counter, Delivered
from tests.support.admin import ALL_ROLES, attribute, open_admin
from tests.support.party import open_party_here
from tests.support.projection import assert_projection_true
from tests.support.streams import open_stream
from tests.support.waiting import eventually

GERMANY = attribute("country", "EQUALS", ["germany"])
RULE = {"name": "Germans", "attributes": [GERMANY]}
KINDS = {"FLAG": "BOOLEAN", "NUMBER": "NUMBER", "TEXT": "STRING"}


def path(application, *more) -> str:
    return "/".join((f"/application/{application.id}/feature-groups", *more))


async def features(api, application) -> dict[str, str]:
    return {key: await api.admin.create_feature(application.id, key, kind) for key, kind in KINDS.items()}


async def make(api, application, name="Group", *, expect=201, **members) -> dict:
    body = {"name": name, "environmentId": application.environment_id, "features": []} | members
    return await api.admin.call("POST", path(application), body, expect=expect)


async def full(api, application, made) -> dict:
    return await api.admin.call("GET", path(application, made["id"]))


async def change(api, application, made, *, expect=200, **members) -> dict:
    held = await full(api, application, made)
    body = {"id": held["id"], "version": held["version"]} | members
    return await api.admin.call("PUT", path(application), body, expect=expect)


async def test_a_group_is_made_and_shows_in_values_of_its_features(api, application):
    told = await api.admin.call("GET", "/initialize")
    assert told["capabilityInfo"]["featureGroupsEnabled"] == "true"
    ids = await features(api, application)
    where = application.environment_id
    before = await api.admin.value(where, "FLAG")
    members = [
        {"id": ids["TEXT"], "value": "hallo"},
        {"id": ids["FLAG"]},
        {"id": ids["NUMBER"], "value": "5"},
    ]
    made = await make(
        api, application, description="d", features=members, strategies=[RULE | {"percentage": 100_000}]
    )
    assert made == {
        "id": made["id"],
        "order": 10,
        "name": "Group",
        "description": "d",
        "environmentName": "production",
        "environmentId": where,
        "version": 1,
        "hasStrategy": True,
        "features": [{"key": "FLAG"}, {"key": "NUMBER"}, {"key": "TEXT"}],
    }
    shown = await full(api, application, made)
    assert [(each["key"], each["value"], each["locked"]) for each in shown["features"]] == [
        ("FLAG", False, True),
        ("NUMBER", 5, False),
        ("TEXT", "hallo", False),
    ]
    (rule,) = shown["strategies"]
    assert (rule["id"][0], len(rule["id"]), rule["name"], rule["percentage"]) == ("!", 4, "Germans", 100_000)
    text = await api.admin.value(where, "TEXT")
    assert (text["locked"], text["version"], "value" in text) == (False, 1, False)
    assert text["featureGroupStrategies"] == [
        {"name": "Germans", "value": "hallo", "featureGroupId": made["id"]}
    ]
    assert (await api.admin.value(where, "FLAG"))["version"] == before["version"] + 1
    candidates = await api.admin.call("GET", path(application, "environment", where))
    assert [(each["key"], each["type"]) for each in candidates] == sorted(KINDS.items())


async def test_an_edit_raises_the_versions_of_what_it_changes_and_of_nothing_else(api, application):
    ids = await features(api, application)
    where = application.environment_id
    members = [{"id": ids["TEXT"], "value": "a"}, {"id": ids["NUMBER"], "value": 1}]
    made = await make(api, application, features=members, strategies=[RULE])

    async def versions() -> list[int]:
        return [(await api.admin.value(where, key))["version"] for key in ("TEXT", "NUMBER")]

    assert await versions() == [1, 1]
    await change(api, application, made, name="Other name", description="other")
    assert await versions() == [1, 1]
    members[0]["value"] = "b"
    await change(api, application, made, features=members)
    assert await versions() == [2, 1]
    held = await full(api, application, made)
    kept = held["strategies"][0]
    changed = await change(api, application, made, strategies=[kept | {"percentage": 7}])
    assert changed["strategies"][0]["id"] == kept["id"]
    assert await versions() == [3, 2]
    assert [each["value"] for each in changed["features"]] == [1, "b"]
    await change(api, application, made, features=members[:1])
    assert await versions() == [3, 3]
    await change(api, application, made, strategies=[])
    assert await versions() == [4, 3]
    assert (await api.admin.value(where, "TEXT"))["featureGroupStrategies"] == []
    await change(api, application, made, strategies=[RULE])
    await api.admin.call("DELETE", path(application, made["id"]), expect=204)
    assert await versions() == [6, 3]
    assert await api.status("GET", path(application, made["id"])) == 404
    disabled = await make(api, application, features=members, strategies=[RULE], disabled=True)
    assert (await full(api, application, disabled))["disabled"] is True
    assert await versions() == [6, 3]


async def test_what_a_group_refuses(api, application):
    ids = await features(api, application)
    made, second = await make(api, application), await make(api, application, "Second")
    assert second["order"] == 20
    await change(api, application, made, order=20, expect=413)
    stale = {"id": made["id"], "version": 9}
    await api.admin.call("PUT", path(application), stale, expect=412)
    assert (await change(api, application, made, order=30))["order"] == 30
    other = await api.admin.create_application()
    foreign = await api.admin.create_feature(other.id, "FOREIGN")
    await make(api, application, features=[{"id": foreign}], expect=404)
    await make(api, application, features=[{"id": ids["TEXT"]}] * 2, expect=400)
    await make(api, application, features=[{"id": ids["NUMBER"], "value": "x"}], expect=400)
    await make(api, application, strategies=[RULE | {"percentage": -1}], expect=400)
    await make(api, application, " ", expect=400)
    await make(api, application, environmentId=other.environment_id, expect=404)
    for method, sent in (("GET", None), ("DELETE", None)):
        assert await api.status(method, path(other, made["id"]), sent) == 404
    assert await api.status("PUT", path(other), {"id": made["id"], "version": 2}) == 404
    await api.admin.call("DELETE", path(application, second["id"]), expect=204)
    await api.admin.call("PUT", path(application), {"id": second["id"], "version": 1}, expect=415)
    where = await api.admin.create_environment(application.id)
    gone = await make(api, application, environmentId=where)
    await api.admin.delete_environment(where)
    await api.admin.call("PUT", path(application), {"id": gone["id"], "version": 1}, expect=414)
    assert await api.status("DELETE", path(application, gone["id"])) == 404


async def test_groups_are_listed_where_the_caller_has_a_role_and_changed_with_change_value(api, application):
    where, second = application.environment_id, await api.admin.create_environment(application.id)
    ids = await features(api, application)
    one = await make(api, application, "One", features=[{"id": ids["TEXT"]}])
    two = await make(api, application, "Two", environmentId=second)
    three = await make(api, application, "Three", environmentId=second)

    async def names(api, **query) -> tuple[int, list[str]]:
        shown = await api.admin.call("GET", path(application), **query)
        return shown["count"], [each["name"] for each in shown["featureGroups"]]

    assert await names(api) == (3, ["One", "Two", "Three"])
    assert await names(api, sortOrder="DESC", max="2") == (3, ["Two", "Three"])
    assert await names(api, max="2", page="1") == (3, ["Three"])
    assert await names(api, filter="T", environmentId=second) == (2, ["Two", "Three"])
    assert await names(api, environmentId=str(uuid4())) == (0, [])
    reader = await api.person(application.portfolio_id, environments={second: ["READ"]})
    assert await names(reader) == (2, ["Two", "Three"])
    assert await reader.status("GET", path(application, two["id"])) == 200
    assert await reader.status("GET", path(application, one["id"])) == 404
    assert await reader.status("GET", path(application, "environment", where)) == 404
    writer = await api.person(application.portfolio_id, environments={second: ["CHANGE_VALUE"]})
    for person, expected in ((reader, 403), (writer, 201)):
        assert await person.status("POST", path(application), _new("N", second)) == expected
        assert await person.status("POST", path(application), _new("N", where)) == 403
        assert await person.status("PUT", path(application), {"id": one["id"], "version": 1}) == 403
        assert await person.status("DELETE", path(application, one["id"])) == 403
    assert await reader.status("DELETE", path(application, three["id"])) == 403
    assert await writer.status("DELETE", path(application, three["id"])) == 204
    foreigner = await api.person(await api.admin.create_portfolio(), admin=True)
    for method, target in (("GET", path(application)), ("DELETE", path(application, one["id"]))):
        assert await foreigner.status(method, target) == 404


def _new(name: str, environment_id: str) -> dict:
    return {"name": name, "environmentId": environment_id, "features": []}


async def test_groups_are_served_in_their_order(api, application):
    ids = await features(api, application)
    member = [{"id": ids["TEXT"], "value": "x"}]
    first = await make(api, application, "First", features=member, strategies=[{"percentage": 1}])
    second = await make(api, application, "Second", features=member, strategies=[{"percentage": 2}])
    before = await api.admin.value(application.environment_id, "TEXT")
    # A strategy without a name goes by its group's.
    assert [each["name"] for each in before["featureGroupStrategies"]] == ["First", "Second"]
    await change(api, application, first, order=second["order"] + 1)
    after = await api.admin.value(application.environment_id, "TEXT")
    assert [each["name"] for each in after["featureGroupStrategies"]] == ["Second", "First"]
    assert after["version"] == before["version"] + 1


async def test_a_refresh_repairs_what_is_delivered_and_is_for_superusers(api, application):
    ids = await features(api, application)
    other = await api.admin.create_application(application.portfolio_id)
    await api.admin.create_account(application.portfolio_id, {application.environment_id: ["READ"]})
    wanted = {"portfolioId": [application.portfolio_id]}
    told = {
        "applicationsRefreshed": 2,
        "portfoliosRefreshed": 1,
        "environmentsRefreshed": 2,
        "serviceAccountsRefreshed": 1,
    }
    assert await api.admin.call("POST", "/dacha1/cache", wanted) == told
    async with api.database.write() as session:
        of_text = Delivered.feature_id == UUID(ids["TEXT"])
        await session.execute(delete(Delivered).where(of_text))
        wrong = Counter.id == UUID(other.environment_id)
        await session.execute(update(Counter).where(wrong).values(digest=5))
    assert await api.admin.call("POST", "/dacha1/cache", {"applicationId": [other.id]}) == {
        "applicationsRefreshed": 1,
        "portfoliosRefreshed": 0,
        "environmentsRefreshed": 1,
        "serviceAccountsRefreshed": 0,
    }
    everything = await api.admin.call("POST", "/dacha1/cache", {"allTheThings": True})
    assert (everything["applicationsRefreshed"], everything["portfoliosRefreshed"]) == (2, 2)
    async with api.database.read() as session:
        assert await session.get(Delivered, (UUID(application.environment_id), UUID(ids["TEXT"])))
    assert await api.status("POST", "/dacha1/cache", {"applicationId": [str(uuid4())]}) == 404
    admin = await api.person(application.portfolio_id, admin=True)
    assert await admin.status("POST", "/dacha1/cache", wanted) == 403


async def test_a_stream_sees_groups_and_strategies_come_and_go(sqlite_url, tmp_path):
    async with open_party_here(sqlite_url, tmp_path) as party, open_admin(party.url) as admin:
        application = await admin.create_application()
        where = application.environment_id
        feature = await admin.create_feature(application.id, "TEXT", "STRING")
        account = await admin.create_account(application.portfolio_id, {where: ALL_ROLES})
        shared = await admin.call(
            "POST", f"/application/{application.id}/strategy", {"name": "s", "percentage": 5}, expect=201
        )
        uses = [{"strategyId": shared["id"], "value": "shared"}]
        row = {"key": "TEXT", "locked": False, "value": "plain", "rolloutStrategyInstances": uses}
        await admin.put(where, "TEXT", row)
        german = {"x-featurehub": "country=germany"}
        key = account.sdk_key(where, client=False)
        async with open_stream(party.url, key, headers=german) as stream:
            # However much of it is still on its way to the cache when the stream begins.
            await eventually(
                lambda: _newest(stream).get("value") == "plain", what="the value as it was saved"
            )
            body = _new("Group", where) | {
                "features": [{"id": feature, "value": "group"}],
                "strategies": [RULE],
            }
            made = await admin.call("POST", path(application), body, expect=201)
            grouped = await stream.changed("TEXT", value="group")
            path_of_shared = f"/application/{application.id}/rollout-strategy/{shared['id']}"
            await admin.call("PUT", path_of_shared, {"attributes": [GERMANY], "percentage": 1_000_000})
            await stream.changed("TEXT", value="group", version=grouped.data["version"] + 1)
            await admin.call("DELETE", path(application, made["id"]), expect=204)
            await stream.changed("TEXT", value="plain")
            await admin.call("DELETE", path_of_shared, expect=204)
        await assert_projection_true(party.database)


def _newest(stream) -> dict:
    """The newest word about the only feature, wherever it was said."""
    told = [event for event in stream.events if event.name in {"features", "feature"}]
    states = [state for event in told for state in (event.data if event.name == "features" else [event.data])]
    return states[-1] if states else {}
