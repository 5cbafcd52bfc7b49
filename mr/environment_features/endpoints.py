"""Operations on the values of one environment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from common.errors import BadRequest, Forbidden, NotFound
from mr.api.operations import Operation, SignedIn, answer
from mr.api.parameters import Containing, EnvironmentId, FeatureKey, Flag
from mr.applications.service import get_application, show_application
from mr.auth.grants import load_grants
from mr.auth.permissions import Grants, Place
from mr.db.models.features import Feature
from mr.db.models.portfolios import Environment
from mr.db.projection import Touched, project
from mr.db.session import Database, Locks, WriteSession
from mr.environment_features.schemas import EnvironmentFeaturesResult
from mr.environments import service as environments
from mr.features import schemas, service
from mr.features.saving import Request, Saving, require_writer
from mr.features.showing import in_environment, show_values
from mr.strategies.schemas import RolloutStrategyValidationResponse

_operation = partial(Operation, service="EnvironmentFeatureService")


class RepeatedKey(BadRequest):
    code = "repeated-key"


class ValuesStay(BadRequest):
    """A value cannot be removed; retire it, or delete the feature."""

    code = "values-stay"


class EnvironmentFeatureEndpoints:
    """What the contract calls EnvironmentFeatureService."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def operations(self) -> list[Operation]:
        listed, single = "/mr-api/features/{eid}", "/mr-api/features/{eid}/feature/{key}"
        one = schemas.FeatureValue
        invalid = {422: RolloutStrategyValidationResponse}
        writing = (403, 404, 409, 412)
        return [
            _operation(
                "GET",
                listed,
                self.find,
                "getFeaturesForEnvironment",
                answers=EnvironmentFeaturesResult,
                statuses=(403, 404),
            ),
            _operation(
                "PUT",
                listed,
                self.update_all,
                "updateAllFeaturesForEnvironment",
                answers=list[schemas.FeatureValue],
                statuses=writing,
                bodies=invalid,
            ),
            _operation("GET", single, self.get, "getFeatureForEnvironment", answers=one, statuses=(403, 404)),
            _operation(
                "PUT",
                single,
                self.update,
                "updateFeatureForEnvironment",
                answers=one,
                statuses=writing,
                bodies=invalid,
            ),
            _operation(
                "POST",
                single,
                self.update,
                "createFeatureForEnvironment",
                answers=one,
                statuses=writing,
                bodies=invalid,
            ),
            _operation(
                "DELETE", single, self.delete, "deleteFeatureForEnvironment", statuses=(404,), status=400
            ),
        ]

    async def find(
        self,
        caller: SignedIn,
        environment_id: EnvironmentId,
        includeFeatures: Flag = False,
        containing: Containing = None,
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            environment, place = await _readable(session, grants, environment_id)
            features = list(await service.live_features(session, [place.application_id]))
            if containing:
                text = containing.casefold()
                features = [
                    each for each in features if text in each.key.casefold() or text in each.name.casefold()
                ]
            values = await show_values(session, [environment_id], features)
            application = await get_application(session, place.application_id)
            shown = EnvironmentFeaturesResult(
                featureValues=in_environment(environment, values),
                environments=await environments.show_environments(session, [environment]),
                applications=[await show_application(session, application)],
                features=[service.show_feature(each) for each in features] if includeFeatures else [],
            )
        return answer(shown)

    async def update_all(
        self, caller: SignedIn, environment_id: EnvironmentId, body: list[schemas.FeatureValue]
    ) -> Response:
        if len({wanted.key for wanted in body}) != len(body):
            raise RepeatedKey
        async with self._database.write(Locks(environments=(environment_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            environment, place = await _writable(session, grants, environment_id)
            roles = grants.writing_roles_in(place, environment_id)
            features = await service.live_features(session, [place.application_id])
            by_key = {feature.key: feature for feature in features}
            if any(wanted.key not in by_key for wanted in body):
                raise NotFound("A feature of the list does not exist.")
            requests = [Request(environment_id, by_key[wanted.key], wanted) for wanted in body]
            await _save(session, place, requests, roles, caller.person_id)
            values = await show_values(session, [environment_id], features)
        return answer(in_environment(environment, values))

    async def get(self, caller: SignedIn, environment_id: EnvironmentId, key: FeatureKey) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            _, place = await _readable(session, grants, environment_id)
            feature = await service.get_feature(session, place.application_id, key)
            shown = await _show(session, environment_id, feature)
        return answer(shown)

    async def update(
        self, caller: SignedIn, environment_id: EnvironmentId, key: FeatureKey, body: schemas.FeatureValue
    ) -> Response:
        """Create or change: the contract's POST and PUT are one and the same."""
        async with self._database.write(Locks(environments=(environment_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            _, place = await _writable(session, grants, environment_id)
            feature = await service.get_feature(session, place.application_id, key)
            roles = grants.writing_roles_in(place, environment_id)
            request = Request(environment_id, feature, body)
            await _save(session, place, [request], roles, caller.person_id)
            shown = await _show(session, environment_id, feature)
        return answer(shown)

    async def delete(self, caller: SignedIn, environment_id: EnvironmentId, key: FeatureKey) -> Response:
        del caller, environment_id, key
        raise ValuesStay


async def _readable(session: AsyncSession, grants: Grants, environment_id: UUID) -> tuple[Environment, Place]:
    """Return the environment to whoever has a role in it. Raises Forbidden, also for an unknown one."""
    found = await environments.find_environment(session, environment_id)
    if found is None or not grants.roles_in(found[1], environment_id):
        raise Forbidden
    return found


async def _writable(session: AsyncSession, grants: Grants, environment_id: UUID) -> tuple[Environment, Place]:
    """Return the environment to whoever may write some part of a value there. Raises Forbidden."""
    found = await environments.find_environment(session, environment_id)
    if found is None:
        raise Forbidden
    require_writer(grants.writing_roles_in(found[1], environment_id))
    return found


async def _save(
    session: WriteSession, place: Place, requests: Sequence[Request], roles: frozenset[str], author: UUID
) -> None:
    saving = await Saving.load(session, place.application_id, requests)
    for request in requests:
        saving.save(request, roles)
    await saving.finish()
    await project(session, place.application_id, Touched(saved=saving.saved), author=author)


async def _show(session: AsyncSession, environment_id: UUID, feature: Feature) -> schemas.FeatureValue:
    values = await show_values(session, [environment_id], [feature])
    shown = values.get((environment_id, feature.id))
    if shown is None:
        raise NotFound("The feature has no value here yet.")
    return shown
