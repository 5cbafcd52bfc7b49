"""The operations of the management API that are built, pinned: statuses that clients depend on.

Each row: operation id, method, path, statuses. Statuses are those of the contract plus what this server
also sends (400, 401, 403, 404, 503 where they apply). Rows change only together with the clients.
"""

from typing import NamedTuple


class Pinned(NamedTuple):
    """One operation as clients know it."""

    id: str
    method: str
    path: str
    statuses: frozenset[int]


def _row(identity: str, method: str, path: str, statuses: str) -> Pinned:
    return Pinned(identity, method, path, frozenset(int(each) for each in statuses.split()))


_P, _A, _E = "/mr-api/portfolio", "/mr-api/application", "/mr-api/environment"
_F, _S = "/mr-api/features", "/mr-api/service-account"
_R, _G = _A + "/{appId}/rollout-strategy/{appStrategyId}", _A + "/{appId}/feature-groups"

OPERATIONS = (
    _row("isInstalled", "GET", "/mr-api/initialize", "200 400 404 503"),
    _row("setupSiteAdmin", "POST", "/mr-api/initialize", "200 400 409 503"),
    _row("login", "POST", "/mr-api/login", "200 400 403 404 503"),
    _row("logout", "GET", "/mr-api/logout", "204 400 401 503"),
    _row("getInfoVersion", "GET", "/info/version", "200 400 503"),
    _row("findPortfolios", "GET", _P, "200 400 401 503"),
    _row("createPortfolio", "POST", _P, "200 400 401 403 404 409 503"),
    _row("updatePortfolioOnOrganisation", "PUT", _P, "200 400 401 403 404 409 422 503"),
    _row("getPortfolio", "GET", _P + "/{id}", "200 400 401 404 503"),
    _row("updatePortfolio", "PUT", _P + "/{id}", "200 400 401 403 404 409 422 503"),
    _row("deletePortfolio", "DELETE", _P + "/{id}", "200 400 401 403 404 503"),
    _row("findApplications", "GET", _P + "/{id}/application", "200 400 401 404 503"),
    _row("createApplication", "POST", _P + "/{id}/application", "200 400 401 403 404 409 503"),
    _row(
        "updateApplicationOnPortfolio",
        "PUT",
        _P + "/{id}/application",
        "200 400 401 403 404 409 422 503",
    ),
    _row("getApplication", "GET", _A + "/{appId}", "200 400 401 404 503"),
    _row("updateApplication", "PUT", _A + "/{appId}", "200 400 401 403 404 409 422 503"),
    _row("deleteApplication", "DELETE", _A + "/{appId}", "200 400 401 403 404 503"),
    _row("findEnvironments", "GET", _A + "/{id}/environment", "200 400 401 404 503"),
    _row(
        "createEnvironmentOnApplication",
        "POST",
        _A + "/{id}/environment",
        "200 400 401 403 404 409 503",
    ),
    _row(
        "updateEnvironmentOnApplication",
        "PUT",
        _A + "/{id}/environment",
        "200 400 401 403 404 409 422 503",
    ),
    _row("createEnvironment", "POST", _A + "/{id}/permissions", "200 400 401 403 404 409 503"),
    _row("getEnvironment", "GET", _E + "/{eid}", "200 400 401 403 404 503"),
    _row("updateEnvironment", "PUT", _E + "/{eid}", "200 400 401 403 404 409 422 503"),
    _row("updateEnvironmentV2", "PUT", _E + "/{eid}/v2", "200 400 401 403 404 409 422 503"),
    _row("deleteEnvironment", "DELETE", _E + "/{eid}", "200 400 401 404 503"),
    _row("getAllFeaturesForApplication", "GET", _A + "/{id}/features", "200 400 401 403 404 503"),
    _row("createFeaturesForApplication", "POST", _A + "/{id}/features", "200 400 401 403 404 409 503"),
    _row(
        "updateFeatureForApplicationOnFeature",
        "PUT",
        _A + "/{id}/features",
        "200 400 401 403 404 409 422 503",
    ),
    _row("getFeatureByKey", "GET", _A + "/{id}/features/{key}", "200 400 401 404 503"),
    _row(
        "updateFeatureForApplication",
        "PUT",
        _A + "/{id}/features/{key}",
        "200 400 401 403 404 409 422 503",
    ),
    _row("deleteFeatureForApplication", "DELETE", _A + "/{id}/features/{key}", "200 400 401 403 404 503"),
    _row(
        "getAllFeatureValuesByApplicationForKey",
        "GET",
        _A + "/{id}/feature-environments/{key}",
        "200 400 401 404 503",
    ),
    _row(
        "updateAllFeatureValuesByApplicationForKey",
        "PUT",
        _A + "/{id}/feature-environments/{key}",
        "200 400 401 404 409 412 422 503",
    ),
    _row("getFeaturesForEnvironment", "GET", _F + "/{eid}", "200 400 401 403 404 503"),
    _row("updateAllFeaturesForEnvironment", "PUT", _F + "/{eid}", "200 400 401 403 404 409 412 422 503"),
    _row("getFeatureForEnvironment", "GET", _F + "/{eid}/feature/{key}", "200 400 401 403 404 503"),
    _row(
        "updateFeatureForEnvironment",
        "PUT",
        _F + "/{eid}/feature/{key}",
        "200 400 401 403 404 409 412 422 503",
    ),
    _row(
        "createFeatureForEnvironment",
        "POST",
        _F + "/{eid}/feature/{key}",
        "200 400 401 403 404 409 412 422 503",
    ),
    _row("deleteFeatureForEnvironment", "DELETE", _F + "/{eid}/feature/{key}", "400 401 404 503"),
    _row("validate", "POST", _A + "/{appId}/rollout-strategy-validation", "200 400 401 404 503"),
    _row("searchServiceAccountsInPortfolio", "GET", _P + "/{id}/service-account", "200 400 401 404 503"),
    _row(
        "createServiceAccountInPortfolio",
        "POST",
        _P + "/{id}/service-account",
        "200 400 401 403 404 409 503",
    ),
    _row(
        "updateServiceAccountOnPortfolio",
        "PUT",
        _P + "/{id}/service-account",
        "200 400 401 403 404 409 422 503",
    ),
    _row("getServiceAccount", "GET", _S + "/{id}", "200 400 401 403 404 503"),
    _row("updateServiceAccount", "PUT", _S + "/{id}", "200 400 401 403 404 409 422 503"),
    _row("deleteServiceAccount", "DELETE", _S + "/{id}", "200 400 401 403 404 503"),
    _row("resetApiKey", "POST", _S + "/{id}/reset-api-key", "200 400 401 403 404 503"),
    _row("findFeatureFilters", "GET", _P + "/{id}/feature-filter", "200 400 401 403 404 503"),
    _row("createFeatureFilter", "POST", _P + "/{id}/feature-filter", "201 400 401 403 404 409 503"),
    _row("updateFeatureFilter", "PUT", _P + "/{id}/feature-filter", "200 400 401 403 404 409 503"),
    _row("getFeatureFilter", "GET", _P + "/{id}/feature-filter/{filterId}", "200 400 401 403 404 503"),
    _row(
        "deleteFeatureFilter",
        "DELETE",
        _P + "/{id}/feature-filter/{filterId}",
        "200 400 401 403 404 409 503",
    ),
    _row("updateGroupOnPortfolioV2", "PUT", _P + "/{id}/v2/group", "200 400 401 403 404 409 422 503"),
    _row("findGroups", "GET", _P + "/{id}/group", "200 400 401 403 404 503"),
    _row("createGroup", "POST", _P + "/{id}/group", "200 400 401 403 404 409 503"),
    _row("updateGroupOnPortfolio", "PUT", _P + "/{id}/group", "200 400 401 403 404 409 422 503"),
    _row("findPeople", "GET", "/mr-api/person", "200 400 401 403 503"),
    _row("createPerson", "POST", "/mr-api/person", "200 400 401 403 409 503"),
    _row("resetSecurityToken", "POST", "/mr-api/person/{id}/token-reset", "200 400 401 403 404 503"),
    _row("updatePersonV2", "PUT", "/mr-api/person/{id}/v2", "204 400 401 403 404 409 422 503"),
    _row("getPerson", "GET", "/mr-api/person/{id}", "200 400 401 403 404 503"),
    _row("updatePerson", "PUT", "/mr-api/person/{id}", "200 400 401 403 404 409 422 503"),
    _row("deletePerson", "DELETE", "/mr-api/person/{id}", "200 400 401 403 404 503"),
    _row("registerPerson", "POST", "/mr-api/authentication", "200 400 404 503"),
    _row(
        "replaceTempPassword",
        "PUT",
        "/mr-api/authentication/{id}/replaceTempPassword",
        "200 400 401 403 404 503",
    ),
    _row(
        "resetExpiredToken",
        "POST",
        "/mr-api/authentication/{email}/expiredTokenReset",
        "200 400 401 403 404 503",
    ),
    _row("changePassword", "PUT", "/mr-api/authentication/{id}/changePassword", "200 400 401 403 404 503"),
    _row("personByToken", "GET", "/mr-api/authentication/{token}", "200 400 404 503"),
    _row("resetPassword", "PUT", "/mr-api/authentication/{id}/resetPassword", "200 400 401 403 404 503"),
    _row("summaryApplication", "GET", _A + "/{appId}/summary", "200 400 401 404 503"),
    _row(
        "findAllFeatureAndFeatureValuesForEnvironmentsByApplication",
        "GET",
        _A + "/{id}/all-feature-environment",
        "200 400 401 404 503",
    ),
    _row("environmentOrdering", "POST", _A + "/{id}/environment-ordering", "200 400 401 403 404 503"),
    _row("applicationPermissions", "GET", _A + "/{id}/permissions", "200 400 401 404 503"),
    _row("getGroup", "GET", "/mr-api/group/{gid}", "200 400 401 403 404 503"),
    _row("deleteGroup", "DELETE", "/mr-api/group/{gid}", "200 400 401 403 404 503"),
    _row("addPersonsToGroup", "POST", "/mr-api/group/{gid}/person", "200 400 401 403 404 503"),
    _row("addPersonToGroup", "POST", "/mr-api/group/{gid}/person/{pId}", "200 400 401 403 404 503"),
    _row("deletePersonFromGroup", "DELETE", "/mr-api/group/{gid}/person/{pId}", "200 400 401 403 404 503"),
    _row(
        "getHiddenEnvironments",
        "GET",
        "/mr-api/user-data/state/{appId}/hidden-environments",
        "200 400 401 403 404 422 503",
    ),
    _row(
        "saveHiddenEnvironments",
        "POST",
        "/mr-api/user-data/state/{appId}/hidden-environments",
        "200 400 401 403 404 422 503",
    ),
    _row("listFeatureHistory", "GET", _A + "/{appId}/feature-history", "200 400 401 404 503"),
    _row(
        "getMatchingFilters",
        "GET",
        _P + "/{id}/feature-filter/matching/{matchType}",
        "200 400 401 403 404 503",
    ),
    _row("listApplicationStrategies", "GET", _A + "/{appId}/strategy", "200 400 401 403 404 503"),
    _row("createApplicationStrategy", "POST", _A + "/{appId}/strategy", "201 400 401 403 404 409 503"),
    _row("getApplicationStrategy", "GET", _R, "200 400 401 403 404 503"),
    _row("updateApplicationStrategy", "PUT", _R, "200 400 401 403 404 409 503"),
    _row("deleteApplicationStrategy", "DELETE", _R, "204 400 401 403 404 503"),
    _row("listFeatureGroups", "GET", _G, "200 400 401 404 503"),
    _row("createFeatureGroup", "POST", _G, "201 400 401 403 404 409 503"),
    _row("updateFeatureGroup", "PUT", _G, "200 400 401 403 404 412 413 414 415 503"),
    _row("getFeatureGroupFeatures", "GET", _G + "/environment/{envId}", "200 400 401 404 503"),
    _row("deleteFeatureGroup", "DELETE", _G + "/{fgId}", "204 400 401 403 404 503"),
    _row("getFeatureGroup", "GET", _G + "/{fgId}", "200 400 401 404 503"),
    _row("cacheRefresh", "POST", "/mr-api/dacha1/cache", "200 400 401 403 404 503"),
    _row("getWebhookTypes", "GET", "/mr-api/webhooks", "200 400 404 503"),
    _row("testWebhook", "POST", "/mr-api/webhooks", "204 400 401 403 404 503"),
    _row("listWebhooks", "GET", "/mr-api/webhooks/{envId}", "200 400 401 403 404 503"),
    _row("getWebhookDetails", "GET", "/mr-api/webhooks/{envId}/{id}", "200 400 401 403 404 503"),
    _row("getTrackedEvents", "GET", "/mr-api/track-events/{id}", "200 400 401 403 404 503"),
    _row("getSystemConfig", "GET", "/mr-api/system-api", "200 400 401 403 503"),
    _row("createOrUpdateSystemConfigs", "POST", "/mr-api/system-api", "200 400 401 403 503"),
    _row("decryptSystemConfig", "GET", "/mr-api/system-api/{key}/decrypt", "200 400 401 403 404 503"),
    _row("getLoginUrlForProvider", "GET", "/mr-api/external-provider/{provider}", "200 400 404 503"),
)

OWN = (
    _row("showPropagation", "GET", "/mr-api/burgee/propagation", "200 400 401 404 503"),
    _row("findAuditEntries", "GET", "/mr-api/burgee/audit", "200 400 401 403 404 503"),
    _row("evaluateFeatures", "POST", "/mr-api/burgee/evaluation", "200 400 401 404 503"),
    _row("showUsage", "GET", "/mr-api/burgee/usage", "200 400 401 404 503"),
    _row("listenToChanges", "GET", "/mr-api/burgee/live", "200 400 401 503"),
    _row("findDeliveries", "GET", "/mr-api/burgee/deliveries/{eid}", "200 400 401 403 404 503"),
    _row("replayDeliveries", "POST", "/mr-api/burgee/deliveries/{eid}/replay", "200 400 401 403 404 503"),
    _row("exchangeSignInCode", "POST", "/mr-api/burgee/sign-in-code", "200 400 404 503"),
    _row("renewSession", "POST", "/mr-api/burgee/session", "200 400 401 403 503"),
)
"""Burgee's own: clients of the contract do not know them."""
