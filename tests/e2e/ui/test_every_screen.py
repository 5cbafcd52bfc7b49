"""Every screen, light and dark: it opens without a fault, and everybody can use it.

Its picture is kept in build/screenshots, for people to look at.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.admin import EMAIL, PASSWORD, open_admin
from tests.support.browser import TABLET, Person, open_person
from tests.support.example import Example, make_example
from tests.support.party import PartyProcess

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

AREAS = Path(__file__).parents[3] / "mr" / "ui" / "src" / "areas"
PATHS = [
    path
    for file in sorted(AREAS.glob("*/routes.tsx"))
    for path in re.findall(r"path: '([^']+)'", file.read_text())
]
OUTSIDE_A_SESSION = {"/login", "/setup", "/register-url", "/forgot-password", "/oauth2-failure"}
COLOURS_AT_REST = """() => Promise.all(
    document.getAnimations()
        .filter((each) => each instanceof CSSTransition)
        .map((each) => each.finished.catch(() => null)),
).then(() => null)"""
SCREENS = [path for path in PATHS if path not in OUTSIDE_A_SESSION]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def example(party: PartyProcess) -> Example:
    async with open_admin(party.url, party.token) as admin:
        return await make_example(admin)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def person(browser: Browser, party: PartyProcess) -> AsyncIterator[Person]:
    """The administrator."""
    async with open_person(browser, party.url) as signed_in:
        await signed_in.sign_in(EMAIL, PASSWORD)
        yield signed_in


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger(browser: Browser, party: PartyProcess) -> AsyncIterator[Person]:
    """Somebody without a session."""
    async with open_person(browser, party.url, expected={404}) as nobody:
        yield nobody


def named(path: str) -> str:
    return path.strip("/").replace("/$id", "").replace("/", "-")


async def test_the_screens_are_found() -> None:
    assert len(SCREENS) >= 25
    assert set(PATHS) >= OUTSIDE_A_SESSION


async def turn(person: Person, scheme: Literal["light", "dark"]) -> None:
    """Let it become night or day, and wait until no colour is on its way any more."""
    await person.page.emulate_media(color_scheme=scheme)
    await person.page.locator(f"html[data-mantine-color-scheme={scheme}]").wait_for()
    await person.page.evaluate(COLOURS_AT_REST)


async def look(person: Person, name: str) -> None:
    """Take its picture and ask axe, by day and by night: the page follows while it is open."""
    await person.settle()
    await person.screenshot(f"{name}-light")
    assert await person.violations() == []
    await turn(person, "dark")
    await person.screenshot(f"{name}-dark")
    assert await person.violations(only="color-contrast") == []
    await turn(person, "light")
    assert person.faults == []


@pytest.mark.parametrize("path", SCREENS)
async def test_a_screen(path: str, person: Person, example: Example) -> None:
    await person.open(example.fill(path))
    await person.page.get_by_role("heading", level=1).first.wait_for()
    await look(person, named(path))


@pytest.mark.parametrize("path", sorted(OUTSIDE_A_SESSION - {"/setup"}))
async def test_a_screen_outside_a_session(path: str, stranger: Person) -> None:
    await stranger.open(path)
    await stranger.page.get_by_role("heading").first.wait_for()
    await look(stranger, named(path))


async def test_a_screen_opened_at_night_is_dark(browser: Browser, party: PartyProcess) -> None:
    async with open_person(browser, party.url, scheme="dark") as owl:
        await owl.open("/login")
        await owl.page.get_by_role("heading").first.wait_for()
        assert await owl.page.locator("html").get_attribute("data-mantine-color-scheme") == "dark"
        assert await owl.violations() == []


@pytest.mark.parametrize(
    "path", ["/feature-dashboard", "/applications", "/api-keys", "/app-settings/groups", "/users", "/audit"]
)
async def test_a_tablet_is_wide_enough(path: str, person: Person, example: Example) -> None:
    await person.page.set_viewport_size(TABLET)  # type: ignore[arg-type]
    await person.open(example.fill(path))
    await person.page.get_by_role("heading", level=1).first.wait_for()
    await person.settle()
    await person.screenshot(f"{named(path)}-tablet")
    wide = await person.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= TABLET["width"]
