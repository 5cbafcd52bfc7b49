"""Sessions end by idleness and by age, and are refreshed at a bounded rate."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from mr.auth.sessions import Sessions
from mr.db.models.base import utc_now
from mr.db.models.people import LoginSession
from tests.integration.mr.conftest import Api


async def shift(api: Api, **columns: timedelta) -> None:
    async with api.database.write() as session:
        held = (await session.scalars(select(LoginSession))).one()
        values = {name: getattr(held, name) - by for name, by in columns.items()}
        await session.execute(update(LoginSession).values(values))


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"last_seen_at": timedelta(hours=23)}, 200),
        ({"last_seen_at": timedelta(hours=25)}, 401),
        ({"expires_at": timedelta(hours=169)}, 401),
    ],
)
async def test_a_session_ends_when_idle_or_old(api, columns, status):
    await shift(api, **columns)
    assert await api.status("GET", "/portfolio") == status


async def test_a_call_refreshes_a_session_that_was_idle_for_a_while(api):
    await shift(api, last_seen_at=timedelta(hours=1))
    assert await api.status("GET", "/portfolio") == 200
    async with api.database.read() as session:
        held = (await session.scalars(select(LoginSession))).one()
    assert utc_now() - held.last_seen_at < timedelta(minutes=5)


async def test_a_short_idle_time_is_kept_by_calling(api):
    sessions = Sessions(api.database, idle_hours=10 / 60, max_hours=1)
    await shift(api, last_seen_at=timedelta(minutes=5))
    assert await sessions.find(api.admin.token) is not None
    await shift(api, last_seen_at=timedelta(minutes=7))
    assert await sessions.find(api.admin.token) is not None, "it was refreshed in between"
    await shift(api, last_seen_at=timedelta(minutes=20))
    assert await sessions.find(api.admin.token) is None
