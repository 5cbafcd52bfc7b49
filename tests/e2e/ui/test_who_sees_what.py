"""Each role sees the screens that it can use, and no button that the server would refuse."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.admin import EMAIL, PASSWORD, Admin, open_admin
from tests.support.browser import Person, open_person
from tests.support.example import Example, add_group, make_example
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
ENVIRONMENT_ROLES = {
    "reader": ["READ"],
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
            person = await self.open.enter_async_context(open_person(self.browser, self.url))
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
        creators = await add_group(admin, example.application, "creator", ["FEATURE_CREATE"], {})
        await register(admin, "creator", [creators])
        for name, roles in ENVIRONMENT_ROLES.items():
            group = await add_group(admin, example.application, name, [], {example.staging: roles})
            await register(admin, name, [group])
    return Crew(example, browser, party.url, stack)


async def register(admin: Admin, name: str, groups: list[str]) -> None:
    email = f"{name}@burgee.example"
    invited = await admin.call(
        "POST", "/person", {"email": email, "personType": "person", "groupIds": groups}
    )
    await admin.call(
        "POST",
        "/authentication",
        {
            "name": name.capitalize(),
            "email": email,
            "password": PASSWORD,
            "confirmPassword": PASSWORD,
            "registrationToken": invited["token"],
        },
    )


@pytest.mark.parametrize("role", MENUS)
async def test_the_menu_has_what_the_role_can_use(role: str, crew: Crew) -> None:
    # 404: values of environments that are not theirs.
    async with crew.signed_in(role, {404} if role == "creator" else ()) as person:
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
        await switch.click(force=True)
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
        await page.get_by_role("switch", name="Locked").click(force=True)
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_text("Saved in staging.")).to_be_visible()


async def test_who_may_change_values_unlocks_and_changes_at_once(crew: Crew) -> None:
    async with crew.signed_in("changer") as person:
        page = person.page
        await person.open(
            crew.example.fill("/feature-dashboard") + f"&feature=MAX_ITEMS&environment={crew.example.staging}"
        )
        value = page.get_by_role("textbox", name="Default value")
        await expect(value).not_to_be_editable()
        await page.get_by_role("switch", name="Locked").click(force=True)
        await value.fill("31")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_text("Saved in staging.")).to_be_visible()
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
