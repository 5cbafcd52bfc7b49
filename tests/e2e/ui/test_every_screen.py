"""Every screen, light and dark: it opens without a fault, and everybody can use it.

Its picture is kept in build/screenshots, for people to look at.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

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
SCREENS = [path for path in PATHS if path not in OUTSIDE_A_SESSION]
SCHEMES = ("light", "dark")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def example(party: PartyProcess) -> Example:
    async with open_admin(party.url, party.token) as admin:
        return await make_example(admin)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(browser: Browser, party: PartyProcess) -> AsyncIterator[dict[str, Person]]:
    """The administrator at two browsers, one of them dark."""
    async with AsyncExitStack() as stack:
        signed_in = {}
        for scheme in SCHEMES:
            person = await stack.enter_async_context(open_person(browser, party.url, scheme=scheme))
            await person.sign_in(EMAIL, PASSWORD)
            signed_in[scheme] = person
        yield signed_in


def named(path: str) -> str:
    return path.strip("/").replace("/$id", "").replace("/", "-")


async def test_the_screens_are_found() -> None:
    assert len(SCREENS) >= 25
    assert set(PATHS) >= OUTSIDE_A_SESSION


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("path", SCREENS)
async def test_a_screen(path: str, scheme: str, people: dict[str, Person], example: Example) -> None:
    person = people[scheme]
    await person.open(example.fill(path))
    await person.page.get_by_role("heading", level=1).first.wait_for()
    await person.settle()
    await person.screenshot(f"{named(path)}-{scheme}")
    assert await person.violations() == []
    assert person.faults == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("path", sorted(OUTSIDE_A_SESSION - {"/setup"}))
async def test_a_screen_outside_a_session(
    path: str, scheme: str, browser: Browser, party: PartyProcess
) -> None:
    async with open_person(browser, party.url, scheme=scheme, expected={404}) as person:
        await person.open(path)
        await person.page.get_by_role("heading").first.wait_for()
        await person.settle()
        await person.screenshot(f"{named(path)}-{scheme}")
        assert await person.violations() == []


async def test_a_tablet_is_wide_enough(browser: Browser, party: PartyProcess, example: Example) -> None:
    async with open_person(browser, party.url, size=TABLET) as person:
        await person.sign_in(EMAIL, PASSWORD)
        for path in (
            "/feature-dashboard",
            "/applications",
            "/api-keys",
            "/app-settings/groups",
            "/users",
            "/audit",
        ):
            await person.open(example.fill(path))
            await person.page.get_by_role("heading", level=1).first.wait_for()
            await person.settle()
            await person.screenshot(f"{named(path)}-tablet")
            assert "/login" not in person.page.url
            wide = await person.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= TABLET["width"], path
