"""The operation that shows an application's table of features."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from common.contracts.features import FeatureType
from common.errors import NotFound
from mr.api.operations import Operation, SignedIn
from mr.api.parameters import ApplicationId, Containing
from mr.applications.service import get_member_application, place_of
from mr.auth.grants import load_grants
from mr.dashboard import schemas, service
from mr.db.session import Database
from mr.people.schemas import SortOrder

# How FastAPI takes lists by default; never changed.
Environments = Annotated[list[UUID], Query(alias="environmentIds", max_length=1000)]
Filters = Annotated[list[UUID], Query(alias="featureFilter", max_length=1000)]
Types = Annotated[list[FeatureType], Query(alias="featureTypes", max_length=100)]
Size = Annotated[int, Query(alias="max", ge=0, le=1_000_000_000)]
Page = Annotated[int, Query(ge=0, le=1_000_000)]


class DashboardEndpoints:
    """The one operation of FeatureService that shows everything at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/mr-api/application/{id}/all-feature-environment",
                self.show,
                "findAllFeatureAndFeatureValuesForEnvironmentsByApplication",
                service="FeatureService",
                answers=schemas.ApplicationFeatureValues,
                statuses=(404,),
            )
        ]

    async def show(
        self,
        caller: SignedIn,
        application_id: ApplicationId,
        environments: Environments = [],  # noqa: B006
        containing: Containing = None,
        size: Size = service.LONGEST_PAGE,
        page: Page = 0,
        types: Types = [],  # noqa: B006
        sortOrder: SortOrder | None = None,
        filters: Filters = [],  # noqa: B006
    ) -> Response:
        query = service.Query(
            containing=containing,
            types=types,
            filters=filters,
            environments=frozenset(environments),
            order=sortOrder,
            page=page,
            size=min(size, service.LONGEST_PAGE),
        )
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            application = await get_member_application(session, grants, application_id)
            place = place_of(application)
            if not grants.has_environment_role(place):
                raise NotFound
            table = await service.load_table(session, place, grants, query)
        # A big page takes long to encode; the loop serves others meanwhile.
        encoded = await asyncio.to_thread(service.encode_table, table)
        return Response(encoded, media_type="application/json")
