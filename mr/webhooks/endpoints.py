"""Operations on webhooks."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from starlette.responses import Response

from mr.api.operations import Access, Operation, SignedIn, answer, nothing
from mr.auth.grants import load_grants
from mr.auth.vault import Vault
from mr.db.session import Database
from mr.environments.service import get_administered_environment
from mr.webhooks import schemas, service

_operation = partial(Operation, service="WebhookService")

EnvironmentInPath = Annotated[UUID, Path(alias="envId")]


class WebhookEndpoints:
    """What the contract calls WebhookService; for administrators of the environment's portfolio."""

    def __init__(self, database: Database, *, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def operations(self) -> list[Operation]:
        path = "/mr-api/webhooks"
        return [
            _operation(
                "GET",
                path,
                self.types,
                "getWebhookTypes",
                answers=schemas.WebhookTypeDetails,
                access=Access.OPEN,
                statuses=(404,),
            ),
            _operation("POST", path, self.test, "testWebhook", status=204, statuses=(403, 404)),
            _operation(
                "GET",
                path + "/{envId}/{id}",
                self.get,
                "getWebhookDetails",
                answers=schemas.WebhookDetail,
                statuses=(403, 404),
            ),
            _operation(
                "GET",
                path + "/{envId}",
                self.find,
                "listWebhooks",
                answers=schemas.WebhookSummary,
                statuses=(403, 404),
            ),
        ]

    async def types(self) -> Response:
        return answer(schemas.WebhookTypeDetails(types=service.types(self._vault)))

    async def test(self, caller: SignedIn, body: schemas.WebhookCheck) -> Response:
        async with self._database.write() as session:
            grants = await load_grants(session, caller.person_id)
            environment, _ = await get_administered_environment(session, grants, body.envId)
            await service.send_test(session, self._vault, environment, body.messageType)
        return nothing()

    async def find(
        self,
        caller: SignedIn,
        environment_id: EnvironmentInPath,
        size: Annotated[int, Query(alias="max", ge=0, le=1_000_000)] = service.DEFAULT_PAGE,
        start: Annotated[int, Query(alias="startAt", ge=0, le=1_000_000_000)] = 0,
        message_type: Annotated[str | None, Query(alias="filter", description="A message type.")] = None,
    ) -> Response:
        size = min(max(size, service.DEFAULT_PAGE), service.LONGEST_PAGE)
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            await get_administered_environment(session, grants, environment_id)
            found = await service.find_results(
                session, environment_id, start=start, size=size, message_type=message_type
            )
        return answer(found)

    async def get(
        self,
        caller: SignedIn,
        environment_id: EnvironmentInPath,
        identity: Annotated[UUID, Path(alias="id")],
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            await get_administered_environment(session, grants, environment_id)
            found = await service.get_result(session, environment_id, identity)
        return answer(found)
