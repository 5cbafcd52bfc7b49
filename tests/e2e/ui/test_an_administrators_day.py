"""An administrator's day: what is otherwise only opened is used here, and the API says what came of it.

Its tests run in this order, on one organisation.
"""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from tests.support.admin import EMAIL, PASSWORD, Admin, Json, open_admin
from tests.support.browser import Person, open_person
from tests.support.example import Example, make_example, register
from tests.support.party import PartyProcess

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True)
class Office:
    """Ada at her browser, and a script of hers that looks at what she did."""

    ada: Person
    admin: Admin
    example: Example

    async def open(self, path: str) -> None:
        await self.ada.open(self.example.fill(path))

    async def dashboard(self, **more: str) -> None:
        words = "".join(f"&{name}={value}" for name, value in more.items())
        await self.ada.open(self.example.fill("/feature-dashboard") + words)

    async def value(self, key: str, environment: str = "") -> Json:
        row = await self.admin.value(environment or self.example.staging, key)
        assert row is not None
        return row

    async def names(self, path: str, *, order: str = "ASC") -> list[str]:
        return [str(each["name"]) for each in await self.admin.call("GET", path, order=order)]

    @property
    def features(self) -> Locator:
        return self.ada.page.get_by_role("rowheader")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(browser: Browser, party: PartyProcess) -> AsyncIterator[Office]:
    async with open_admin(party.url, party.token) as admin:
        example = await make_example(admin)
        async with open_person(browser, party.url) as ada:
            await ada.sign_in(EMAIL, PASSWORD)
            yield Office(ada, admin, example)


async def test_a_portfolio_comes_and_goes(office: Office) -> None:
    ada = office.ada
    await office.open("/portfolios")
    await ada.create("Create portfolio", Name="Night watch", Description="From eight to midnight")
    await ada.told("Night watch was created, with a group of administrators.")
    await ada.pick("More about Night watch", "Rename or describe")
    await ada.fill_in("Rename or describe", "Save", Name="Dog watch")
    await ada.told("Dog watch was changed.")
    assert "Dog watch" in await office.names("/portfolio")
    await ada.pick("More about Dog watch", "Delete")
    await ada.confirm("Delete Dog watch?", "Delete", typed="Dog watch")
    await ada.told("Dog watch was deleted.")
    assert "Dog watch" not in await office.names("/portfolio")


async def test_a_feature_filter_comes_and_goes(office: Office) -> None:
    ada, page = office.ada, office.ada.page
    await office.open("/feature-filters")
    await ada.create("Create filter", Name="mobile")
    await ada.told("mobile was created.")
    await ada.pick("More about mobile", "Edit filter")
    await ada.fill_in("Edit filter", "Save", Name="phones", Description="Apps of phones")
    await ada.told("phones was changed.")
    await expect(page.get_by_role("row", name="phones")).to_contain_text("Apps of phones")
    await ada.pick("More about phones", "Delete")
    await ada.confirm("Delete phones?", "Delete")
    await ada.told("phones was deleted.")
    path = f"/portfolio/{office.example.portfolio_id}/feature-filter"
    left = await office.admin.call("GET", path)
    assert [each["name"] for each in left["filters"]] == ["beta"]

    # One that an account depends on is asked about with more weight.
    await ada.pick("More about beta", "Delete")
    asked = ada.dialog("Delete beta?")
    await expect(asked).to_contain_text("No filter is left on Browser tests.")
    await expect(asked.get_by_role("button", name="Delete")).to_be_disabled()
    await asked.get_by_role("button", name="Cancel").click()


async def test_a_group_gets_and_loses_members(office: Office) -> None:
    ada, page = office.ada, office.ada.page
    await office.open("/groups")
    await page.get_by_role("navigation", name="Groups").get_by_role("button", name="Developers").click()
    await expect(page.get_by_role("heading", name="Developers")).to_be_visible()
    await page.get_by_role("button", name="Add members").first.click()
    form = ada.dialog("Add members to Developers")
    await form.get_by_label("Name or e-mail").fill("deploy")
    await form.get_by_role("checkbox", name="Deployments").check()
    await form.get_by_role("button", name="Add 1", exact=True).click()
    await ada.told("1 person was added to Developers.")
    await expect(page.get_by_role("row", name="Deployments")).to_be_visible()
    await page.get_by_role("button", name="Remove Deployments", exact=True).click()
    await ada.confirm("Remove Deployments from Developers?", "Remove Deployments")
    await ada.told("Deployments is no longer in Developers.")
    await expect(page.get_by_role("row", name="Deployments")).to_have_count(0)

    await ada.create("Create group", Name="Stokers")
    await ada.told("Stokers was created.")
    await ada.pick("More about Stokers", "Rename")
    await ada.fill_in("Rename", "Save", Name="Boilermen")
    await ada.told("The group is called Boilermen now.")
    await ada.pick("More about Boilermen", "Delete")
    await ada.confirm("Delete Boilermen?", "Delete")
    await ada.told("Boilermen was deleted.")
    names = await office.names(f"/portfolio/{office.example.portfolio_id}/group")
    assert "Developers" in names
    assert not {"Stokers", "Boilermen"} & set(names)


async def test_a_key_is_replaced_and_its_account_deleted(office: Office) -> None:
    ada = office.ada
    made = await office.admin.create_account(
        office.example.portfolio_id, {office.example.staging: ["READ"]}, name="Kiosk"
    )
    await office.open("/service-accounts")
    await ada.pick("More about Kiosk", "Reset the server-evaluated key")
    await ada.confirm("Reset a key of Kiosk?", "Reset the key", typed="Kiosk")
    await ada.told("The key was replaced.")
    now = await office.admin.account(made.id)
    assert now["apiKeyServerSide"] != made.server_key
    assert now["apiKeyClientSide"] == made.client_key
    await ada.pick("More about Kiosk", "Delete")
    await ada.confirm("Delete Kiosk?", "Delete", typed="Kiosk")
    await ada.told("Kiosk was deleted.")
    status, _ = await office.admin.try_call("GET", f"/service-account/{made.id}")
    assert status == 404


async def test_a_script_gets_a_token_then_another_then_none(office: Office) -> None:
    ada, page = office.ada, office.ada.page
    await office.open("/admin-service-accounts")
    await page.get_by_role("link", name="Create account").click()
    await page.get_by_role("textbox", name="Name").fill("Pipeline")
    await page.get_by_role("group", name="Shop").get_by_label("Developers").check()
    await page.get_by_role("button", name="Create", exact=True).click()
    first = await shown_token(ada)
    await ada.pick("Actions for Pipeline", "New token")
    await ada.confirm("New token for Pipeline?", "Make a new token")
    second = await shown_token(ada)
    assert [await status_of(office, token) for token in (first, second)] == [401, 200]

    await ada.pick("Actions for Pipeline", "Edit")
    await page.get_by_role("textbox", name="Name").fill("Night pipeline")
    await page.get_by_role("button", name="Save", exact=True).click()
    await ada.told("Night pipeline is saved.")
    await ada.pick("Actions for Night pipeline", "Delete")
    await ada.confirm("Delete Night pipeline?", "Delete", typed="Night pipeline")
    await ada.told("Night pipeline is deleted.")
    assert await status_of(office, second) == 401


async def shown_token(ada: Person) -> str:
    """Take the token the one time that it is shown: no Escape closes it by mistake."""
    shown = ada.dialog("Pipeline is ready")
    token = await shown.get_by_role("textbox", name="Access token").input_value()
    await ada.page.keyboard.press("Escape")
    await expect(shown).to_be_visible()
    await shown.get_by_role("button", name="Done").click()
    await expect(shown).to_be_hidden()
    return token


async def status_of(office: Office, token: str) -> int:
    status, _ = await Admin(office.admin.http, office.admin.url, token).try_call("GET", "/portfolio")
    return status


async def test_somebody_is_deactivated_and_comes_back(office: Office) -> None:
    ada, page = office.ada, office.ada.page
    email = await register(office.admin, "Edsger", [])
    signing_in = {"email": email, "password": PASSWORD}
    await office.open("/users")
    await ada.pick("Actions for Edsger", "Deactivate")
    await ada.confirm("Deactivate Edsger?", "Deactivate")
    await ada.told("Edsger is deactivated.")
    await expect(page.get_by_role("row", name="Edsger")).to_have_count(0)
    status, _ = await office.admin.try_call("POST", "/login", signing_in)
    assert status >= 400

    await ada.press(page.get_by_label("Show deactivated people"))
    await expect(page.get_by_role("row", name="Edsger")).to_contain_text("Deactivated")
    await ada.pick("Actions for Edsger", "Activate")
    await ada.told("Edsger is active again.")
    await expect(page.get_by_role("row", name="Edsger")).to_contain_text("Active")
    assert (await office.admin.call("POST", "/login", signing_in))["accessToken"]

    await ada.pick("Actions for Edsger", "Edit")
    await page.get_by_role("textbox", name="Name").fill("Edsger D.")
    await page.get_by_role("button", name="Save", exact=True).click()
    await ada.told("Edsger D. is saved.")


async def test_an_invitation_is_renewed_and_the_one_before_ends(office: Office) -> None:
    ada, page = office.ada, office.ada.page
    email = "barbara@burgee.example"
    invited = await office.admin.call(
        "POST", "/person", {"email": email, "personType": "person", "groupIds": []}
    )
    await office.open("/users")
    await ada.pick(f"Actions for {email}", "New registration link")
    asked = ada.dialog(f"New registration link for {email}")
    await asked.get_by_role("button", name="Make a new link").click()
    link = await asked.get_by_role("textbox", name="Registration link").input_value()
    await asked.get_by_role("button", name="Done").click()
    token = link.partition("token=")[2]
    assert token not in {"", invited["token"]}
    assert (await office.admin.call("GET", f"/authentication/{token}"))["email"] == email
    status, _ = await office.admin.try_call("GET", f"/authentication/{invited['token']}")
    assert status == 404
    await expect(page.get_by_role("row", name=email)).to_contain_text("Invited")


async def test_the_system_configuration_is_saved(office: Office) -> None:
    ada, page = office.ada, office.ada.page
    await office.open("/system-config")
    button = page.get_by_role("button", name="Save", exact=True)
    address = page.get_by_role("textbox", name="Address of this site")
    before = await address.input_value()
    for text in ("https://flags.example", before):
        await expect(button).to_be_disabled()
        await address.fill(text)
        await ada.press(page.get_by_label("Allow search engines"))
        await button.click()
        await ada.told("Saved.")
        await page.reload()
        await expect(address).to_have_value(text)
    shown = await office.admin.call("GET", "/system-api")
    stored = {each["key"]: each["value"] for each in shown["configs"]}
    assert stored["site.enabledRobots"] is False


async def test_an_application_and_its_environments_are_put_in_order(office: Office) -> None:
    ada, page = office.ada, office.ada.page
    kiosk = await office.admin.create_application(office.example.portfolio_id, "Kiosk")
    await office.admin.create_environment(kiosk.id, "test")
    environments = f"/application/{kiosk.id}/environment"
    await ada.open(f"/app-settings/environments?portfolio={kiosk.portfolio_id}&application={kiosk.id}")
    await ada.pick("More about test", "Edit environment")
    await ada.fill_in("Edit environment", "Save", Name="quay", Description="Before it goes to sea")
    await ada.told("quay was changed.")
    before = await office.names(environments, order="PRIORITY")
    last = before[-1]
    await page.get_by_role("button", name=f"Move {last} up", exact=True).click()
    await ada.told("The order was saved.")
    assert await office.names(environments, order="PRIORITY") == before[::-1]

    await ada.press(page.get_by_label("Production mark of quay"))
    await ada.told("quay was changed.")
    (quay,) = [each for each in await office.admin.call("GET", environments) if each["name"] == "quay"]
    assert quay["production"] is True
    await ada.pick("More about quay", "Delete")
    await expect(ada.dialog("Delete quay?")).to_contain_text("This is a production environment.")
    await ada.confirm("Delete quay?", "Delete", typed="quay")
    await ada.told("quay was deleted.")
    assert await office.names(environments) == ["production"]

    await page.get_by_role("link", name="Applications", exact=True).click()
    await ada.pick("More about Kiosk", "Rename or describe")
    await ada.fill_in("Rename or describe", "Save", Name="Ticket office")
    await ada.told("Ticket office was changed.")
    await ada.pick("More about Ticket office", "Delete")
    await ada.confirm("Delete Ticket office?", "Delete", typed="Ticket office")
    await ada.told("Ticket office was deleted.")
    assert await office.names(f"/portfolio/{kiosk.portfolio_id}/application") == ["Storefront"]


async def test_a_feature_is_described_labelled_and_deleted(office: Office) -> None:
    ada, page = office.ada, office.ada.page
    application = office.example.application.id
    await office.admin.create_feature(application, "LANTERN")
    await office.dashboard()
    await ada.pick("Actions for Feature BANNER", "Edit details")
    form = ada.dialog("Feature details")
    await form.get_by_label("Name").fill("Shop banner")
    await ada.choose("Filters", "beta")
    await form.get_by_label("Description").fill("Above everything else")
    await expect(form).to_contain_text("because of its filters: Browser tests")
    await form.get_by_role("button", name="Save", exact=True).click()
    await expect(form).to_be_hidden()
    await ada.told("Saved.")
    await ada.pick("Actions for Shop banner", "Metadata")
    await ada.fill_in("Metadata of Shop banner", "Save", Metadata='{"owner": "web"}')
    await ada.told("Saved.")
    stored = await office.admin.call(
        "GET", f"/application/{application}/features/BANNER", includeMetaData="true", includeFilters="true"
    )
    assert (stored["name"], stored["description"]) == ("Shop banner", "Above everything else")
    assert json.loads(stored["metaData"]) == {"owner": "web"}
    assert len(stored["featureFilter"]) == 1

    await ada.pick("Actions for Feature LANTERN", "Delete")
    await ada.confirm("Delete “Feature LANTERN”?", "Delete", typed="LANTERN")
    await ada.told("“Feature LANTERN” is deleted.")
    await expect(page.get_by_role("rowheader", name="LANTERN")).to_have_count(0)


async def test_what_is_shown_is_chosen(office: Office) -> None:
    ada, page = office.ada, office.ada.page
    await office.dashboard()
    await expect(office.features).to_have_count(4)
    await tick(ada, "Types", "JSON")
    await expect(office.features).to_have_text([re.compile("SHIPPING")])
    # The one with a label is no document.
    await tick(ada, "Filters", "beta")
    await expect(page.get_by_role("heading", name="No feature matches")).to_be_visible()
    await tick(ada, "Types", "JSON")
    await expect(office.features).to_have_text([re.compile("BANNER")])
    await page.get_by_role("button", name="Clear filters").click()
    await expect(office.features).to_have_count(4)
    await office.open("/feature-filters")
    await page.get_by_role("link", name="Storefront: 1 feature").click()
    await expect(office.features).to_have_text([re.compile("BANNER")])
    await page.get_by_role("button", name="Clear filters").click()
    await expect(office.features).to_have_count(4)

    column = page.get_by_role("columnheader", name="test")
    await expect(column).to_be_visible()
    # Kept by the server, for all of her browsers.
    state = f"/user-data/state/{office.example.application.id}/hidden-environments"
    async with page.expect_response(lambda told: told.url.endswith(state) and told.request.method == "POST"):
        await tick(ada, "Environments", "test")
    await expect(column).to_have_count(0)
    assert len((await office.admin.call("GET", state))["environmentIds"]) == 1
    await page.reload()
    await expect(page.get_by_role("columnheader", name="staging")).to_be_visible()
    await expect(column).to_have_count(0)
    await page.get_by_role("button", name=re.compile("^Environments")).click()
    await page.get_by_role("menuitem", name="Show all").click()
    await expect(column).to_be_visible()


async def tick(person: Person, menu: str, entry: str) -> None:
    """Choose or leave out one of several, and close the list."""
    await person.page.get_by_role("button", name=re.compile(f"^{menu}")).click()
    await person.page.get_by_role("menuitemcheckbox", name=entry, exact=True).click()
    await person.page.keyboard.press("Escape")
    await expect(person.page.get_by_role("menuitemcheckbox")).to_have_count(0)


async def test_a_value_is_retired_restored_and_copied(office: Office) -> None:
    ada, page, staging = office.ada, office.ada.page, office.example.staging
    await office.dashboard(feature="MAX_ITEMS", environment=staging)
    await ada.listens()
    for retired in (True, False):
        await page.get_by_role("checkbox", name="Retired").set_checked(retired)
        await ada.save_in("staging")
        assert (await office.value("MAX_ITEMS"))["retired"] is retired

    await office.admin.set(staging, "MAX_ITEMS", 40)
    value = page.get_by_role("textbox", name="Default value")
    await expect(value).to_have_value("40")
    await page.get_by_role("button", name="Show history").click()
    await page.get_by_role("button", name=re.compile("^Restore into the editor")).first.click()
    await ada.told("The old version is in the editor; nothing is saved yet.")
    await expect(value).to_have_value("25")
    assert (await office.value("MAX_ITEMS"))["valueNumber"] == 40
    await ada.save_in("staging")
    assert (await office.value("MAX_ITEMS"))["valueNumber"] == 25

    await office.admin.set(office.example.application.environment_id, "MAX_ITEMS", 12)
    # What is copied is what the editor has heard of.
    await expect(page.get_by_role("dialog").get_by_role("navigation")).to_contain_text("12")
    await ada.pick("Copy from…", "production")
    await expect(value).to_have_value("12")
    await ada.save_in("staging")
    assert (await office.value("MAX_ITEMS"))["valueNumber"] == 12
