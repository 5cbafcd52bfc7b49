"""The operation that shows the history of values."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from mr.api.operations import Operation, SignedIn, answer
from mr.api.parameters import ApplicationIdLong
from mr.applications.service import get_readable_application, place_of
from mr.auth.grants import load_grants
from mr.db.session import Database
from mr.history import schemas, service

_LARGEST = 2**31 - 1
Keys = Annotated[list[str], Query(alias="featureKeys", max_length=1000)]
Features = Annotated[list[UUID], Query(alias="featureIds", max_length=1000)]
Versions = Annotated[list[Annotated[int, Query(ge=0, le=_LARGEST)]], Query(max_length=1000)]
Environments = Annotated[list[UUID], Query(alias="environmentIds", max_length=1000)]
Size = Annotated[int, Query(alias="max", ge=1, le=_LARGEST)]
Start = Annotated[int, Query(alias="startAt", ge=0, le=_LARGEST)]


class HistoryEndpoints:
    """What the contract calls FeatureHistoryService."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/mr-api/application/{appId}/feature-history",
                self.find,
                "listFeatureHistory",
                service="FeatureHistoryService",
                answers=schemas.FeatureHistoryList,
                statuses=(404,),
            )
        ]

    async def find(
        self,
        caller: SignedIn,
        application_id: ApplicationIdLong,
        keys: Keys = [],  # noqa: B006 - never changed; how FastAPI takes the default of a list
        features: Features = [],  # noqa: B006
        versions: Versions = [],  # noqa: B006
        environments: Environments = [],  # noqa: B006
        size: Size = service.DEFAULT_PAGE,
        start: Start = 0,
        order: schemas.FeatureHistoryOrder | None = None,
    ) -> Response:
        query = service.Query(
            keys=frozenset(keys),
            features=frozenset(features),
            versions=frozenset(versions),
            environments=frozenset(environments),
            start=start,
            size=size,
            newest_first=order == "desc",
        )
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            application = await get_readable_application(session, grants, application_id)
            found = await service.find_history(session, place_of(application), grants, query)
        return answer(found)
