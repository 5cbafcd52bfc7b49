"""Wire types of applications."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from mr.api.models import Name, WireModel
from mr.environments.schemas import Environment
from mr.features.schemas import Feature
from mr.people.schemas import ApplicationRoleType, Audit, Group, RoleType


class CreateApplication(WireModel):
    name: Name = Field(max_length=100)
    description: str = Field(max_length=400)


class Application(Audit):
    id: UUID
    name: Name = Field(max_length=100)
    description: str | None = Field(None, max_length=400)
    portfolioId: UUID | None = None
    version: int | None = None
    groups: list[Group] = []
    features: list[Feature] = []
    environments: list[Environment] = []
    whenArchived: datetime | None = None


class ApplicationSummary(WireModel):
    groupsHavePermission: bool
    serviceAccountsHavePermission: bool
    featureCount: int
    environmentCount: int


class EnvironmentPermission(WireModel):
    id: UUID
    name: str
    roles: list[RoleType]


class ApplicationPermissions(WireModel):
    applicationRoles: list[ApplicationRoleType]
    environments: list[EnvironmentPermission]
