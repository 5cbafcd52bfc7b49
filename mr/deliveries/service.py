"""The messages of an environment as people see them, and sending again what was given up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from mr.db.models.deliveries import DEAD, WAITING, Delivery
from mr.db.session import WriteSession
from mr.deliveries import schemas

DEFAULT_PAGE: Final = 20
LONGEST_PAGE: Final = 100


async def find_deliveries(
    session: AsyncSession, environment_id: UUID, *, state: str | None, start: int, size: int
) -> schemas.DeliveryList:
    """Return one page, the newest first, and how many there are."""
    wanted = [Delivery.environment_id == environment_id]
    if state is not None:
        wanted.append(Delivery.state == state)
    total = await session.scalar(select(func.count()).select_from(Delivery).where(*wanted))
    rows = await session.scalars(
        select(Delivery)
        .where(*wanted)
        .order_by(Delivery.created_at.desc(), Delivery.id)
        .offset(start)
        .limit(size)
    )
    return schemas.DeliveryList(count=total or 0, deliveries=[_show(row) for row in rows])


def _show(row: Delivery) -> schemas.DeliveryRecord:
    return schemas.DeliveryRecord.model_validate(
        {
            "id": row.id,
            "kind": row.kind,
            "state": row.state,
            "revision": row.revision,
            "featureKeys": json.loads(row.keys),
            "test": row.test,
            "attempts": row.attempts,
            "whenCreated": row.created_at,
            "whenSent": row.sent_at,
            "status": row.status,
            "result": row.result,
        }
    )


async def replay(session: WriteSession, environment_id: UUID, ids: Sequence[UUID] | None) -> int:
    """Let dead letters begin again with the very bodies they had; answer how many."""
    wanted = [Delivery.environment_id == environment_id, Delivery.state == DEAD]
    if ids is not None:
        wanted.append(Delivery.id.in_(ids))
    again = await session.execute(
        update(Delivery)
        .where(*wanted)
        .values(state=WAITING, due=0, attempts=0)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return len(again.all())
