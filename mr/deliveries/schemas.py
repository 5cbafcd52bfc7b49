"""Wire types of deliveries: Burgee's own."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from mr.api.models import WireModel

DeliveryState = Literal["waiting", "delivered", "dead"]
DeliveryKind = Literal["webhook", "slack"]


class DeliveryRecord(WireModel):
    id: UUID
    kind: DeliveryKind
    state: DeliveryState
    revision: int
    featureKeys: list[str] = []
    test: bool
    attempts: int
    whenCreated: datetime
    whenSent: datetime | None = None
    status: int | None = None
    result: str | None = None


class DeliveryList(WireModel):
    count: int
    deliveries: list[DeliveryRecord] = []


class DeliveryReplay(WireModel):
    """Which dead letters to send again; none named = all of the environment."""

    ids: list[UUID] | None = Field(None, max_length=1000)


class DeliveryReplayed(WireModel):
    count: int
