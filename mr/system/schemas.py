"""Wire types of first set-up, sign-in and what the server says of itself."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from mr.api.models import Email, Name, WireModel
from mr.people.schemas import Audit, Group, Person
from mr.portfolios.schemas import Portfolio


class IdentityProviderInfo(WireModel):
    buttonIcon: str
    buttonBackgroundColor: str
    buttonText: str


class Organization(Audit):
    id: UUID | None = None
    version: int | None = None
    name: Name = Field(min_length=1, max_length=255)
    admin: bool | None = Field(None, json_schema_extra={"deprecated": True})
    authorizationUrl: str | None = None
    orgGroup: Group | None = None
    portfolios: list[Portfolio] = []
    whenArchived: datetime | None = None


class SetupResponse(WireModel):
    organization: Organization
    providers: list[str]
    providerInfo: dict[str, IdentityProviderInfo]
    capabilityInfo: dict[str, str]
    redirectUrl: str | None = None


class SetupMissingResponse(WireModel):
    providers: list[str]
    capabilityInfo: dict[str, str]
    providerInfo: dict[str, IdentityProviderInfo]


class SetupSiteAdmin(WireModel):
    portfolio: Name = Field(max_length=200)
    organizationName: Name = Field(max_length=255)
    emailAddress: Email | None = Field(None, max_length=100)
    password: str | None = Field(None, max_length=100)
    name: Name | None = Field(None, max_length=100)
    authProvider: str | None = None


class UserCredentials(WireModel):
    # Not checked to be an address: what is none is unknown, and that is the answer's business.
    email: str = Field(max_length=100, json_schema_extra={"format": "email"})
    password: str = Field(max_length=100)


class TokenizedPerson(WireModel):
    accessToken: str | None = None
    refreshToken: str | None = None
    redirectUrl: str | None = None
    capabilityInfo: dict[str, str] | None = None
    person: Person | None = None


class ApplicationVersionInfo(WireModel):
    name: str
    version: str
