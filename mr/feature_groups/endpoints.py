"""Operations on feature groups."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from common.errors import Forbidden, NotFound
from mr.api.operations import Operation, SignedIn, answer, nothing
from mr.api.parameters import ApplicationIdLong, Containing
from mr.applications.service import get_readable_application, place_of
from mr.auth.grants import load_grants
from mr.auth.permissions import Grants, Place
from mr.db.session import Database, Locks
from mr.environments.service import live_environments
from mr.feature_groups import schemas, service, showing
from mr.people.schemas import SortOrder

_operation = partial(Operation, service="FeatureGroupService")

GroupId = Annotated[UUID, Path(alias="fgId")]
EnvironmentIdLong = Annotated[UUID, Path(alias="envId")]
Size = Annotated[int, Query(alias="max", ge=1, le=1_000_000_000)]
Page = Annotated[int, Query(ge=0, le=1_000_000)]


class FeatureGroupEndpoints:
    """What the contract calls FeatureGroupService."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        listed = "/mr-api/application/{appId}/feature-groups"
        single = listed + "/{fgId}"
        return [
            _operation(
                "GET",
                listed,
                self.find,
                "listFeatureGroups",
                answers=schemas.FeatureGroupList,
                statuses=(404,),
            ),
            _operation(
                "POST",
                listed,
                self.create,
                "createFeatureGroup",
                answers=schemas.FeatureGroupListGroup,
                status=201,
                statuses=(403, 404, 409),
            ),
            _operation(
                "PUT",
                listed,
                self.update,
                "updateFeatureGroup",
                answers=schemas.FeatureGroup,
                statuses=(403, 404, 412, 413, 414, 415),
            ),
            _operation(
                "GET",
                listed + "/environment/{envId}",
                self.find_features,
                "getFeatureGroupFeatures",
                answers=list[schemas.FeatureGroupFeature],
                statuses=(404,),
            ),
            _operation("DELETE", single, self.delete, "deleteFeatureGroup", status=204, statuses=(403, 404)),
            _operation(
                "GET", single, self.get, "getFeatureGroup", answers=schemas.FeatureGroup, statuses=(404,)
            ),
        ]

    async def find(
        self,
        caller: SignedIn,
        application_id: ApplicationIdLong,
        containing: Containing = None,
        size: Size = showing.DEFAULT_PAGE,
        page: Page = 0,
        sortOrder: SortOrder | None = None,
        environmentId: UUID | None = None,
    ) -> Response:
        async with self._database.read() as session:
            grants, place = await _readable(session, caller.person_id, application_id)
            environments = {
                each.id
                for each in await live_environments(session, [application_id])
                if grants.roles_in(place, each.id) and environmentId in {None, each.id}
            }
            query = showing.Query(environments, containing, sortOrder, page, min(size, showing.LONGEST_PAGE))
            listed, count = await showing.find_groups(session, query)
            shown = await showing.show_listed(session, listed)
        return answer(schemas.FeatureGroupList(count=count, featureGroups=shown))

    async def create(
        self, caller: SignedIn, application_id: ApplicationIdLong, body: schemas.FeatureGroupCreate
    ) -> Response:
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants, place = await _readable(session, caller.person_id, application_id)
            environment = await service.get_environment(session, application_id, body.environmentId)
            if not grants.may_change_values(place, environment.id):
                raise Forbidden
            group = await service.create_group(session, environment, body, author=caller.person_id)
            (shown,) = await showing.show_listed(session, [(group, environment)])
        return answer(shown, 201)

    async def update(
        self, caller: SignedIn, application_id: ApplicationIdLong, body: schemas.FeatureGroupUpdate
    ) -> Response:
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants, place = await _readable(session, caller.person_id, application_id)
            group, environment = await service.find_group(session, application_id, body.id)
            if not grants.may_change_values(place, environment.id):
                raise Forbidden
            await service.update_group(session, group, environment, body, author=caller.person_id)
            shown = await showing.show_group(session, group, environment)
        return answer(shown)

    async def find_features(
        self, caller: SignedIn, application_id: ApplicationIdLong, environment_id: EnvironmentIdLong
    ) -> Response:
        async with self._database.read() as session:
            grants, place = await _readable(session, caller.person_id, application_id)
            environment = await service.get_environment(session, application_id, environment_id)
            if not grants.roles_in(place, environment_id):
                raise NotFound
            shown = await showing.show_candidates(session, environment)
        return answer(shown)

    async def delete(
        self, caller: SignedIn, application_id: ApplicationIdLong, group_id: GroupId
    ) -> Response:
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants, place = await _readable(session, caller.person_id, application_id)
            group, environment = await service.get_group(session, application_id, group_id)
            if not grants.may_change_values(place, environment.id):
                raise Forbidden
            await service.archive_group(session, group, environment, author=caller.person_id)
        return nothing()

    async def get(self, caller: SignedIn, application_id: ApplicationIdLong, group_id: GroupId) -> Response:
        async with self._database.read() as session:
            grants, place = await _readable(session, caller.person_id, application_id)
            group, environment = await service.get_group(session, application_id, group_id)
            if not grants.roles_in(place, environment.id):
                raise NotFound
            shown = await showing.show_group(session, group, environment)
        return answer(shown)


async def _readable(session: AsyncSession, person_id: UUID, application_id: UUID) -> tuple[Grants, Place]:
    """Return what the caller was given, and where the application hangs. Raises NotFound without a role."""
    grants = await load_grants(session, person_id)
    return grants, place_of(await get_readable_application(session, grants, application_id))
