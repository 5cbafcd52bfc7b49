"""Who may do what, through the API; the pure rules have their own table in tests/unit."""

from tests.support.admin import ALL_ROLES


async def test_a_member_sees_the_portfolio_but_changes_nothing(api, application):
    member = await api.person(application.portfolio_id)
    portfolio = await member.admin.call("GET", f"/portfolio/{application.portfolio_id}")
    assert await member.status("PUT", "/portfolio", portfolio) == 403
    assert await member.status("DELETE", f"/portfolio/{application.portfolio_id}") == 403
    assert await member.status("POST", "/portfolio", {"name": "x", "description": "d"}) == 403
    created = {"name": "x", "description": "d"}
    listing = f"/portfolio/{application.portfolio_id}"
    assert await member.status("POST", f"{listing}/application", created) == 403
    assert await member.status("POST", f"{listing}/service-account", {"name": "x"}) == 403
    assert await member.admin.call("GET", f"{listing}/application") == []
    assert await member.status("GET", f"/application/{application.id}") == 404
    assert await member.status("GET", f"/environment/{application.environment_id}") == 200
    assert await member.status("GET", f"/features/{application.environment_id}") == 403
    assert await member.admin.call("DELETE", f"/environment/{application.environment_id}") is False


async def test_an_administrator_of_a_portfolio_does_everything_but_portfolios(api, application):
    admin = await api.person(application.portfolio_id, admin=True)
    assert await admin.status("POST", "/portfolio", {"name": "x", "description": "d"}) == 403
    assert await admin.status("DELETE", f"/portfolio/{application.portfolio_id}") == 403
    other = await admin.admin.create_application(application.portfolio_id)
    await admin.admin.create_feature(other.id, "F")
    await admin.admin.set(other.environment_id, "F", True)
    await admin.admin.create_account(application.portfolio_id, {other.environment_id: list(ALL_ROLES)})


async def test_feature_roles_decide_about_definitions(api, application):
    await api.admin.create_feature(application.id, "F")
    path = f"/application/{application.id}/features"
    body = {"key": "NEW", "name": "n", "valueType": "BOOLEAN"}
    edit = {"key": "F", "name": "n", "valueType": "BOOLEAN", "version": 1}
    maker = await api.person(application.portfolio_id, applications={application.id: ["FEATURE_CREATE"]})
    assert await maker.status("PUT", f"{path}/F", edit) == 403
    assert await maker.status("DELETE", f"{path}/F") == 403
    assert await maker.status("POST", path, body) == 200
    reader = await api.person(application.portfolio_id, environments={application.environment_id: ["READ"]})
    assert await reader.status("POST", path, body) == 403
    assert await reader.status("GET", path) == 200
    editor = await api.person(
        application.portfolio_id, applications={application.id: ["FEATURE_EDIT_AND_DELETE"]}
    )
    assert await editor.status("PUT", f"{path}/F", edit) == 200
    assert await editor.status("DELETE", f"{path}/F") == 200


async def test_environment_roles_decide_about_values(api, application):
    where = application.environment_id
    await api.admin.create_feature(application.id, "F", "STRING")
    base = await api.admin.set(where, "F", "a")
    path = f"/features/{where}/feature/F"
    changes = {
        "LOCK": {"locked": True},
        "CHANGE_VALUE": {"valueString": "b"},
    }
    for held in ("READ", "LOCK", "UNLOCK", "CHANGE_VALUE"):
        person = await api.person(application.portfolio_id, environments={where: [held]})
        assert await person.status("GET", path) == 200
        for needed, change in changes.items():
            if needed != held:
                assert await person.status("PUT", path, base | change) == 403, (held, needed)
    locker = await api.person(application.portfolio_id, environments={where: ["LOCK"]})
    locked = await locker.admin.put(where, "F", base | {"locked": True})
    assert await locker.status("PUT", path, locked | {"locked": False}) == 403
    # The oldest feature role also locks and unlocks.
    legacy = await api.person(
        application.portfolio_id,
        environments={where: ["READ"]},
        applications={application.id: ["FEATURE_EDIT"]},
    )
    await legacy.admin.put(where, "F", locked | {"locked": False})


async def test_a_role_missing_in_one_of_several_environments_is_400(api, application):
    await api.admin.create_feature(application.id, "F")
    test = await api.admin.create_environment(application.id, "test")
    person = await api.person(
        application.portfolio_id,
        environments={application.environment_id: ["CHANGE_VALUE", "UNLOCK"], test: ["READ"]},
    )
    values = [
        {"key": "F", "locked": False, "value": True, "version": 1, "environmentId": each}
        for each in (application.environment_id, test)
    ]
    everywhere = f"/application/{application.id}/feature-environments/F"
    assert await person.status("PUT", everywhere, values) == 400
    assert (await api.admin.value(application.environment_id, "F"))["value"] is False
    assert await person.status("PUT", everywhere, values[:1]) == 200


async def test_keys_are_shown_to_those_who_may_do_as_much(api, application):
    where = application.environment_id
    account = await api.admin.create_account(application.portfolio_id, {where: ["CHANGE_VALUE"]})
    for roles, shown in ((["READ"], False), (["CHANGE_VALUE"], True)):
        person = await api.person(application.portfolio_id, environments={where: roles})
        found = await person.admin.call(
            "GET",
            f"/portfolio/{application.portfolio_id}/service-account",
            includeSdkUrls="true",
            applicationId=application.id,
        )
        assert ("sdkUrlServerEval" in found[0]["permissions"][0]) is shown
        single = await person.admin.call("GET", f"/service-account/{account.id}")
        assert "apiKeyServerSide" not in single


async def test_ids_of_another_portfolio_inside_bodies_have_no_effect(api, application):
    """That every operation refuses them in paths is tried in test_tenants."""
    label = await api.admin.create_filter(application.portfolio_id)
    elsewhere = await api.admin.create_application()
    person = await api.person(elsewhere.portfolio_id, admin=True)
    where = application.environment_id
    theirs = await person.admin.create_account(elsewhere.portfolio_id, {where: ["READ"]}, filters=[label])
    shown = await person.admin.account(theirs.id)
    assert (shown["permissions"], shown["featureFilters"]) == ([], [])
    await person.admin.create_feature(elsewhere.id, "G", filters=[label])
    assert (await person.admin.feature(elsewhere.id, "G"))["featureFilter"] == []
    odd = {"name": "o", "description": "d", "priorEnvironmentId": where}
    assert await person.status("POST", f"/application/{elsewhere.id}/environment", odd) == 400
    foreign = {"id": where, "version": 1, "name": "taken over"}
    assert await person.status("PUT", f"/application/{elsewhere.id}/environment", foreign) == 404
