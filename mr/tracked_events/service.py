"""Chat messages of an environment, each with the answers it got."""

from __future__ import annotations

from collections import defaultdict
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from mr.db.models.deliveries import SLACK, WEBHOOK, Delivery, DeliveryAttempt
from mr.deliveries.enriched import ENRICHED
from mr.deliveries.messaging import FOR_SLACK, MESSAGING
from mr.tracked_events import schemas

LONGEST_PAGE: Final = 25
_KINDS: Final = {MESSAGING: SLACK, FOR_SLACK: SLACK, ENRICHED: WEBHOOK}


async def find_events(
    session: AsyncSession, environment_id: UUID, event_type: str, *, page: int, size: int, first_only: bool
) -> schemas.TrackEventsSummary:
    """Return one page, the newest message first; of each the newest answer, or all of them."""
    wanted = (Delivery.environment_id == environment_id, Delivery.kind == _KINDS.get(event_type, ""))
    total = await session.scalar(select(func.count()).select_from(Delivery).where(*wanted))
    rows = (
        await session.execute(
            select(Delivery.id, Delivery.created_at)
            .where(*wanted)
            .order_by(Delivery.created_at.desc(), Delivery.id)
            .offset(page * size)
            .limit(size)
        )
    ).all()
    attempts = await session.scalars(
        select(DeliveryAttempt)
        .where(DeliveryAttempt.delivery_id.in_([identity for identity, _ in rows]))
        .order_by(DeliveryAttempt.delivery_id, DeliveryAttempt.number.desc())
    )
    answers: defaultdict[UUID, list[schemas.TrackEventResponse]] = defaultdict(list)
    for attempt in attempts:
        if not (first_only and answers[attempt.delivery_id]):
            answers[attempt.delivery_id].append(_answer(attempt))
    return schemas.TrackEventsSummary(
        count=total or 0,
        items=[
            schemas.TrackEventsSummaryItem(id=identity, whenSent=moment, eventResponses=answers[identity])
            for identity, moment in rows
        ],
    )


def _answer(attempt: DeliveryAttempt) -> schemas.TrackEventResponse:
    return schemas.TrackEventResponse(
        status=attempt.status,
        whenReceived=attempt.ended_at,
        message=attempt.message,
        headers=attempt.headers or None,
    )
