"""A disk that is full refuses changes for as long as it is, and nothing else."""

import pytest
from sqlalchemy import select

from common.errors import Unavailable
from mr.db.models.system import SystemState
from mr.db.session import open_database

LARGE = "x" * 1_000_000


async def test_a_full_disk_refuses_what_has_no_room_and_goes_on_afterwards(sqlite_url):
    async with open_database(sqlite_url) as database:

        async def room(pages: int) -> None:
            async with database.write() as session:
                # The file may not grow beyond this: SQLite says the same as for a full disk.
                await (await session.connection()).exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        async def write(key: str) -> None:
            async with database.write() as session:
                session.add(SystemState(key=key, value=LARGE))

        async def stored() -> set[str]:
            async with database.read() as session:
                return set((await session.scalars(select(SystemState.key))).all())

        before = await stored()
        await room(1)
        with pytest.raises(Unavailable, match="disk is full"):
            await write("too large")
        assert await stored() == before
        await room(1_000_000)
        await write("large")
        assert await stored() == before | {"large"}
