"""Wire types of tracked events."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mr.api.models import WireModel


class TrackEventResponse(WireModel):
    status: int
    whenReceived: datetime
    message: str | None = None
    headers: dict[str, str] | None = None


class TrackEventsSummaryItem(WireModel):
    id: UUID
    whenSent: datetime
    eventResponses: list[TrackEventResponse] | None = None


class TrackEventsSummary(WireModel):
    count: int
    items: list[TrackEventsSummaryItem] = []
