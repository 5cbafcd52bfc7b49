"""The operation that checks strategies before they are saved."""

from __future__ import annotations

from starlette.responses import Response

from mr.api.operations import Operation, SignedIn, answer
from mr.api.parameters import ApplicationIdLong
from mr.applications.service import get_readable_application
from mr.auth.grants import load_grants
from mr.db.session import Database
from mr.strategies import schemas
from mr.strategies.validation import validate


class StrategyEndpoints:
    """The one operation of ApplicationRolloutStrategyService that saves nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "POST",
                "/mr-api/application/{appId}/rollout-strategy-validation",
                self.check,
                "validate",
                service="ApplicationRolloutStrategyService",
                answers=schemas.RolloutStrategyValidationResponse,
                statuses=(404,),
            )
        ]

    async def check(
        self,
        caller: SignedIn,
        application_id: ApplicationIdLong,
        body: schemas.RolloutStrategyValidationRequest,
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            await get_readable_application(session, grants, application_id)
        return answer(validate(None, body.customStrategies, body.sharedStrategies))
