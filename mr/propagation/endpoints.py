"""The operation that shows how far changes have come."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from common.errors import BadRequest
from mr.api.operations import Operation, SignedIn, answer
from mr.auth.grants import load_grants
from mr.db.session import Database
from mr.propagation.record import Propagation
from mr.propagation.schemas import PropagationRecord
from mr.propagation.service import Wanted, show_propagation

_LARGEST = 2**63 - 1
EnvironmentAsked = Annotated[UUID | None, Query(alias="environmentId")]
Number = Annotated[int | None, Query(ge=1, le=_LARGEST)]
Size = Annotated[int, Query(alias="max", ge=1, le=100)]


class PropagationEndpoints:
    """Burgee's own; clients of the contract do not know it."""

    def __init__(self, database: Database, propagation: Propagation) -> None:
        self._database = database
        self._propagation = propagation

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/mr-api/burgee/propagation",
                self.show,
                "showPropagation",
                service="BurgeeService",
                answers=PropagationRecord,
                statuses=(404,),
            )
        ]

    async def show(
        self,
        caller: SignedIn,
        environment_id: EnvironmentAsked = None,
        position: Number = None,
        revision: Number = None,
        size: Size = 20,
    ) -> Response:
        if environment_id is None and position is None:
            raise BadRequest("Name an environment, or the position of a change.")
        wanted = Wanted(environment_id, position, revision, size)
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            found = await show_propagation(session, self._database, grants, self._propagation, wanted)
        return answer(found)
