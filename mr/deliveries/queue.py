"""The rows of what is owed: claimed, kept and ended, each in one short transaction.

A claim ends by itself on the database's clock, so what a killed process was sending is sent again by the
next. Must not know how anything is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, not_, or_, select, update

from mr.db.delivered import table_of, upsert
from mr.db.models.base import utc_now
from mr.db.models.deliveries import (
    DEAD,
    DELIVERED,
    WAITING,
    Delivery,
    DeliveryAttempt,
    EndpointHealth,
)
from mr.db.models.portfolios import Environment
from mr.db.owed import PREFIXES, is_on
from mr.db.session import Database, Locks, WriteSession
from mr.db.snapshots import database_milliseconds
from mr.webhooks.settings import DISABLED

LONGEST_RESULT: Final = 1000
_PRUNED_AT_ONCE: Final = 1000


class Endpoint(NamedTuple):
    """One environment's endpoint of one kind: what is isolated from the others."""

    kind: str
    environment_id: UUID


class Claimed(NamedTuple):
    """A message that this process may send until its claim ends."""

    id: UUID
    kind: str
    environment_id: UUID
    revision: int
    keys: str
    test: bool
    feature_value_id: UUID | None
    value_version: int | None
    created_at: datetime
    attempts: int
    body: str | None
    event_time: datetime | None
    trace: str | None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.kind, self.environment_id)


_CLAIMED: Final = tuple(getattr(Delivery, name) for name in Claimed._fields)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one attempt ended; secrets are masked already."""

    status: int
    delivered: bool
    final: bool = False
    """Trying again would change nothing."""
    message: str | None = None
    url: str | None = None
    outbound_headers: Mapping[str, str] = field(default_factory=dict)
    incoming_headers: Mapping[str, str] = field(default_factory=dict)


async def claim_due(
    database: Database, claimant: str, *, busy: Collection[Endpoint], limit: int, lease_milliseconds: int
) -> list[Claimed]:
    """Claim the oldest due message of each endpoint that is not busy, up to ``limit``; count an attempt."""
    now = database_milliseconds(database.dialect)
    free: ColumnElement[bool] = Delivery.claimed_until < now
    if database.dialect == "sqlite":
        # The file has one owner: whoever else claimed something is gone.
        free = or_(free, Delivery.claim != claimant)
    due = and_(Delivery.state == WAITING, Delivery.due <= now, free)
    place = (
        func.row_number()
        .over(
            partition_by=(Delivery.kind, Delivery.environment_id), order_by=(Delivery.created_at, Delivery.id)
        )
        .label("place")
    )
    first = select(Delivery.id, Delivery.created_at, place).where(due)
    for endpoint in busy:
        first = first.where(
            not_(and_(Delivery.kind == endpoint.kind, Delivery.environment_id == endpoint.environment_id))
        )
    numbered = first.subquery()
    async with database.read() as session:
        found = await session.scalars(
            select(numbered.c.id).where(numbered.c.place == 1).order_by(numbered.c.created_at).limit(limit)
        )
        ids = found.all()
    if not ids:
        return []
    locked = select(Delivery.id).where(Delivery.id.in_(ids), due).with_for_update(skip_locked=True)
    async with database.write() as session:
        claimed = await session.execute(
            update(Delivery)
            .where(Delivery.id.in_(locked))
            .values(claim=claimant, claimed_until=now + lease_milliseconds, attempts=Delivery.attempts + 1)
            .returning(*_CLAIMED)
            .execution_options(synchronize_session=False)
        )
        return [Claimed(*row) for row in claimed]


async def keep_body(session: WriteSession, claimed: Claimed, claimant: str, body: str) -> Claimed | None:
    """Store the body before it is sent for the first time; None when the claim is somebody else's now."""
    moment = utc_now()
    kept = await session.execute(
        update(Delivery)
        .where(Delivery.id == claimed.id, Delivery.claim == claimant, Delivery.state == WAITING)
        .values(body=body, event_time=moment)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return claimed._replace(body=body, event_time=moment) if kept.first() else None


async def forget(session: WriteSession, claimed: Claimed) -> None:
    """Drop a message that has nothing to say."""
    await session.execute(delete(Delivery).where(Delivery.id == claimed.id))


async def end_attempt(
    database: Database, claimed: Claimed, claimant: str, ended: Ended, *, pause_milliseconds: int | None
) -> str:
    """Record how an attempt ended, and return the state of the message then.

    ``pause_milliseconds`` until the next attempt; None = this was the last.
    """
    state = DELIVERED if ended.delivered else DEAD if pause_milliseconds is None else WAITING
    moment = utc_now()
    message = None if ended.message is None else ended.message[:LONGEST_RESULT].replace("\x00", "")
    async with database.write() as session:
        mine = await session.execute(
            update(Delivery)
            .where(Delivery.id == claimed.id, Delivery.claim == claimant)
            .values(
                state=state,
                claim=None,
                claimed_until=0,
                due=database_milliseconds(database.dialect) + (pause_milliseconds or 0),
                sent_at=moment,
                status=ended.status,
                url=ended.url,
                outbound_headers=dict(ended.outbound_headers),
                incoming_headers=dict(ended.incoming_headers),
                result=message,
            )
            .returning(Delivery.attempts)
            .execution_options(synchronize_session=False)
        )
        number = mine.scalar()
        if number is None:
            return WAITING
        await upsert(
            session,
            table_of(DeliveryAttempt),
            [
                {
                    "delivery_id": claimed.id,
                    "number": number,
                    "ended_at": moment,
                    "status": ended.status,
                    "message": message,
                    "headers": dict(ended.incoming_headers),
                }
            ],
        )
        if state != WAITING and not claimed.test:
            await _count(session, claimed.endpoint, failed=state == DEAD)
    return state


async def _count(session: WriteSession, endpoint: Endpoint, *, failed: bool) -> None:
    health = await session.get(EndpointHealth, endpoint, with_for_update=True)
    if health is None:
        if failed:
            row: dict[str, Any] = {**endpoint._asdict(), "failures": 1}
            await upsert(session, table_of(EndpointHealth), [row])
        return
    health.failures = health.failures + 1 if failed else 0


async def switch_off(database: Database, endpoint: Endpoint, *, max_failures: int) -> bool:
    """Switch an endpoint off that did not take so many messages in a row; True when this call did it.

    Its settings say so, where delivery and people read them; their version rises, for a form that was
    loaded before must not switch it on again by the way.
    """
    async with database.write(Locks(environments=(endpoint.environment_id,))) as session:
        health = await session.get(EndpointHealth, endpoint)
        environment = await session.get(Environment, endpoint.environment_id)
        if health is None or environment is None or health.failures < max_failures:
            return False
        failures, health.failures = health.failures, 0
        if not is_on(environment.webhook_info, endpoint.kind):
            return False
        prefix = PREFIXES[endpoint.kind]
        why = f"{utc_now():%Y-%m-%dT%H:%M:%SZ}: {failures} messages in a row could not be delivered"
        environment.webhook_info = environment.webhook_info | {
            f"{prefix}.enabled": "false",
            f"{prefix}{DISABLED}": why,
        }
        environment.version += 1
        environment.updated_by = None
        return True


async def prune(database: Database, *, keep_seconds: float) -> bool:
    """Forget the oldest ended messages; True when there may be more."""
    too_old = utc_now() - timedelta(seconds=keep_seconds)
    old = (
        select(Delivery.id)
        .where(Delivery.state.in_((DELIVERED, DEAD)), Delivery.created_at < too_old)
        .limit(_PRUNED_AT_ONCE)
    )
    async with database.read() as session:
        ids = (await session.scalars(old)).all()
    if ids:
        async with database.write() as session:
            await session.execute(delete(Delivery).where(Delivery.id.in_(ids)))
    return len(ids) == _PRUNED_AT_ONCE


async def count_states(database: Database) -> dict[str, int]:
    """Count the messages that wait and those that were given up."""
    async with database.read() as session:
        rows = await session.execute(
            select(Delivery.state, func.count())
            .where(Delivery.state.in_((WAITING, DEAD)))
            .group_by(Delivery.state)
        )
        found = {row[0]: row[1] for row in rows}
    return {state: found.get(state, 0) for state in (WAITING, DEAD)}
