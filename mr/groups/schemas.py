"""Wire types of requests on groups; what is answered stands in `mr.people.schemas`."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from mr.api.models import Name, WireModel
from mr.people.schemas import ApplicationGroupRole, EnvironmentGroupRole


class CreateGroup(WireModel):
    name: Name | None = Field(None, min_length=1, max_length=255)
    admin: bool | None = None
    applicationRoles: list[ApplicationGroupRole] = []


class UpdateGroup(WireModel):
    id: UUID
    name: Name | None = Field(None, max_length=255)
    version: int | None = None
    applicationRoles: list[ApplicationGroupRole] = []
    environmentRoles: list[EnvironmentGroupRole] = []
