"""The relay's row: who may assign positions, and the short transactions that do.

Each of them checks the term first, in the same transaction: that is the fence against a relay that was
asleep and does not know that another took over. Must not know when or why they are run.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import BigInteger, bindparam, case, delete, exists, func, select, true, update

from mr.db.delivered import table_of
from mr.db.models.base import utc_now
from mr.db.models.delivery import KeyTombstone, OutboxRow, RelayLease, SdkUpdateRecord
from mr.db.snapshots import database_milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row
    from sqlalchemy.sql.dml import ReturningUpdate

    from mr.db.session import Database, Dialect, WriteSession

_PRUNED_AT_ONCE: Final = 1_000
HANDED_ON_BYTES: Final = 8_192
"""Payloads up to this go from the one who gives positions to the one who sends, without being read again."""
_LOGGED: Final = (
    *(
        "id",
        "type",
        "counter_kind",
        "counter_id",
        "revision",
        "previous",
        "digest",
        "created",
        "position",
        "trace",
    ),
)

_ROWS: Final = table_of(OutboxRow)
_LEASE: Final = table_of(RelayLease)


class LeaseLost(Exception):
    """Another relay has a higher term: this one must stop at once."""


class Assigned(NamedTuple):
    """What one transaction assigned: the last position there is now, and the rows that got one, in order.

    The rows are what `mr.db.snapshots.logged` reads; their payload is None where nobody needs it, or it is
    too big to be handed on by the way.
    """

    position: int
    rows: Sequence[Row[Any]]

    @property
    def given(self) -> int:
        return len(self.rows)


async def take(
    database: Database, holder: str, lease_milliseconds: int, *, patience_milliseconds: int = 0
) -> int | None:
    """Take the lease if it has been free for so long; return its term, or None while somebody has it.

    A SQLite file has one owner, so there whoever is left in the row is gone.
    """
    now = database_milliseconds(database.dialect)
    free = true() if database.dialect == "sqlite" else RelayLease.until < now - patience_milliseconds
    async with database.read() as session:
        if await session.scalar(select(RelayLease.term).where(RelayLease.id == 1, free)) is None:
            return None
    async with database.write() as session:
        term: int | None = await session.scalar(
            update(RelayLease)
            .where(RelayLease.id == 1, free)
            .values(term=RelayLease.term + 1, holder=holder, until=now + lease_milliseconds)
            .returning(RelayLease.term)
            .execution_options(synchronize_session=False)
        )
        return term


async def hold(session: WriteSession, database: Database, term: int, lease_milliseconds: int) -> int:
    """Check the term, make the lease longer, and keep others from taking it until the commit.

    Returns the last position; raises `LeaseLost`.
    """
    position: int | None = await session.scalar(
        _holding(database.dialect), {"held": term, "milliseconds": lease_milliseconds}
    )
    if position is None:
        raise LeaseLost
    return position


@cache
def _holding(dialect: Dialect) -> ReturningUpdate[tuple[int]]:
    return (
        update(_LEASE)
        .where(_LEASE.c.id == 1, _LEASE.c.term == bindparam("held"))
        .values(until=database_milliseconds(dialect) + bindparam("milliseconds", type_=BigInteger))
        .returning(_LEASE.c.position)
    )


async def check(session: WriteSession, term: int) -> None:
    """Raise `LeaseLost` when another relay took over; it may do so right after."""
    if await session.scalar(select(RelayLease.term).where(RelayLease.id == 1)) != term:
        raise LeaseLost


async def release(database: Database, term: int) -> None:
    """Let the next relay begin at once; nothing happens when the lease was lost before."""
    async with database.write() as session:
        await session.execute(
            update(RelayLease)
            .where(RelayLease.id == 1, RelayLease.term == term)
            .values(until=0)
            .execution_options(synchronize_session=False)
        )


async def hand_over(database: Database, term: int) -> None:
    """End the lease now, as if its time were over: who follows needs no longer look like a dead relay."""
    async with database.write() as session:
        await session.execute(
            update(RelayLease)
            .where(RelayLease.id == 1, RelayLease.term == term)
            .values(until=database_milliseconds(database.dialect))
            .execution_options(synchronize_session=False)
        )


async def is_waiting(database: Database) -> bool:
    """True when a committed row has no position yet."""
    async with database.read() as session:
        return bool(await session.scalar(select(exists().where(OutboxRow.position.is_(None)))))


async def assign(
    database: Database, term: int, *, limit: int, lease_milliseconds: int, published: bool = True
) -> Assigned:
    """Give the next positions to waiting rows in the order of ``seq``; raises `LeaseLost`.

    ``published``: there is no bus to wait for, so having a position is being published.
    """
    async with database.write() as session:
        position = await hold(session, database, term, lease_milliseconds)
        given = await session.execute(
            _GIVING,
            {
                "last": position,
                "most": limit,
                "now": utc_now() if published else None,
                "small": 0 if published else HANDED_ON_BYTES,
            },
        )
        assigned = sorted(given.all(), key=attrgetter("position"))
        if assigned:
            position += len(assigned)
            await session.execute(_MOVING, {"last": position})
    return Assigned(position, assigned)


def _giving() -> ReturningUpdate[Any]:
    waiting = (
        select(_ROWS.c.seq, func.row_number().over(order_by=_ROWS.c.seq).label("place"))
        .where(_ROWS.c.position.is_(None))
        .order_by(_ROWS.c.seq)
        .limit(bindparam("most", type_=BigInteger))
        .subquery()
    )
    now = bindparam("now", type_=_ROWS.c.published.type)
    small = func.length(_ROWS.c.payload) <= bindparam("small", type_=BigInteger)
    return (
        update(_ROWS)
        .where(_ROWS.c.seq == waiting.c.seq)
        .values(position=bindparam("last", type_=BigInteger) + waiting.c.place, published=now)
        .returning(
            *(_ROWS.c[name] for name in _LOGGED),
            case((small, _ROWS.c.payload)).label("payload"),
        )
    )


async def mark(database: Database, term: int, *, after: int, upto: int, lease_milliseconds: int) -> None:
    """Mark what has a position above ``after`` up to ``upto`` as published; raises `LeaseLost`."""
    async with database.write() as session:
        await hold(session, database, term, lease_milliseconds)
        await session.execute(_MARKING, {"after": after, "upto": upto, "now": utc_now()})


# Built once: they are run for every change, and making them anew costs as much as running them.
_GIVING: Final = _giving()
_MOVING: Final = update(_LEASE).where(_LEASE.c.id == 1).values(position=bindparam("last"))
_MARKING: Final = (
    update(_ROWS)
    .where(
        _ROWS.c.position > bindparam("after", type_=BigInteger),
        _ROWS.c.position <= bindparam("upto", type_=BigInteger),
        _ROWS.c.published.is_(None),
    )
    .values(published=bindparam("now", type_=_ROWS.c.published.type))
)


async def prune(
    database: Database, term: int, *, keep_rows: int, keep_seconds: float, lease_milliseconds: int
) -> bool:
    """Forget the oldest rows beyond the number or the age to keep; True when more are left to forget."""
    rows, lease = table_of(OutboxRow), table_of(RelayLease)
    too_old = utc_now() - timedelta(seconds=keep_seconds)
    async with database.write() as session:
        position = await hold(session, database, term, lease_milliseconds)
        oldest = await session.execute(
            select(rows.c.position, rows.c.created, rows.c.published)
            .where(rows.c.position.is_not(None))
            .order_by(rows.c.position)
            .limit(_PRUNED_AT_ONCE)
        )
        last, count = None, 0
        for row in oldest:
            if row.published is None or (row.position > position - keep_rows and row.created > too_old):
                break
            last, count = row.position, count + 1
        if last is not None:
            await session.execute(delete(rows).where(rows.c.position <= last))
            await session.execute(update(lease).where(lease.c.id == 1).values(pruned=last))
    return count == _PRUNED_AT_ONCE


async def expire(database: Database, *, now: float, keep_updates_seconds: float) -> None:
    """Forget tombstones whose time is over, and answers to test updates nobody will repeat."""
    too_old = utc_now() - timedelta(seconds=keep_updates_seconds)
    async with database.write() as session:
        tombstones, updates = table_of(KeyTombstone), table_of(SdkUpdateRecord)
        await session.execute(delete(tombstones).where(tombstones.c.until < int(now)))
        await session.execute(delete(updates).where(updates.c.created < too_old))
