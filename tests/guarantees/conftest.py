"""The party server inside the test's own process: real sockets, a real database, and loads to hold.

SDKs stay processes of their own. Each test has a fresh database, once on SQLite and once on PostgreSQL.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.party import PartyHere, open_party_here
from tests.support.projection import assert_projection_true
from tests.support.world import World, open_world


@pytest.fixture
async def party(database_url: str, tmp_path: Path) -> AsyncIterator[PartyHere]:
    """A composed party server; what it delivers is true when the test ends."""
    async with open_party_here(database_url, tmp_path) as opened:
        yield opened
        await assert_projection_true(opened.database)


@pytest.fixture
async def world(party: PartyHere) -> AsyncIterator[World]:
    async with open_world(party.url, party.port) as made:
        yield made
