"""Wire types of portfolios."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from mr.api.models import Name, WireModel
from mr.applications.schemas import Application
from mr.people.schemas import Audit, Group


class CreatePortfolio(WireModel):
    # Longer texts are cut, not refused: that is what existing clients met.
    name: Name
    description: str


class Portfolio(Audit):
    id: UUID
    name: Name
    description: str | None = None
    version: int
    organizationId: UUID | None = None
    groups: list[Group] = []
    applications: list[Application] = []
    whenArchived: datetime | None = None
