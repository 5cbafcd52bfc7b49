"""Wire types of sign-in through identity providers."""

from __future__ import annotations

from pydantic import Field

from mr.api.models import WireModel


class ProviderRedirect(WireModel):
    redirectUrl: str | None = None


class SignInCodeExchange(WireModel):
    code: str = Field(min_length=1, max_length=200)
