"""The operation that verifies and repairs what is delivered."""

from __future__ import annotations

from starlette.responses import Response

from common.errors import Forbidden
from mr.api.operations import Operation, SignedIn, answer
from mr.auth.grants import load_grants
from mr.cache_refresh import schemas, service
from mr.db.session import Database


class CacheEndpoints:
    """What the contract calls CacheService. The path is the one of a cache that is no more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "POST",
                "/mr-api/dacha1/cache",
                self.refresh,
                "cacheRefresh",
                service="CacheService",
                answers=schemas.CacheRefreshResponse,
                statuses=(403, 404),
            )
        ]

    async def refresh(self, caller: SignedIn, body: schemas.CacheRefreshRequest) -> Response:
        async with self._database.read() as session:
            if not (await load_grants(session, caller.person_id)).superuser:
                raise Forbidden
            chosen = await service.choose(session, body)
        return answer(await service.refresh(self._database, chosen))
