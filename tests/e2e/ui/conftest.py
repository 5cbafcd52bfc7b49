"""The interface as people see it: a party server with an example organisation, and a real browser."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.admin import Admin, open_admin
from tests.support.browser import open_browser
from tests.support.example import Example, make_example
from tests.support.party import PartyProcess, running_party


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PartyProcess]:
    """A server of this module's own: what one test makes is seen by the others of its file alone."""
    with running_party(tmp_path_factory.mktemp("ui")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(party: PartyProcess) -> AsyncIterator[Admin]:
    async with open_admin(party.url, party.token) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def example(admin: Admin) -> Example:
    return await make_example(admin)
