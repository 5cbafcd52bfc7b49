"""Wire types of registration and of passwords."""

from __future__ import annotations

from pydantic import Field

from mr.api.models import Email, Name, WireModel


class PersonRegistrationDetails(WireModel):
    name: Name = Field(min_length=1, max_length=100)
    email: Email = Field(min_length=1, max_length=100)
    password: str = Field(min_length=1, max_length=40, json_schema_extra={"format": "password"})
    confirmPassword: str = Field(min_length=1, max_length=40, json_schema_extra={"format": "password"})
    registrationToken: str = Field(max_length=200)


class PasswordUpdate(WireModel):
    oldPassword: str = Field(max_length=100, json_schema_extra={"format": "password"})
    newPassword: str = Field(max_length=100, json_schema_extra={"format": "password"})


class PasswordReset(WireModel):
    password: str = Field(max_length=100)
    reactivate: bool = False
