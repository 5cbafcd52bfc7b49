"""The operation behind the playground."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from mr.api.operations import Operation, SignedIn, answer
from mr.auth.grants import load_grants
from mr.db.session import Database
from mr.evaluation.schemas import EvaluationAnswer, EvaluationRequest
from mr.evaluation.service import Loaded, evaluate_all, load_environment


class EvaluationEndpoints:
    """Burgee's own; clients of the contract do not know it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "POST",
                "/mr-api/burgee/evaluation",
                self.evaluate,
                "evaluateFeatures",
                service="BurgeeService",
                answers=EvaluationAnswer,
                statuses=(404,),
            )
        ]

    async def evaluate(self, asked: EvaluationRequest, caller: SignedIn) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            loaded = await load_environment(
                session, grants, asked.environmentId, frozenset(asked.featureKeys)
            )
        return await asyncio.to_thread(_answered, asked, loaded)


def _answered(asked: EvaluationRequest, loaded: Loaded) -> Response:
    return answer(evaluate_all(asked, loaded))
