"""Lets relays in other processes know of a commit: PostgreSQL tells everybody who listens on its channel.

Only speed: nothing is said behind a pooler that shares connections, or while the listener's is down, and
the relay's own looks at the log find everything. Must not know who listens, nor what was logged.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final

import psycopg
import structlog
from sqlalchemy import func, select

from mr.db.engines import CONNECT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncSession

_log = structlog.get_logger(__name__)

CHANNEL: Final = "burgee_outbox"
LONGEST_PAUSE_SECONDS: Final = 5.0


async def notify(session: AsyncSession, sender: str) -> None:
    """Tell all listeners of this database, when and if the transaction commits; ``sender`` says who."""
    await session.execute(select(func.pg_notify(CHANNEL, sender)))


async def hear_commits(url: URL, wake: Callable[[], None], *, but_not: str) -> None:
    """Call ``wake`` after each commit of another sender that logged a change, until cancelled.

    Has a connection of its own, and gets another whenever that one is lost, for ever.
    """
    _, arguments = url.get_dialect()().create_connect_args(url)
    arguments.update(autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="burgee-relay")
    failures = 0
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(**arguments) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                failures = 0
                # What was said while nobody listened.
                wake()
                async for told in connection.notifies():
                    if told.payload != but_not:
                        wake()
        except (psycopg.Error, OSError) as error:
            failures += 1
            if failures == 1:
                _log.info("relay.not_listening", detail=type(error).__name__)
            await asyncio.sleep(_pause(failures))


def _pause(failures: int) -> float:
    longest = min(LONGEST_PAUSE_SECONDS, 0.2 * 2 ** min(failures, 8))
    return random.uniform(0.1, longest)  # noqa: S311 (spreads load, hides nothing)
