"""Wire types of feature filters."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from mr.api.models import Name, WireModel
from mr.people.schemas import AnemicPerson

MatchTypeEnum = Literal["applications", "serviceaccounts"]


class OptionalAnemicPerson(AnemicPerson):
    """Somebody who may not be named."""


class CreateFeatureFilter(WireModel):
    name: Name = Field(min_length=1, max_length=60)
    description: str | None = Field(None, max_length=300)


class FeatureFilter(WireModel):
    id: UUID
    name: Name = Field(max_length=60)
    description: str | None = Field(None, max_length=300)
    version: int
    whoCreated: OptionalAnemicPerson | None = None


class SearchFeatureFilterFeature(WireModel):
    id: UUID
    key: str


class SearchFeatureFilterApplication(WireModel):
    id: UUID
    name: str
    features: list[SearchFeatureFilterFeature] | None = None


class SearchFeatureFilterServiceAccount(WireModel):
    id: UUID
    name: str


class SearchFeatureFilterItem(FeatureFilter):
    serviceAccounts: list[SearchFeatureFilterServiceAccount] | None = None
    applications: list[SearchFeatureFilterApplication] | None = None


class PaginationResult(WireModel):
    total: int
    page: int
    pageSize: int


class SearchFeatureFilterResult(WireModel):
    pagination: PaginationResult
    filters: list[SearchFeatureFilterItem] = []


class MatchingFilter(WireModel):
    id: UUID
    name: str


class MatchingFilterResult(WireModel):
    name: str
    id: UUID
    description: str | None = None
    matchingFilters: list[MatchingFilter] = []


class MatchingFilterResults(WireModel):
    matchingResults: list[MatchingFilterResult] = []
