"""A database with a shop in it and a relay at work, and the internal API over it."""

from collections.abc import AsyncIterator

import pytest

from mr.db.session import Database, open_database
from mr.relay import open_relay
from tests.support.histories import Shop
from tests.support.internals import Internal, serving_internal, stands
from tests.support.waiting import eventually


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


@pytest.fixture
async def shop(database: Database) -> Shop:
    made = Shop(database)
    await made.open()
    return made


@pytest.fixture
async def internal(database: Database, shop: Shop) -> AsyncIterator[Internal]:
    """Everything that the shop did so far has its position."""
    async with open_relay(database, holder="one"), serving_internal(database) as served:
        await eventually(lambda: stands(served.truth), within_seconds=60)
        yield served


@pytest.fixture
async def anywhere(sqlite_url: str) -> AsyncIterator[Internal]:
    """The same for what cannot depend on the kind of database."""
    async with (
        open_database(sqlite_url) as opened,
        open_relay(opened, holder="one"),
        serving_internal(opened) as served,
    ):
        await Shop(opened).open()
        await eventually(lambda: stands(served.truth), within_seconds=60)
        yield served
