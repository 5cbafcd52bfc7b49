"""Operations on feature definitions, and on one feature's values in all environments."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from common.errors import BadRequest, Forbidden
from mr.api.operations import Operation, SignedIn, answer
from mr.api.parameters import ApplicationId, FeatureKey, Flag
from mr.applications.service import get_readable_application, place_of
from mr.auth.grants import load_grants
from mr.auth.permissions import Grants
from mr.db.models.portfolios import Application
from mr.db.projection import Touched, project
from mr.db.session import Database, Locks
from mr.environment_features.schemas import FeatureEnvironment
from mr.environments import service as environments
from mr.features import schemas, service
from mr.features.saving import FeatureLocked, Request, RoleMissing, Saving
from mr.features.showing import show_everywhere
from mr.strategies.schemas import RolloutStrategyValidationResponse

_operation = partial(Operation, service="FeatureService")


class UnusableValues(BadRequest):
    """A list of values that this operation refuses as a whole; clients of the contract expect 400."""

    code = "unusable-values"


class FeatureEndpoints:
    """What the contract calls FeatureService."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        listed, single = "/mr-api/application/{id}/features", "/mr-api/application/{id}/features/{key}"
        everywhere = "/mr-api/application/{id}/feature-environments/{key}"
        one, many, values = schemas.Feature, list[schemas.Feature], list[FeatureEnvironment]
        return [
            _operation(
                "GET",
                listed,
                self.find,
                "getAllFeaturesForApplication",
                answers=many,
                statuses=(403, 404),
            ),
            _operation(
                "POST",
                listed,
                self.create,
                "createFeaturesForApplication",
                answers=many,
                statuses=(403, 404, 409),
            ),
            _operation(
                "PUT",
                listed,
                self.update,
                "updateFeatureForApplicationOnFeature",
                answers=many,
                statuses=(403, 404, 409, 422),
            ),
            _operation("GET", single, self.get, "getFeatureByKey", answers=one, statuses=(404,)),
            _operation(
                "PUT",
                single,
                self.update_by_key,
                "updateFeatureForApplication",
                answers=many,
                statuses=(403, 404, 409, 422),
            ),
            _operation(
                "DELETE",
                single,
                self.delete,
                "deleteFeatureForApplication",
                answers=many,
                statuses=(403, 404),
            ),
            _operation(
                "GET",
                everywhere,
                self.get_values,
                "getAllFeatureValuesByApplicationForKey",
                answers=values,
                statuses=(404,),
            ),
            _operation(
                "PUT",
                everywhere,
                self.update_values,
                "updateAllFeatureValuesByApplicationForKey",
                answers=values,
                statuses=(404, 409, 412),
                bodies={422: RolloutStrategyValidationResponse},
            ),
        ]

    async def find(
        self, caller: SignedIn, application_id: ApplicationId, includeMetaData: Flag = False
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            await get_readable_application(session, grants, application_id)
            shown = await service.show_all(session, application_id, meta_data=includeMetaData)
        return answer(shown)

    async def create(
        self,
        caller: SignedIn,
        application_id: ApplicationId,
        body: schemas.CreateFeature,
        includeMetaData: Flag = False,
    ) -> Response:
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            application = await get_readable_application(session, grants, application_id)
            if not grants.may_create_features(place_of(application)):
                raise Forbidden
            await service.create_feature(session, application, body, author=caller.person_id)
            shown = await service.show_all(session, application_id, meta_data=includeMetaData)
        return answer(shown)

    async def update(
        self,
        caller: SignedIn,
        application_id: ApplicationId,
        body: schemas.Feature,
        includeMetaData: Flag = False,
        returnAllFeatures: Annotated[bool, Query()] = True,
    ) -> Response:
        if body.key is None:
            raise service.MissingMember("The feature is named by its key.")
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            application = await _editable(session, grants, application_id)
            feature = await service.get_feature(session, application_id, body.key)
            await service.update_feature(
                session, application, feature, body, may_rename=False, author=caller.person_id
            )
            shown = [service.show_feature(feature, meta_data=includeMetaData)]
            if returnAllFeatures:
                shown = await service.show_all(session, application_id, meta_data=includeMetaData)
        return answer(shown)

    async def get(
        self,
        caller: SignedIn,
        application_id: ApplicationId,
        key: FeatureKey,
        includeMetaData: Flag = False,
        includeFilters: Flag = False,
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            await get_readable_application(session, grants, application_id)
            feature = await service.get_feature(session, application_id, key)
            filters = None
            if includeFilters:
                filters = (await service.filters_of(session, [feature.id])).get(feature.id, [])
        return answer(service.show_feature(feature, meta_data=includeMetaData, filters=filters))

    async def update_by_key(
        self,
        caller: SignedIn,
        application_id: ApplicationId,
        key: FeatureKey,
        body: schemas.Feature,
        includeMetaData: Flag = False,
        includeFilters: Flag = False,
    ) -> Response:
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            application = await _editable(session, grants, application_id)
            feature = await service.get_feature(session, application_id, key)
            await service.update_feature(
                session, application, feature, body, may_rename=True, author=caller.person_id
            )
            shown = await service.show_all(
                session, application_id, meta_data=includeMetaData, filters=includeFilters
            )
        return answer(shown)

    async def delete(
        self,
        caller: SignedIn,
        application_id: ApplicationId,
        key: FeatureKey,
        includeMetaData: Flag = False,
        includeFilters: Flag = False,
    ) -> Response:
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            await _editable(session, grants, application_id)
            feature = await service.get_feature(session, application_id, key)
            await service.archive_feature(session, feature, author=caller.person_id)
            shown = await service.show_all(
                session, application_id, meta_data=includeMetaData, filters=includeFilters
            )
        return answer(shown)

    async def get_values(self, caller: SignedIn, application_id: ApplicationId, key: FeatureKey) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            application = await get_readable_application(session, grants, application_id)
            feature = await service.get_feature(session, application_id, key)
            shown = await show_everywhere(session, feature, place_of(application), grants)
        return answer(shown)

    async def update_values(
        self,
        caller: SignedIn,
        application_id: ApplicationId,
        key: FeatureKey,
        body: list[schemas.FeatureValue],
        removeValuesNotPassed: Flag = False,
    ) -> Response:
        # Values cannot be removed (contract, section 6): environments that are not listed stay as they are.
        del removeValuesNotPassed
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            application = await get_readable_application(session, grants, application_id)
            feature = await service.get_feature(session, application_id, key)
            place = place_of(application)
            known = set((await session.scalars(environments.ids_in(application_id))).all())
            requests = [
                Request(wanted.environmentId, feature, wanted)
                for wanted in body
                if wanted.environmentId in known
            ]
            if len({each.environment_id for each in requests}) != len(body):
                raise UnusableValues("Each value names one environment of the application, once.")
            saving = await Saving.load(session, application_id, requests)
            for request in requests:
                try:
                    saving.save(request, grants.writing_roles_in(place, request.environment_id))
                except (RoleMissing, FeatureLocked) as error:
                    raise UnusableValues(error.title()) from error
            await saving.finish()
            await project(session, application_id, Touched(saved=saving.saved), author=caller.person_id)
            shown = await show_everywhere(session, feature, place, grants)
        return answer(shown)


async def _editable(session: AsyncSession, grants: Grants, application_id: ApplicationId) -> Application:
    application = await get_readable_application(session, grants, application_id)
    if not grants.may_edit_features(place_of(application)):
        raise Forbidden
    return application
