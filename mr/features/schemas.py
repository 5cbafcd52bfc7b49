"""Wire types of features and of their values."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, Field

from common.contracts.features import FeatureType
from mr.api.models import Name, WireModel
from mr.people.schemas import Person
from mr.strategies.schemas import RolloutStrategy, RolloutStrategyInstance

_NOT_IN_KEYS = re.compile(r"[\x00-\x1f\x7f-\x9f/]")


def _feature_key(key: str) -> str:
    # A key is part of URLs here and at Edge; a slash or a control character could not be addressed.
    if not key.strip() or _NOT_IN_KEYS.search(key):
        raise ValueError("is blank, or holds a slash or a control character")
    return key


FeatureKey = Annotated[str, AfterValidator(_feature_key), Field(max_length=400)]


class CreateFeature(WireModel):
    key: FeatureKey
    alias: str | None = None
    link: str | None = None
    name: Name
    valueType: FeatureType
    secret: bool | None = None
    description: str | None = Field(None, max_length=300)
    metaData: str | None = None
    featureFilter: list[UUID] | None = None


class Feature(WireModel):
    id: UUID | None = None
    key: FeatureKey | None = None
    alias: str | None = None
    link: str | None = None
    name: Name
    valueType: FeatureType | None = None
    version: int | None = None
    whenArchived: datetime | None = None
    secret: bool | None = None
    description: str | None = Field(None, max_length=300)
    metaData: str | None = None
    featureFilter: list[UUID] | None = None


class ThinGroupRolloutStrategy(WireModel):
    name: str | None = None
    value: Any = None
    featureGroupId: UUID | None = None


class FeatureValue(WireModel):
    """A feature's setting in one environment; `value` mirrors the member of the feature's type."""

    nullable_members: ClassVar[frozenset[str]] = frozenset(
        {"value", "valueString", "valueNumber", "valueBoolean", "valueJson"}
    )

    id: UUID | None = None
    key: str
    locked: bool
    value: Any = None
    valueString: Any = Field(None, json_schema_extra={"deprecated": True, "type": "string"})
    valueNumber: Any = Field(None, json_schema_extra={"deprecated": True, "type": "number"})
    valueBoolean: Any = Field(None, json_schema_extra={"deprecated": True, "type": "boolean"})
    valueJson: Any = Field(None, json_schema_extra={"deprecated": True, "type": "string"})
    retired: bool = False
    rolloutStrategyInstances: list[RolloutStrategyInstance] = []
    rolloutStrategies: list[RolloutStrategy] = []
    sharedRolloutStrategies: list[RolloutStrategy] = []
    featureGroupStrategies: list[ThinGroupRolloutStrategy] = []
    environmentId: UUID | None = None
    version: int = 0
    whoUpdated: Person | None = None
    whenUpdated: datetime | None = None
    whatUpdated: str | None = None
