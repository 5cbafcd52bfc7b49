"""Wire types of an application's strategies."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from mr.api.models import Name, WireModel
from mr.strategies.schemas import RolloutStrategyAttribute

Colour = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]


class CreateApplicationRolloutStrategy(WireModel):
    """What the contract requires may be missing here: the rules of strategies tell."""

    name: Name | None = None
    percentage: int | None = None
    percentageAttributes: list[str] = []
    attributes: list[RolloutStrategyAttribute] = []
    colouring: Colour | None = None
    disabled: bool = False
    avatar: str | None = Field(None, max_length=200)


class UpdateApplicationRolloutStrategy(WireModel):
    """Members that are not given stay as they are."""

    name: Name | None = Field(None, max_length=150)
    percentage: int | None = None
    percentageAttributes: list[str] = []
    attributes: list[RolloutStrategyAttribute] | None = None
    colouring: Colour | None = None
    disabled: bool = False
    avatar: str | None = Field(None, max_length=200)
    whenCreated: datetime | None = None
    whenUpdated: datetime | None = None


class ApplicationRolloutStrategy(WireModel):
    id: UUID
    name: str
    percentage: int | None = None
    percentageAttributes: list[str] = []
    attributes: list[RolloutStrategyAttribute] = []
    colouring: int | None = None
    disabled: bool = False
    avatar: str | None = None


class ApplicationRolloutStrategyEnvironment(WireModel):
    """How many features of an environment use a strategy."""

    id: UUID
    name: str
    featuresCount: int


class ListApplicationRolloutStrategyItemUser(WireModel):
    email: str | None = None
    name: str | None = None


class ListApplicationRolloutStrategyItem(WireModel):
    strategy: ApplicationRolloutStrategy
    whenUpdated: datetime
    whenCreated: datetime
    updatedBy: ListApplicationRolloutStrategyItemUser | None = None
    uniqueCode: str | None = None
    usage: list[ApplicationRolloutStrategyEnvironment] | None = None


class ApplicationRolloutStrategyList(WireModel):
    """One page; `max` is how many strategies there are in all."""

    max: int
    page: int
    items: list[ListApplicationRolloutStrategyItem]
