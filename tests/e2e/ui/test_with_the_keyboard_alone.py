"""A day's work without a mouse: through the grid, into the editor, order, dialogs, and out again."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.admin import EMAIL, PASSWORD, attribute, open_admin, strategy
from tests.support.browser import Person, open_person
from tests.support.example import Example, make_example
from tests.support.party import PartyProcess

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

FRAMES = (
    "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 100))))"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def example(party: PartyProcess) -> Example:
    async with open_admin(party.url, party.token) as admin:
        made = await make_example(admin)
        rules = [
            strategy(name, f"for {name}", attribute("userkey", "EQUALS", [name]))
            for name in ("first", "second", "third")
        ]
        await admin.set(made.staging, "BANNER", "Welcome", strategies=rules)
        return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def person(browser: Browser, party: PartyProcess) -> AsyncIterator[Person]:
    async with open_person(browser, party.url) as someone:
        await someone.sign_in(EMAIL, PASSWORD)
        yield someone


async def test_the_grid_is_walked_and_switched(person: Person, example: Example) -> None:
    page = person.page
    await person.open(example.fill("/feature-dashboard"))
    grid = page.get_by_role("grid")
    await grid.focus()
    # Rows are sorted by key: BANNER, MAX_ITEMS, NEW_CART, SHIPPING; staging is the second environment.
    for key in ("Control+Home", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"):
        await page.keyboard.press(key)
    switch = page.get_by_role("switch", name="Feature NEW_CART in staging")
    await expect(switch).to_be_checked()
    await page.keyboard.press("Space")
    await expect(switch).not_to_be_checked()
    await expect(page.get_by_text("Feature NEW_CART is Off in staging.")).to_be_visible()

    await page.keyboard.press("m")
    await expect(page.get_by_role("menuitem", name="Copy key")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("menuitem", name="Copy key")).to_be_hidden()
    await expect(grid).to_be_focused()

    await page.keyboard.press("Enter")
    editor = page.get_by_role("dialog", name="Feature NEW_CART")
    await expect(editor).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(editor).to_be_hidden()
    await expect(grid).to_be_focused()


async def test_a_slash_searches_and_a_question_mark_helps(person: Person, example: Example) -> None:
    page = person.page
    await person.open(example.fill("/feature-dashboard"))
    await page.get_by_role("grid").focus()
    await page.keyboard.press("/")
    await page.keyboard.type("ship")
    await expect(page.get_by_role("rowheader")).to_have_count(1)
    await expect(page.get_by_role("rowheader")).to_contain_text("SHIPPING")
    await page.get_by_role("grid").focus()
    await page.keyboard.press("?")
    shortcuts = page.get_by_role("dialog", name="Keyboard shortcuts")
    await person.escape(shortcuts)


async def test_strategies_are_put_in_another_order(person: Person, example: Example) -> None:
    page = person.page
    await person.open(example.fill("/feature-dashboard") + f"&feature=BANNER&environment={example.staging}")
    handle = page.get_by_role("button", name="Move third", exact=True)
    await handle.focus()
    for key, said in (
        ("Space", "third now at 3 of 3."),
        ("ArrowUp", "third now at 2 of 3."),
        ("ArrowUp", "third now at 1 of 3."),
        ("Space", "third dropped at 1 of 3."),
    ):
        await page.keyboard.press(key)
        await expect(page.get_by_text(said)).to_be_attached()
        # What was taken up listens and is measured a little later; nobody's fingers are as quick as a test.
        await page.evaluate(FRAMES)
    handles = page.get_by_role("button", name=re.compile("^Move "))
    await expect(handles.first).to_have_accessible_name("Move third")
    await person.settle()
    await person.screenshot("strategies-light")
    assert await person.violations() == []
    await page.keyboard.press("Control+s")
    await expect(page.get_by_text("Saved in staging.")).to_be_visible()


async def test_escape_asks_before_it_loses_anything(person: Person, example: Example) -> None:
    page = person.page
    await person.open(example.fill("/feature-dashboard") + f"&feature=BANNER&environment={example.staging}")
    text = page.get_by_role("textbox", name="Default value")
    await text.fill("not saved")
    await page.keyboard.press("Escape")
    question = page.get_by_role("dialog", name="Leave without saving?")
    await person.escape(question)
    await expect(text).to_have_value("not saved")
    await page.get_by_role("button", name="Discard").click()
    await expect(text).to_have_value("Welcome")
