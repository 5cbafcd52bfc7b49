"""The server goes away, the session ends: nothing typed is lost, and one gets back to where one was."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.admin import EMAIL, PASSWORD, Admin
from tests.support.browser import Person, open_person
from tests.support.example import Example
from tests.support.party import PartyProcess

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module")
async def person(browser: Browser, party: PartyProcess, example: Example) -> AsyncIterator[Person]:
    # 503: a server that is about to end says so.
    async with open_person(browser, party.url, expected={503}) as someone:
        await someone.sign_in(EMAIL, PASSWORD)
        await someone.open(
            example.fill("/feature-dashboard") + f"&feature=BANNER&environment={example.staging}"
        )
        await someone.page.get_by_role("textbox", name="Default value").wait_for()
        yield someone


async def test_a_server_that_is_away_costs_no_input(
    person: Person, party: PartyProcess, admin: Admin, example: Example
) -> None:
    page = person.page
    text = page.get_by_role("textbox", name="Default value")
    await text.fill("typed in vain?")
    await asyncio.to_thread(party.stop)
    await page.get_by_role("button", name="Save", exact=True).click()
    drawer = page.get_by_role("dialog")
    await expect(drawer.get_by_text("The server does not answer.").first).to_be_visible()
    await expect(text).to_have_value("typed in vain?")
    await expect(page.get_by_test_id("live")).not_to_have_attribute("data-state", "live")
    await person.screenshot("server-away")
    assert await person.violations() == []

    await asyncio.to_thread(party.start)
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Saved in staging.")).to_be_visible()
    await expect(page.get_by_test_id("live")).to_have_attribute("data-state", "live", timeout=90_000)
    row = await admin.value(example.staging, "BANNER")
    assert row is not None
    assert row["valueString"] == "typed in vain?"
    # A refused connection is told in the console by the browser itself.
    person.faults[:] = [each for each in person.faults if "ERR_" not in each]


async def test_a_lost_session_is_taken_up_again_above_the_form(
    person: Person, party: PartyProcess, admin: Admin
) -> None:
    page = person.page
    token = await person.come_again()
    await page.get_by_role("textbox", name="Default value").fill("typed before the end")
    # Somebody ends it elsewhere: neither the page's token nor its cookie is good any more.
    headers = {"authorization": token}
    async with admin.http.get(f"{party.url}/mr-api/logout", headers=headers) as answer:
        assert answer.status < 300
    await person.context.clear_cookies()
    # The page hears of it by itself, as it hears of others' changes.
    lost = page.get_by_role("dialog", name="Your session has ended")
    await lost.get_by_label("E-mail").fill(EMAIL)
    await lost.get_by_label("Password", exact=True).fill(PASSWORD)
    await lost.get_by_role("button", name="Sign in").click()
    await expect(lost).to_be_hidden()
    await expect(page.get_by_role("textbox", name="Default value")).to_have_value("typed before the end")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Saved in staging.")).to_be_visible()


async def test_an_address_opened_without_a_session_is_where_signing_in_leads(
    browser: Browser, party: PartyProcess, example: Example
) -> None:
    async with open_person(browser, party.url) as someone:
        await someone.open(example.fill("/api-keys"))
        await someone.page.wait_for_url("**/login**")
        await someone.page.get_by_label("E-mail").fill(EMAIL)
        await someone.page.get_by_label("Password", exact=True).fill(PASSWORD)
        await someone.page.get_by_role("button", name="Sign in").click()
        await someone.page.wait_for_url(re.compile("/api-keys.*application="))
        await expect(someone.page.get_by_role("heading", name="API keys", level=1)).to_be_visible()
