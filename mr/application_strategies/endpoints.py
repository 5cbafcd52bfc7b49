"""Operations on an application's strategies."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from common.errors import Forbidden
from mr.api.operations import Operation, SignedIn, answer, nothing
from mr.api.parameters import ApplicationIdLong, Containing, Flag
from mr.application_strategies import schemas, service
from mr.applications.service import get_readable_application, place_of
from mr.auth.grants import load_grants
from mr.auth.permissions import Grants, Place
from mr.db.session import Database, Locks
from mr.people.schemas import SortOrder

_operation = partial(Operation, service="ApplicationRolloutStrategyService")

StrategyId = Annotated[UUID, Path(alias="appStrategyId")]
Size = Annotated[int, Query(alias="max", ge=1, le=1_000_000_000)]
Page = Annotated[int, Query(ge=0, le=1_000_000)]


class ApplicationStrategyEndpoints:
    """What the contract calls ApplicationRolloutStrategyService, apart from checking strategies.

    The flags `includeWhoChanged` and `includeUsage` change nothing: a single strategy has no members for
    either, and the list always shows both.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        listed = "/mr-api/application/{appId}/strategy"
        single = "/mr-api/application/{appId}/rollout-strategy/{appStrategyId}"
        one = schemas.ApplicationRolloutStrategy
        return [
            _operation(
                "GET",
                listed,
                self.find,
                "listApplicationStrategies",
                answers=schemas.ApplicationRolloutStrategyList,
                statuses=(403, 404),
            ),
            _operation(
                "POST",
                listed,
                self.create,
                "createApplicationStrategy",
                answers=one,
                status=201,
                statuses=(403, 404, 409),
            ),
            _operation("GET", single, self.get, "getApplicationStrategy", answers=one, statuses=(403, 404)),
            _operation(
                "PUT",
                single,
                self.update,
                "updateApplicationStrategy",
                answers=one,
                statuses=(403, 404, 409),
            ),
            _operation(
                "DELETE", single, self.delete, "deleteApplicationStrategy", status=204, statuses=(403, 404)
            ),
        ]

    async def find(
        self,
        caller: SignedIn,
        application_id: ApplicationIdLong,
        includeWhoChanged: Flag = False,
        includeUsage: Flag = False,
        includeArchived: Flag = False,
        containing: Containing = None,
        sortOrder: SortOrder | None = None,
        size: Size = service.LONGEST_PAGE,
        page: Page = 0,
    ) -> Response:
        del includeWhoChanged, includeUsage
        async with self._database.read() as session:
            await _readable(session, caller.person_id, application_id)
            listed, total = await service.find_strategies(
                session,
                application_id,
                containing=containing,
                archived=includeArchived,
                order=sortOrder,
                page=page,
                size=min(size, service.LONGEST_PAGE),
            )
            shown = await service.show_strategies(session, listed)
        return answer(schemas.ApplicationRolloutStrategyList(max=total, page=page, items=shown))

    async def create(
        self,
        caller: SignedIn,
        application_id: ApplicationIdLong,
        body: schemas.CreateApplicationRolloutStrategy,
        includeWhoChanged: Flag = False,
        includeUsage: Flag = False,
    ) -> Response:
        del includeWhoChanged, includeUsage
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants, place = await _readable(session, caller.person_id, application_id)
            if not grants.may_create_strategies(place):
                raise Forbidden
            made = await service.create_strategy(session, application_id, body, author=caller.person_id)
        return answer(service.show_strategy(made), 201)

    async def get(
        self,
        caller: SignedIn,
        application_id: ApplicationIdLong,
        strategy_id: StrategyId,
        includeWhoChanged: Flag = False,
        includeUsage: Flag = False,
    ) -> Response:
        del includeWhoChanged, includeUsage
        async with self._database.read() as session:
            await _readable(session, caller.person_id, application_id)
            found = await service.get_strategy(session, application_id, strategy_id)
        return answer(service.show_strategy(found))

    async def update(
        self,
        caller: SignedIn,
        application_id: ApplicationIdLong,
        strategy_id: StrategyId,
        body: schemas.UpdateApplicationRolloutStrategy,
        includeWhoChanged: Flag = False,
    ) -> Response:
        del includeWhoChanged
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants, place = await _readable(session, caller.person_id, application_id)
            if not grants.may_edit_strategies(place):
                raise Forbidden
            found = await service.get_strategy(session, application_id, strategy_id)
            await service.update_strategy(session, found, body, author=caller.person_id)
        return answer(service.show_strategy(found))

    async def delete(
        self,
        caller: SignedIn,
        application_id: ApplicationIdLong,
        strategy_id: StrategyId,
        includeWhoChanged: Flag = False,
    ) -> Response:
        del includeWhoChanged
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants, place = await _readable(session, caller.person_id, application_id)
            if not grants.may_delete_strategies(place):
                raise Forbidden
            found = await service.get_strategy(session, application_id, strategy_id)
            await service.archive_strategy(session, found, author=caller.person_id)
        return nothing()


async def _readable(session: AsyncSession, person_id: UUID, application_id: UUID) -> tuple[Grants, Place]:
    """Return what the caller was given, and where the application hangs. Raises NotFound without a role."""
    grants = await load_grants(session, person_id)
    return grants, place_of(await get_readable_application(session, grants, application_id))
