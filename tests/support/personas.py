"""Who calls the management API, and the table of what each may: the rules as somebody reads them.

Written apart from `mr.auth.permissions` on purpose. An operation that is added needs its place here.
"""

from typing import Final

ROLES: Final = {
    # persona: roles in the environment, roles in the application
    "reader": (["READ"], []),
    "locker": (["LOCK", "UNLOCK"], []),
    "changer": (["CHANGE_VALUE"], []),
    "creator": ([], ["FEATURE_CREATE"]),
    "editor": ([], ["FEATURE_EDIT_AND_DELETE"]),
    "strategist": ([], ["APP_STRATEGY_EDIT_AND_DELETE"]),
}
NOBODY: Final = frozenset[str]()
SUPERUSER = frozenset({"superuser"})
ADMINS = SUPERUSER | {"admin", "admin account"}
ADMINS_ANYWHERE = ADMINS | {"admin of another"}
IN_ENVIRONMENT = ADMINS | {"reader", "locker", "changer"}
IN_APPLICATION = IN_ENVIRONMENT | {"creator", "editor", "strategist"}
IN_PORTFOLIO = IN_APPLICATION | {"member"}
SIGNED_IN = IN_PORTFOLIO | {"admin of another", "stranger"}
EVERYBODY = SIGNED_IN | {"nobody"}
WRITERS = ADMINS | {"changer"}
MAKERS = ADMINS | {"creator", "editor"}

RULES: Final = {
    EVERYBODY: "isInstalled setupSiteAdmin login getInfoVersion registerPerson personByToken getWebhookTypes"
    " getLoginUrlForProvider exchangeSignInCode renewSession",
    # deleteFeatureForEnvironment is refused as bad before anybody is asked for.
    SIGNED_IN: "findPortfolios deleteFeatureForEnvironment listenToChanges",
    # Whose token is permanent has nothing to end.
    SIGNED_IN - {"admin account"}: "logout",
    IN_PORTFOLIO: "getPortfolio findApplications findGroups getEnvironment findEnvironments"
    " applicationPermissions searchServiceAccountsInPortfolio"
    " getServiceAccount",
    IN_APPLICATION: "getApplication summaryApplication getAllFeaturesForApplication"
    " getAllFeatureValuesByApplicationForKey"
    " getFeatureByKey validate getHiddenEnvironments saveHiddenEnvironments getMatchingFilters"
    " findFeatureFilters getFeatureFilter listFeatureHistory listFeatureGroups listApplicationStrategies"
    " getApplicationStrategy",
    IN_ENVIRONMENT: "getFeaturesForEnvironment getFeatureForEnvironment getFeatureGroupFeatures"
    " getFeatureGroup findAllFeatureAndFeatureValuesForEnvironmentsByApplication showPropagation"
    " evaluateFeatures showUsage",
    ADMINS_ANYWHERE: "findPeople createPerson getPerson",
    SUPERUSER: "createPortfolio deletePortfolio deletePerson changePassword cacheRefresh getSystemConfig"
    " createOrUpdateSystemConfigs decryptSystemConfig",
    WRITERS: "updateAllFeatureValuesByApplicationForKey updateAllFeaturesForEnvironment"
    " updateFeatureForEnvironment createFeatureForEnvironment createFeatureGroup updateFeatureGroup"
    " deleteFeatureGroup",
    ADMINS | {"strategist"}: "createApplicationStrategy updateApplicationStrategy deleteApplicationStrategy",
    MAKERS: "createFeaturesForApplication createFeatureFilter updateFeatureFilter deleteFeatureFilter",
    ADMINS | {"editor"}: "updateFeatureForApplicationOnFeature updateFeatureForApplication"
    " deleteFeatureForApplication",
    ADMINS: "resetPassword resetExpiredToken resetSecurityToken updatePerson updatePersonV2"
    " updatePortfolioOnOrganisation updatePortfolio createGroup updateGroupOnPortfolio"
    " updateGroupOnPortfolioV2 getGroup deleteGroup addPersonsToGroup addPersonToGroup"
    " deletePersonFromGroup createApplication updateApplicationOnPortfolio updateApplication"
    " deleteApplication createEnvironmentOnApplication createEnvironment"
    " updateEnvironmentOnApplication updateEnvironment updateEnvironmentV2 deleteEnvironment"
    " environmentOrdering createServiceAccountInPortfolio updateServiceAccountOnPortfolio"
    " updateServiceAccount deleteServiceAccount resetApiKey findAuditEntries testWebhook listWebhooks"
    " getWebhookDetails getTrackedEvents findDeliveries replayDeliveries",
    # Only with a temporary password, and then for oneself.
    NOBODY: "replaceTempPassword",
}
RULE_OF: Final = {operation: who for who, operations in RULES.items() for operation in operations.split()}

# Those that answer something else than 401, 403 or 404 to whoever may not.
ALSO_REFUSING: Final = {
    # Clients of the contract read the boolean.
    "deleteEnvironment": (200, "false"),
    # The whole list is refused as bad input.
    "updateAllFeatureValuesByApplicationForKey": (400, None),
}
