"""Acme comes to Burgee: from an empty database to its own sign-in, as its people would live it.

One server process, one program with a published SDK, one endpoint outside and one real identity provider;
each step is a function with the name of what Acme does, and everybody uses the API with their own token.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.admin import EMAIL, PASSWORD, Account, Admin, Application, Json, attribute, strategy
from tests.support.identity import Page, Visitor, identity_process
from tests.support.listener import Heard, Listener, open_listener
from tests.support.party import PartyProcess
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer
from tests.support.sdk import Attributes, Sdk, open_sdk
from tests.support.sign_in import exchange_code
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

GRACE, LIA = "grace@acme.example", "lia@acme.example"
SIGNING_KEY = "known to Acme and Burgee"
SLACK_PATH, HOOK_PATH = "/api/chat.postMessage", "/flags"
LIA_AT_THE_PROVIDER = {"email": LIA, "email_verified": True, "name": "Lia", "groups": ["operations"]}
CLIENT = {"client_id": "burgee", "client_secret": "known to the provider and Burgee"}

SOMEBODY: Attributes = {}
GERMAN: Attributes = {"country": ["germany"]}
NORWEGIAN: Attributes = {"country": ["norway"]}
GERMAN_TESTER: Attributes = {"country": ["germany"], "userkey": ["bea"]}


@dataclass(frozen=True)
class Shop:
    """The application that the story is about."""

    application: Application
    staging: str

    @property
    def id(self) -> str:
        return self.application.id

    @property
    def portfolio_id(self) -> str:
        return self.application.portfolio_id

    @property
    def production(self) -> str:
        return self.application.environment_id


@dataclass(frozen=True)
class Provider:
    """Acme's identity provider."""

    issuer: str


# ---------------------------------------------------------------------------------------- the scene


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Not even migrated: that is the server's first work."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'burgee.db'}"
        return
    postgres: PostgresServer = request.getfixturevalue("postgres_server")
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
async def outside() -> AsyncIterator[Listener]:
    """Acme's endpoint for changes, and what stands in for Slack."""
    async with open_listener() as listener:
        listener.answer = lambda heard: (200, '{"ok":true}' if heard.path == SLACK_PATH else "thanks")
        yield listener


@pytest.fixture
async def party(empty_database: str, outside: Listener, tmp_path: Path) -> AsyncIterator[PartyProcess]:
    settings = {
        "BURGEE_OUTGOING_PRIVATE_NETWORKS": "127.0.0.0/8",
        "BURGEE_ENCRYPTION_PASSWORD": "a password for tests",
        "BURGEE_SLACK_URL": outside.url + SLACK_PATH,
        "BURGEE_DELIVERY_PAUSE": "0.1",
    }
    server = PartyProcess(tmp_path, database_url=empty_database, settings=settings)
    server.settings["BURGEE_PUBLIC_URL"] = server.url
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.stop)


@pytest.fixture
def provider(party: PartyProcess) -> Iterator[Provider]:
    port = free_port()
    client = CLIENT | {
        "redirect_uris": [f"{party.url}/oauth/auth"],
        "token_endpoint_auth_method": "client_secret_post",
    }
    argument = {"port": port, "clients": [client], "accounts": {"lia": LIA_AT_THE_PROVIDER}}
    with identity_process("oidc.mjs", argument):
        yield Provider(f"http://127.0.0.1:{port}")


# ---------------------------------------------------------------------------------------- the story


async def test_a_company_lives_with_burgee(
    party: PartyProcess, outside: Listener, provider: Provider
) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        ada = await acme_is_set_up(http, party.url)
        shop, warehouse = await ada_makes_two_applications(ada)
        grace = await grace_is_invited_and_registers(ada)
        await developers_work_in_staging_alone(ada, grace, shop, warehouse)
        await grace_makes_the_features(grace, shop)

        async with ada_lets_the_program_in(ada, party, shop) as program:
            await ada_greets_germans_and_testers_in_their_own_way(ada, grace, shop, program)
            await norwegians_get_the_new_checkout_as_a_whole(ada, shop, program)
            await the_phone_sees_its_own_features_alone(ada, shop, program)
            await acme_and_its_channel_are_told_of_changes(ada, shop, outside)
            sealed = await the_past_can_be_told_and_proved(ada, party, shop)
            assert program.errors == []

            operators = await ada_makes_a_group_of_operators(ada, shop)
            await acme_connects_its_provider(party, provider, operators)
            lia = await lia_signs_in_at_the_provider(http, party.url, operators)
            await lia_ends_the_greeting(lia, shop, program, outside)
            await the_audit_knows_lia_and_its_chain_goes_on(ada, party, shop, sealed)


async def acme_is_set_up(http: aiohttp.ClientSession, url: str) -> Admin:
    ada = Admin(http, url)
    status, _ = await ada.try_call("GET", "/initialize")
    assert status == 404, "nobody is here yet"
    wanted = {"portfolio": "Web", "organizationName": "Acme", "emailAddress": EMAIL, "password": PASSWORD}
    answer = await ada.call("POST", "/initialize", wanted | {"name": "Ada"})
    ada.token = answer["accessToken"]
    assert (answer["person"]["name"], answer["person"]["email"]) == ("Ada", EMAIL)
    told = await ada.call("GET", "/initialize")
    assert told["organization"]["name"] == "Acme"
    assert (await ada.try_call("POST", "/initialize", wanted))[0] == 409, "once is enough"
    wrong = {"email": EMAIL, "password": "not hers"}
    assert (await Admin(http, url).try_call("POST", "/login", wrong))[0] == 404
    await ada.login()
    return ada


async def ada_makes_two_applications(ada: Admin) -> tuple[Shop, Application]:
    (portfolio,) = await ada.call("GET", "/portfolio")
    assert portfolio["name"] == "Web"
    application = await ada.create_application(portfolio["id"], "Shop")
    shop = Shop(application, await ada.create_environment(application.id, "staging"))
    warehouse = await ada.create_application(portfolio["id"], "Warehouse")
    listed = await ada.call("GET", f"/portfolio/{portfolio['id']}/application", includeEnvironments="true")
    assert {each["name"]: {env["name"] for env in each["environments"]} for each in listed} == {
        "Shop": {"production", "staging"},
        "Warehouse": {"production"},
    }
    return shop, warehouse


async def grace_is_invited_and_registers(ada: Admin) -> Admin:
    invited = await ada.call("POST", "/person", {"email": GRACE, "personType": "person", "name": "Grace"})
    assert invited["registrationUrl"] == f"{ada.url}/register-url?token={invited['token']}"
    grace = Admin(ada.http, ada.url)
    assert (await grace.call("GET", f"/authentication/{invited['token']}"))["email"] == GRACE
    details = {"name": "Grace", "email": GRACE, "registrationToken": invited["token"]}
    answer = await grace.call(
        "POST", "/authentication", details | {"password": "amazing grace", "confirmPassword": "amazing grace"}
    )
    grace.token = answer["accessToken"]
    assert answer["person"]["id"]["id"] == invited["personId"]
    assert await grace.call("GET", "/portfolio") == [], "she is in no group yet"
    return grace


async def developers_work_in_staging_alone(
    ada: Admin, grace: Admin, shop: Shop, warehouse: Application
) -> None:
    group = await make_group(
        ada,
        shop,
        "Developers",
        environments={shop.staging: ["CHANGE_VALUE", "LOCK", "UNLOCK"], shop.production: ["READ"]},
        applications={shop.id: ["FEATURE_CREATE", "FEATURE_EDIT", "APP_STRATEGY_CREATE"]},
    )
    me = await grace.call("GET", "/person/self")
    added = await ada.call("POST", f"/group/{group}/person/{me['id']['id']}", includeMembersV2="true")
    assert [each["email"] for each in added["simpleMembers"]] == [GRACE]
    assert (await grace.call("GET", f"/application/{shop.id}"))["name"] == "Shop"
    assert (await grace.try_call("GET", f"/application/{warehouse.id}"))[0] == 404
    body = {"name": "Mine", "description": "Mine"}
    status, _ = await grace.try_call("POST", f"/portfolio/{shop.portfolio_id}/application", body)
    assert status == 403, "applications are the administrators'"


async def grace_makes_the_features(grace: Admin, shop: Shop) -> None:
    for key, kind in (("banner", "STRING"), ("checkout", "BOOLEAN"), ("limit", "NUMBER")):
        await grace.create_feature(shop.id, key, kind)
    saved = await grace.set(shop.staging, "banner", "Testing")
    assert (saved["value"], saved["version"]) == ("Testing", 1)
    assert await may_not_change_the_banner(grace, shop.production), "production is not hers"
    assert await grace.value(shop.production, "banner") is None


@asynccontextmanager
async def ada_lets_the_program_in(ada: Admin, party: PartyProcess, shop: Shop) -> AsyncIterator[Sdk]:
    account = await ada.create_account(shop.portfolio_id, {shop.production: ["READ"]}, name="Program")
    key = account.sdk_key(shop.production, client=True)
    async with open_sdk("js", "stream", url=party.url, keys=[key]) as program:
        now = await program.ready()
        assert set(now.existing) == {"banner", "checkout", "limit"}
        assert (now.value("banner"), now.value("checkout")) == (None, False)
        yield program


async def ada_greets_germans_and_testers_in_their_own_way(
    ada: Admin, grace: Admin, shop: Shop, program: Sdk
) -> None:
    germans = await grace.call(
        "POST",
        f"/application/{shop.id}/strategy",
        {"name": "Germans", "attributes": [attribute("country", "EQUALS", ["germany"])]},
        expect=201,
    )
    testers = strategy("Testers", "Preview", attribute("userkey", "EQUALS", ["bea"]))
    saved = await ada.put(
        shop.production,
        "banner",
        {
            "key": "banner",
            "version": 0,
            "value": "Welcome",
            "locked": False,
            "rolloutStrategies": [testers],
            "rolloutStrategyInstances": [{"strategyId": germans["id"], "value": "Willkommen"}],
        },
    )
    assert [each["name"] for each in saved["rolloutStrategies"]] == ["Testers"]
    assert [each["name"] for each in saved["rolloutStrategyInstances"]] == ["Germans"]
    await program.holds("banner", "Welcome")
    assert await program.evaluate("banner", SOMEBODY) == "Welcome"
    assert await program.evaluate("banner", GERMAN) == "Willkommen"
    assert await program.evaluate("banner", GERMAN_TESTER) == "Preview", "the feature's own come first"


async def norwegians_get_the_new_checkout_as_a_whole(ada: Admin, shop: Shop, program: Sdk) -> None:
    await ada.set(shop.production, "checkout", False)
    await ada.set(shop.production, "limit", 100)
    features = {each["key"]: each["id"] for each in await ada.call("GET", f"/application/{shop.id}/features")}
    group = {
        "name": "New checkout",
        "environmentId": shop.production,
        "features": [
            {"id": features["checkout"], "value": True},
            {"id": features["limit"], "value": 5},
        ],
        "strategies": [{"name": "Norwegians", "attributes": [attribute("country", "EQUALS", ["norway"])]}],
    }
    made = await ada.call("POST", f"/application/{shop.id}/feature-groups", group, expect=201)
    assert [each["key"] for each in made["features"]] == ["checkout", "limit"]
    shown = await ada.value(shop.production, "limit")
    assert shown is not None
    assert [each["name"] for each in shown["featureGroupStrategies"]] == ["Norwegians"]

    async def arrived() -> bool:
        return (await program.evaluate("limit", NORWEGIAN), await program.evaluate("limit", GERMAN)) == (
            5,
            100,
        )

    seen: bool = await eventually(arrived, what="the group to reach the program")
    assert seen
    assert await program.evaluate("checkout", NORWEGIAN) is True
    assert await program.evaluate("checkout", SOMEBODY) is False


async def the_phone_sees_its_own_features_alone(ada: Admin, shop: Shop, program: Sdk) -> None:
    mobile = await ada.create_filter(shop.portfolio_id, "mobile")
    await ada.create_feature(shop.id, "push", filters=[mobile])
    phone = await ada.create_account(
        shop.portfolio_id, {shop.production: ["READ"]}, filters=[mobile], name="Phone"
    )
    table = await ada.call("GET", f"/application/{shop.id}/all-feature-environment", featureFilter=mobile)
    assert ([each["key"] for each in table["features"]], table["maxFeatures"]) == (["push"], 1)

    async def served() -> bool:
        return await keys_served(ada, phone, shop) == ["push"]

    its_own: bool = await eventually(served, what="the phone's own features")
    assert its_own
    now = await program.eventually(lambda now: now.feature("push").exists, what="a program without filters")
    assert set(now.existing) == {"banner", "checkout", "limit", "push"}


async def acme_and_its_channel_are_told_of_changes(ada: Admin, shop: Shop, outside: Listener) -> None:
    await connect_slack_and_the_webhook(ada, shop, outside)
    changed = await ada.set(shop.production, "limit", 150)
    hooked = await told_of(outside, shop, "limit", 150)
    assert hooked.headers["ce-type"] == "enriched-feature-v1"
    (chat,) = await outside.wait_for(1, path=SLACK_PATH)
    assert chat.headers["authorization"] == "Bearer xoxb-of-acme"
    message = json.loads(chat.body)
    assert message["channel"] == "C-flags"
    for word in ("`limit`", "150", "by Ada"):
        assert word in message["text"], message["text"]

    async def recorded() -> Json | None:
        found = await ada.call("GET", f"/burgee/deliveries/{shop.production}", state="delivered")
        return found if found["count"] == 2 else None

    found: Json | None = await eventually(recorded, what="both deliveries in the records")
    assert found is not None
    assert {(each["kind"], each["attempts"], each["status"]) for each in found["deliveries"]} == {
        ("webhook", 1, 200),
        ("slack", 1, 200),
    }
    (record,) = (await ada.call("GET", f"/webhooks/{shop.production}"))["results"]
    shown = await ada.call("GET", f"/webhooks/{shop.production}/{record['id']}")
    assert (shown["status"], shown["result"], shown["url"]) == (200, "thanks", outside.url + HOOK_PATH)
    assert SIGNING_KEY not in json.dumps(shown)
    assert changed["version"] == 3


async def the_past_can_be_told_and_proved(ada: Admin, party: PartyProcess, shop: Shop) -> str:
    """Answer the head of the audit's chain, for later."""
    assert await values_of_the_past(ada, shop, "limit") == [(100, "Ada"), (100, "Ada"), (150, "Ada")]
    (entry,) = (await ada.call("GET", "/burgee/audit", objectKind="feature-value", max="1"))["entries"]
    assert (entry["actor"]["name"], entry["object"]["name"]) == (EMAIL, "limit")
    assert entry["changes"] == {"value": {"before": 100, "after": 150}}
    assert entry["requestId"]
    by_grace = await ada.call("GET", "/burgee/audit", operation="createFeaturesForApplication")
    assert {each["actor"]["name"] for each in by_grace["entries"] if each["object"]["name"] == "banner"} == {
        GRACE
    }

    async def sealed() -> bool:
        (newest,) = (await ada.call("GET", "/burgee/audit", max="1"))["entries"]
        return "seal" in newest

    done: bool = await eventually(sealed, within_seconds=30, what="the audit to be sealed")
    assert done
    return (await asyncio.to_thread(party.command, "audit", "verify")).split()[-1]


async def ada_makes_a_group_of_operators(ada: Admin, shop: Shop) -> str:
    roles = {shop.production: ["CHANGE_VALUE", "LOCK", "UNLOCK"]}
    return await make_group(ada, shop, "Operators", environments=roles, applications={})


async def acme_connects_its_provider(party: PartyProcess, provider: Provider, operators: str) -> None:
    file = party.folder / "sign-in.toml"
    file.write_text(f"""
        [acme]
        kind = "oidc"
        issuer = "{provider.issuer}"
        client_id = "{CLIENT["client_id"]}"
        client_secret = "{CLIENT["client_secret"]}"
        scopes = ["openid", "email", "profile", "groups"]
        people = "automatic"
        allowed_domains = ["acme.example"]
        [acme.groups]
        operations = ["{operators}"]
    """)
    party.settings["BURGEE_SIGN_IN_FILE"] = str(file)
    await asyncio.to_thread(party.stop)
    await asyncio.to_thread(party.start)


async def lia_signs_in_at_the_provider(http: aiohttp.ClientSession, url: str, operators: str) -> Admin:
    lia, browser = Admin(http, url), Visitor(http)
    assert (await lia.call("GET", "/initialize"))["providers"] == ["acme", "local"]
    begun = await browser.get(f"{url}/mr-api/external-provider/acme")
    assert begun.status == 200
    page = await browser.get(json.loads(begun.text)["redirectUrl"])
    page = await browser.submit(page, login="lia", password="known to the provider alone")
    back: Page = await browser.submit(page, until=f"{url}/login")
    status, answer = await exchange_code(url, browser, back)
    assert status == 200
    person = answer["person"]
    assert (person["email"], person["name"], person["source"]) == (LIA, "Lia", "acme")
    assert [each["id"] for each in person["groups"]] == [operators]
    lia.token = answer["accessToken"]
    return lia


async def lia_ends_the_greeting(lia: Admin, shop: Shop, program: Sdk, outside: Listener) -> None:
    assert await may_not_change_the_banner(lia, shop.staging), "staging is not hers"
    await lia.set(shop.production, "banner", "Closed", strategies=[])
    await program.holds("banner", "Closed", within_seconds=30)
    assert await program.evaluate("banner", GERMAN_TESTER) == "Willkommen", "hers is no tester any more"
    await told_of(outside, shop, "banner", "Closed")
    assert await values_of_the_past(lia, shop, "banner") == [("Welcome", "Ada"), ("Closed", "Lia")]


async def the_audit_knows_lia_and_its_chain_goes_on(
    ada: Admin, party: PartyProcess, shop: Shop, sealed: str
) -> None:
    (entry,) = (await ada.call("GET", "/burgee/audit", environmentId=shop.production, max="1"))["entries"]
    assert (entry["actor"]["kind"], entry["actor"]["name"]) == ("person", LIA)
    assert entry["changes"]["value"] == {"before": "Welcome", "after": "Closed"}
    later = (await asyncio.to_thread(party.command, "audit", "verify", "--known", sealed)).split()[-1]
    assert int(later.split(":")[0]) > int(sealed.split(":", maxsplit=1)[0])


# ------------------------------------------------------------------------------------- what they use


async def make_group(
    ada: Admin,
    shop: Shop,
    name: str,
    *,
    environments: dict[str, list[str]],
    applications: dict[str, list[str]],
) -> str:
    """A group of the portfolio with these roles; answer its id."""
    made = await ada.call("POST", f"/portfolio/{shop.portfolio_id}/group", {"name": name})
    group_id: str = made["id"]
    in_group = {"groupId": group_id}
    body = {
        "id": group_id,
        "version": made["version"],
        "environmentRoles": [
            in_group | {"environmentId": each, "roles": roles} for each, roles in environments.items()
        ],
        "applicationRoles": [
            in_group | {"applicationId": each, "roles": roles} for each, roles in applications.items()
        ],
    }
    shown = await ada.call(
        "PUT",
        f"/portfolio/{shop.portfolio_id}/v2/group",
        body,
        includeGroupRoles="true",
        updateEnvironmentGroupRoles="true",
        updateApplicationGroupRoles="true",
    )
    assert {each["environmentId"] for each in shown["environmentRoles"]} == set(environments)
    assert {each["applicationId"] for each in shown["applicationRoles"]} == set(applications)
    return group_id


async def may_not_change_the_banner(person: Admin, environment_id: str) -> bool:
    body = {"key": "banner", "version": 0, "value": "Oops", "locked": False}
    status, _ = await person.try_call("PUT", f"/features/{environment_id}/feature/banner", body)
    return status == 403


async def keys_served(ada: Admin, account: Account, shop: Shop) -> list[str]:
    """The keys of all features that this account's programs get."""
    query = {"apiKey": account.sdk_key(shop.production, client=True)}
    async with ada.http.get(f"{ada.url}/features", params=query) as answer:
        assert answer.status == 200
        (environment,) = await answer.json()
        return sorted(each["key"] for each in environment["features"])


async def connect_slack_and_the_webhook(ada: Admin, shop: Shop, outside: Listener) -> None:
    """Slack for the whole organisation, then both for production."""
    configs = {
        "slack.enabled": True,
        "slack.bearerToken": "xoxb-of-acme",
        "slack.defaultChannel": "C-flags",
    }
    wanted = [{"key": key, "version": -1, "value": value} for key, value in configs.items()]
    saved = await ada.call("POST", "/system-api", {"configs": wanted})
    assert "xoxb-of-acme" not in json.dumps(saved)
    path = f"/environment/{shop.production}"
    settings = {
        "webhook.features.enabled": "true",
        "webhook.features.endpoint": outside.url + HOOK_PATH,
        "webhook.features.secret": SIGNING_KEY,
        "integration.slack.enabled": "true",
    }
    body = {
        "version": (await ada.call("GET", path))["version"],
        "webhookEnvironmentInfo": settings,
    }
    shown = await ada.call("PUT", path + "/v2", body, includeDetails="true")
    assert shown["webhookEnvironmentInfo"]["webhook.features.endpoint"] == outside.url + HOOK_PATH
    assert SIGNING_KEY not in json.dumps(shown)


async def told_of(outside: Listener, shop: Shop, key: str, value: Any) -> Heard:
    """Wait until Acme's endpoint was told of this value of production, signed with its key."""

    def heard() -> Heard | None:
        for each in outside.at(HOOK_PATH):
            body = json.loads(each.body)
            served = {one["feature"]["key"]: one.get("value") for one in body["environment"]["fv"]}
            if body["featureKeys"] == [key] and served[key]["value"] == value:
                assert body["environment"]["environment"]["id"] == shop.production
                return each
        return None

    found = await eventually(heard, within_seconds=30, what=f"word of {key} = {value!r}")
    assert found is not None
    moment, signature = (part.split("=")[1] for part in found.headers["x-burgee-signature"].split(","))
    signed = hmac.new(SIGNING_KEY.encode(), f"{moment}.".encode() + found.body, hashlib.sha256)
    assert signature == signed.hexdigest()
    return found


async def values_of_the_past(reader: Admin, shop: Shop, key: str) -> list[tuple[Any, str]]:
    """What a feature of production was, and by whom; the oldest first."""
    found = await reader.call(
        "GET",
        f"/application/{shop.id}/feature-history",
        featureKeys=key,
        environmentIds=shop.production,
        order="asc",
    )
    (item,) = found["items"]
    return [(each.get("value"), each["who"]["name"]) for each in item["history"]]
