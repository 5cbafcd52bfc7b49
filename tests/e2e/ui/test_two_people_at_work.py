"""Two people and a program look at the same features: nobody overwrites anybody unknowingly."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from tests.support.admin import EMAIL, PASSWORD, Admin
from tests.support.browser import Person, open_person
from tests.support.example import Example
from tests.support.party import PartyProcess
from tests.support.sdk import open_sdk

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ada(browser: Browser, party: PartyProcess, example: Example) -> AsyncIterator[Person]:
    async with open_person(browser, party.url, expected={409}) as person:
        await person.sign_in(EMAIL, PASSWORD)
        await person.open(dashboard(example))
        yield person


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grace(browser: Browser, party: PartyProcess, example: Example) -> AsyncIterator[Person]:
    """Another browser of the same rights: what matters here is that it is not Ada's."""
    async with open_person(browser, party.url, expected={409}) as person:
        await person.sign_in(EMAIL, PASSWORD)
        await person.open(dashboard(example))
        yield person


def dashboard(example: Example, **more: str) -> str:
    words = {"portfolio": example.portfolio_id, "application": example.application.id} | more
    return f"/feature-dashboard?{urlencode(words)}"


def editor_of(example: Example, key: str, environment: str) -> str:
    return dashboard(example, feature=key, environment=environment)


def switch(person: Person, environment: str) -> Locator:
    return person.page.get_by_role("switch", name=f"Feature NEW_CART in {environment}")


async def test_a_click_reaches_the_other_browser_and_a_program(
    ada: Person, grace: Person, party: PartyProcess, admin: Admin, example: Example
) -> None:
    account = await admin.create_account(example.portfolio_id, {example.staging: ["READ"]})
    key = account.sdk_key(example.staging, client=True)
    async with open_sdk("js", "stream", url=party.url, keys=[key]) as sdk:
        await sdk.holds("NEW_CART", True, within_seconds=30)
        await expect(switch(grace, "staging")).to_be_checked()
        await grace.listens()
        await switch(ada, "staging").click()
        await sdk.holds("NEW_CART", False, within_seconds=30)
        await expect(switch(grace, "staging")).not_to_be_checked()
        await expect(switch(ada, "staging")).not_to_be_checked()


@pytest.mark.parametrize("choice", ["mine", "theirs"])
async def test_who_saves_second_is_asked_what_to_keep(
    choice: str, ada: Person, grace: Person, admin: Admin, example: Example
) -> None:
    kept = await admin.set(example.staging, "BANNER", "Welcome to the shop")
    for person, text in ((ada, "from Ada"), (grace, "from Grace")):
        await person.open(editor_of(example, "BANNER", example.staging))
        await person.page.get_by_role("textbox", name="Default value").fill(text)
        await person.listens()
    await ada.save_in("staging")

    # She is told before she saves, and may go on.
    await expect(grace.page.get_by_text("Ada saved a new version while you were editing.")).to_be_visible()
    await grace.page.get_by_role("button", name="Save", exact=True).click()
    question = grace.page.get_by_role("dialog", name="Two people changed this")
    for text in ("Welcome to the shop", "from Ada", "from Grace"):
        await expect(question.get_by_text(text).first).to_be_visible()
    if choice == "mine":
        await grace.screenshot("conflict-light")
        assert await grace.violations() == []
    else:
        await question.get_by_text("Keep theirs").click()
    await question.get_by_role("button", name="Save the result").click()
    await expect(question).to_be_hidden()
    row = await admin.value(example.staging, "BANNER")
    assert row is not None
    assert row["valueString"] == ("from Grace" if choice == "mine" else "from Ada")
    assert row["version"] > kept["version"]


async def test_production_is_saved_after_a_look_at_what_it_does(
    ada: Person, admin: Admin, example: Example
) -> None:
    production = example.application.environment_id
    await ada.open(editor_of(example, "MAX_ITEMS", production))
    await ada.page.get_by_role("textbox", name="Default value").fill("30")
    await ada.page.get_by_role("button", name="Review and save").click()
    review = ada.page.get_by_role("dialog", name="What will this do?")
    await expect(review.get_by_text("25 → 30")).to_be_visible()
    await ada.screenshot("review-light")
    assert await ada.violations() == []
    await review.get_by_role("button", name="Save in production").click()
    await expect(ada.page.get_by_text("Saved in production.")).to_be_visible()
    await expect(ada.page.get_by_text("Live on 1 of 1 Edge")).to_be_visible()
    row = await admin.value(production, "MAX_ITEMS")
    assert row is not None
    assert row["valueNumber"] == 30
