"""Every operation, tried by a full administrator of one portfolio against everything of another.

Which ids an operation takes is read off its path, so an operation that is added later is tried as well.
Bodies name the other portfolio's things too. Nothing may succeed, and nothing may have changed.
"""

import re
from typing import Any
from uuid import uuid4

import pytest

from mr.app import open_mr
from mr.settings import MrSettings
from tests.support.admin import ALL_ROLES

# Whoever is signed in may ask for these: they name nobody, or only oneself.
HARMLESS = {
    "findPortfolios",
    "logout",
    "findPeople",
    "createPerson",
    # Goes on for ever; whose changes it tells to whom has tests of its own (test_live.py).
    "listenToChanges",
}
# Names people, who belong to the organisation: any administrator sees who there is.
PEOPLE_ARE_SEEN = {"getPerson"}
# Not an error: clients of the contract read the boolean.
ANSWERS_FALSE = {"deleteEnvironment"}


class Victim:
    """One of everything in a portfolio that the caller does not administer."""

    def __init__(self, ids: dict[str, str]) -> None:
        self.ids = ids

    @classmethod
    async def make(cls, api) -> "Victim":
        admin = api.admin
        application = await admin.create_application()
        portfolio = application.portfolio_id
        feature = await admin.create_feature(application.id, "SECRET_FLAG")
        label = await admin.create_filter(portfolio, "secret filter")
        account = await admin.create_account(portfolio, {application.environment_id: ALL_ROLES})
        group = await admin.call("POST", f"/portfolio/{portfolio}/group", {"name": "secret group"})
        invited = await admin.call(
            "POST",
            "/person",
            {"email": "victim@x.example", "personType": "person", "groupIds": [group["id"]]},
        )
        strategy = {"name": "secret strategy", "percentage": 1000, "attributes": []}
        shared = await admin.call("POST", f"/application/{application.id}/strategy", strategy, expect=201)
        served = {"name": "secret", "environmentId": application.environment_id, "features": []}
        grouped = await admin.call(
            "POST", f"/application/{application.id}/feature-groups", served, expect=201
        )
        return cls(
            {
                "strategy": shared["id"],
                "feature-group": grouped["id"],
                "portfolio": portfolio,
                "application": application.id,
                "environment": application.environment_id,
                "feature": feature,
                "filter": label,
                "account": account.id,
                "group": group["id"],
                "person": invited["personId"],
            }
        )

    def path(self, template: str) -> str:
        kinds = {
            "appId": "application",
            "eid": "environment",
            "gid": "group",
            "pId": "person",
            "filterId": "filter",
            "envId": "environment",
            "appStrategyId": "strategy",
            "fgId": "feature-group",
        }
        owners = {
            "service-account": "account",
            "authentication": "person",
            "track-events": "environment",
            "{envId}": "environment",
        }

        def fill(match: re.Match[str]) -> str:
            name, before = match[1], template[: match.start()]
            if name == "key":
                return "SECRET_FLAG"
            if name == "matchType":
                return "applications"
            if name == "email":
                return "victim@x.example"
            if name == "id":
                owner = before.rstrip("/").rpartition("/")[2]
                return self.ids[owners.get(owner, owner)]
            return self.ids[kinds[name]]

        return re.sub(r"\{(\w+)\}", fill, template)

    def body(self, operation_id: str) -> Any:
        ids = self.ids
        value = {"key": "SECRET_FLAG", "locked": False, "value": True, "version": 1}
        role = {"environmentId": ids["environment"], "groupId": ids["group"], "roles": ["CHANGE_VALUE"]}
        everything = {
            "name": "stolen",
            "locked": False,
            "value": True,
            "description": "stolen",
            "version": 1,
            "key": "SECRET_FLAG",
            "valueType": "BOOLEAN",
            "environmentId": ids["environment"],
            "portfolioId": ids["portfolio"],
            "password": "stolen!",
            "oldPassword": "a",
            "newPassword": "b",
            "email": "stolen@x.example",
            "customStrategies": [],
            "messageType": "enriched-feature-v1",
            "envId": ids["environment"],
            "config": {},
            "configs": [],
            "features": [],
            "ids": [],
            "percentage": 1000,
            "sharedStrategies": [],
            "environmentIds": [ids["environment"]],
            "environmentRoles": [role],
            "members": [{"id": {"id": ids["person"]}}],
            "permissions": [{"environmentId": ids["environment"], "permissions": ["READ"]}],
        }
        others: dict[str, Any] = {
            "updateAllFeatureValuesByApplicationForKey": [value | {"environmentId": ids["environment"]}],
            "updateAllFeaturesForEnvironment": [value],
            "cacheRefresh": {"portfolioId": [ids["portfolio"]]},
            "environmentOrdering": [{"id": ids["environment"], "name": "stolen", "version": 1}],
        }
        kinds = {
            "updatePortfolioOnOrganisation": "portfolio",
            "updateApplicationOnPortfolio": "application",
            "updateEnvironmentOnApplication": "environment",
            "updateGroupOnPortfolio": "group",
            "updateGroupOnPortfolioV2": "group",
            "updateServiceAccountOnPortfolio": "account",
            "updateFeatureFilter": "filter",
            "updateFeatureGroup": "feature-group",
        }
        if operation_id in others:
            return others[operation_id]
        identity = ids[kinds[operation_id]] if operation_id in kinds else ids["portfolio"]
        return everything | {"id": {"id": ids["person"]} if operation_id == "updatePerson" else identity}


async def operations(api) -> list[Any]:
    async with open_mr(MrSettings(), api.database) as mr:
        return [each for each in mr.operations if each.access.value != "open"]


async def picture(api, victim: Victim) -> list[Any]:
    """Everything of the victim that could have been changed, as its owner sees it."""
    ids = victim.ids
    everything = {"includeGroups": "true", "includeApplications": "true", "includeEnvironments": "true"}
    calls = [
        (f"/portfolio/{ids['portfolio']}", everything),
        (f"/application/{ids['application']}/all-feature-environment", {}),
        (f"/group/{ids['group']}", {"includeMembers": "true", "includeGroupRoles": "true"}),
        (f"/service-account/{ids['account']}", {"includePermissions": "true", "includeFilters": "true"}),
        (f"/portfolio/{ids['portfolio']}/feature-filter", {"includeDetails": "true"}),
        (f"/person/{ids['person']}", {"includeGroups": "true"}),
    ]
    return [await api.admin.call("GET", path, **query) for path, query in calls]


async def test_no_operation_reaches_into_another_portfolio(api):
    victim = await Victim.make(api)
    before = await picture(api, victim)
    own = await api.admin.create_portfolio()
    thief = await api.person(own, admin=True)
    tried = 0
    for operation in await operations(api):
        if operation.operation_id in HARMLESS | PEOPLE_ARE_SEEN:
            continue
        (method,) = operation.methods
        path = victim.path(operation.path.removeprefix("/mr-api"))
        body = victim.body(operation.operation_id) if method in {"PUT", "POST"} else None
        query = {
            "version": "1",
            "filters": victim.ids["filter"],
            "personId": victim.ids["person"],
            "environmentId": victim.ids["environment"],
            "source": "env",
            "page": "0",
            "pageSize": "20",
            "cloudEventType": "enriched-feature-v1",
        }
        status, text = await thief.raw(method, path, body, **query)
        told = (operation.operation_id, method, path, status, text)
        if operation.operation_id in ANSWERS_FALSE:
            assert (status, text) == (200, "false"), told
        else:
            assert status in {400, 403, 404}, told
            # 400 only where a request is refused before anybody is asked for.
            assert status != 400 or operation.operation_id == "deleteFeatureForEnvironment", told
        assert "secret" not in text.lower(), told
        tried += 1
    assert tried > 60
    assert await picture(api, victim) == before


async def test_ids_of_another_portfolio_in_bodies_are_refused_or_passed_over(api):
    victim = await Victim.make(api)
    own = await api.admin.create_application()
    thief = await api.person(own.portfolio_id, admin=True)
    ids, call = victim.ids, thief.admin.call
    account = await call(
        "POST",
        f"/portfolio/{own.portfolio_id}/service-account",
        {
            "name": "a",
            "permissions": [{"environmentId": ids["environment"], "permissions": ["READ"]}],
            "featureFilter": [ids["filter"]],
        },
        includePermissions="true",
    )
    assert account["permissions"] == []
    shown = await call("GET", f"/service-account/{account['id']}", includeFilters="true")
    assert shown["featureFilters"] == []
    await call(
        "POST",
        f"/application/{own.id}/features",
        {"key": "F", "name": "F", "valueType": "BOOLEAN", "featureFilter": [ids["filter"]]},
    )
    shown = await call("GET", f"/application/{own.id}/features/F", includeFilters="true")
    assert shown["featureFilter"] == []
    assert await thief.status("GET", f"/application/{own.id}/features/{ids['feature']}") == 404
    environment = {"name": "e", "description": "e", "priorEnvironmentId": ids["environment"]}
    assert await thief.status("POST", f"/application/{own.id}/environment", environment) == 400
    value = [{"key": "F", "locked": False, "value": True, "environmentId": ids["environment"], "version": 1}]
    assert await thief.status("PUT", f"/application/{own.id}/feature-environments/F", value) == 400
    group = await call("POST", f"/portfolio/{own.portfolio_id}/group", {"name": "g"})
    body = {
        "id": group["id"],
        "version": 1,
        "environmentRoles": [
            {"environmentId": ids["environment"], "groupId": ids["group"], "roles": ["CHANGE_VALUE"]}
        ],
        "applicationRoles": [
            {"applicationId": ids["application"], "groupId": ids["group"], "roles": ["FEATURE_CREATE"]}
        ],
    }
    for version in ("", "/v2"):
        shown = await call(
            "PUT",
            f"/portfolio/{own.portfolio_id}{version}/group",
            body | {"name": "g"},
            updateEnvironmentGroupRoles="true",
            updateApplicationGroupRoles="true",
            includeGroupRoles="true",
        )
        assert (shown["environmentRoles"], shown["applicationRoles"]) == ([], [])
        body["version"] += 1
    theirs = await call("GET", f"/group/{group['id']}", byApplicationId=ids["application"])
    assert theirs["environmentRoles"] == []
    table = f"/application/{own.id}/all-feature-environment"
    assert (await call("GET", table, environmentIds=ids["environment"]))["environments"] == []
    assert (await call("GET", table, featureFilter=ids["filter"]))["features"] == []
    history = f"/application/{own.id}/feature-history"
    assert (await call("GET", history, featureIds=ids["feature"]))["items"] == []


@pytest.mark.parametrize("token", ["", "x" * 36, "x" * 5000])
async def test_without_a_known_token_every_operation_is_401(api, token):
    stranger = api.stranger()
    stranger.admin.token = token
    for operation in await operations(api):
        (method,) = operation.methods
        path = re.sub(r"\{\w+\}", str(uuid4()), operation.path.removeprefix("/mr-api"))
        assert await stranger.status(method, path, {}) == 401, operation.operation_id
