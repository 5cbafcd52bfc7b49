"""The relay's row: who may assign positions, and the short transactions that do.

Each of them checks the term first, in the same transaction: that is the fence against a relay that was
asleep and does not know that another took over. Must not know when or why they are run.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, exists, func, select, true, update

from mr.db.delivered import table_of
from mr.db.models.base import utc_now
from mr.db.models.delivery import KeyTombstone, OutboxRow, RelayLease, SdkUpdateRecord
from mr.db.snapshots import database_milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mr.db.session import Database, WriteSession

_PRUNED_AT_ONCE = 1_000


class LeaseLost(Exception):
    """Another relay has a higher term: this one must stop at once."""


class Assigned(NamedTuple):
    """What one transaction assigned: the last position there is now, and when the rows were written."""

    position: int
    created: Sequence[datetime]

    @property
    def given(self) -> int:
        return len(self.created)


async def take(
    database: Database, holder: str, lease_milliseconds: int, *, patience_milliseconds: int = 0
) -> int | None:
    """Take the lease if it has been free for so long; return its term, or None while somebody has it.

    A SQLite file has one owner, so there whoever is left in the row is gone.
    """
    now = database_milliseconds(database)
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
        update(RelayLease)
        .where(RelayLease.id == 1, RelayLease.term == term)
        .values(until=database_milliseconds(database) + lease_milliseconds)
        .returning(RelayLease.position)
        .execution_options(synchronize_session=False)
    )
    if position is None:
        raise LeaseLost
    return position


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
            .values(until=database_milliseconds(database))
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
    rows, lease = table_of(OutboxRow), table_of(RelayLease)
    waiting = (
        select(rows.c.seq, func.row_number().over(order_by=rows.c.seq).label("place"))
        .where(rows.c.position.is_(None))
        .order_by(rows.c.seq)
        .limit(limit)
        .subquery()
    )
    async with database.write() as session:
        position = await hold(session, database, term, lease_milliseconds)
        created = (
            await session.scalars(
                update(rows)
                .where(rows.c.seq == waiting.c.seq)
                .values(position=position + waiting.c.place, published=utc_now() if published else None)
                .returning(rows.c.created)
            )
        ).all()
        if created:
            position += len(created)
            await session.execute(update(lease).where(lease.c.id == 1).values(position=position))
    return Assigned(position, created)


async def mark(database: Database, term: int, *, after: int, upto: int, lease_milliseconds: int) -> None:
    """Mark what has a position above ``after`` up to ``upto`` as published; raises `LeaseLost`."""
    rows = table_of(OutboxRow)
    async with database.write() as session:
        await hold(session, database, term, lease_milliseconds)
        await session.execute(
            update(rows)
            .where(rows.c.position > after, rows.c.position <= upto, rows.c.published.is_(None))
            .values(published=utc_now())
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
