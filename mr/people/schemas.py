"""Wire types of people and of the groups they are in: the two name one another."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from mr.api.models import Email, Name, WireModel

PersonType = Literal["person", "serviceAccount", "sdkServiceAccount"]
RoleType = Literal["READ", "LOCK", "UNLOCK", "CHANGE_VALUE", "EXTENDED_DATA"]
ApplicationRoleType = Literal[
    "FEATURE_EDIT",
    "FEATURE_CREATE",
    "FEATURE_EDIT_AND_DELETE",
    "APP_STRATEGY_EDIT",
    "APP_STRATEGY_CREATE",
    "APP_STRATEGY_EDIT_AND_DELETE",
]
SortOrder = Literal["ASC", "DESC"]
SearchPersonSortBy = Literal["name", "activationStatus"]


class PersonId(WireModel):
    id: UUID


class PersonInfo(WireModel):
    key: str
    value: str


class AnemicPerson(WireModel):
    id: UUID
    name: str
    email: str | None = None
    type: PersonType


class ApplicationGroupRole(WireModel):
    applicationId: UUID
    groupId: UUID
    roles: list[ApplicationRoleType]


class EnvironmentGroupRole(WireModel):
    environmentId: UUID
    groupId: UUID
    roles: list[RoleType]


class Person(WireModel):
    id: PersonId | None = None
    name: Name | None = Field(None, min_length=1, max_length=150)
    email: Email | None = Field(None, max_length=100)
    personType: PersonType | None = None
    other: str | None = None
    source: str | None = None
    version: int | None = None
    passwordRequiresReset: bool | None = None
    groups: list[Group] = []
    whenArchived: datetime | None = None
    whenLastAuthenticated: datetime | None = None
    whenLastSeen: datetime | None = None
    additional: list[PersonInfo] = []


class Audit(WireModel):
    """Who made and last changed a thing, and when."""

    createdBy: Person | None = None
    updatedBy: Person | None = None
    whenCreated: datetime | None = None
    whenUpdated: datetime | None = None


class Group(Audit):
    id: UUID
    admin: bool | None = None
    portfolioId: UUID | None = None
    organizationId: UUID | None = None
    version: int | None = None
    name: Name = Field(min_length=1, max_length=255)
    superMembers: list[UUID] = []
    simpleMembers: list[AnemicPerson] = []
    members: list[Person] = []
    applicationRoles: list[ApplicationGroupRole] = []
    environmentRoles: list[EnvironmentGroupRole] = []
    whenArchived: datetime | None = None


class CreatePersonDetails(WireModel):
    email: Email | None = Field(None, min_length=1, max_length=100)
    personType: PersonType
    name: Name | None = Field(None, min_length=1, max_length=100)
    groupIds: list[UUID] = []


class UpdatePerson(WireModel):
    name: Name | None = Field(None, min_length=1, max_length=150)
    email: Email | None = Field(None, max_length=100)
    version: int
    groups: list[UUID] | None = None
    unarchive: bool | None = None


class RegistrationUrl(WireModel):
    registrationUrl: str | None = None
    personId: UUID
    token: str


class AdminServiceResetTokenResponse(WireModel):
    token: str


class OutstandingRegistration(WireModel):
    """`token` is empty: invitations are kept as hashes, and a new one is issued by renewing it."""

    id: UUID
    token: str
    expired: bool


class SearchPerson(WireModel):
    id: UUID
    name: str
    email: str
    version: int
    personType: PersonType
    whenLastAuthenticated: datetime | None = None
    whenLastSeen: datetime | None = None
    whenDeactivated: datetime | None = None
    groupCount: int


class SearchPersonResult(WireModel):
    max: int
    people: list[Person] | None = None
    summarisedPeople: list[SearchPerson] | None = None
    outstandingRegistrations: list[OutstandingRegistration] = []


Person.model_rebuild()
