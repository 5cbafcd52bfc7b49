"""Wire types of what is remembered for somebody."""

from __future__ import annotations

from uuid import UUID

from mr.api.models import WireModel


class HiddenEnvironments(WireModel):
    noneSelected: bool = False
    environmentIds: list[UUID] = []
