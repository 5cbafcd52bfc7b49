"""An open database of each kind, and one with a small shop in it."""

from functools import partial

import pytest

from mr.db.properties import PropertyTemplates
from mr.db.session import open_database
from tests.support.histories import Shop
from tests.support.projection import assert_projection_true

TEMPLATES = PropertyTemplates.parse("name={feature.name}, app={application.name}")


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database_url(request, migrated_templates):
    """Call it for the URL of another fresh database."""
    if request.param == "sqlite":
        return migrated_templates.sqlite
    server = request.getfixturevalue("postgres_server")
    return lambda: server.url(migrated_templates.postgresql(server))


@pytest.fixture
def open_templated():
    """Open a database with feature properties."""
    return partial(open_database, templates=TEMPLATES)


@pytest.fixture
async def database(database_url):
    async with open_database(database_url, templates=TEMPLATES) as database:
        yield database
        await assert_projection_true(database)


@pytest.fixture
async def shop(database):
    shop = Shop(database)
    await shop.open()
    return shop
