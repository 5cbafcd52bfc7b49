"""Wire types of the history of values."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from mr.api.models import WireModel
from mr.people.schemas import AnemicPerson
from mr.strategies.schemas import RolloutStrategy

FeatureHistoryOrder = Literal["asc", "desc"]


class FeatureHistoryValue(WireModel):
    version: int
    versionFrom: int | None = None
    when: datetime
    who: AnemicPerson | None = None
    value: Any = None
    locked: bool
    retired: bool
    rolloutStrategies: list[RolloutStrategy] = []


class FeatureHistoryItem(WireModel):
    envId: UUID
    featureValueId: UUID
    featureId: UUID
    history: list[FeatureHistoryValue] = []


class FeatureHistoryList(WireModel):
    max: int
    items: list[FeatureHistoryItem] = []
