"""The operation that shows an application's table of features."""

from __future__ import annotations

import asyncio
import gzip
from typing import Annotated, Final
from uuid import UUID

from fastapi import Header, Query
from starlette.responses import Response

from common.codings import takes_gzip
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
Accepted = Annotated[str, Header(alias="accept-encoding", include_in_schema=False)]

_WORTH_IT: Final = 10_000
"""Bytes: smaller answers are sent as they are."""
_QUICKLY: Final = 1
"""gzip's level: a table repeats itself so much that even this leaves less than a tenth."""


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
        accepted: Accepted = "",
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
        return await asyncio.to_thread(_answer, table, accepted)


def _answer(table: service.Table, accepted: str) -> Response:
    """Encode the page, and pack it for whoever unpacks."""
    body = service.encode_table(table)
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    if len(body) > _WORTH_IT and takes_gzip(accepted.encode()):
        body = gzip.compress(body, _QUICKLY, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type="application/json")
