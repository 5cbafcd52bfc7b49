"""Wire types of the audit."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from mr.api.models import WireModel


class AuditActor(WireModel):
    """Who did it: a person, an admin account, an SDK account, the system, or somebody not signed in."""

    kind: str
    id: UUID | None = None
    name: str | None = None


class AuditObject(WireModel):
    """What it was done to, and where that is."""

    kind: str
    id: str
    name: str | None = None
    portfolioId: UUID | None = None
    applicationId: UUID | None = None
    environmentId: UUID | None = None


class AuditSeal(WireModel):
    """The entry's place in the chain."""

    position: int
    hash: str


class AuditEntry(WireModel):
    """What one transaction did to one object.

    `changes` holds, by the name of each member that changed, an object with `before` and `after`; one of
    them is missing where there was nothing before or is nothing after.
    """

    number: int
    at: datetime
    action: str
    operation: str | None = None
    requestId: str | None = None
    actor: AuditActor
    object: AuditObject
    changes: dict[str, Any]
    seal: AuditSeal | None = None


class AuditPage(WireModel):
    """Entries, the newest first; `next` is what to ask for as `before` to see older ones, if there are."""

    entries: list[AuditEntry] = []
    next: int | None = None
