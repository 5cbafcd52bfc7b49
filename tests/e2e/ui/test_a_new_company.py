"""The story of a company from an empty server to features in its software, with nothing but a browser.

Its steps build on each other and run in this order; nothing is prepared through the API.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.support.browser import Person, open_person
from tests.support.listener import open_listener
from tests.support.party import PartyProcess
from tests.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

ADA, GRACE = "ada@harbour.example", "grace@harbour.example"
PASSWORD, CHOSEN = "a bell buoy off the pier", "three lanterns at midnight"


@dataclass
class Company:
    """What one step learns for the next."""

    ada: Person
    grace: Person
    notes: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartyProcess]:
    """A server that nobody has set up, and that may post to this machine."""
    party = PartyProcess(
        tmp_path_factory.mktemp("company"), settings={"BURGEE_OUTGOING_PRIVATE_NETWORKS": "127.0.0.0/8"}
    )
    try:
        party.start()
        yield party
    finally:
        party.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(browser: Browser, empty: PartyProcess) -> AsyncIterator[Company]:
    # 404: whether the server is set up is asked first.
    async with (
        open_person(browser, empty.url, expected={404}) as ada,
        open_person(browser, empty.url, expected={404}) as grace,
    ):
        yield Company(ada, grace)


async def give(form: Page | Locator, email: str, password: str) -> None:
    await form.get_by_role("textbox", name="E-mail").fill(email)
    await form.get_by_label("Password", exact=True).fill(password)
    await form.get_by_role("button", name="Sign in").click()


async def close(shown: Locator) -> None:
    await shown.get_by_role("button", name="Close", exact=True).click()
    await expect(shown).to_be_hidden()


async def test_the_first_visitor_sets_the_server_up(company: Company) -> None:
    ada, page = company.ada, company.ada.page
    await ada.open("/")
    await page.wait_for_url("**/setup")
    await expect(page.get_by_role("button", name="Continue")).to_be_disabled()
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_label("E-mail").fill(ADA)
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_label("Repeat the password").fill(PASSWORD)
    await ada.look("setup")
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_label("Organisation").fill("Harbour & Sons")
    await page.get_by_label("First portfolio").fill("Harbour")
    await ada.look("setup-organisation")
    await page.get_by_role("button", name="Finish").click()
    await expect(page.get_by_role("heading", name="Burgee is ready")).to_be_visible()
    await ada.look("setup-done")
    await page.get_by_role("button", name="Begin").click()
    await expect(page.get_by_role("heading", name="Applications", level=1)).to_be_visible()


async def test_an_application_with_a_second_environment(company: Company) -> None:
    ada, page = company.ada, company.ada.page
    await ada.create("Create application", Name="Chandlery", Description="Ropes and lanterns")
    await expect(page.get_by_text("Chandlery was created")).to_be_visible()
    await page.get_by_role("link", name="Environments", exact=True).click()
    await ada.create("Create environment", Name="staging")
    await expect(page.get_by_text("staging was created.")).to_be_visible()


async def test_a_group_is_made_and_somebody_is_invited_into_it(company: Company) -> None:
    ada, page = company.ada, company.ada.page
    await page.get_by_role("link", name="Groups", exact=True).click()
    await ada.create("Create group", Name="Deck crew")
    await page.get_by_role("link", name="Users", exact=True).click()
    await page.get_by_role("link", name="Invite somebody").click()
    await page.get_by_role("textbox", name="E-mail").fill(GRACE)
    await page.get_by_label("Deck crew").check()
    await page.get_by_role("button", name="Create invitation").click()
    await page.get_by_role("button", name="Copy: Registration link").click()
    link = await page.get_by_role("textbox", name="Registration link").input_value()
    assert link

    async def copied() -> bool:
        return bool(await page.evaluate("navigator.clipboard.readText()") == link)

    await eventually(copied, within_seconds=30, what="the link on the clipboard")
    company.notes["invitation"] = link
    await ada.clear_notices()
    await ada.screenshot("invitation-light")


async def test_the_group_gets_its_permissions(company: Company) -> None:
    page = company.ada.page
    await page.get_by_role("link", name="Group permissions", exact=True).click()
    await page.get_by_label("Create features").check()
    await page.get_by_label("staging: everything").check()
    await page.get_by_label("production: Read", exact=True).check()
    await company.ada.clear_notices()
    await company.ada.screenshot("group-permissions-light")
    await page.get_by_role("button", name="Save permissions").click()
    await company.ada.told("The permissions were saved.")


async def test_the_invited_register_and_get_in(company: Company) -> None:
    page = company.grace.page
    await page.goto(company.notes["invitation"])
    await expect(page.get_by_label("E-mail")).to_have_value(GRACE)
    await page.get_by_label("Name").fill("Grace")
    await page.get_by_label("New password").fill(PASSWORD)
    await page.get_by_label("Repeat the password").fill(PASSWORD)
    await company.grace.look("invited")
    await page.get_by_role("button", name="Accept and sign in").click()
    await expect(page.get_by_role("heading", name="Features", level=1)).to_be_visible()
    await expect(page.get_by_role("link", name="Users", exact=True)).to_have_count(0)


async def test_a_service_account_gets_keys_that_work(company: Company) -> None:
    ada, page = company.ada, company.ada.page
    await page.get_by_role("link", name="Service accounts", exact=True).click()
    await ada.create("Create service account", Name="Web shop")
    await page.get_by_role("link", name="Service account permissions", exact=True).click()
    for environment in ("production", "staging"):
        await page.get_by_label(f"{environment}: Read", exact=True).check()
    await page.get_by_role("button", name="Save permissions").click()
    await ada.told("The permissions were saved.")
    await page.get_by_role("link", name="API keys", exact=True).click()
    card = page.get_by_role("article", name="Web shop")
    company.notes["key"] = await card.get_by_label("Server-evaluated key", exact=True).input_value()
    await card.get_by_role("button", name="Use in code").click()
    drawer = page.get_by_role("dialog")
    await expect(drawer.locator("code, pre").first).to_be_visible()
    await expect(drawer).to_contain_text(company.notes["key"].split("/")[0])
    await ada.settle()
    await ada.clear_notices()
    await ada.screenshot("snippet-light")
    assert await ada.violations() == []
    await ada.escape(drawer)


async def test_features_of_two_types_get_values_and_a_strategy(company: Company, empty: PartyProcess) -> None:
    grace, page = company.grace, company.grace.page
    for name, kind in (("Free shipping", "On or off"), ("Lantern prices", "JSON")):
        await page.get_by_role("button", name="New feature").first.click()
        form = grace.dialog("New feature")
        await form.get_by_role("textbox", name="Name").fill(name)
        await form.get_by_text(kind, exact=True).click()
        await form.get_by_role("button", name="Create", exact=True).click()
        await expect(form).to_be_hidden()
    # Values of new features are locked: switching asks about that.
    await page.get_by_role("switch", name="Free shipping in staging").click()
    await page.get_by_role("button", name="Unlock and switch On").click()
    await expect(page.get_by_text("Free shipping is On in staging.")).to_be_visible()

    await page.get_by_role("gridcell", name=re.compile("^Free shipping, staging")).click(
        position={"x": 90, "y": 20}
    )
    await page.get_by_role("button", name="Add a strategy").click()
    strategy = grace.dialog("New strategy")
    await strategy.get_by_role("textbox", name="Name").fill("Norwegians")
    await strategy.get_by_role("button", name="Add a condition").click()
    await page.get_by_role("menuitem", name="Country").click()
    await (
        strategy.get_by_role("combobox", name="Values")
        .or_(strategy.get_by_label("Values"))
        .first.fill("norway")
    )
    await page.get_by_role("option", name="Norway").click()
    await strategy.get_by_text("when Country is Norway").wait_for()
    await page.keyboard.press("Escape")
    await strategy.get_by_role("button", name="Take over").click()
    await grace.save_in("staging")
    await close(grace.dialog("Free shipping"))

    await page.get_by_role("gridcell", name=re.compile("^Lantern prices, staging")).click()
    document = page.get_by_role("textbox", name="Default value")
    await document.fill('{"small": 12,')
    await expect(page.get_by_text(re.compile("^Line 1: "))).to_be_visible()
    for small in (12, 14):
        await document.fill(f'{{"small": {small}, "large": 30}}')
        await grace.save_in("staging")
    await page.get_by_role("button", name="Show history").click()
    await expect(page.get_by_text("Version 2", exact=True)).to_be_visible()
    await expect(page.get_by_text("by Grace").first).to_be_visible()
    await page.get_by_role("button", name="Compare with the version before").first.click()
    await grace.settle()
    await grace.screenshot("history-light")
    assert await grace.violations() == []
    await close(grace.dialog("Lantern prices"))


async def test_a_webhook_is_tested_and_its_delivery_is_listed(company: Company) -> None:
    ada, page = company.ada, company.ada.page
    async with open_listener() as listener:
        await page.get_by_role("link", name="Integrations", exact=True).click()
        await ada.press(page.get_by_label("Enabled"))
        await page.get_by_role("textbox", name="Address").fill(f"{listener.url}/burgee")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_text("The integration was saved.")).to_be_visible()
        await page.get_by_role("button", name="Send a test").click()
        (heard, *_) = await listener.wait_for(1, path="/burgee", within_seconds=30)
        assert json.loads(heard.body)
        row = page.get_by_role("row").filter(has_text="200")
        await expect(row.first).to_be_visible()
        await ada.clear_notices()
        await ada.screenshot("webhook-light")
        assert await ada.violations() == []


async def test_a_feature_group_and_a_strategy_of_the_application(company: Company) -> None:
    ada, page = company.ada, company.ada.page
    await page.get_by_role("link", name="Application strategies", exact=True).click()
    await (
        page.get_by_role("link", name="Create strategy")
        .or_(page.get_by_role("button", name="Create strategy"))
        .first.click()
    )
    await page.get_by_role("textbox", name="Name").fill("A tenth")
    await page.get_by_role("textbox", name="Share of callers").fill("10")
    await ada.clear_notices()
    await ada.screenshot("application-strategy-light")
    await page.get_by_role("button", name="Create", exact=True).click()
    await expect(page.get_by_text("A tenth was created.")).to_be_visible()

    await page.get_by_role("link", name="Feature groups", exact=True).click()
    await ada.create("Create feature group", Name="Night sale")
    await page.get_by_role("button", name="Add strategy").click()
    strategy = ada.dialog("Add strategy")
    await strategy.get_by_role("textbox", name="Name").fill("Half of them")
    await strategy.get_by_role("textbox", name="Share of callers").fill("50")
    await strategy.get_by_role("button", name="Save").click()
    await expect(strategy).to_be_hidden()
    await ada.choose("Add a feature", "Free shipping")
    await page.get_by_role("button", name="Apply all").click()
    asked = page.get_by_role("dialog")
    await expect(asked).to_contain_text("free_shipping joins with the value")
    await asked.get_by_role("button", name="Apply all").click()
    await expect(page.get_by_text("The group was saved and is on its way to SDKs.")).to_be_visible()
    await ada.clear_notices()
    await ada.screenshot("feature-group-light")
    assert await ada.violations() == []


async def test_the_audit_tells_it_all(company: Company) -> None:
    page = company.ada.page
    await page.get_by_role("link", name="Audit", exact=True).click()
    for what in ("Night sale", "A tenth", "free_shipping", GRACE):
        await expect(page.get_by_role("row").filter(has_text=what).first).to_be_visible()
    await company.ada.screenshot("audit-of-a-company-light")


async def test_a_forgotten_password_is_replaced(company: Company) -> None:
    ada, grace = company.ada, company.grace
    await ada.page.get_by_role("link", name="Users", exact=True).click()
    await ada.page.get_by_role("button", name="Actions for Grace").click()
    await ada.page.get_by_role("menuitem", name="Reset password").click()
    shown = ada.page.get_by_role("textbox", name="Temporary password")
    await expect(shown).not_to_have_value("")
    temporary = await shown.input_value()
    await ada.page.get_by_role("button", name="Set temporary password").click()
    await expect(ada.page.get_by_text("Grace has a temporary password.")).to_be_visible()

    # She is signed out everywhere, keeps her place, and needs a password of her own.
    await grace.page.goto(f"{grace.url}/feature-dashboard")
    await give(grace.page, GRACE, temporary)
    await expect(grace.page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    await grace.look("forced-password")
    await grace.page.get_by_label("New password").fill(CHOSEN)
    await grace.page.get_by_label("Repeat the password").fill(CHOSEN)
    await grace.page.get_by_role("button", name="Set password and go on").click()
    await expect(grace.page.get_by_role("heading", name="Features", level=1)).to_be_visible()


async def test_who_comes_after_a_sign_out_begins_at_home(company: Company) -> None:
    page = company.grace.page
    await page.get_by_role("link", name="Why?", exact=True).click()
    await expect(page.get_by_role("heading", name="Why?", level=1)).to_be_visible()
    await page.get_by_role("button", name="Account of Grace").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await page.wait_for_url("**/login")
    company.grace.expected.add(400)
    await give(page, ADA, "not her password")
    await expect(page.get_by_text("E-mail or password is wrong.")).to_be_visible()
    await give(page, ADA, PASSWORD)
    await expect(page.get_by_role("button", name="Account of Ada")).to_be_visible()
    await expect(page.get_by_role("heading", name="Features", level=1)).to_be_visible()


async def test_another_person_in_a_lost_session_begins_at_home(company: Company) -> None:
    person, page = company.grace, company.grace.page
    await person.open("/users?q=gr")
    await expect(page.get_by_role("heading", name="Users", level=1)).to_be_visible()
    ended = {"authorization": await person.come_again()}
    await expect(page.get_by_role("heading", name="Users", level=1)).to_be_visible()
    assert (await person.context.request.get(f"{person.url}/mr-api/logout", headers=ended)).ok
    await person.context.clear_cookies()
    lost = page.get_by_role("dialog", name="Your session has ended")
    await give(lost, GRACE, CHOSEN)
    await expect(lost).to_be_hidden()
    await expect(page.get_by_role("button", name="Account of Grace")).to_be_visible()
    await expect(page.get_by_role("heading", name="Features", level=1)).to_be_visible()
