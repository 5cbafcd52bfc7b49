"""Wire types of the propagation record."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from mr.api.models import WireModel


class ProcessProgress(WireModel):
    """A process that reports, how far it is, and whether this change has reached it."""

    instance: str
    role: Literal["dacha", "edge"]
    position: int
    reached: bool


class EdgeCount(WireModel):
    live: int
    total: int


class StreamCount(WireModel):
    reached: int
    total: int


class ChangeProgress(WireModel):
    """One change of an environment; without a position the relay has not come to it."""

    position: int | None = None
    revision: int
    committedAt: datetime
    publishedAt: datetime | None = None
    processes: list[ProcessProgress] = []
    edges: EdgeCount
    streams: StreamCount
    slowestMilliseconds: float | None = None
    settled: bool


class PropagationRecord(WireModel):
    """The latest changes of an environment, the newest first, and the log's last position."""

    environmentId: UUID
    position: int
    changes: list[ChangeProgress] = []
