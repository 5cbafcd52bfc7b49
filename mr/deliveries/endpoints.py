"""Operations on messages to endpoints outside."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from mr.api.operations import Operation, SignedIn, answer
from mr.api.parameters import EnvironmentId
from mr.auth.grants import load_grants
from mr.db.session import Database
from mr.deliveries import schemas, service
from mr.environments.service import get_administered_environment

_operation = partial(Operation, service="BurgeeService", statuses=(403, 404))


class DeliveryEndpoints:
    """Burgee's own: the dead letters, and their replay; for administrators of the portfolio."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        path = "/mr-api/burgee/deliveries/{eid}"
        return [
            _operation("GET", path, self.find, "findDeliveries", answers=schemas.DeliveryList),
            _operation(
                "POST", path + "/replay", self.replay, "replayDeliveries", answers=schemas.DeliveryReplayed
            ),
        ]

    async def find(
        self,
        caller: SignedIn,
        environment_id: EnvironmentId,
        state: schemas.DeliveryState | None = None,
        size: Annotated[int, Query(alias="max", ge=1, le=service.LONGEST_PAGE)] = service.DEFAULT_PAGE,
        start: Annotated[int, Query(alias="startAt", ge=0, le=1_000_000_000)] = 0,
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            await get_administered_environment(session, grants, environment_id)
            found = await service.find_deliveries(
                session, environment_id, state=state, start=start, size=size
            )
        return answer(found)

    async def replay(
        self, caller: SignedIn, environment_id: EnvironmentId, body: schemas.DeliveryReplay
    ) -> Response:
        async with self._database.write() as session:
            grants = await load_grants(session, caller.person_id)
            await get_administered_environment(session, grants, environment_id)
            count = await service.replay(session, environment_id, body.ids)
        return answer(schemas.DeliveryReplayed(count=count))
