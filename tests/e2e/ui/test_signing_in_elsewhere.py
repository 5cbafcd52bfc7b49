"""Signing in where the company keeps its accounts: there by a click, back to where one was, or why not."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.admin import Application, open_admin
from tests.support.browser import Person, open_person
from tests.support.identity import identity_process, key_pair
from tests.support.party import PartyProcess
from tests.support.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

ACCOUNTS = {
    "grace": {"email": "grace@acme.example", "email_verified": True, "name": "Grace"},
    "mallory": {"email": "mallory@acme.example", "email_verified": False, "name": "Mallory"},
    "eve": {"email": "eve@acme.example", "email_verified": True, "name": "Eve"},
}
HARBOUR, CUSTOMS = "Sign in with Harbour ID", "Sign in with the customs office"

THERE = re.compile(r"^http://127\.0\.0\.1:")


@dataclass(frozen=True)
class Company:
    """A server that knows two providers, and whoever was invited to it."""

    browser: Browser
    party: PartyProcess
    application: Application

    @property
    def url(self) -> str:
        """For browsers another site than the providers at 127.0.0.1: cookies count as they do in earnest."""
        return f"http://localhost:{self.party.port}"

    @property
    def somewhere(self) -> str:
        words = {"portfolio": self.application.portfolio_id, "application": self.application.id}
        return f"/app-settings/environments?{urlencode(words)}"


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartyProcess]:
    """With panva's oidc-provider and samlify beside it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    server = PartyProcess(folder)
    address = f"http://localhost:{server.port}"
    server.settings |= {
        "BURGEE_PUBLIC_URL": address,
        "BURGEE_SIGN_IN_FILE": str(folder / "providers.toml"),
        "BURGEE_OUTGOING_PRIVATE_NETWORKS": "127.0.0.0/8",
    }
    oidc, saml, theirs, ours = free_port(), free_port(), key_pair("provider"), key_pair("burgee")
    client = {
        "client_id": "burgee",
        "client_secret": "a-secret-of-the-tests",
        "redirect_uris": [f"{address}/oauth/auth"],
        "token_endpoint_auth_method": "client_secret_post",
    }
    (folder / "sp.key").write_text(ours.key)
    (folder / "sp.crt").write_text(ours.certificate)
    (folder / "providers.toml").write_text(_providers(oidc, saml))
    knows = {"port": oidc, "clients": [client], "accounts": ACCOUNTS}
    signs = {"port": saml, "key": theirs.key, "certificate": theirs.certificate}
    with identity_process("oidc.mjs", knows), identity_process("saml.cjs", signs):
        try:
            server.start()
            _introduce(server, f"http://127.0.0.1:{saml}")
            yield server
        finally:
            server.stop()


def _providers(oidc: int, saml: int) -> str:
    tables = {
        "harbour": {
            "kind": "oidc",
            "issuer": f"http://127.0.0.1:{oidc}",
            "client_id": "burgee",
            "client_secret": "a-secret-of-the-tests",
            "button_text": HARBOUR,
            "button_color": "#1d4ed8",
        },
        "customs": {
            "kind": "saml",
            "metadata_url": f"http://127.0.0.1:{saml}/metadata",
            "certificate_file": "sp.crt",
            "private_key_file": "sp.key",
            "people": "automatic",
            "button_text": CUSTOMS,
        },
    }
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


def _introduce(server: PartyProcess, provider: str) -> None:
    """Tell a SAML provider who we are."""
    with (
        urlopen(f"{server.url}/saml/customs/metadata") as ours,
        urlopen(f"{provider}/providers", ours.read()),
    ):
        pass


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(browser: Browser, party: PartyProcess) -> Company:
    async with open_admin(party.url) as admin:
        portfolio = await admin.create_portfolio("Harbour")
        application = await admin.create_application(portfolio, "Chandlery")
        shown = await admin.call("GET", f"/portfolio/{portfolio}", includeGroups="true")
        (admins,) = (each["id"] for each in shown["groups"] if each.get("admin"))
        invited = {"email": "grace@acme.example", "personType": "person", "groupIds": [admins]}
        await admin.call("POST", "/person", invited)
    return Company(browser, party, application)


@pytest_asyncio.fixture(loop_scope="module")
async def person(company: Company) -> AsyncIterator[Person]:
    async with open_person(company.browser, company.url) as somebody:
        # The provider's pages want a font of somebody else's, and wait for it.
        await somebody.page.route(re.compile("^https:"), lambda route: route.abort())
        yield somebody


async def allow(page: Page, account: str) -> None:
    """Sign in and agree at the provider's own pages."""
    await page.wait_for_url(THERE)
    await page.locator("input[name=login]").fill(account)
    await page.locator("input[name=password]").fill("of no interest")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()


async def test_the_way_leads_to_the_provider_and_back_to_where_one_was(
    person: Person, company: Company
) -> None:
    page = person.page
    await person.open(company.somewhere)
    await page.wait_for_url("**/login**")
    await expect(page.get_by_role("button", name=CUSTOMS)).to_be_visible()
    await expect(page.get_by_label("Password", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name=HARBOUR)).to_have_css("background-color", "rgb(29, 78, 216)")
    assert await person.violations() == []
    await person.screenshot("sign-in-providers-light")

    await page.get_by_role("button", name=HARBOUR).click()
    await allow(page, "grace")
    await page.wait_for_url(company.url + company.somewhere)
    await expect(page.get_by_role("heading", name="Settings of Chandlery", level=1)).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Account of Grace")).to_be_visible()


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ("eve", "You are not invited yet. Ask an administrator of Burgee"),
        ("mallory", "The identity provider does not vouch for your e-mail address."),
    ],
)
async def test_a_refusal_says_why_and_leads_back(account: str, words: str, person: Person) -> None:
    page = person.page
    await person.open("/login")
    await page.get_by_role("button", name=HARBOUR).click()
    await allow(page, account)
    await expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
    await expect(page.get_by_text(words)).to_be_visible()
    assert await person.violations() == []
    await person.screenshot(f"refused-{account}-light")
    await page.get_by_role("link", name="To the sign-in").click()
    await expect(page.get_by_role("button", name=HARBOUR)).to_be_enabled()


async def test_who_thinks_better_of_it_at_the_provider_is_told_so(person: Person) -> None:
    page = person.page
    await person.open("/login")
    await page.get_by_role("button", name=HARBOUR).click()
    await page.get_by_role("link", name="Cancel").click()
    await expect(page.get_by_text("The identity provider said no.")).to_be_visible()


async def test_saml_posts_across_sites_and_the_browser_is_known_again(person: Person) -> None:
    page = person.page
    await person.open("/login")
    await page.get_by_role("button", name=CUSTOMS).click()
    await page.wait_for_url(THERE)
    await page.get_by_label("E-mail").fill("sam@customs.example")
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_role("button", name="Account of Somebody")).to_be_visible()
    assert page.url.startswith(person.url)


async def test_one_provider_and_no_passwords_need_no_click_and_a_sign_out_lasts(
    person: Person, company: Company
) -> None:
    file = Path(company.party.settings["BURGEE_SIGN_IN_FILE"])
    file.write_text(file.read_text().split("[customs]")[0])
    company.party.settings["BURGEE_LOCAL_SIGN_IN"] = "false"
    company.party.stop()
    company.party.start()
    page = person.page
    await person.open(company.somewhere)
    await allow(page, "grace")
    await page.wait_for_url(company.url + company.somewhere)

    await page.get_by_role("button", name="Account of Grace").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    # The provider still knows her: without a question she would be in again.
    await expect(page.get_by_role("button", name=HARBOUR)).to_be_visible()
    await expect(page.get_by_label("Password", exact=True)).to_have_count(0)
    await page.get_by_role("button", name=HARBOUR).click()
    await expect(page.get_by_role("button", name="Account of Grace")).to_be_visible()
    await expect(page).not_to_have_url(re.compile("/app-settings"))
