"""The first minute: sign in, see where one is, sign out."""

import pytest
from playwright.async_api import Browser

from tests.support.admin import EMAIL, PASSWORD
from tests.support.browser import open_person
from tests.support.party import PartyProcess

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


async def test_sign_in_and_out(browser: Browser, party: PartyProcess) -> None:
    async with open_person(browser, party.url) as person:
        await person.sign_in(EMAIL, PASSWORD)
        await person.settle()
        assert await person.violations() == []
        await person.screenshot("first-sight")
