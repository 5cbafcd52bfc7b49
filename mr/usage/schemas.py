"""Wire types of the use of environments over time."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from mr.api.models import WireModel

Step = Literal["minute", "hour"]


class UsagePoint(WireModel):
    """One minute or hour that begins at `at`. `streams`: how many were connected, on average.

    `polls` were answered with features, `unchanged` with "nothing new"; `streamsOpened` and `updates` are
    what they say. The present minute or hour is not over.
    """

    at: datetime
    polls: int = 0
    unchanged: int = 0
    streamsOpened: int = 0
    updates: int = 0
    streams: float = 0


class AccountUsage(WireModel):
    """How often a service account asked, in all of the time; without a name it was deleted."""

    id: UUID
    name: str | None = None
    requests: int


class EnvironmentUsage(WireModel):
    """One environment; points without anything are left out. `streamsNow` as Edges reported just now."""

    environmentId: UUID
    streamsNow: int
    points: list[UsagePoint] = []
    accounts: list[AccountUsage] = []


class UsageRecord(WireModel):
    """What Edges told between two moments, the first one included."""

    step: Step
    since: datetime
    until: datetime
    environments: list[EnvironmentUsage] = []
