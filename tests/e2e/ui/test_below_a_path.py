"""The interface where it has no address of its own: below a path, behind a proxy that takes the path off."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, expect

from tests.support.admin import EMAIL, PASSWORD, open_admin
from tests.support.browser import open_person
from tests.support.example import make_example
from tests.support.nginx import LOOPBACK, NEEDS_NGINX, running_below
from tests.support.party import PartyProcess, running_party
from tests.support.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), NEEDS_NGINX]

PATH = "/flags"


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartyProcess]:
    """A server that is reached below a path, which `url` leaves out, and its public address has."""
    port = free_port()
    settings = {"BURGEE_PUBLIC_URL": f"http://{LOOPBACK}:{port}{PATH}"}
    with (
        running_party(tmp_path_factory.mktemp("below"), settings=settings) as running,
        running_below(tmp_path_factory.mktemp("nginx"), PATH, port, upstream=running.port),
    ):
        yield running


async def test_a_person_works_below_a_path(browser: Browser, party: PartyProcess) -> None:
    public = party.settings["BURGEE_PUBLIC_URL"]
    async with open_admin(party.url, party.token) as admin:
        example = await make_example(admin)
        # Whatever is asked for outside of the path is answered 404, and so a fault.
        async with open_person(browser, public) as person:
            page = person.page
            await person.open("/")
            await page.wait_for_url(f"{public}/login**")
            await person.sign_in(EMAIL, PASSWORD)
            await person.open(example.fill("/feature-dashboard"))
            await person.listens()
            switch = page.get_by_role("switch", name="Feature NEW_CART in staging")
            await expect(switch).to_be_checked()
            await switch.click()
            await expect(page.get_by_text("Feature NEW_CART is Off in staging.")).to_be_visible()
            row = await admin.value(example.staging, "NEW_CART")
            assert row is not None
            assert row["valueBoolean"] is False
            # Others' changes are heard through the proxy.
            await admin.set(example.staging, "NEW_CART", True)
            await expect(switch).to_be_checked()

            # The cookie is for this path: a reload finds the session again.
            await page.reload()
            await expect(switch).to_be_checked()
            await page.get_by_role("link", name="Applications", exact=True).click()
            await page.wait_for_url(f"{public}/applications**")
            await page.get_by_role("button", name="Account of Ada").click()
            await page.get_by_role("menuitem", name="Sign out").click()
            await page.wait_for_url(f"{public}/login")
            await page.reload()
            await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_links_that_are_sent_to_people_lead_below_the_path(
    browser: Browser, party: PartyProcess
) -> None:
    public = party.settings["BURGEE_PUBLIC_URL"]
    async with open_admin(party.url, party.token) as admin:
        invited = await admin.call(
            "POST", "/person", {"email": "barbara@burgee.example", "personType": "person", "groupIds": []}
        )
    assert invited["registrationUrl"].startswith(f"{public}/register-url?")
    async with open_person(browser, public) as person:
        await person.page.goto(invited["registrationUrl"])
        await expect(person.page.get_by_label("E-mail")).to_have_value("barbara@burgee.example")
