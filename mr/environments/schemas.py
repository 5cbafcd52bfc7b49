"""Wire types of environments."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from mr.api.models import Name, WireModel
from mr.features.schemas import Feature
from mr.people.schemas import Audit, EnvironmentGroupRole
from mr.service_accounts.schemas import ServiceAccountPermission

EnvironmentSortOrder = Literal["ASC", "DESC", "PRIORITY"]


class CreateEnvironment(WireModel):
    name: Name = Field(min_length=1, max_length=150)
    priorEnvironmentId: UUID | None = None
    description: str = Field(max_length=400)
    environmentInfo: dict[str, str] | None = None
    production: bool = False


class UpdateEnvironment(WireModel):
    """Members not given keep their value; a null `priorEnvironmentId` clears the link."""

    nullable_members: ClassVar[frozenset[str]] = frozenset({"priorEnvironmentId"})

    version: int
    name: Name | None = Field(None, min_length=1, max_length=150)
    description: str | None = Field(None, max_length=400)
    production: bool | None = None
    environmentInfo: dict[str, str] | None = None
    webhookEnvironmentInfo: dict[str, str] | None = None
    priorEnvironmentId: UUID | None = None


class UpdateEnvironmentV2(UpdateEnvironment):
    id: UUID


class Environment(Audit):
    nullable_members: ClassVar[frozenset[str]] = frozenset({"priorEnvironmentId"})

    id: UUID
    applicationId: UUID | None = None
    name: Name = Field(min_length=1, max_length=150)
    priorEnvironmentId: UUID | None = None
    version: int | None = None
    description: str | None = Field(None, max_length=400)
    production: bool | None = None
    groupRoles: list[EnvironmentGroupRole] = []
    features: list[Feature] = []
    environmentInfo: dict[str, str] = {}
    webhookEnvironmentInfo: dict[str, str] | None = None
    serviceAccountPermission: list[ServiceAccountPermission] | None = None
    whenArchived: datetime | None = None
