"""The operation that searches the audit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator
from starlette.responses import Response

from mr.api.operations import Operation, SignedIn, answer
from mr.audit.schemas import AuditPage
from mr.audit.service import Wanted, find_entries
from mr.auth.grants import load_grants
from mr.db.session import Database

_LARGEST = 2**63 - 1


def _with_zone(moment: datetime) -> datetime:
    """A moment without a zone is UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


Moment = Annotated[datetime | None, AfterValidator(lambda each: each and _with_zone(each)), Query()]
Text = Annotated[str | None, Query(max_length=200)]
Identity = Annotated[UUID | None, Query()]
Size = Annotated[int, Query(alias="max", ge=1, le=100)]
Before = Annotated[int | None, Query(ge=1, le=_LARGEST, description="The `next` of a page.")]


class AuditEndpoints:
    """Burgee's own; clients of the contract do not know it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/mr-api/burgee/audit",
                self.find,
                "findAuditEntries",
                service="BurgeeService",
                answers=AuditPage,
                statuses=(403, 404),
            )
        ]

    async def find(
        self,
        caller: SignedIn,
        personId: Identity = None,
        objectId: Text = None,
        objectKind: Text = None,
        featureId: Annotated[
            UUID | None, Query(description="The feature itself, and its values everywhere.")
        ] = None,
        action: Text = None,
        operation: Text = None,
        portfolioId: Identity = None,
        applicationId: Identity = None,
        environmentId: Identity = None,
        since: Moment = None,
        until: Moment = None,
        before: Before = None,
        size: Size = 20,
    ) -> Response:
        wanted = Wanted(
            person_id=personId,
            object_id=objectId,
            object_kind=objectKind,
            feature_id=featureId,
            action=action,
            operation=operation,
            portfolio_id=portfolioId,
            application_id=applicationId,
            environment_id=environmentId,
            since=since,
            until=until,
            before=before,
            size=size,
        )
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            found = await find_entries(session, grants, wanted)
        return answer(found)
