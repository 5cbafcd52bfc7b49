"""Each role sees the screens that it can use, and no button that the server would refuse."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.admin import EMAIL, PASSWORD, open_admin
from tests.support.browser import Person, open_person
from tests.support.example import Example, add_group, make_example, register
from tests.support.party import PartyProcess

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

ALL = frozenset({"Applications", "Features", "Feature groups", "Application strategies", "API keys"}) | {
    "Why?",
    "Usage",
}
SETTINGS = {"Environments", "Group permissions", "Service account permissions", "Integrations"}
PORTFOLIO = {"Groups", "Service accounts", "Feature filters"}
ORGANIZATION = {"Users", "Admin service accounts", "Audit"}
MENUS = {
    "superuser": ALL | SETTINGS | PORTFOLIO | ORGANIZATION | {"Portfolios", "System configuration"},
    "admin": ALL | SETTINGS | PORTFOLIO | ORGANIZATION,
    "creator": ALL | {"Feature filters"},
    "editor": ALL | {"Feature filters"},
    "strategist": ALL | {"Feature filters"},
    "reader": ALL | {"Feature filters"},
    "locker": ALL | {"Feature filters"},
    "changer": ALL | {"Feature filters"},
    "stranger": ALL,
}
FOREIGN = {
    "admin": ("/portfolios", "/system-config"),
    "changer": ("/users", "/audit", "/groups", "/app-settings/environments", "/system-config"),
    "stranger": ("/feature-filters", "/create-user"),
}
APPLICATION_ROLES = {
    "creator": ["FEATURE_CREATE"],
    "editor": ["FEATURE_EDIT_AND_DELETE"],
    "strategist": ["APP_STRATEGY_EDIT_AND_DELETE"],
}
BLIND = {"creator", "strategist"}
ENVIRONMENT_ROLES = {
    "reader": ["READ"],
    # Without a value that may be seen there is no grid to edit features in.
    "editor": ["READ"],
    "locker": ["READ", "LOCK", "UNLOCK"],
    "changer": ["READ", "CHANGE_VALUE", "LOCK", "UNLOCK"],
}


@dataclass(frozen=True)
class Crew:
    """Somebody of each role, with an e-mail each and the same password."""

    example: Example
    browser: Browser
    url: str
    open: AsyncExitStack
    people: dict[str, Person] = field(default_factory=dict)

    @asynccontextmanager
    async def signed_in(self, role: str, expected: Iterable[int] = ()) -> AsyncIterator[Person]:
        """Somebody of the role, who signs in once for all tests."""
        if role not in self.people:
            email = EMAIL if role == "superuser" else f"{role}@burgee.example"
            # Also while signing in, which leads to the features at once.
            opened = open_person(self.browser, self.url, expected=set(expected))
            person = await self.open.enter_async_context(opened)
            await person.sign_in(email, PASSWORD)
            self.people[role] = person
        person = self.people[role]
        person.expected |= set(expected)
        yield person
        assert person.faults == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crew(browser: Browser, party: PartyProcess) -> AsyncIterator[Crew]:
    async with AsyncExitStack() as stack:
        yield await recruit(browser, party, stack)


async def recruit(browser: Browser, party: PartyProcess, stack: AsyncExitStack) -> Crew:
    async with open_admin(party.url, party.token) as admin:
        example = await make_example(admin)
        await admin.set(example.staging, "MAX_ITEMS", 25, locked=True)
        portfolio = example.portfolio_id
        shown = await admin.call("GET", f"/portfolio/{portfolio}", includeGroups="true")
        admins = next(each["id"] for each in shown["groups"] if each.get("admin"))
        await register(admin, "admin", [admins])
        await register(admin, "stranger", [])
        for name in APPLICATION_ROLES | ENVIRONMENT_ROLES:
            there = {example.staging: ENVIRONMENT_ROLES[name]} if name in ENVIRONMENT_ROLES else {}
            group = await add_group(admin, example.application, name, APPLICATION_ROLES.get(name, []), there)
            await register(admin, name, [group])
    return Crew(example, browser, party.url, stack)


@pytest.mark.parametrize("role", MENUS)
async def test_the_menu_has_what_the_role_can_use(role: str, crew: Crew) -> None:
    # 404: values of environments that are not theirs.
    async with crew.signed_in(role, {404} if role in BLIND else ()) as person:
        menu = person.page.get_by_role("navigation", name="Main menu")
        await expect(menu.get_by_role("link")).to_have_count(len(MENUS[role]))
        assert set(await menu.get_by_role("link").all_inner_texts()) == MENUS[role]
        await (
            person.page.get_by_role("heading", level=1)
            .or_(person.page.get_by_role("heading", level=2))
            .first.wait_for()
        )
        await person.settle()
        await person.screenshot(f"role-{role}")
        assert await person.violations() == []


@pytest.mark.parametrize("role", FOREIGN)
async def test_typing_the_address_of_a_screen_of_others_is_answered_kindly(role: str, crew: Crew) -> None:
    async with crew.signed_in(role) as person:
        for path in FOREIGN[role]:
            await person.open(crew.example.fill(path))
            expected = (
                "You are in no portfolio yet" if role == "stranger" else "This page is not for your role"
            )
            await expect(person.page.get_by_role("heading", name=expected)).to_be_visible()


async def test_a_reader_looks_and_changes_nothing(crew: Crew) -> None:
    async with crew.signed_in("reader") as person:
        page = person.page
        await person.open(crew.example.fill("/feature-dashboard"))
        switch = page.get_by_role("switch", name="Feature NEW_CART in staging")
        await expect(switch).to_have_attribute("aria-disabled", "true")
        await person.press(switch)
        await expect(page.get_by_text("Your role there does not allow switching.")).to_be_visible()
        await expect(page.get_by_role("button", name="New feature")).to_have_count(0)
        hidden = page.get_by_role("gridcell", name="production: You may not see this environment")
        await expect(hidden.first).to_be_visible()

        await page.get_by_role("gridcell", name="Feature BANNER, staging").click()
        await expect(page.get_by_role("textbox", name="Default value")).not_to_be_editable()
        await expect(page.get_by_role("button", name="Add a strategy")).to_have_count(0)
        await expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()


async def test_who_may_only_lock_locks(crew: Crew) -> None:
    async with crew.signed_in("locker") as person:
        page = person.page
        await person.open(
            crew.example.fill("/feature-dashboard") + f"&feature=BANNER&environment={crew.example.staging}"
        )
        await expect(page.get_by_role("textbox", name="Default value")).not_to_be_editable()
        await person.press(page.get_by_role("switch", name="Locked"))
        await person.save_in("staging")


async def test_who_may_change_values_unlocks_and_changes_at_once(crew: Crew) -> None:
    async with crew.signed_in("changer") as person:
        page = person.page
        await person.open(
            crew.example.fill("/feature-dashboard") + f"&feature=MAX_ITEMS&environment={crew.example.staging}"
        )
        value = page.get_by_role("textbox", name="Default value")
        await expect(value).not_to_be_editable()
        await person.press(page.get_by_role("switch", name="Locked"))
        await value.fill("31")
        await person.save_in("staging")
        await expect(page.get_by_role("link", name="Audit trail")).to_have_count(0)


async def test_who_creates_features_sees_no_values(crew: Crew) -> None:
    # 404: values of environments that are not theirs.
    async with crew.signed_in("creator", {404}) as person:
        page = person.page
        await person.open(crew.example.fill("/feature-dashboard"))
        await expect(page.get_by_text("You may not see values here")).to_be_visible()
        await page.get_by_role("button", name="New feature").click()
        form = page.get_by_role("dialog", name="New feature")
        await form.get_by_role("textbox", name="Name").fill("A telescope")
        await form.get_by_role("button", name="Create", exact=True).click()
        await expect(page.get_by_text("“A telescope” is there")).to_be_visible()


async def test_who_edits_features_changes_and_deletes_them_but_no_value(crew: Crew) -> None:
    async with crew.signed_in("editor") as person:
        page = person.page
        await person.open(crew.example.fill("/feature-dashboard"))
        switch = page.get_by_role("switch", name="Feature NEW_CART in staging")
        await expect(switch).to_have_attribute("aria-disabled", "true")
        await person.create("New feature", Name="A sextant")
        await person.told("“A sextant” is there")
        await person.pick("Actions for A sextant", "Edit details")
        await person.fill_in("Feature details", "Save", Name="An octant")
        await person.pick("Actions for An octant", "Delete")
        await person.confirm("Delete “An octant”?", "Delete", typed="a_sextant")
        await person.told("“An octant” is deleted.")
        await expect(page.get_by_role("rowheader", name="An octant")).to_have_count(0)

        await person.open(crew.example.fill("/application-strategies"))
        await expect(page.get_by_role("link", name="Norwegians")).to_be_visible()
        await expect(page.get_by_role("link", name="Create strategy")).to_have_count(0)
        await expect(page.get_by_role("button", name="More about Norwegians")).to_have_count(0)


async def test_who_edits_strategies_makes_and_deletes_them_but_no_feature(crew: Crew) -> None:
    # 404: values of environments that are not theirs.
    async with crew.signed_in("strategist", {404}) as person:
        page = person.page
        await person.open(crew.example.fill("/application-strategies"))
        await page.get_by_role("link", name="Create strategy").click()
        await page.get_by_role("textbox", name="Name").fill("Sailors")
        await page.get_by_role("textbox", name="Share of callers").fill("5")
        await page.get_by_role("button", name="Create", exact=True).click()
        await person.told("Sailors was created.")
        await page.get_by_role("link", name="Sailors").click()
        await page.get_by_role("textbox", name="Share of callers").fill("50")
        await page.get_by_role("button", name="Save", exact=True).click()
        await person.told("Sailors was changed")
        await expect(page.get_by_role("row", name="Sailors")).to_contain_text("50 %")
        await person.pick("More about Sailors", "Delete")
        await person.confirm("Delete Sailors?", "Delete")
        await person.told("Sailors was deleted.")

        await person.open(crew.example.fill("/feature-dashboard"))
        await expect(page.get_by_text("You may not see values here")).to_be_visible()
        await expect(page.get_by_role("button", name="New feature")).to_have_count(0)
