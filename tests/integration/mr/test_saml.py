"""Sign-in with SAML: samlify as the provider, and what hostile people make of its answers."""

import json
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.support.admin import EMAIL
from tests.support.identity import KeyPair, identity_process, key_pair
from tests.support.ports import free_port
from tests.support.saml import UNTRUE, double_forgeries, forgeries, mutilated, setting, signed_again
from tests.support.sign_in import sign_in_server

GRACE = "grace@acme.example"


@dataclass(frozen=True)
class Provider:
    url: str
    keys: KeyPair


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def samlify():
    keys, port = key_pair("provider"), free_port()
    argument = {"port": port, "key": keys.key, "certificate": keys.certificate}
    with identity_process("saml.cjs", argument):
        yield Provider(f"http://127.0.0.1:{port}", keys)


@pytest.fixture(scope="module")
def ours():
    return key_pair("burgee")


@pytest.fixture
def folder(tmp_path, ours):
    """Where the file of providers stands, with our key beside it."""
    (tmp_path / "sp.key").write_text(ours.key)
    (tmp_path / "sp.crt").write_text(ours.certificate)
    return tmp_path


def registration(provider, name="corp", **settings):
    lines = {
        "kind": "saml",
        "metadata_url": f"{provider.url}/metadata",
        "certificate_file": "sp.crt",
        "private_key_file": "sp.key",
        "people": "automatic",
        **settings,
    }
    return f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())


async def introduce(server, provider, *names):
    """Tell the provider who we are."""
    for name in names:
        async with server.http.get(f"{server.url}/saml/{name}/metadata") as answer:
            assert answer.status == 200
            metadata = await answer.text()
        assert 'WantAssertionsSigned="true"' in metadata
        async with server.http.post(f"{provider.url}/providers", data=metadata) as answer:
            assert answer.status == 200


async def answered(server, visitor, email=GRACE, name="corp", **how):
    """Begin here, sign in there, and return the form that the provider's page would post."""
    told = await server.ask(visitor, f"/mr-api/external-provider/{name}")
    page = await visitor.get(told["redirectUrl"] + "&" + urlencode({"email": email, **how}, doseq=True))
    assert page.status == 200, page.text
    return json.loads(page.text)


async def deliver(server, visitor, form):
    """Post the provider's form as its page would; return where that leads."""
    sent = {name: form[name] for name in ("SAMLResponse", "RelayState")}
    return await visitor.post(form["action"], sent, until=server.url + "/login", foreign=True)


async def test_signed_double_signed_and_encrypted_assertions_let_people_in(
    database_url, folder, port, samlify
):
    async with sign_in_server(database_url, folder, port, registration(samlify)) as server:
        portfolio = await server.admin.create_portfolio()
        group = await server.group("Engineers", portfolio)
    asked = registration(samlify) + f'[corp.groups]\neng = ["{group}"]\n'
    asked += registration(samlify, "other", sign_requests=False, encrypted_only=True, people="invited")
    async with sign_in_server(database_url, folder, port, asked, new=True) as server:
        await introduce(server, samlify, "corp", "other")
        for how in (
            {"group": ["eng", "x"]},
            {"message": 1},
            {"encrypted": 1},
            {"encrypted": 1, "message": 1},
        ):
            grace = server.visitor()
            page = await deliver(server, grace, await answered(server, grace, name="corp", **how))
            status, signed_in = await server.exchange(grace, page)
            assert status == 200, how
            assert signed_in["person"]["email"] == GRACE
            names = {each["name"] for each in signed_in["person"]["groups"]}
            assert names == ({"Engineers"} if "group" in how else set())


async def test_registrations_are_kept_apart(sqlite_url, folder, port, samlify):
    asked = registration(samlify) + registration(
        samlify, "other", encrypted_only=True, people="invited", sign_requests=True
    )
    async with sign_in_server(sqlite_url, folder, port, asked) as server:
        await introduce(server, samlify, "corp", "other")
        visitor = server.visitor()
        plain = await answered(server, visitor, name="other")
        page = await deliver(server, visitor, plain)
        assert page.parameter("reason") == "untrusted-answer", "it takes encrypted assertions alone"
        page = await deliver(server, visitor, await answered(server, visitor, name="other", encrypted=1))
        assert page.parameter("reason") == "not-invited"
        corp = await answered(server, visitor)
        page = await deliver(server, visitor, {**corp, "action": f"{server.url}/saml/other/sso"})
        assert page.parameter("reason") == "untrusted-answer", "it was made for the other one"
        assert (await visitor.get(f"{server.url}/saml/nobody/metadata")).status == 404
        assert (await visitor.get(f"{server.url}/saml/nobody/auth")).status == 404
        page = await visitor.get(f"{server.url}/saml/corp/auth", until=samlify.url)
        assert page.url.startswith(f"{samlify.url}/sso?SAMLRequest=")


async def test_every_hostile_response_is_refused(sqlite_url, folder, port, samlify):
    async with sign_in_server(sqlite_url, folder, port, registration(samlify)) as server:
        await introduce(server, samlify, "corp")
        visitor = server.visitor()
        form = await answered(server, visitor)
        response = form["SAMLResponse"]
        hostile = dict(forgeries(response, EMAIL))
        for name, change in UNTRUE.items():
            hostile[name] = signed_again(response, samlify.keys, change)
        nothing = setting(".", "ID", "_another")
        hostile["a foreign key"] = signed_again(response, key_pair("stranger"), nothing)
        double = await answered(server, visitor, message=1)
        hostile |= double_forgeries(double["SAMLResponse"], EMAIL)
        for name, made in hostile.items():
            page = await deliver(server, visitor, {**form, "SAMLResponse": made})
            assert page.parameter("reason") == "untrusted-answer", name
        # Whatever is missing from an answer is no reason to fail; of what it lets in, all is genuine.
        locked = await answered(server, visitor, encrypted=1)
        for form_of in (form, locked):
            for made in mutilated(form_of["SAMLResponse"]):
                page = await deliver(server, visitor, {**form_of, "SAMLResponse": made})
                assert page.parameter("reason") or page.parameter("code"), made
        form = await answered(server, visitor)
        response = form["SAMLResponse"]
        for state in ("", "nonsense", "1.", form["RelayState"][:-1]):
            page = await deliver(server, visitor, {**form, "RelayState": state})
            assert page.parameter("reason") == "untrusted-answer", state
        old = "1" + form["RelayState"][form["RelayState"].index(".") :]
        page = await deliver(server, visitor, {**form, "RelayState": old})
        assert page.parameter("reason") == "expired"
        # And so that all this means something: the same way of changing nothing is believed, once.
        page = await deliver(
            server, visitor, {**form, "SAMLResponse": signed_again(response, samlify.keys, nothing)}
        )
        assert (await server.exchange(visitor, page))[0] == 200
        people = await server.admin.call("GET", "/person")
        assert {each["email"] for each in people["people"]} == {EMAIL, GRACE}


async def test_an_assertion_is_used_once_and_by_the_browser_that_asked(postgresql_url, folder, port, samlify):
    async with sign_in_server(postgresql_url, folder, port, registration(samlify)) as server:
        await introduce(server, samlify, "corp")
        grace, mallory = server.visitor(), server.visitor()
        await server.ask(mallory, "/mr-api/external-provider/corp")
        form = await answered(server, grace)
        page = await deliver(server, mallory, form)
        assert (await server.exchange(mallory, page))[0] == 404, "stolen on its way"
        page = await deliver(server, grace, form)
        assert page.parameter("reason") == "untrusted-answer", "used before"
        theirs, hers = await answered(server, mallory), await answered(server, grace)
        # The state of one request with the assertion for another proves nothing to any browser.
        page = await deliver(server, grace, {**theirs, "RelayState": hers["RelayState"]})
        assert (await server.exchange(grace, page))[0] == 404


async def test_providers_begin_sign_ins_only_where_that_is_set(sqlite_url, folder, port, samlify):
    async def start(server, visitor, name):
        query = urlencode({"sp": f"{server.url}/saml/{name}/metadata", "email": GRACE})
        page = await visitor.get(f"{samlify.url}/start?{query}")
        return json.loads(page.text)

    asked = registration(samlify) + registration(samlify, "portal", idp_initiated=True)
    async with sign_in_server(sqlite_url, folder, port, asked) as server:
        await introduce(server, samlify, "corp", "portal")
        visitor = server.visitor()
        page = await deliver(server, visitor, await start(server, visitor, "corp"))
        assert page.parameter("reason") == "untrusted-answer"
        form = await start(server, visitor, "portal")
        page = await deliver(server, visitor, form)
        assert (await server.exchange(visitor, page))[0] == 200
        page = await deliver(server, visitor, form)
        assert page.parameter("reason") == "untrusted-answer", "used before"


async def test_the_providers_metadata_may_be_a_file(sqlite_url, folder, port, samlify):
    async with aiohttp.ClientSession() as http, http.get(f"{samlify.url}/metadata") as answer:
        (folder / "idp.xml").write_text(await answer.text())
    asked = registration(samlify, metadata_file="idp.xml").replace(
        f'metadata_url = "{samlify.url}/metadata"\n', ""
    )
    async with sign_in_server(sqlite_url, folder, port, asked) as server:
        await introduce(server, samlify, "corp")
        visitor = server.visitor()
        page = await deliver(server, visitor, await answered(server, visitor))
        assert (await server.exchange(visitor, page))[0] == 200
