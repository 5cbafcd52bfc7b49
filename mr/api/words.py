"""What each operation does and who may call it, in words: for the OpenAPI documents and what is made of them.

Decides nothing: `mr.auth.permissions` does. A test compares who is named here with whom the permission matrix
lets in. An operation that is added needs its words.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Who(Enum):
    """Who may call. Superusers may whatever administrators may, administrators whatever members may."""

    ANYBODY = "anybody, without signing in"
    SIGNED_IN = "whoever is signed in"
    PEOPLE = "people who are signed in; the token of an administrative account does not end"
    REPLACING = "somebody who signed in with a temporary password, for themselves"
    MEMBERS = "members of the portfolio"
    IN_APPLICATION = "whoever has a role in the application or in one of its environments"
    IN_ENVIRONMENT = "whoever has a role in the environment"
    VALUE_EDITORS = "whoever has CHANGE_VALUE in the environment; locking needs LOCK, unlocking UNLOCK"
    FEATURE_MAKERS = "whoever has FEATURE_CREATE or FEATURE_EDIT_AND_DELETE in the application"
    FEATURE_EDITORS = "whoever has FEATURE_EDIT_AND_DELETE in the application"
    STRATEGY_EDITORS = "whoever has the role for it (APP_STRATEGY_…) in the application"
    ADMINS = "administrators of the portfolio"
    ADMINS_ANYWHERE = "administrators of any portfolio"
    SUPERUSERS = "superusers"


@dataclass(frozen=True)
class Words:
    """A line about an operation."""

    summary: str
    who: Who


def words_of(operation: str) -> Words:
    """Return an operation's words; a missing one is a mistake of whoever added the operation."""
    return _WORDS[operation]


def _table(who: Who, *lines: str) -> dict[str, Words]:
    pairs = (line.split(" ", 1) for line in lines)
    return {operation: Words(summary, who) for operation, summary in pairs}


_WORDS: Final = {
    **_table(
        Who.ANYBODY,
        "isInstalled Say whether this server is set up, and how people sign in.",
        "setupSiteAdmin Set the server up: organisation, first portfolio and first superuser. Once.",
        "login Sign in with an e-mail address and a password; answers a token.",
        "getInfoVersion Say what serves, and its release.",
        "getLoginUrlForProvider Begin a sign-in with an identity provider; answers where the browser goes.",
        "exchangeSignInCode Turn the code that a sign-in ended with into a token, once.",
        "renewSession Keep a browser signed in: answers the session's token to pages of this server.",
        "registerPerson Accept an invitation with a name and a password.",
        "personByToken Show for whom an invitation is.",
        "getWebhookTypes List the kinds of webhook.",
    ),
    **_table(
        Who.SIGNED_IN,
        "findPortfolios List the portfolios that the caller sees.",
        "deleteFeatureForEnvironment Always refused with 400: a value goes by saving an empty one, "
        "a feature by deleteFeatureForApplication.",
        "listenToChanges Hear, as Server-Sent Events, of every change that the caller may see.",
    ),
    **_table(Who.PEOPLE, "logout Sign out; the token ends."),
    **_table(Who.REPLACING, "replaceTempPassword Replace a temporary password by one's own."),
    **_table(
        Who.MEMBERS,
        "getPortfolio Show a portfolio.",
        "findApplications List the portfolio's applications that the caller sees.",
        "findGroups List the portfolio's groups.",
        "getEnvironment Show an environment.",
        "findEnvironments List an application's environments, in the order of promotion.",
        "applicationPermissions Tell the caller's own roles in an application and its environments.",
        "searchServiceAccountsInPortfolio List service accounts, with what the caller may see of them.",
        "getServiceAccount Show a service account.",
    ),
    **_table(
        Who.IN_APPLICATION,
        "getApplication Show an application.",
        "summaryApplication Count what an application has.",
        "getAllFeaturesForApplication List an application's features.",
        "getAllFeatureValuesByApplicationForKey Show one feature's values in all environments.",
        "getFeatureByKey Show a feature, by its key or its id.",
        "validate Check strategies without saving them.",
        "getHiddenEnvironments Tell which environments the caller has hidden on their dashboard.",
        "saveHiddenEnvironments Remember which environments the caller hides.",
        "getMatchingFilters Find what carries these filters: features, or service accounts.",
        "findFeatureFilters List the portfolio's feature filters.",
        "getFeatureFilter Show a feature filter.",
        "listFeatureHistory List the former values of features.",
        "listFeatureGroups List an application's feature groups.",
        "listApplicationStrategies List an application's shared strategies.",
        "getApplicationStrategy Show a shared strategy.",
    ),
    **_table(
        Who.IN_ENVIRONMENT,
        "getFeaturesForEnvironment List the values of an environment.",
        "getFeatureForEnvironment Show one feature's value in an environment.",
        "getFeatureGroupFeatures List the features that a group in this environment may hold.",
        "getFeatureGroup Show a feature group.",
        "findAllFeatureAndFeatureValuesForEnvironmentsByApplication List features by environments with all "
        "values, by pages: the dashboard.",
        "showPropagation Say how far changes have come, at which processes and streams.",
        "evaluateFeatures Evaluate an environment for a context, and say which rule decided.",
        "showUsage Count how much SDKs ask of an environment, and which accounts do.",
    ),
    **_table(
        Who.ADMINS_ANYWHERE,
        "findPeople List people and administrative accounts.",
        "createPerson Invite a person, or make an administrative account.",
        "getPerson Show a person, by id or e-mail address; `self` is the caller, for whom anybody may ask.",
    ),
    **_table(
        Who.SUPERUSERS,
        "createPortfolio Make a portfolio.",
        "deletePortfolio Put a portfolio away, with everything in it.",
        "deletePerson Deactivate a person.",
        "changePassword Change a password; people change their own with the old one.",
        "cacheRefresh Compute anew what is delivered, and deliver what differs.",
        "getSystemConfig Show settings that are kept in the database.",
        "createOrUpdateSystemConfigs Save settings that are kept in the database.",
        "decryptSystemConfig Show an encrypted setting, where BURGEE_SECRETS_SHOWN allows it.",
    ),
    **_table(
        Who.VALUE_EDITORS,
        "updateAllFeatureValuesByApplicationForKey Save one feature's values in several environments.",
        "updateAllFeaturesForEnvironment Save several values of one environment.",
        "updateFeatureForEnvironment Save a feature's value in an environment, merged with what others saved "
        "meanwhile; the same as createFeatureForEnvironment.",
        "createFeatureForEnvironment Save a feature's value in an environment; the same as "
        "updateFeatureForEnvironment.",
        "createFeatureGroup Make a feature group.",
        "updateFeatureGroup Change a feature group.",
        "deleteFeatureGroup Put a feature group away.",
    ),
    **_table(
        Who.STRATEGY_EDITORS,
        "createApplicationStrategy Make a shared strategy.",
        "updateApplicationStrategy Change a shared strategy, wherever it is attached.",
        "deleteApplicationStrategy Put a shared strategy away; values lose it.",
    ),
    **_table(
        Who.FEATURE_MAKERS,
        "createFeaturesForApplication Make a feature; answers all features of the application.",
        "createFeatureFilter Make a feature filter.",
        "updateFeatureFilter Change a feature filter.",
        "deleteFeatureFilter Delete a feature filter; accounts that had it stay restricted.",
    ),
    **_table(
        Who.FEATURE_EDITORS,
        "updateFeatureForApplicationOnFeature Change a feature, named by its id in the body.",
        "updateFeatureForApplication Change a feature, also its key.",
        "deleteFeatureForApplication Put a feature away, in every environment; SDKs are told.",
    ),
    **_table(
        Who.ADMINS,
        "resetPassword Give a person a temporary password.",
        "resetExpiredToken Make a new invitation in place of one that has expired.",
        "resetSecurityToken Give an administrative account another token; the old one ends at once.",
        "updatePerson Change a person; answers the person.",
        "updatePersonV2 Change a person.",
        "updatePortfolioOnOrganisation Change a portfolio, named by its id in the body.",
        "updatePortfolio Change a portfolio.",
        "createGroup Make a group.",
        "updateGroupOnPortfolio Change a group, its members and its roles.",
        "updateGroupOnPortfolioV2 Change a group's name and roles; members by operations of their own.",
        "getGroup Show a group; its members may as well.",
        "deleteGroup Put a group away.",
        "addPersonsToGroup Add people to a group, by ids or e-mail addresses.",
        "addPersonToGroup Add a person to a group.",
        "deletePersonFromGroup Take a person out of a group.",
        "createApplication Make an application, with its first environment.",
        "updateApplicationOnPortfolio Change an application, named by its id in the body.",
        "updateApplication Change an application.",
        "deleteApplication Put an application away, with its environments and features.",
        "createEnvironmentOnApplication Make an environment.",
        "createEnvironment Make an environment.",
        "updateEnvironmentOnApplication Change an environment, named by its id in the body.",
        "updateEnvironment Change an environment.",
        "updateEnvironmentV2 Change an environment.",
        "deleteEnvironment Put an environment away; answers whether it was done.",
        "environmentOrdering Put environments into another order of promotion.",
        "createServiceAccountInPortfolio Make a service account; answers its two keys.",
        "updateServiceAccountOnPortfolio Change a service account, its permissions and filters.",
        "updateServiceAccount Change a service account, its permissions and filters.",
        "deleteServiceAccount Put a service account away; its keys end at once.",
        "resetApiKey Replace one key of a service account, or both; the old ones end at once.",
        "findAuditEntries Search the audit. Superusers search all of it.",
        "testWebhook Send a message to an environment's webhook now.",
        "listWebhooks List the messages that webhooks were sent.",
        "getWebhookDetails Show a message that was sent, and its answer.",
        "getTrackedEvents Show what was sent for a change, and how it was answered.",
        "findDeliveries List what webhooks and chats are owed, with dead letters.",
        "replayDeliveries Send dead letters again.",
    ),
}
