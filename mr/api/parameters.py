"""Parameters that many operations share, under the contract's names."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

# The contract calls most of them `id`; each has its own name here, so that signatures say what is meant.
PortfolioId = Annotated[UUID, Path(alias="id")]
ApplicationId = Annotated[UUID, Path(alias="id")]
ApplicationIdLong = Annotated[UUID, Path(alias="appId")]
EnvironmentId = Annotated[UUID, Path(alias="eid")]
AccountId = Annotated[UUID, Path(alias="id")]
AccountIdOrText = Annotated[str, Path(alias="id")]
FeatureKey = Annotated[str, Path(alias="key")]

Containing = Annotated[str | None, Query(alias="filter", description="Text that the name contains.")]
Flag = Annotated[bool, Query()]
