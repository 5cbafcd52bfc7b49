"""How people may sign in here, as far as set-up and sign-in have to know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from mr.system.schemas import IdentityProviderInfo, SetupSiteAdmin

LOCAL = "local"


class SetUpElsewhere(Protocol):
    """Lets the first administrator be somebody whom an identity provider knows."""

    async def begin_set_up(self, request: Request, wanted: SetupSiteAdmin) -> Response:
        """Answer where the browser goes; the set-up is done when it comes back."""


@dataclass(frozen=True)
class Choices:
    """Passwords, identity providers, or both."""

    local: bool = True
    providers: Mapping[str, IdentityProviderInfo] = field(default_factory=dict)
    begin_address: str | None = None
    """Where a browser goes at once; only when there is nothing to choose."""
    set_up: SetUpElsewhere | None = None

    @property
    def codes(self) -> list[str]:
        """What the contract calls providers."""
        return [*self.providers, *([LOCAL] if self.local else [])]


LOCAL_ALONE = Choices()
