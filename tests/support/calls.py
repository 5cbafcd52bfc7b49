"""One good call of every operation of the management API, aimed at one world of things.

Whoever adds an operation adds its call here and its rule in `tests/contract/test_permission_matrix.py`; both
tests that go through all operations fail until then. Speaks the wire alone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.support.admin import ALL_ROLES, Admin, Application, Json

_numbers = count(1)


@dataclass(frozen=True)
class Call:
    """What is sent; `token` where nobody but its holder can do it."""

    path: str
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    token: str | None = None


@dataclass
class World:
    """A portfolio with one of everything, as its superuser knows it.

    `let_in`: the call that is made next should get through, so it may be aimed at something made for it.
    """

    root: Admin
    application: Application
    ids: dict[str, str]
    let_in: bool = True

    @classmethod
    async def make(cls, root: Admin) -> "World":
        application = await root.create_application()
        portfolio, where = application.portfolio_id, application.environment_id
        await root.create_feature(application.id, "FLAG")
        await root.set(where, "FLAG", True)
        account = await root.create_account(portfolio, {where: ALL_ROLES})
        group = await root.call("POST", f"/portfolio/{portfolio}/group", {"name": "team"})
        world = cls(
            root,
            application,
            {
                "portfolio": portfolio,
                "application": application.id,
                "environment": where,
                "account": account.id,
                "group": group["id"],
                "filter": await root.create_filter(portfolio),
            },
        )
        world.ids["person"] = (await world.invite())["personId"]
        return world

    @staticmethod
    def name() -> str:
        """A name that nothing has yet."""
        return f"made for a call {next(_numbers)}"

    async def invite(self, kind: str = "person") -> Json:
        """Somebody who is in the world's group and in nothing else."""
        number = next(_numbers)
        body: Json = {"personType": kind, "groupIds": [self.ids["group"]], "name": f"Somebody {number}"}
        if kind == "person":
            body["email"] = f"somebody-{number}@x.example"
        invited: Json = await self.root.call("POST", "/person", body)
        return invited | {"email": body.get("email", "")}

    async def feature(self, kind: str = "BOOLEAN") -> str:
        key = f"MADE_{next(_numbers)}"
        await self.root.create_feature(self.application.id, key, kind)
        return key

    async def current(self, path: str) -> Json:
        found: Json = await self.root.call("GET", path, includePermissions="true")
        return found

    async def toggled(self) -> Json:
        """The value of FLAG as somebody would send it who turns it round."""
        row = await self.root.value(self.application.environment_id, "FLAG")
        assert row is not None
        return {
            "key": "FLAG",
            "version": row["version"],
            "locked": row["locked"],
            "value": not row["value"],
            "environmentId": self.application.environment_id,
        }

    async def strategy(self) -> str:
        body = {"name": self.name()[-20:], "percentage": 1000, "attributes": []}
        made = await self.root.call("POST", f"/application/{self.application.id}/strategy", body, expect=201)
        return str(made["id"] if "id" in made else made["strategy"]["id"])

    async def feature_group(self) -> Json:
        body = {"name": self.name(), "environmentId": self.application.environment_id, "features": []}
        made: Json = await self.root.call(
            "POST", f"/application/{self.application.id}/feature-groups", body, expect=201
        )
        return made


Maker = Callable[[World], Awaitable[Call]]
CALLS: dict[str, Maker] = {}


def _call(*operations: str) -> Callable[[Maker], Maker]:
    def register(maker: Maker) -> Maker:
        CALLS.update(dict.fromkeys(operations, maker))
        return maker

    return register


def _plain(operation: str, path: str, **query: str) -> None:
    """A call that takes nothing but ids of the world."""

    async def make(world: World) -> Call:
        return Call(
            path.format(**world.ids), query={name: each.format(**world.ids) for name, each in query.items()}
        )

    CALLS[operation] = make


for _operation, _path, _query in (
    ("isInstalled", "/initialize", {}),
    ("logout", "/logout", {}),
    ("personByToken", "/authentication/nobodys", {}),
    ("findPeople", "/person", {}),
    ("getPerson", "/person/{person}", {}),
    ("findPortfolios", "/portfolio", {}),
    ("getPortfolio", "/portfolio/{portfolio}", {}),
    ("findGroups", "/portfolio/{portfolio}/group", {}),
    ("getGroup", "/group/{group}", {}),
    ("findApplications", "/portfolio/{portfolio}/application", {}),
    ("getApplication", "/application/{application}", {}),
    ("summaryApplication", "/application/{application}/summary", {}),
    ("applicationPermissions", "/application/{application}/permissions", {}),
    ("findEnvironments", "/application/{application}/environment", {}),
    ("getEnvironment", "/environment/{environment}", {}),
    ("getAllFeaturesForApplication", "/application/{application}/features", {}),
    ("getFeatureByKey", "/application/{application}/features/FLAG", {}),
    ("getAllFeatureValuesByApplicationForKey", "/application/{application}/feature-environments/FLAG", {}),
    ("getFeaturesForEnvironment", "/features/{environment}", {}),
    ("getFeatureForEnvironment", "/features/{environment}/feature/FLAG", {}),
    ("deleteFeatureForEnvironment", "/features/{environment}/feature/FLAG", {}),
    (
        "findAllFeatureAndFeatureValuesForEnvironmentsByApplication",
        "/application/{application}/all-feature-environment",
        {},
    ),
    ("listFeatureHistory", "/application/{application}/feature-history", {}),
    (
        "getMatchingFilters",
        "/portfolio/{portfolio}/feature-filter/matching/applications",
        {"filters": "{filter}"},
    ),
    ("findFeatureFilters", "/portfolio/{portfolio}/feature-filter", {}),
    ("getFeatureFilter", "/portfolio/{portfolio}/feature-filter/{filter}", {}),
    ("searchServiceAccountsInPortfolio", "/portfolio/{portfolio}/service-account", {}),
    ("getServiceAccount", "/service-account/{account}", {}),
    ("resetApiKey", "/service-account/{account}/reset-api-key", {}),
    ("getHiddenEnvironments", "/user-data/state/{application}/hidden-environments", {}),
    ("showUsage", "/burgee/usage", {"environmentId": "{environment}"}),
    ("showPropagation", "/burgee/propagation", {"environmentId": "{environment}"}),
    ("findAuditEntries", "/burgee/audit", {"environmentId": "{environment}"}),
    ("getWebhookTypes", "/webhooks", {}),
    ("listWebhooks", "/webhooks/{environment}", {}),
    (
        "getTrackedEvents",
        "/track-events/{environment}",
        {"source": "env", "page": "0", "pageSize": "20", "cloudEventType": "enriched-feature-v1"},
    ),
    ("findDeliveries", "/burgee/deliveries/{environment}", {}),
    ("getSystemConfig", "/system-api", {}),
    ("listFeatureGroups", "/application/{application}/feature-groups", {}),
    (
        "getFeatureGroupFeatures",
        "/application/{application}/feature-groups/environment/{environment}",
        {},
    ),
    ("listApplicationStrategies", "/application/{application}/strategy", {}),
):
    _plain(_operation, _path, **_query)


@_call("login")
async def _login(world: World) -> Call:
    del world
    return Call("/login", {"email": "nobody@x.example", "password": "whatever it is"})


@_call("createPerson")
async def _create_person(world: World) -> Call:
    return Call("/person", {"email": f"new-{next(_numbers)}@x.example", "personType": "person"})


@_call("registerPerson")
async def _register(world: World) -> Call:
    invited = await world.invite()
    return Call(
        "/authentication",
        {
            "name": "New",
            "email": invited["email"],
            "password": "a long enough password",
            "confirmPassword": "a long enough password",
            "registrationToken": invited["token"],
        },
    )


@_call("resetExpiredToken")
async def _renew_invitation(world: World) -> Call:
    return Call(f"/authentication/{(await world.invite())['email']}/expiredTokenReset")


@_call("resetPassword")
async def _reset_password(world: World) -> Call:
    return Call(f"/authentication/{world.ids['person']}/resetPassword", {"password": "for a short time only"})


@_call("changePassword")
async def _change_password(world: World) -> Call:
    body = {"oldPassword": "for a short time only", "newPassword": "another good password"}
    return Call(f"/authentication/{world.ids['person']}/changePassword", body)


@_call("replaceTempPassword")
async def _replace_password(world: World) -> Call:
    body = {"password": "a lasting good password"}
    return Call(f"/authentication/{world.ids['person']}/replaceTempPassword", body)


@_call("resetSecurityToken")
async def _reset_token(world: World) -> Call:
    return Call(f"/person/{(await world.invite('serviceAccount'))['personId']}/token-reset")


@_call("updatePerson")
async def _update_person(world: World) -> Call:
    found = await world.current(f"/person/{world.ids['person']}")
    return Call(
        f"/person/{world.ids['person']}",
        {"version": found["version"], "name": world.name(), "id": found["id"]},
    )


@_call("updatePersonV2")
async def _update_person_v2(world: World) -> Call:
    found = await world.current(f"/person/{world.ids['person']}")
    return Call(f"/person/{world.ids['person']}/v2", {"version": found["version"], "name": world.name()})


@_call("deletePerson")
async def _delete_person(world: World) -> Call:
    return Call(f"/person/{(await world.invite())['personId']}")


@_call("createPortfolio")
async def _create_portfolio(world: World) -> Call:
    return Call("/portfolio", {"name": world.name(), "description": "d"})


@_call("updatePortfolioOnOrganisation")
async def _update_portfolio(world: World) -> Call:
    found = await world.current(f"/portfolio/{world.ids['portfolio']}")
    return Call("/portfolio", found | {"description": world.name()})


@_call("updatePortfolio")
async def _update_portfolio_by_id(world: World) -> Call:
    found = await world.current(f"/portfolio/{world.ids['portfolio']}")
    return Call(f"/portfolio/{found['id']}", found | {"description": world.name()})


@_call("deletePortfolio")
async def _delete_portfolio(world: World) -> Call:
    gone = await world.root.create_portfolio() if world.let_in else world.ids["portfolio"]
    return Call(f"/portfolio/{gone}")


@_call("createGroup")
async def _create_group(world: World) -> Call:
    return Call(f"/portfolio/{world.ids['portfolio']}/group", {"name": world.name()})


async def _renamed_group(world: World) -> Json:
    found = await world.current(f"/group/{world.ids['group']}")
    return {"id": found["id"], "version": found["version"], "name": world.name()}


@_call("updateGroupOnPortfolio")
async def _update_group(world: World) -> Call:
    return Call(f"/portfolio/{world.ids['portfolio']}/group", await _renamed_group(world))


@_call("updateGroupOnPortfolioV2")
async def _update_group_v2(world: World) -> Call:
    return Call(f"/portfolio/{world.ids['portfolio']}/v2/group", await _renamed_group(world))


@_call("deleteGroup")
async def _delete_group(world: World) -> Call:
    gone = world.ids["group"]
    if world.let_in:
        made = await world.root.call(
            "POST", f"/portfolio/{world.ids['portfolio']}/group", {"name": world.name()}
        )
        gone = made["id"]
    return Call(f"/group/{gone}")


async def _outsider(world: World) -> str:
    body = {"email": f"outsider-{next(_numbers)}@x.example", "personType": "person"}
    return str((await world.root.call("POST", "/person", body))["personId"])


@_call("addPersonsToGroup")
async def _add_people(world: World) -> Call:
    return Call(f"/group/{world.ids['group']}/person", query={"personId": await _outsider(world)})


@_call("addPersonToGroup")
async def _add_person(world: World) -> Call:
    return Call(f"/group/{world.ids['group']}/person/{await _outsider(world)}")


@_call("deletePersonFromGroup")
async def _remove_person(world: World) -> Call:
    return Call(f"/group/{world.ids['group']}/person/{(await world.invite())['personId']}")


@_call("createApplication")
async def _create_application(world: World) -> Call:
    return Call(
        f"/portfolio/{world.ids['portfolio']}/application", {"name": world.name(), "description": "d"}
    )


@_call("updateApplicationOnPortfolio")
async def _update_application(world: World) -> Call:
    found = await world.current(f"/application/{world.ids['application']}")
    return Call(f"/portfolio/{world.ids['portfolio']}/application", found | {"description": world.name()})


@_call("updateApplication")
async def _update_application_by_id(world: World) -> Call:
    found = await world.current(f"/application/{world.ids['application']}")
    return Call(f"/application/{found['id']}", found | {"description": world.name()})


@_call("deleteApplication")
async def _delete_application(world: World) -> Call:
    gone = world.ids["application"]
    if world.let_in:
        gone = (await world.root.create_application(world.ids["portfolio"])).id
    return Call(f"/application/{gone}")


@_call("createEnvironmentOnApplication")
async def _create_environment(world: World) -> Call:
    return Call(
        f"/application/{world.ids['application']}/environment", {"name": world.name(), "description": "d"}
    )


@_call("createEnvironment")
async def _create_environment_formerly(world: World) -> Call:
    return Call(
        f"/application/{world.ids['application']}/permissions", {"name": world.name(), "description": "d"}
    )


async def _described_environment(world: World) -> Json:
    found = await world.current(f"/environment/{world.ids['environment']}")
    kept = ("id", "name", "version", "production")
    return {name: found[name] for name in kept if name in found} | {"description": world.name()}


@_call("updateEnvironmentOnApplication")
async def _update_environment(world: World) -> Call:
    return Call(f"/application/{world.ids['application']}/environment", await _described_environment(world))


@_call("updateEnvironment")
async def _update_environment_by_id(world: World) -> Call:
    return Call(f"/environment/{world.ids['environment']}", await _described_environment(world))


@_call("updateEnvironmentV2")
async def _update_environment_v2(world: World) -> Call:
    return Call(f"/environment/{world.ids['environment']}/v2", await _described_environment(world))


@_call("environmentOrdering")
async def _order_environments(world: World) -> Call:
    path = f"/application/{world.ids['application']}/environment"
    if world.let_in:
        await world.root.create_environment(world.ids["application"])
    found = await world.root.call("GET", path)
    kept = [{name: each[name] for name in ("id", "name", "version")} for each in reversed(found)]
    return Call(f"{path}-ordering", kept)


@_call("deleteEnvironment")
async def _delete_environment(world: World) -> Call:
    gone = world.ids["environment"]
    if world.let_in:
        gone = await world.root.create_environment(world.ids["application"])
    return Call(f"/environment/{gone}")


@_call("createFeaturesForApplication")
async def _create_feature(world: World) -> Call:
    return Call(
        f"/application/{world.ids['application']}/features",
        {"key": f"NEW_{next(_numbers)}", "name": "n", "valueType": "BOOLEAN"},
    )


@_call("updateFeatureForApplicationOnFeature")
async def _update_feature(world: World) -> Call:
    found = await world.current(f"/application/{world.ids['application']}/features/FLAG")
    return Call(f"/application/{world.ids['application']}/features", found | {"name": world.name()})


@_call("updateFeatureForApplication")
async def _update_feature_by_key(world: World) -> Call:
    found = await world.current(f"/application/{world.ids['application']}/features/FLAG")
    return Call(f"/application/{world.ids['application']}/features/FLAG", found | {"name": world.name()})


@_call("deleteFeatureForApplication")
async def _delete_feature(world: World) -> Call:
    gone = await world.feature() if world.let_in else "FLAG"
    return Call(f"/application/{world.ids['application']}/features/{gone}")


@_call("updateAllFeatureValuesByApplicationForKey")
async def _update_everywhere(world: World) -> Call:
    return Call(f"/application/{world.ids['application']}/feature-environments/FLAG", [await world.toggled()])


@_call("updateAllFeaturesForEnvironment")
async def _update_environment_values(world: World) -> Call:
    return Call(f"/features/{world.ids['environment']}", [await world.toggled()])


@_call("updateFeatureForEnvironment")
async def _update_value(world: World) -> Call:
    return Call(f"/features/{world.ids['environment']}/feature/FLAG", await world.toggled())


@_call("createFeatureForEnvironment")
async def _create_value(world: World) -> Call:
    key = await world.feature("STRING")
    body = {"key": key, "version": 0, "locked": False, "value": "x"}
    return Call(f"/features/{world.ids['environment']}/feature/{key}", body)


@_call("validate")
async def _validate(world: World) -> Call:
    body: Json = {"customStrategies": [], "sharedStrategies": []}
    return Call(f"/application/{world.ids['application']}/rollout-strategy-validation", body)


@_call("createFeatureFilter")
async def _create_filter(world: World) -> Call:
    return Call(f"/portfolio/{world.ids['portfolio']}/feature-filter", {"name": world.name()})


@_call("updateFeatureFilter")
async def _update_filter(world: World) -> Call:
    path = f"/portfolio/{world.ids['portfolio']}/feature-filter"
    return Call(path, await world.current(f"{path}/{world.ids['filter']}") | {"name": world.name()})


@_call("deleteFeatureFilter")
async def _delete_filter(world: World) -> Call:
    portfolio = world.ids["portfolio"]
    gone = await world.root.create_filter(portfolio) if world.let_in else world.ids["filter"]
    path = f"/portfolio/{portfolio}/feature-filter/{gone}"
    return Call(path, query={"version": str((await world.current(path))["version"])})


@_call("createServiceAccountInPortfolio")
async def _create_account(world: World) -> Call:
    return Call(f"/portfolio/{world.ids['portfolio']}/service-account", {"name": world.name()})


async def _described_account(world: World) -> Json:
    found = await world.current(f"/service-account/{world.ids['account']}")
    return found | {"description": world.name()}


@_call("updateServiceAccountOnPortfolio")
async def _update_account(world: World) -> Call:
    return Call(f"/portfolio/{world.ids['portfolio']}/service-account", await _described_account(world))


@_call("updateServiceAccount")
async def _update_account_by_id(world: World) -> Call:
    return Call(f"/service-account/{world.ids['account']}", await _described_account(world))


@_call("deleteServiceAccount")
async def _delete_account(world: World) -> Call:
    gone = world.ids["account"]
    if world.let_in:
        gone = (await world.root.create_account(world.ids["portfolio"], {})).id
    return Call(f"/service-account/{gone}")


@_call("saveHiddenEnvironments")
async def _hide(world: World) -> Call:
    # Not what anybody saved before.
    number = next(_numbers)
    body: Json = {"environmentIds": [world.ids["environment"]]} if number % 2 else {"noneSelected": True}
    return Call(f"/user-data/state/{world.ids['application']}/hidden-environments", body)


@_call("testWebhook")
async def _test_webhook(world: World) -> Call:
    types = (await world.root.call("GET", "/webhooks"))["types"]
    body = {"messageType": types[0]["messageType"], "envId": world.ids["environment"], "config": {}}
    return Call("/webhooks", body)


@_call("replayDeliveries")
async def _replay(world: World) -> Call:
    return Call(f"/burgee/deliveries/{world.ids['environment']}/replay", {"ids": []})


@_call("createOrUpdateSystemConfigs")
async def _configure(world: World) -> Call:
    found = await world.root.call("GET", "/system-api", filters="site.enabledRobots")
    (setting,) = found["configs"]
    changed = {"key": setting["key"], "version": setting["version"], "value": not setting.get("value", False)}
    return Call("/system-api", {"configs": [changed]})


@_call("decryptSystemConfig")
async def _decrypt(world: World) -> Call:
    del world
    return Call("/system-api/site.url/decrypt")


@_call("cacheRefresh")
async def _refresh(world: World) -> Call:
    return Call("/dacha1/cache", {"applicationId": [world.ids["application"]]})


@_call("createFeatureGroup")
async def _create_feature_group(world: World) -> Call:
    body = {"name": world.name(), "environmentId": world.ids["environment"], "features": []}
    return Call(f"/application/{world.ids['application']}/feature-groups", body)


@_call("updateFeatureGroup")
async def _update_feature_group(world: World) -> Call:
    made = await world.feature_group()
    body = {"id": made["id"], "version": made["version"], "name": world.name()}
    return Call(f"/application/{world.ids['application']}/feature-groups", body)


@_call("getFeatureGroup", "deleteFeatureGroup")
async def _one_feature_group(world: World) -> Call:
    return Call(
        f"/application/{world.ids['application']}/feature-groups/{(await world.feature_group())['id']}"
    )


@_call("createApplicationStrategy")
async def _create_strategy(world: World) -> Call:
    body = {"name": world.name(), "percentage": 1000, "attributes": []}
    return Call(f"/application/{world.ids['application']}/strategy", body)


@_call("getApplicationStrategy", "deleteApplicationStrategy")
async def _one_strategy(world: World) -> Call:
    return Call(f"/application/{world.ids['application']}/rollout-strategy/{await world.strategy()}")


@_call("updateApplicationStrategy")
async def _update_strategy(world: World) -> Call:
    path = f"/application/{world.ids['application']}/rollout-strategy/{await world.strategy()}"
    return Call(path, {"name": world.name()})


@_call("evaluateFeatures")
async def _evaluate(world: World) -> Call:
    return Call("/burgee/evaluation", {"environmentId": world.ids["environment"], "userKey": "fred"})
