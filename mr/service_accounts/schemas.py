"""Wire types of service accounts and their permissions."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from mr.api.models import Name, WireModel
from mr.people.schemas import RoleType

ResetApiKeyType = Literal["client_eval_only", "server_eval_only"]


class ServiceAccountPermission(WireModel):
    id: UUID | None = None
    permissions: list[RoleType] = []
    serviceAccount: ServiceAccount | None = None
    environmentId: UUID
    sdkUrlClientEval: str | None = None
    sdkUrlServerEval: str | None = None


class CreateServiceAccount(WireModel):
    name: Name = Field(min_length=1, max_length=70)
    description: str | None = Field(None, max_length=400)
    featureFilter: list[UUID] | None = None
    permissions: list[ServiceAccountPermission] = []


class ServiceAccount(WireModel):
    """`restricted` is our own, and absent unless true: without a filter such an account sees nothing."""

    id: UUID
    name: Name = Field(min_length=1, max_length=70)
    portfolioId: UUID | None = None
    description: str | None = Field(None, max_length=400)
    version: int | None = None
    apiKeyClientSide: str | None = Field(None, max_length=400)
    apiKeyServerSide: str | None = Field(None, max_length=400)
    featureFilters: list[UUID] | None = None
    restricted: bool | None = None
    permsInvalid: bool | None = None
    permissions: list[ServiceAccountPermission] = []
    whenArchived: datetime | None = None


ServiceAccountPermission.model_rebuild()
