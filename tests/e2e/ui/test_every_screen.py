"""Every screen, light and dark: it opens without a fault, and everybody can use it.

Its picture is kept in build/screenshots, for people to look at.
"""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.support.admin import EMAIL, PASSWORD, open_admin
from tests.support.browser import TABLET, Person, open_person
from tests.support.example import Example, make_example
from tests.support.party import PartyProcess, running_party

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

AREAS = Path(__file__).parents[3] / "mr" / "ui" / "src" / "areas"
PATHS = [
    path
    for file in sorted(AREAS.glob("*/routes.tsx"))
    for path in re.findall(r"path: '([^']+)'", file.read_text())
]
OUTSIDE_A_SESSION = {"/login", "/setup", "/register-url", "/forgot-password", "/oauth2-failure"}
SCREENS = [path for path in PATHS if path not in OUTSIDE_A_SESSION]
# What a choice on a screen turns it into.
CHOICES = ["/app-settings/integrations?type=slack"]


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartyProcess]:
    """A server that keeps secrets sealed, and so has all settings and integrations to show."""
    sealed = {"BURGEE_ENCRYPTION_PASSWORD": "a password for tests"}
    with running_party(tmp_path_factory.mktemp("screens"), settings=sealed) as running:
        yield running


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
    return path.strip("/").replace("/$id", "").replace("/", "-").replace("?type=", "-")


async def test_the_screens_are_found() -> None:
    assert len(SCREENS) >= 25
    assert set(PATHS) >= OUTSIDE_A_SESSION


@pytest.mark.parametrize("path", SCREENS + CHOICES)
async def test_a_screen(path: str, person: Person, example: Example) -> None:
    await person.open(example.fill(path))
    await person.page.get_by_role("heading", level=1).first.wait_for()
    await person.look(named(path))


async def test_what_needs_sealing_is_offered(person: Person, example: Example) -> None:
    await person.open("/system-config")
    await expect(person.page.get_by_label("Bot token")).to_be_editable()
    await person.open(example.fill(CHOICES[0]))
    await expect(person.page.get_by_label("Channel id")).to_be_editable()


async def test_an_address_that_leads_nowhere(person: Person) -> None:
    await person.open("/no-such-screen")
    await person.page.get_by_role("heading", name="There is no such page").wait_for()
    await person.look("not-found")


@pytest.mark.parametrize("path", sorted(OUTSIDE_A_SESSION - {"/setup"}))
async def test_a_screen_outside_a_session(path: str, stranger: Person) -> None:
    await stranger.open(path)
    await stranger.page.get_by_role("heading").first.wait_for()
    await stranger.look(named(path))


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
