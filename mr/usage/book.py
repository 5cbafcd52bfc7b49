"""Keeps what Edges tell of their use: numbers by minute for some days, by hour for a year.

Everything that is told is added to the minute and the hour in which it arrives. Must not know what carries
reports.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from common.contracts.usage import UsageReport, decode_usage
from common.errors import Unavailable
from mr.db.delivered import table_of
from mr.db.models.usage import UsageRow
from mr.db.session import run_with_retries
from mr.db.snapshots import parse_id

if TYPE_CHECKING:
    from common.messaging.bus import Handler
    from mr.db.session import Database

_log = structlog.get_logger(__name__)

MINUTE: Final = 60
HOUR: Final = 3_600
KEPT_SECONDS: Final = {MINUTE: 3 * 86_400, HOUR: 400 * 86_400}
"""How long the numbers of each step are kept."""
FORGET_SECONDS: Final = 600
NOBODY: Final = UUID(int=0)
_TABLE: Final = table_of(UsageRow)


class _Key(NamedTuple):
    environment_id: UUID
    account_id: UUID
    kind: str


class UsageBook:
    """Takes reports in. Any number of processes may, on one database."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._forgotten = 0.0

    async def take(self, report: UsageReport) -> None:
        """Add what was counted. Raises Unavailable, and then nothing was added."""
        now = int(self._clock())
        rows = _rows(_read(report), now)
        if rows:
            await run_with_retries(lambda: self._add(rows))
        if now - self._forgotten > FORGET_SECONDS:
            self._forgotten = now
            await run_with_retries(lambda: self._forget(now))

    async def _add(self, rows: list[dict[str, object]]) -> None:
        dialect = sqlite if self._database.dialect == "sqlite" else postgresql
        statement = dialect.insert(_TABLE)
        added = statement.on_conflict_do_update(
            index_elements=list(_TABLE.primary_key.columns),
            set_={"count": _TABLE.c.count + statement.excluded["count"]},
        )
        async with self._database.write() as session:
            await session.execute(added, rows)

    async def _forget(self, now: int) -> None:
        async with self._database.write() as session:
            for step, seconds in KEPT_SECONDS.items():
                old = (_TABLE.c.step == step) & (_TABLE.c.at < now - seconds)
                await session.execute(delete(_TABLE).where(old))


def _read(report: UsageReport) -> Counter[_Key]:
    """What a report says, without what cannot be: ids that are none, and numbers below one."""
    counts: Counter[_Key] = Counter()
    for told in report.counts:
        environment_id = parse_id(told.environment_id)
        account_id = parse_id(told.account_id) if told.account_id else NOBODY
        if environment_id is not None and account_id is not None and 0 < told.count < 2**40:
            counts[_Key(environment_id, account_id, told.kind)] += told.count
    return counts


def _rows(counts: Counter[_Key], now: int) -> list[dict[str, object]]:
    """Both steps of each number, always in one order: two processes that add at once never wait in a ring."""
    return [
        {**key._asdict(), "step": step, "at": now - now % step, "count": counts[key]}
        for key in sorted(counts)
        for step in KEPT_SECONDS
    ]


def usage_handler(database: Database) -> Handler:
    """Return what answers the bus's word `usage`."""
    book = UsageBook(database)

    async def handle(question: bytes) -> bytes:
        try:
            report = decode_usage(question)
        except msgspec.MsgspecError as error:
            raise Unavailable("The report was not understood.") from error
        await book.take(report)
        return b"{}"

    return handle
