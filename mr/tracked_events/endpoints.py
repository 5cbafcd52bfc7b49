"""The operation on tracked events."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Path, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from common.errors import NotFound
from mr.api.operations import Operation, SignedIn, answer
from mr.auth.grants import load_grants
from mr.db.session import Database
from mr.environments.service import get_administered_environment
from mr.tracked_events import schemas, service

_ENVIRONMENT: Final = "env"


class TrackedEventEndpoints:
    """What the contract calls TrackEventsService; for administrators of the environment's portfolio."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/mr-api/track-events/{id}",
                self.find,
                "getTrackedEvents",
                service="TrackEventsService",
                answers=schemas.TrackEventsSummary,
                statuses=(403, 404),
            )
        ]

    async def find(
        self,
        caller: SignedIn,
        environment_id: Annotated[UUID, Path(alias="id")],
        source: str,
        page: Annotated[int, Query(ge=0, le=1_000_000)],
        pageSize: Annotated[int, Query(ge=0, le=1_000_000)],
        cloudEventType: str,
        firstOnly: bool = True,
    ) -> Response:
        if source != _ENVIRONMENT:
            raise NotFound
        size = max(1, min(pageSize, service.LONGEST_PAGE))
        async with self._database.read() as session:
            await self._require_administrator(session, caller.person_id, environment_id)
            found = await service.find_events(
                session, environment_id, cloudEventType, page=page, size=size, first_only=firstOnly
            )
        return answer(found)

    async def _require_administrator(
        self, session: AsyncSession, person_id: UUID, environment_id: UUID
    ) -> None:
        await get_administered_environment(session, await load_grants(session, person_id), environment_id)
