"""Wire types of feature groups."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from common.contracts.features import FeatureType
from mr.api.models import Name, WireModel
from mr.strategies.schemas import RolloutStrategyAttribute

Order = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]


class GroupRolloutStrategy(WireModel):
    """A strategy without a value: the value to serve stands beside each feature."""

    id: str | None = None
    name: Name | None = None
    percentage: int | None = None
    percentageAttributes: list[str] = []
    attributes: list[RolloutStrategyAttribute] = []
    colouring: int | None = None
    disabled: bool = False
    avatar: str | None = Field(None, max_length=200)


class FeatureGroupUpdateFeature(WireModel):
    nullable_members: ClassVar[frozenset[str]] = frozenset({"value"})

    id: UUID
    value: Any = None


class FeatureGroupCreate(WireModel):
    name: Name
    description: str | None = None
    environmentId: UUID
    disabled: bool = False
    features: list[FeatureGroupUpdateFeature]
    strategies: list[GroupRolloutStrategy] | None = None


class FeatureGroupUpdate(WireModel):
    """Members that are not given stay as they are; lists that are given replace what was there."""

    id: UUID
    name: Name | None = None
    description: str | None = None
    features: list[FeatureGroupUpdateFeature] | None = None
    strategies: list[GroupRolloutStrategy] | None = None
    order: Order | None = None
    version: int


class FeatureGroupFeature(WireModel):
    id: UUID
    name: str
    key: str
    value: Any = None
    type: FeatureType
    locked: bool = False


class FeatureGroup(WireModel):
    id: UUID
    name: str
    order: int
    description: str | None = None
    version: int
    environmentId: UUID
    environmentName: str
    disabled: bool = False
    features: list[FeatureGroupFeature] = []
    strategies: list[GroupRolloutStrategy] | None = None


class FeatureGroupListFeature(WireModel):
    key: str


class FeatureGroupListGroup(WireModel):
    id: UUID
    order: int
    name: str
    description: str | None = None
    environmentName: str
    environmentId: UUID
    version: int
    hasStrategy: bool
    features: list[FeatureGroupListFeature]


class FeatureGroupList(WireModel):
    count: int
    featureGroups: list[FeatureGroupListGroup]
