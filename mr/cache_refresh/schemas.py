"""Wire types of the refresh."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from mr.api.models import WireModel

_MOST = 10_000


class CacheRefreshRequest(WireModel):
    """What to verify; `allTheThings` includes the rest."""

    allTheThings: bool = False
    applicationId: list[UUID] = Field([], max_length=_MOST)
    portfolioId: list[UUID] = Field([], max_length=_MOST)


class CacheRefreshResponse(WireModel):
    applicationsRefreshed: int = 0
    portfoliosRefreshed: int = 0
    environmentsRefreshed: int = 0
    serviceAccountsRefreshed: int = 0
