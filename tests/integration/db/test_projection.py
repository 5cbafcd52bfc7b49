"""What is delivered follows from MR's tables after every transaction of random histories."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mr.db.properties import PropertyTemplates
from mr.db.session import open_database
from tests.support.histories import Shop
from tests.support.projection import Replayed, assert_projection_true

TEMPLATES = PropertyTemplates.parse("name={feature.name}, app={application.name}")

numbers = st.integers(0, 30)
steps = st.tuples(st.sampled_from(Shop.STEPS), numbers, numbers, numbers)
histories = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def new_database_url(request, migrated_templates):
    if request.param == "sqlite":
        return migrated_templates.sqlite
    server = request.getfixturevalue("postgres_server")
    return lambda: server.url(migrated_templates.postgresql(server))


async def _play(url, plan):
    async with open_database(url, templates=TEMPLATES) as database:
        shop = Shop(database)
        replayed = Replayed()
        await shop.open()
        for step in plan:
            await shop.take(step)
            await replayed.read_on(database)
            await assert_projection_true(database)
        await replayed.assert_equals(database)


@given(st.lists(steps, min_size=5, max_size=40))
@histories
def test_any_history_leaves_a_true_projection_and_a_log_that_leads_to_it(new_database_url, plan):
    asyncio.run(_play(new_database_url(), plan))
