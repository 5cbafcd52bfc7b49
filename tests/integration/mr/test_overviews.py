"""What is shown of an application as a whole: its table, its history, its order, its summary, its rights."""

from uuid import UUID

import pytest
from sqlalchemy import Engine, event, select

from mr.db.models.features import Feature, FeatureValue
from mr.db.models.portfolios import Environment
from mr.db.projection import Touched, project
from mr.db.session import Locks
from tests.support.admin import Application, attribute, strategy

TABLE = "/application/{}/all-feature-environment"


async def table(api, application: Application, **query) -> dict:
    return await api.admin.call("GET", TABLE.format(application.id), **query)


async def test_the_table_shows_features_and_values_in_order_of_promotion(api, application):
    later = await api.admin.create_environment(application.id, "later")
    for key, kind in (("B", "STRING"), ("A", "BOOLEAN"), ("C", "NUMBER")):
        await api.admin.create_feature(application.id, key, kind)
    rule = strategy("de", "hi", attribute("country", "EQUALS", ["germany"]))
    await api.admin.set(later, "B", "hello", strategies=[rule])
    await api.admin.set(later, "C", 12345678901234567890, locked=True)
    shown = await table(api, application)
    assert [feature["key"] for feature in shown["features"]] == ["A", "B", "C"]
    assert (shown["maxFeatures"], shown["applicationId"]) == (3, application.id)
    first, second = shown["environments"]
    assert (first["environmentId"], second["environmentId"]) == (application.environment_id, later)
    assert second["priorEnvironmentId"] == application.environment_id
    assert "priorEnvironmentId" not in first
    assert first["roles"] == ["READ", "LOCK", "UNLOCK", "CHANGE_VALUE", "EXTENDED_DATA"]
    assert [value["key"] for value in first["features"]] == ["A"]
    a, b, c = second["features"]
    for key, value in (("A", a), ("B", b), ("C", c)):
        assert value == await api.admin.value(later, key)  # the same as when it is asked for alone
    assert (c["valueNumber"], c["locked"]) == (12345678901234567890, True)
    assert b["whoUpdated"]["email"] == "ada@burgee.example"


async def test_the_table_is_filtered_and_paged(api, application):
    label = await api.admin.create_filter(application.portfolio_id)
    await api.admin.create_feature(application.id, "ALPHA", "STRING", filters=[label])
    await api.admin.create_feature(application.id, "BETA", "BOOLEAN")
    await api.admin.create_feature(application.id, "GAMMA", "BOOLEAN")

    async def keys(**query) -> tuple[list[str], int]:
        shown = await table(api, application, **query)
        return [feature["key"] for feature in shown["features"]], shown["maxFeatures"]

    assert await keys(filter="eature aL") == (["ALPHA"], 1)
    assert await keys(filter="%") == ([], 0)
    assert await keys(featureTypes="BOOLEAN", sortOrder="DESC") == (["GAMMA", "BETA"], 2)
    assert await keys(featureFilter=label) == (["ALPHA"], 1)
    assert await keys(max="2") == (["ALPHA", "BETA"], 3)
    assert await keys(max="2", page="1") == (["GAMMA"], 3)
    shown = await table(api, application, max="1", page="1")
    assert [value["key"] for value in shown["environments"][0]["features"]] == ["BETA"]
    other = await api.admin.create_environment(application.id)
    shown = await table(api, application, environmentIds=other)
    assert [each["environmentId"] for each in shown["environments"]] == [other]
    assert await api.status("GET", TABLE.format(application.id), max="x") == 400


async def test_a_long_table_is_packed_for_whoever_unpacks(api, application):
    await _fill(api.database, UUID(application.id), range(40), 1)
    address = f"{api.url}/mr-api{TABLE.format(application.id)}"

    async def asked(packings: str, size: int) -> tuple[str | None, int]:
        headers = {"authorization": f"Bearer {api.admin.token}", "accept-encoding": packings}
        async with api.admin.http.get(address, headers=headers, params={"max": size}) as answer:
            assert answer.headers["cache-control"] == "no-store"
            assert len((await answer.json())["features"]) == size
            return answer.headers.get("content-encoding"), int(answer.headers["content-length"])

    as_it_is, packed = await asked("identity", 40), await asked("gzip, deflate", 40)
    assert (as_it_is[0], packed[0]) == (None, "gzip")
    assert packed[1] < as_it_is[1] / 5
    assert await asked("gzip", 1) == await asked("identity", 1)
    assert await asked("gzip;q=0, br", 40) == as_it_is


async def test_the_table_holds_back_what_a_caller_may_not_see(api, application):
    hidden = await api.admin.create_environment(application.id)
    await api.admin.create_feature(application.id, "F")
    member = await api.person(application.portfolio_id, environments={application.environment_id: ["READ"]})
    seen, unseen = (await table(member, application))["environments"]
    assert (seen["roles"], len(seen["features"])) == (["READ"], 1)
    assert (unseen["environmentId"], unseen["roles"], unseen["features"]) == (hidden, [], [])
    without = await api.person(application.portfolio_id, applications={application.id: ["FEATURE_CREATE"]})
    assert await without.status("GET", TABLE.format(application.id)) == 404
    foreigner = await api.person(await api.admin.create_portfolio(), admin=True)
    assert await foreigner.status("GET", TABLE.format(application.id)) == 404


async def test_the_size_of_an_application_does_not_change_how_many_statements_its_table_takes(
    api, application
):
    """Nor how many it takes to make a feature in it."""
    statements: list[str] = []

    def count(_connection, _cursor, statement, *_more) -> None:
        statements.append(statement)

    async def fill(keys: range, environments: int) -> tuple[int, int]:
        await _fill(api.database, UUID(application.id), keys, environments)
        # After a while a call also says that its session is in use; this one, if it is time.
        assert await api.status("GET", "/portfolio") == 200
        statements.clear()
        shown = await table(api, application)
        reading = len(statements)
        assert len(shown["features"]) == keys.stop + 1
        assert len(shown["environments"]) == environments
        assert all(len(each["features"]) == keys.stop + 1 for each in shown["environments"])
        statements.clear()
        await api.admin.create_feature(application.id, f"F{keys.stop:04}")
        return reading, len(statements)

    await api.admin.create_feature(application.id, "A")  # somebody changed a value: who, is looked up
    event.listen(Engine, "before_cursor_execute", count)
    try:
        few = await fill(range(10), 3)
        many = await fill(range(11, 200), 10)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert min(few) > 0
    assert many == few


async def _fill(database, application_id: UUID, keys: range, environments: int) -> None:
    """Bring the application to that size at once: as many operations would take most of a minute."""
    async with database.write(Locks(applications=(application_id,))) as session:
        there = await session.scalars(select(Environment).filter_by(application_id=application_id))
        prior = there.all()[-1]
        for number in range(environments):
            held = await session.scalars(select(Environment.id).filter_by(application_id=application_id))
            if len(held.all()) == environments:
                break
            prior = Environment(
                application_id=application_id,
                name=f"more {keys.start} {number}",
                description="",
                prior_environment_id=prior.id,
            )
            session.add(prior)
            await session.flush()
        added = [
            Feature(application_id=application_id, key=f"F{each:04}", name="", value_type="STRING")
            for each in keys
        ]
        session.add_all(added)
        await session.flush()
        features = (await session.scalars(select(Feature).filter_by(application_id=application_id))).all()
        places = (
            await session.scalars(select(Environment.id).filter_by(application_id=application_id))
        ).all()
        rows = await session.execute(select(FeatureValue.environment_id, FeatureValue.feature_id))
        held_pairs = {tuple(row) for row in rows}
        session.add_all(
            FeatureValue(feature_id=feature.id, environment_id=place)
            for feature in features
            for place in places
            if (place, feature.id) not in held_pairs
        )
        await session.flush()
        await project(session, application_id, Touched(everything=True), author=None)


async def test_history_holds_one_record_for_each_version(api, application):
    where = application.environment_id
    feature_id = await api.admin.create_feature(application.id, "F", "STRING")
    rule = strategy("de", "hallo", attribute("country", "EQUALS", ["germany"]))
    await api.admin.set(where, "F", "one")
    await api.admin.set(where, "F", "two", strategies=[rule])
    await api.admin.set(where, "F", locked=True)
    path = f"/application/{application.id}/feature-history"
    found = await api.admin.call("GET", path, featureKeys="F")
    (item,) = found["items"]
    assert (item["envId"], item["featureId"], found["max"]) == (where, feature_id, 3)
    assert [each["version"] for each in item["history"]] == [1, 2, 3]
    one, two, three = item["history"]
    assert (one["value"], two["value"], two["versionFrom"], three["locked"]) == ("one", "two", 1, True)
    assert [each["name"] for each in two["rolloutStrategies"]] == ["de"]
    me = (await api.admin.call("GET", "/person/self"))["id"]["id"]
    assert one["who"] == {"id": me, "name": "Ada", "email": "ada@burgee.example", "type": "person"}
    newest = await api.admin.call("GET", path, featureIds=feature_id, order="desc", max="1", startAt="1")
    assert [each["version"] for each in newest["items"][0]["history"]] == [2]
    named = await api.admin.call("GET", path, featureKeys="F", versions="3")
    assert [each["version"] for each in named["items"][0]["history"]] == [3]


async def test_history_is_shown_where_the_caller_has_a_role(api, application):
    other = await api.admin.create_environment(application.id)
    await api.admin.create_feature(application.id, "F")
    path = f"/application/{application.id}/feature-history"
    everything = await api.admin.call("GET", path)
    assert {item["envId"] for item in everything["items"]} == {application.environment_id, other}
    assert (await api.admin.call("GET", path, environmentIds=other))["max"] == 1
    member = await api.person(application.portfolio_id, environments={other: ["READ"]})
    assert {item["envId"] for item in (await member.admin.call("GET", path))["items"]} == {other}
    stranger = await api.person(application.portfolio_id)
    assert await stranger.status("GET", path) == 404
    foreigner = await api.person(await api.admin.create_portfolio(), admin=True)
    assert await foreigner.status("GET", path) == 404


async def environments(api, application) -> list[dict]:
    return await api.admin.call("GET", f"/application/{application.id}/environment")


async def test_environments_are_ordered_all_at_once(api, application):
    for name in ("one", "two"):
        await api.admin.create_environment(application.id, name)
    production, one, two = await environments(api, application)
    path = f"/application/{application.id}/environment-ordering"
    order = [
        one | {"priorEnvironmentId": two["id"]},
        two | {"priorEnvironmentId": None},
        production | {"priorEnvironmentId": one["id"]},
    ]
    shown = await api.admin.call("POST", path, order)
    assert [each["name"] for each in shown] == ["two", "one", "production"]
    assert [each["name"] for each in await environments(api, application)] == ["two", "one", "production"]
    assert await api.status("POST", path, order) == 400  # stale by now


@pytest.mark.parametrize("fault", ["loop", "stale", "foreign", "unknown", "twice", "itself"])
async def test_an_unusable_order_changes_nothing(api, application, fault):
    second = await api.admin.create_environment(application.id)
    foreign = (await api.admin.create_application()).environment_id
    first, other = await environments(api, application)
    order = {
        "loop": [first | {"priorEnvironmentId": second}],
        "stale": [first, other | {"version": 99}],
        "foreign": [first | {"priorEnvironmentId": foreign}],
        "unknown": [first | {"id": foreign}],
        "twice": [first, first],
        "itself": [first | {"priorEnvironmentId": first["id"]}],
    }[fault]
    assert await api.status("POST", f"/application/{application.id}/environment-ordering", order) == 400
    assert await environments(api, application) == [first, other]


async def test_ordering_is_for_administrators(api, application):
    member = await api.person(
        application.portfolio_id, environments={application.environment_id: ["CHANGE_VALUE"]}
    )
    path = f"/application/{application.id}/environment-ordering"
    assert await member.status("POST", path, []) == 403
    foreigner = await api.person(await api.admin.create_portfolio(), admin=True)
    assert await foreigner.status("POST", path, await environments(api, application)) == 404


async def test_the_summary_counts_and_says_who_has_rights(api, application):
    path = f"/application/{application.id}/summary"
    assert await api.admin.call("GET", path) == {
        "groupsHavePermission": False,
        "serviceAccountsHavePermission": False,
        "featureCount": 0,
        "environmentCount": 1,
    }
    await api.admin.create_feature(application.id, "F")
    await api.admin.create_account(application.portfolio_id, {application.environment_id: ["READ"]})
    member = await api.person(application.portfolio_id, environments={application.environment_id: ["READ"]})
    assert await member.admin.call("GET", path) == {
        "groupsHavePermission": True,
        "serviceAccountsHavePermission": True,
        "featureCount": 1,
        "environmentCount": 1,
    }
    stranger = await api.person(application.portfolio_id)
    assert await stranger.status("GET", path) == 404


async def test_permissions_tell_the_callers_own_roles(api, application):
    other = await api.admin.create_environment(application.id, "other")
    path = f"/application/{application.id}/permissions"
    admin = await api.admin.call("GET", path)
    assert len(admin["applicationRoles"]) == 5
    assert [len(each["roles"]) for each in admin["environments"]] == [5, 5]
    member = await api.person(
        application.portfolio_id,
        environments={other: ["LOCK"]},
        applications={application.id: ["FEATURE_CREATE"]},
    )
    assert await member.admin.call("GET", path) == {
        "applicationRoles": ["FEATURE_CREATE"],
        "environments": [
            {"id": application.environment_id, "name": "production", "roles": []},
            {"id": other, "name": "other", "roles": ["READ", "LOCK"]},
        ],
    }
    foreigner = await api.person(await api.admin.create_portfolio(), admin=True)
    assert await foreigner.status("GET", path) == 404


async def test_matching_filters_tell_what_they_reach(api, application):
    portfolio = application.portfolio_id
    label, unused = await api.admin.create_filter(portfolio, "one"), await api.admin.create_filter(portfolio)
    await api.admin.create_feature(application.id, "F", filters=[label])
    await api.admin.create_feature(application.id, "G", filters=[label])
    account = await api.admin.create_account(portfolio, {}, filters=[label], name="robot")
    path = f"/portfolio/{portfolio}/feature-filter/matching"
    found = await api.admin.call("GET", f"{path}/applications", filters=label)
    (result,) = found["matchingResults"]
    assert result["id"] == application.id
    assert result["matchingFilters"] == [{"id": label, "name": "one"}]
    found = await api.admin.call("GET", f"{path}/serviceaccounts", filters=label)
    assert [each["id"] for each in found["matchingResults"]] == [account.id]
    assert (await api.admin.call("GET", f"{path}/applications", filters=unused))["matchingResults"] == []
    assert await api.status("GET", f"{path}/applications") == 400
    assert await api.status("GET", f"{path}/others", filters=label) == 404
    reader = await api.person(portfolio, applications={application.id: ["FEATURE_CREATE"]})
    assert await reader.status("GET", f"{path}/serviceaccounts", filters=label) == 403
    assert await reader.status("GET", f"{path}/applications", filters=label) == 200
    own = await api.admin.create_portfolio()
    foreigner = await api.person(own, admin=True)
    assert await foreigner.status("GET", f"{path}/applications", filters=label) == 404
    elsewhere = f"/portfolio/{own}/feature-filter/matching/serviceaccounts"
    assert (await foreigner.admin.call("GET", elsewhere, filters=label))["matchingResults"] == []


async def test_hidden_environments_are_remembered_for_each_person(api, application):
    other = await api.admin.create_environment(application.id)
    path = f"/user-data/state/{application.id}/hidden-environments"
    nothing = {"noneSelected": False, "environmentIds": []}
    assert await api.admin.call("GET", path) == nothing
    both = sorted([application.environment_id, other])
    saved = await api.admin.call("POST", path, {"environmentIds": both})
    assert sorted(saved["environmentIds"]) == both
    await api.admin.delete_environment(other)
    assert (await api.admin.call("GET", path))["environmentIds"] == [application.environment_id]
    admin = await api.person(application.portfolio_id, admin=True)
    assert await admin.admin.call("GET", path) == nothing
    none = {"noneSelected": True, "environmentIds": []}
    assert await api.admin.call("POST", path, none) == none
    assert await api.admin.call("POST", path, {"environmentIds": []}) == nothing
    assert await api.status("POST", path, {"environmentIds": [other]}) == 422
    assert await api.status("POST", path, {"environmentIds": [application.environment_id] * 1001}) == 422
    assert await api.status("POST", path, {"environmentIds": ["x"]}) == 400
    foreigner = await api.person(await api.admin.create_portfolio(), admin=True)
    assert await foreigner.status("GET", path) == 404
    assert await foreigner.status("POST", path, nothing) == 404
