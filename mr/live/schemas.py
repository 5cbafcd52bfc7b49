"""What live streams say, as JSON within the events."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mr.api.models import WireModel


class LiveActor(WireModel):
    """Who did it, as the audit says it."""

    kind: str
    id: UUID | None = None
    name: str | None = None


class LiveChange(WireModel):
    """An object is not what it was: its kind as the audit names it, and where it is. Never what it is now."""

    kind: str
    id: str
    action: str
    name: str | None = None
    portfolioId: UUID | None = None
    applicationId: UUID | None = None
    environmentId: UUID | None = None
    at: datetime
    by: LiveActor


class LiveNews(WireModel):
    """The data of each event: the latest change of each object since the last one, oldest first."""

    changes: list[LiveChange] = []
    reason: str | None = None
