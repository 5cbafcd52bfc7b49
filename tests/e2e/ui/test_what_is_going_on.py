"""What is going on, as people see it: changes by others, why somebody gets what, audit, usage, jumping."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.admin import EMAIL, PASSWORD, Admin, Application, attribute, open_admin, strategy
from tests.support.browser import Person, open_person
from tests.support.party import PartyProcess
from tests.support.streams import open_stream

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True)
class Shop:
    """A feature with rules, one without, and a robot that changes things elsewhere."""

    application: Application
    robot: Admin
    key: str

    def at(self, path: str, **more: str) -> str:
        words = {
            "portfolio": self.application.portfolio_id,
            "application": self.application.id,
            "environment": self.application.environment_id,
            **more,
        }
        return path + "?" + "&".join(f"{name}={value}" for name, value in words.items())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(party: PartyProcess) -> AsyncIterator[Shop]:
    async with open_admin(party.url, party.token) as admin:
        portfolio = await admin.create_portfolio("Harbour")
        application = await admin.create_application(portfolio, "Chandlery")
        where = application.environment_id
        await admin.create_feature(application.id, "RIGGING", "STRING")
        await admin.create_feature(application.id, "BANNER", "STRING")
        sailors = strategy("Sailors", "spinnaker", attribute("country", "EQUALS", ["norway"]))
        few = strategy("A few others", "genoa", percentage=1)
        await admin.set(where, "RIGGING", "plain", strategies=[sailors, few])
        await admin.set(where, "BANNER", "calm")
        account = await admin.create_account(portfolio, {where: ["READ"]})
        shown = await admin.call("GET", f"/portfolio/{portfolio}", includeGroups="true")
        admins = next(each["id"] for each in shown["groups"] if each.get("admin"))
        made = await admin.call(
            "POST", "/person", {"name": "Deckhand", "personType": "serviceAccount", "groupIds": [admins]}
        )
        yield Shop(
            application, Admin(admin.http, admin.url, made["token"]), account.sdk_key(where, client=True)
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def person(browser: Browser, party: PartyProcess) -> AsyncIterator[Person]:
    async with open_person(browser, party.url) as someone:
        await someone.sign_in(EMAIL, PASSWORD)
        yield someone


async def test_what_others_change_appears_and_says_who_it_was(person: Person, shop: Shop) -> None:
    page = person.page
    await person.open(shop.at("/feature-dashboard"))
    await expect(page.get_by_text("calm").first).to_be_visible()
    await person.listens()
    await shop.robot.set(shop.application.environment_id, "BANNER", "stormy")
    await expect(page.get_by_text("stormy").first).to_be_visible()
    cell = page.get_by_role("gridcell", name=re.compile("BANNER, production: stormy, Deckhand"))
    await expect(cell).to_be_visible()


async def test_why_somebody_gets_what(person: Person, shop: Shop) -> None:
    page = person.page
    await person.open(shop.at("/playground"))
    await page.get_by_label("User key").fill("fred")
    rigging = page.get_by_role("button", name="RIGGING")
    await expect(rigging).to_contain_text("Default value: no rule applies")
    await rigging.click()
    await expect(page.get_by_text("Does not apply: country is not given.")).to_be_visible()
    await expect(page.get_by_text("The caller is outside of its share.")).to_be_visible()

    await page.get_by_label("Header x-featurehub").fill("x-featurehub: country=norway")
    await expect(rigging).to_contain_text("Decided by “Sailors”")
    await expect(rigging.get_by_test_id("evaluated-value")).to_have_text("spinnaker")
    await expect(page.get_by_text("Not reached: a rule before it has decided.")).to_be_visible()
    await person.settle()
    await person.screenshot("why")
    assert await person.violations() == []

    # It is all in the address: somebody else sees the same.
    await page.wait_for_function("location.search.includes('norway')")
    await page.reload()
    await expect(page.get_by_role("button", name="RIGGING")).to_contain_text("Decided by “Sailors”")
    await person.listens()

    # And it follows what others change.
    await shop.robot.set(shop.application.environment_id, "BANNER", "rainbow")
    await expect(page.get_by_role("button", name="BANNER")).to_contain_text("rainbow")


async def test_the_audit_is_searched_and_shows_what_changed(person: Person, shop: Shop) -> None:
    page = person.page
    await shop.robot.set(shop.application.environment_id, "BANNER", "harvest")
    await person.open(shop.at("/audit"))
    await page.get_by_role("combobox", name="Kind of object").click()
    await page.get_by_role("option", name="feature value", exact=True).click()
    await expect(page.get_by_role("row").filter(has_text="portfolio")).to_have_count(0)
    # Who made the shop.
    others = page.get_by_role("row").filter(has_text=EMAIL)
    await expect(others.first).to_be_visible()
    row = page.get_by_role("row").filter(has_text="Deckhand").filter(has_text="BANNER").first
    await row.get_by_role("button", name="Details of the change of BANNER").click()
    await expect(page.get_by_text("harvest")).to_be_visible()
    await row.get_by_role("button", name="More like this").click()
    await page.get_by_role("menuitem", name="Everything by this person").click()
    await expect(others).to_have_count(0)
    await person.settle()
    await person.screenshot("audit-search")
    assert await person.violations() == []
    await page.get_by_role("button", name="Clear the search").click()
    await expect(others.first).to_be_visible()


async def test_usage_is_drawn_and_told_in_numbers(person: Person, shop: Shop, party: PartyProcess) -> None:
    page = person.page
    async with open_stream(party.url, shop.key) as stream, aiohttp.ClientSession() as http:
        await stream.heard("features")
        for _ in range(5):
            async with http.get(f"{party.url}/features", params={"apiKey": shop.key}) as answer:
                assert answer.status == 200
        await person.open(shop.at("/usage"))
        # Edges tell every ten seconds, and the page asks again every fifteen.
        await expect(page.get_by_text("1 stream is open now")).to_be_visible(timeout=90_000)
        await expect(page.get_by_text("6 requests")).to_be_visible(timeout=90_000)
        await expect(page.get_by_role("figure", name="Requests")).to_be_visible()
        await person.screenshot("usage-charts")
        await page.get_by_role("button", name="Show numbers").click()
        await expect(page.get_by_role("table", name="Usage in numbers")).to_be_visible()
        assert await person.violations() == []


async def test_anything_is_jumped_to_by_typing(person: Person, shop: Shop) -> None:
    page = person.page
    await person.open("/applications")
    await page.get_by_role("heading", level=1).wait_for()
    await page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Jump to…")
    await box.fill("rigg")
    await expect(page.get_by_role("option").first).to_contain_text("RIGGING")
    await person.screenshot("palette")
    assert await person.violations() == []
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/feature-values?**feature=RIGGING**")

    await person.open("/applications")
    await page.get_by_role("heading", level=1).wait_for()
    await page.keyboard.press("Control+k")
    await box.fill("aud")
    await expect(page.get_by_role("option").first).to_contain_text("Audit")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/audit")
    await expect(box).to_have_count(0)
    await page.keyboard.press("Control+k")
    await person.escape(page.get_by_role("dialog"))
    await expect(box).to_have_count(0)
