"""Service accounts: keys, permissions, filters."""

import re

from tests.support.admin import ALL_ROLES


async def listed(api, application, **query):
    return await api.admin.call("GET", f"/portfolio/{application.portfolio_id}/service-account", **query)


async def test_an_account_has_two_keys_and_urls(api, application):
    made = await api.admin.call(
        "POST",
        f"/portfolio/{application.portfolio_id}/service-account",
        {
            "name": "web",
            "description": "d",
            "permissions": [{"environmentId": application.environment_id, "permissions": ["LOCK"]}],
        },
        includePermissions="true",
    )
    assert re.fullmatch(r"[A-Za-z0-9]{30}\*[A-Za-z0-9]{20}", made["apiKeyClientSide"])
    assert re.fullmatch(r"[A-Za-z0-9]{40}", made["apiKeyServerSide"])
    (permission,) = made["permissions"]
    assert permission["permissions"] == ["READ", "LOCK"]
    assert permission["sdkUrlServerEval"] == f"{application.environment_id}/{made['apiKeyServerSide']}"
    assert made["version"] == 1
    again = {"name": "web", "permissions": []}
    path = f"/portfolio/{application.portfolio_id}/service-account"
    assert await api.status("POST", path, again) == 409


async def test_searching_shows_no_keys(api, application):
    for name in ("b%", "A", "c"):
        await api.admin.create_account(
            application.portfolio_id, {application.environment_id: ["READ"]}, name=name
        )
    found = await listed(api, application)
    assert [each["name"] for each in found] == ["A", "b%", "c"]
    assert all("apiKeyServerSide" not in each and each["permsInvalid"] for each in found)
    assert [each["name"] for each in await listed(api, application, filter="%")] == ["b%"]
    found = await listed(api, application, includePermissions="true")
    assert "sdkUrlServerEval" not in found[0]["permissions"][0]
    found = await listed(
        api, application, includePermissions="true", includeSdkUrls="true", applicationId=application.id
    )
    assert "sdkUrlServerEval" in found[0]["permissions"][0]


async def test_an_update_replaces_permissions_unless_told_that_they_are_not_real(api, application):
    where = application.environment_id
    test = await api.admin.create_environment(application.id, "test")
    account = await api.admin.create_account(application.portfolio_id, {where: ["READ"]})
    await api.admin.change_account(account.id, environments={test: ["CHANGE_VALUE"]})
    body = await api.admin.account(account.id)
    assert [each["environmentId"] for each in body["permissions"]] == [test]
    assert body["version"] == 2
    path = f"/portfolio/{application.portfolio_id}/service-account"
    unreal = {**body, "permissions": [], "permsInvalid": True}
    await api.admin.call("PUT", path, unreal)
    assert len((await api.admin.account(account.id))["permissions"]) == 1
    await api.admin.call("PUT", path, unreal, expect=422)
    twice = {**body, "version": 3, "permissions": body["permissions"] * 2}
    await api.admin.call("PUT", path, twice, expect=400)
    nameless = {name: value for name, value in body.items() if name != "portfolioId"}
    await api.admin.call("PUT", f"/service-account/{account.id}", nameless, expect=400)
    await api.admin.call("PUT", f"/service-account/{account.id}", {**body, "version": 3})


async def test_permissions_stay_within_the_portfolio_and_the_application(api, application):
    foreign = await api.admin.create_application()
    account = await api.admin.create_account(
        application.portfolio_id, {foreign.environment_id: ["READ"], application.environment_id: ["READ"]}
    )
    body = await api.admin.account(account.id)
    assert [each["environmentId"] for each in body["permissions"]] == [application.environment_id]
    sibling = await api.admin.create_application(application.portfolio_id)
    path = f"/portfolio/{application.portfolio_id}/service-account"
    wanted = {
        **body,
        "permissions": [
            {"environmentId": sibling.environment_id, "permissions": list(ALL_ROLES)},
            {"environmentId": application.environment_id, "permissions": []},
        ],
    }
    await api.admin.call("PUT", path, wanted, appId=sibling.id)
    body = await api.admin.account(account.id)
    assert {each["environmentId"] for each in body["permissions"]} == {
        sibling.environment_id,
        application.environment_id,
    }


async def test_resetting_keys_replaces_one_or_both(api, application):
    account = await api.admin.create_account(application.portfolio_id, {})
    path = f"/service-account/{account.id}/reset-api-key"
    one = await api.admin.call("POST", path, apiKeyType="client_eval_only")
    assert one["apiKeyClientSide"] != account.client_key
    assert one["apiKeyServerSide"] == account.server_key
    both = await api.admin.reset_keys(account.id)
    assert both.client_key != one["apiKeyClientSide"]
    assert both.server_key != account.server_key
    assert await api.status("POST", path, apiKeyType="other") == 400


async def test_a_deleted_account_frees_its_name(api, application):
    account = await api.admin.create_account(application.portfolio_id, {}, name="web")
    await api.admin.delete_account(account.id)
    assert await api.status("GET", f"/service-account/{account.id}") == 404
    await api.admin.create_account(application.portfolio_id, {}, name="web")


async def test_filters_are_replaced_when_given(api, application):
    mobile = await api.admin.create_filter(application.portfolio_id)
    account = await api.admin.create_account(application.portfolio_id, {}, filters=[mobile])
    assert (await api.admin.account(account.id))["featureFilters"] == [mobile]
    body = await api.admin.account(account.id)
    del body["featureFilters"]
    await api.admin.call("PUT", f"/portfolio/{application.portfolio_id}/service-account", body)
    assert (await api.admin.account(account.id))["featureFilters"] == [mobile]
    await api.admin.change_account(account.id, filters=[])
    assert (await api.admin.account(account.id))["featureFilters"] == []


async def test_an_account_that_lost_its_filters_is_shown_as_restricted_until_they_are_taken_away(
    api, application
):
    mobile = await api.admin.create_filter(application.portfolio_id)
    account = await api.admin.create_account(application.portfolio_id, {}, filters=[mobile])
    assert (await api.admin.account(account.id))["restricted"] is True
    await api.admin.delete_filter(application.portfolio_id, mobile)
    (shown,) = await listed(api, application)
    assert shown["restricted"] is True
    lost = await api.admin.account(account.id)
    assert (lost["restricted"], lost["featureFilters"]) == (True, [])
    await api.admin.change_account(account.id, filters=[])
    assert "restricted" not in await api.admin.account(account.id)


async def test_an_environment_shows_its_accounts(api, application):
    account = await api.admin.create_account(application.portfolio_id, {application.environment_id: ["READ"]})
    shown = await api.admin.call(
        "GET",
        f"/environment/{application.environment_id}",
        includeServiceAccounts="true",
        includeSdkUrl="true",
    )
    (permission,) = shown["serviceAccountPermission"]
    assert permission["serviceAccount"]["id"] == account.id
    assert permission["sdkUrlClientEval"].endswith(account.client_key)
