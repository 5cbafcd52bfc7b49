"""The operation that shows how much environments are used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator
from starlette.responses import Response

from mr.api.operations import Operation, SignedIn, answer
from mr.auth.grants import load_grants
from mr.db.session import Database
from mr.propagation.record import Propagation
from mr.usage.schemas import Step, UsageRecord
from mr.usage.service import Wanted, show_usage


def _with_zone(moment: datetime) -> datetime:
    """A moment without a zone is UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


Environments = Annotated[list[UUID], Query(alias="environmentId", max_length=50)]
Moment = Annotated[datetime | None, AfterValidator(lambda each: each and _with_zone(each)), Query()]


class UsageEndpoints:
    """Burgee's own; clients of the contract do not know it."""

    def __init__(self, database: Database, propagation: Propagation) -> None:
        self._database = database
        self._propagation = propagation

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/mr-api/burgee/usage",
                self.show,
                "showUsage",
                service="BurgeeService",
                answers=UsageRecord,
                statuses=(404,),
            )
        ]

    async def show(
        self,
        caller: SignedIn,
        environments: Environments,
        step: Annotated[Step, Query()] = "minute",
        since: Moment = None,
        until: Moment = None,
    ) -> Response:
        wanted = Wanted.read(environments, step, since, until)
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            found = await show_usage(session, grants, self._propagation, wanted)
        return answer(found)
