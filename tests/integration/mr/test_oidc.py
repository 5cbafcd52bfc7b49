"""Sign-in with OpenID Connect and GitHub: a real provider for what goes well, a liar for what must not."""

import asyncio
import json
import time
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from common.serve import running
from tests.support.admin import EMAIL, PASSWORD
from tests.support.identity import identity_process
from tests.support.oidc import FakeGithub, lying_provider, new_key
from tests.support.ports import free_port
from tests.support.sign_in import sign_in_server

LIA = {"email": "lia@acme.example", "name": "Lia", "personType": "person"}
ACCOUNTS = {
    "grace": {
        "email": "Grace@Acme.example",
        "email_verified": True,
        "name": "Grace",
        "groups": ["engineering"],
    },
    "mallory": {"email": "ada@burgee.example", "email_verified": False, "name": "Mallory"},
    "eve": {"email": "eve@elsewhere.example", "email_verified": True, "name": "Eve"},
}


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def panva(port):
    """The issuer of a running provider that knows the people above and this server."""
    issuer_port = free_port()
    client = {
        "client_id": "burgee",
        "client_secret": "a-secret-of-the-tests",
        "redirect_uris": [f"http://127.0.0.1:{port}/oauth/auth"],
        "token_endpoint_auth_method": "client_secret_post",
    }
    argument = {"port": issuer_port, "clients": [client], "accounts": ACCOUNTS}
    with identity_process("oidc.mjs", argument):
        yield f"http://127.0.0.1:{issuer_port}"


def provider(issuer, name="sso", **settings):
    lines = {
        "kind": "oidc",
        "issuer": issuer,
        "client_id": "burgee",
        "client_secret": "a-secret-of-the-tests",
        **settings,
    }
    return f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())


async def log_in(server, visitor, account, address, until=None):
    """Walk through the real provider's forms and return where they lead."""
    until = server.url + "/login" if until is None else until
    page = await visitor.get(address)
    page = await visitor.submit(page, login=account, password="x")
    return await visitor.submit(page, until=until)


async def test_people_come_in_through_a_real_provider(database_url, tmp_path, port, panva):
    asked = provider(
        panva,
        people="automatic",
        scopes=["openid", "email", "profile", "groups"],
        allowed_domains=["acme.example", "burgee.example"],
    )
    async with sign_in_server(database_url, tmp_path, port, asked) as server:
        state = await server.admin.call("GET", "/initialize")
        assert state["providers"] == ["sso", "local"]
        assert state["providerInfo"]["sso"]["buttonText"] == "Sign in with sso"
        assert "redirectUrl" not in state
        portfolio = await server.admin.create_portfolio()
        group = await server.group("Engineers", portfolio)
    asked += f'[sso.groups]\nengineering = ["{group}"]\n'
    async with sign_in_server(database_url, tmp_path, port, asked, new=True) as server:
        grace = server.visitor()
        told = await server.ask(grace, "/mr-api/external-provider/sso")
        sent = dict(parse_qsl(urlsplit(told["redirectUrl"]).query))
        assert sent["code_challenge_method"] == "S256"
        assert {"nonce", "state"} <= set(sent)
        page = await log_in(server, grace, "grace", told["redirectUrl"])
        assert page.url.startswith(f"{server.url}/login#code=")

        status, _ = await server.exchange(server.visitor(), page)
        assert status == 404, "another browser's code is of no use"
        status, _ = await server.exchange(grace, page)
        assert status == 404, "and it is spent"

        page = await grace.get(f"{server.url}/mr-api/burgee/sign-in/sso", until=server.url + "/login")
        status, signed_in = await server.exchange(grace, page)
        assert status == 200
        person = signed_in["person"]
        assert (person["email"], person["name"], person["source"]) == ("grace@acme.example", "Grace", "sso")
        assert [each["id"] for each in person["groups"]] == [str(group)]
        assert signed_in["capabilityInfo"]["dacha1Enabled"] == "false"
        server.admin.token = signed_in["accessToken"]
        assert (await server.admin.call("GET", "/person/self"))["id"] == person["id"]
        assert (await server.exchange(grace, page))[0] == 404

        for account, reason in (("eve", "domain-not-allowed"), ("mallory", "no-verified-email")):
            visitor = server.visitor()
            told = await server.ask(visitor, "/mr-api/external-provider/sso")
            page = await log_in(server, visitor, account, told["redirectUrl"], until=server.url + "/oauth2")
            assert page.parameter("reason") == reason


@pytest.fixture
async def liar():
    async with lying_provider() as served:
        yield served


async def outcome(server, liar, visitor=None, **lies):
    """Sign in at a provider that lies like this; say why that was refused, or "admitted"."""
    before = {name: getattr(liar, name) for name in lies}
    for name, value in lies.items():
        setattr(liar, name, value)
    visitor = visitor or server.visitor()
    told = await server.ask(visitor, "/mr-api/external-provider/sso")
    page = await visitor.get(liar.approve(told["redirectUrl"]), until=server.url + "/login")
    for name, value in before.items():
        setattr(liar, name, value)
    if page.parameter("reason") is None:
        assert (await server.exchange(visitor, page))[0] == 200
    return page.parameter("reason") or "admitted"


def unsigned(token):
    head, body, _ = token.split(".")
    del head
    return f"eyJhbGciOiJub25lIn0.{body}."


async def test_tokens_that_prove_nothing_are_refused(sqlite_url, tmp_path, port, liar):
    asked = provider(liar.issuer, people="automatic")
    async with sign_in_server(sqlite_url, tmp_path, port, asked) as server:
        assert await outcome(server, liar) == "admitted"

        def shared_secret(token):
            claims = jwt.decode(token, liar.keys[0]).claims
            secret = OctKey.import_key("a-secret-of-the-tests-that-is-long-enough")
            return jwt.encode({"alg": "HS256"}, claims, secret)

        now = int(time.time())
        untrusted = {
            "another nonce": {"claims": {"nonce": "of somebody else"}},
            "no nonce": {"lie": lambda claims: {k: v for k, v in claims.items() if k != "nonce"}},
            "expired": {"claims": {"exp": now - 120}},
            "not yet": {"claims": {"nbf": now + 600}},
            "another issuer": {"claims": {"iss": "https://accounts.elsewhere.example"}},
            "another audience": {"claims": {"aud": "another-client"}},
            "another party": {"claims": {"aud": ["burgee", "other"], "azp": "other"}},
            "another access token": {"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
            "a foreign key": {"signs_with": new_key("first")},
            "an unknown key": {"signs_with": new_key("unheard-of")},
            "no signature": {"token": unsigned},
            "our own secret as the key": {"token": shared_secret},
            "no token": {"token": lambda _: "nonsense"},
            "an answer of another provider": {"answers_with": {"iss": "https://elsewhere.example"}},
            "no code": {"answers_with": {"code": ""}},
        }
        for what, lie in untrusted.items():
            assert await outcome(server, liar, **lie) == "untrusted-answer", what
        assert await outcome(server, liar, answers_with={"error": "access_denied"}) == "denied"
        # The account that is linked already needs no address; another one does.
        stranger = {"sub": "liar-2", "email": "lia2@acme.example"}
        unverified = {"claims": {**stranger, "email_verified": False}}
        assert await outcome(server, liar, **unverified) == "no-verified-email"
        taken_over = {"claims": {"sub": "liar-3"}}
        assert await outcome(server, liar, **taken_over) == "linked-to-another-account"
        assert await outcome(server, liar) == "admitted"


async def test_an_answer_counts_only_in_the_browser_that_asked(sqlite_url, tmp_path, port, liar):
    asked = provider(liar.issuer, people="automatic")
    async with sign_in_server(sqlite_url, tmp_path, port, asked) as server:
        ours, other = server.visitor(), server.visitor()
        told = await server.ask(ours, "/mr-api/external-provider/sso")
        await server.ask(other, "/mr-api/external-provider/sso")
        back = liar.approve(told["redirectUrl"])
        for visitor, address in (
            (other, back),
            (server.visitor(), back),
            (ours, back.replace("state=sso", "state=ssp")),
            (ours, back[:-1] + ("A" if back[-1] != "A" else "B")),
            (ours, f"{server.url}/oauth/auth?code=x"),
        ):
            page = await visitor.get(address)
            assert page.parameter("reason") == "untrusted-answer"
        assert not liar.redeemed, "nothing was asked of the provider"
        # Two tabs of one browser may be at the provider at once.
        second = await server.ask(ours, "/mr-api/external-provider/sso")
        assert second["redirectUrl"] != told["redirectUrl"]
        back = liar.approve(told["redirectUrl"])
        assert (await ours.get(back, until=server.url + "/login")).parameter("code")


async def test_new_keys_are_fetched_and_made_up_ones_do_not_make_us_ask(sqlite_url, tmp_path, port, liar):
    asked = provider(liar.issuer, people="automatic")
    async with sign_in_server(sqlite_url, tmp_path, port, asked) as server:
        assert await outcome(server, liar) == "admitted"
        assert liar.key_fetches == 1
    async with sign_in_server(sqlite_url, tmp_path, port, asked, new=True) as server:
        liar.keys.insert(0, new_key("second"))
        assert await outcome(server, liar, keys=liar.keys[1:]) == "admitted"
        fetched = liar.key_fetches
        results = [await outcome(server, liar, signs_with=new_key("made-up")) for _ in range(3)]
        assert results == ["untrusted-answer"] * 3
        assert liar.key_fetches <= fetched + 1


async def test_userinfo_fills_in_what_the_token_lacks(sqlite_url, tmp_path, port, liar):
    liar.userinfo = {"sub": "liar-1", "email": "lia@acme.example", "email_verified": True, "name": "Lia"}
    liar.lie = lambda claims: {k: v for k, v in claims.items() if not k.startswith("email")}
    asked = provider(liar.issuer, people="automatic")
    async with sign_in_server(sqlite_url, tmp_path, port, asked) as server:
        other = {**liar.userinfo, "sub": "somebody-else"}
        assert await outcome(server, liar, userinfo=other) == "untrusted-answer"
        assert await outcome(server, liar) == "admitted"


async def test_groups_follow_the_provider_and_the_last_superuser_stays(sqlite_url, tmp_path, port, liar):
    asked = provider(liar.issuer, people="automatic", trust_email=True)
    async with sign_in_server(sqlite_url, tmp_path, port, asked) as server:
        portfolio = await server.admin.create_portfolio()
        developers, testers = [await server.group(name, portfolio) for name in ("Developers", "Testers")]
        me = await server.admin.call("GET", "/person/self", includeGroups="true")
        superusers = next(each["id"] for each in me["groups"] if each["name"] == "org_admin")
    asked += f'[sso.groups]\ndev = ["{developers}"]\nqa = ["{testers}"]\nroot = ["{superusers}"]\n'
    async with sign_in_server(sqlite_url, tmp_path, port, asked, new=True) as server:

        async def groups_with(*told, **claims):
            visitor = server.visitor()
            liar.claims = {"groups": list(told), **claims}
            begun = await server.ask(visitor, "/mr-api/external-provider/sso")
            page = await visitor.get(liar.approve(begun["redirectUrl"]), until=server.url + "/login")
            status, answer = await server.exchange(visitor, page)
            assert status == 200
            return {each["name"] for each in answer["person"]["groups"]} & {
                "Developers",
                "Testers",
                "org_admin",
            }

        assert await groups_with("dev", "unheard-of") == {"Developers"}
        assert await groups_with("dev", "qa", "root") == {"Developers", "Testers", "org_admin"}
        assert await groups_with() == set()
        ada = {"sub": "ada", "email": EMAIL}
        assert await groups_with("qa", **ada) == {"Testers", "org_admin"}


async def test_only_the_invited_come_in_where_that_is_set(sqlite_url, tmp_path, port, liar):
    async with sign_in_server(sqlite_url, tmp_path, port, provider(liar.issuer)) as server:
        assert await outcome(server, liar) == "not-invited"
        invited = await server.admin.call("POST", "/person", LIA)
        assert await outcome(server, liar) == "admitted"
        assert (await server.admin.try_call("GET", f"/authentication/{invited['token']}"))[0] == 404
        await server.admin.call("DELETE", f"/person/{invited['personId']}")
        assert await outcome(server, liar) == "account-deactivated"
        # Whoever is let in again may be somebody else at the provider by now.
        await server.admin.call("POST", "/person", LIA)
        assert await outcome(server, liar, claims={"sub": "liar-9"}) == "admitted"
        assert await outcome(server, liar) == "linked-to-another-account"


async def test_two_first_sign_ins_at_once_make_one_person(postgresql_url, tmp_path, port, liar):
    asked = provider(liar.issuer, people="automatic")
    async with sign_in_server(postgresql_url, tmp_path, port, asked) as server:
        visitors = [server.visitor() for _ in range(4)]
        told = [await server.ask(each, "/mr-api/external-provider/sso") for each in visitors]
        nonces = [dict(parse_qsl(urlsplit(each["redirectUrl"]).query))["nonce"] for each in told]
        # It cannot tell them apart, so each token carries the nonce of the code that it is redeemed for.
        assert len(set(nonces)) == 4
        first = liar.approve(told[0]["redirectUrl"])
        pages = await asyncio.gather(*(visitors[0].get(first, until=server.url + "/login") for _ in range(4)))
        assert all(page.parameter("code") for page in pages)
        found = await server.admin.call("GET", "/person", filter="lia@")
        assert len(found["people"]) == 1


async def test_the_first_administrator_may_come_from_a_provider(sqlite_url, tmp_path, port, liar):
    asked = provider(liar.issuer)
    settings = {"new": True, "local_sign_in": False}
    async with sign_in_server(sqlite_url, tmp_path, port, asked, **settings) as server:
        status, text = await server.admin.try_call("GET", "/initialize")
        assert (status, json.loads(text)["providers"]) == (404, ["sso"])
        assert await outcome(server, liar) == "untrusted-answer", "nobody comes in before a set-up"
        wanted = {"portfolio": "Shop", "organizationName": "Acme"}
        assert (await server.admin.try_call("POST", "/initialize", wanted))[0] == 400
        full = {**wanted, "emailAddress": EMAIL, "password": PASSWORD}
        assert (await server.admin.try_call("POST", "/initialize", full))[0] == 400
        visitor = server.visitor()
        async with server.http.post(
            f"{server.url}/mr-api/initialize", json={**wanted, "authProvider": "sso"}
        ) as answer:
            assert answer.status == 200
            told = await answer.json()
            visitor.cookies[server.url.removeprefix("http://")] = {
                name: morsel.value for name, morsel in answer.cookies.items()
            }
        assert set(told) == {"redirectUrl"}
        page = await visitor.get(liar.approve(told["redirectUrl"]), until=server.url + "/login")
        status, answered = await server.exchange(visitor, page)
        assert status == 200
        assert {each["name"] for each in answered["person"]["groups"]} == {
            "org_admin",
            "Shop Administrators",
        }
        state = await server.admin.call("GET", "/initialize")
        assert state["redirectUrl"] == f"{server.url}/mr-api/burgee/sign-in/sso"
        assert state["providers"] == ["sso"]
        assert (await server.admin.try_call("POST", "/initialize", wanted))[0] == 409


async def test_passwords_are_worth_nothing_where_they_are_disabled(sqlite_url, tmp_path, port, liar):
    async with sign_in_server(
        sqlite_url, tmp_path, port, provider(liar.issuer), local_sign_in=False
    ) as server:
        credentials = {"email": EMAIL, "password": PASSWORD}
        assert (await server.admin.try_call("POST", "/login", credentials))[0] == 403
        invited = await server.admin.call("POST", "/person", LIA)
        details = {
            "email": "lia@acme.example",
            "name": "Lia",
            "password": PASSWORD,
            "confirmPassword": PASSWORD,
            "registrationToken": invited["token"],
        }
        assert (await server.admin.try_call("POST", "/authentication", details))[0] == 400
        assert await outcome(server, liar) == "admitted"


async def test_the_readable_cookie_is_set_only_where_that_is_wanted(sqlite_url, tmp_path, port, liar):
    asked = provider(liar.issuer, people="automatic")
    async with sign_in_server(sqlite_url, tmp_path, port, asked) as server:
        page = await server.visitor().get(f"{server.url}/mr-api/burgee/sign-in-cookie?code=x")
        assert page.status == 404
    async with sign_in_server(
        sqlite_url, tmp_path, port, asked, new=True, compat_bearer_cookie=True
    ) as server:
        visitor = server.visitor()
        told = await server.ask(visitor, "/mr-api/external-provider/sso")
        page = await visitor.get(liar.approve(told["redirectUrl"]))
        assert (page.url, page.status) == (f"{server.url}/", 200)
        server.admin.token = visitor.cookies[server.url.removeprefix("http://")]["bearer-token"]
        assert (await server.admin.call("GET", "/person/self"))["email"] == "lia@acme.example"
        server.admin.token = ""
        cookie = {"cookie": f"bearer-token={visitor.cookies[server.url.removeprefix('http://')]}"}
        async with server.http.get(f"{server.url}/mr-api/portfolio", headers=cookie) as answer:
            assert answer.status == 401, "no cookie signs a call in"


async def test_a_provider_that_is_away_or_inside_is_answered_503(sqlite_url, tmp_path, port, liar):
    asked = provider(liar.issuer) + provider(f"http://127.0.0.1:{free_port()}", "away")
    async with sign_in_server(sqlite_url, tmp_path, port, asked) as server:
        assert (await server.admin.try_call("GET", "/external-provider/away"))[0] == 503
        assert (await server.admin.try_call("GET", "/external-provider/nobody"))[0] == 404
    async with sign_in_server(
        sqlite_url, tmp_path, port, asked, new=True, outgoing_private_networks=()
    ) as server:
        assert (await server.admin.try_call("GET", "/external-provider/sso"))[0] == 503


async def test_github_tells_who_it_is_by_its_calls(sqlite_url, tmp_path, port):
    emails = [
        {"email": "old@acme.example", "primary": False, "verified": True},
        {"email": "Octo@Acme.example", "primary": True, "verified": True},
    ]
    github = FakeGithub({"id": 583231, "login": "octo", "name": None}, emails)
    async with running(github.app()) as address:
        asked = provider(address, "hub", kind="github", people="automatic", server=address, api=address)
        asked = asked.replace(f'issuer = "{address}"\n', "") + 'allowed_domains = ["acme.example"]\n'
        async with sign_in_server(sqlite_url, tmp_path, port, asked) as server:
            visitor = server.visitor()

            async def come_back(**answer):
                told = await server.ask(visitor, "/mr-api/external-provider/hub")
                sent = dict(parse_qsl(urlsplit(told["redirectUrl"]).query))
                assert sent["scope"] == "read:user user:email"
                query = "&".join(f"{k}={v}" for k, v in {"state": sent["state"], **answer}.items())
                return await visitor.get(f"{server.url}/oauth/auth?{query}", until=server.url + "/login")

            assert (await come_back(code="wrong")).parameter("reason") == "untrusted-answer"
            emails[1]["verified"] = False
            assert (await come_back(code="a-code")).parameter("reason") == "no-verified-email"
            emails[1]["verified"] = True
            status, answered = await server.exchange(visitor, await come_back(code="a-code"))
            assert status == 200
            assert (answered["person"]["email"], answered["person"]["name"]) == ("octo@acme.example", "octo")
            assert len(github.forms[-1]["code_verifier"]) == 43
