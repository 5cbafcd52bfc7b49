"""Operations on environments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from uuid import UUID

from starlette.responses import Response

from common.errors import StaleVersion
from mr.api.operations import Caller, Operation, SignedIn, answer
from mr.api.parameters import ApplicationId, Containing, EnvironmentId, Flag
from mr.applications.service import get_administered_application, get_member_application
from mr.auth.grants import load_grants
from mr.auth.vault import Vault
from mr.db.session import Database, Locks
from mr.environments import schemas, service
from mr.environments.service import Including, NewEnvironment
from mr.webhooks import settings as endpoint_settings

_operation = partial(Operation, service="EnvironmentService")


class EnvironmentEndpoints:
    """What the contract calls EnvironmentService and Environment2Service."""

    def __init__(self, database: Database, *, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def operations(self) -> list[Operation]:
        listed, single = "/mr-api/application/{id}/environment", "/mr-api/environment/{eid}"
        one, many = schemas.Environment, list[schemas.Environment]
        updating = (403, 404, 409, 422)
        return [
            _operation("GET", listed, self.find, "findEnvironments", answers=many, statuses=(404,)),
            _operation(
                "POST",
                listed,
                self.create,
                "createEnvironmentOnApplication",
                answers=one,
                statuses=(403, 404, 409),
            ),
            _operation(
                "PUT",
                listed,
                self.update_on_application,
                "updateEnvironmentOnApplication",
                answers=one,
                statuses=updating,
            ),
            _operation(
                "POST",
                "/mr-api/application/{id}/environment-ordering",
                self.order,
                "environmentOrdering",
                answers=many,
                statuses=(403, 404),
            ),
            _operation(
                "POST",
                "/mr-api/application/{id}/permissions",
                self.create,
                "createEnvironment",
                answers=one,
                statuses=(403, 404, 409),
                deprecated=True,
            ),
            _operation("GET", single, self.get, "getEnvironment", answers=one, statuses=(403, 404)),
            _operation(
                "PUT",
                single,
                self.update,
                "updateEnvironment",
                answers=one,
                statuses=updating,
                deprecated=True,
            ),
            _operation("DELETE", single, self.delete, "deleteEnvironment", answers=bool, statuses=(404,)),
            Operation(
                "PUT",
                "/mr-api/environment/{eid}/v2",
                self.update_v2,
                "updateEnvironmentV2",
                service="Environment2Service",
                answers=one,
                statuses=updating,
                deprecated=True,
            ),
        ]

    async def find(
        self,
        caller: SignedIn,
        application_id: ApplicationId,
        order: schemas.EnvironmentSortOrder | None = None,
        containing: Containing = None,
        includeAcls: Flag = False,
        includeFeatures: Flag = False,
        includeDetails: Flag = False,
    ) -> Response:
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            await get_member_application(session, grants, application_id)
            found = await service.find_environments(
                session, application_id, containing=containing, order=order
            )
            shown = await service.show_environments(
                session, found, including=Including(includeAcls, includeFeatures, includeDetails)
            )
        return answer(shown)

    async def create(
        self, caller: SignedIn, application_id: ApplicationId, body: schemas.CreateEnvironment
    ) -> Response:
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            application = await get_administered_application(session, grants, application_id)
            wanted = NewEnvironment(
                body.name,
                body.description,
                production=body.production,
                prior_environment_id=body.priorEnvironmentId,
                info=body.environmentInfo or {},
            )
            environment = await service.create_environment(
                session, application, wanted, author=caller.person_id
            )
            shown = await service.show_environments(session, [environment], including=Including(details=True))
        return answer(shown[0])

    async def order(
        self, caller: SignedIn, application_id: ApplicationId, body: list[schemas.Environment]
    ) -> Response:
        async with self._database.write(Locks(applications=(application_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            await get_administered_application(session, grants, application_id)
            await service.order_environments(session, application_id, body, author=caller.person_id)
            found = await service.live_environments(session, [application_id])
            shown = await service.show_environments(session, found)
        return answer(shown)

    async def get(
        self,
        caller: SignedIn,
        environment_id: EnvironmentId,
        includeAcls: Flag = False,
        includeFeatures: Flag = False,
        includeDetails: Flag = False,
        decryptWebhookDetails: Flag = False,
        includeSdkUrl: Flag = False,
        includeServiceAccounts: Flag = False,
    ) -> Response:
        including = Including(
            includeAcls, includeFeatures, includeDetails, includeSdkUrl, includeServiceAccounts
        )
        async with self._database.read() as session:
            grants = await load_grants(session, caller.person_id)
            environment, place = await service.get_member_environment(session, grants, environment_id)
            shown = await service.show_environments(
                session, [environment], grants=grants, portfolio_id=place.portfolio_id, including=including
            )
            stored = environment.webhook_info
        if decryptWebhookDetails and includeDetails and grants.is_admin(place.portfolio_id):
            shown[0].webhookEnvironmentInfo = await self._revealed(stored, environment_id)
        return answer(shown[0])

    async def _revealed(self, stored: Mapping[str, str], environment_id: UUID) -> dict[str, str]:
        """Settings with their secrets in the clear, where that is allowed."""
        if not self._vault.reveals:
            return endpoint_settings.shown(stored)
        return await endpoint_settings.opened(stored, self._vault, environment_id)

    async def update(
        self,
        caller: SignedIn,
        environment_id: EnvironmentId,
        body: schemas.Environment,
        includeAcls: Flag = False,
        includeFeatures: Flag = False,
        includeDetails: Flag = False,
        decryptWebhookDetails: Flag = False,
    ) -> Response:
        including = Including(includeAcls, includeFeatures, includeDetails)
        return await self._update(
            caller, environment_id, body, including, reveal=decryptWebhookDetails and includeDetails
        )

    async def update_v2(
        self,
        caller: SignedIn,
        environment_id: EnvironmentId,
        body: schemas.UpdateEnvironment,
        includeAcls: Flag = False,
        includeFeatures: Flag = False,
        includeDetails: Flag = False,
    ) -> Response:
        including = Including(includeAcls, includeFeatures, includeDetails)
        return await self._update(caller, environment_id, body, including)

    async def update_on_application(
        self,
        caller: SignedIn,
        application_id: ApplicationId,
        body: schemas.UpdateEnvironmentV2,
        includeDetails: Flag = False,
    ) -> Response:
        including = Including(details=includeDetails)
        return await self._update(caller, body.id, body, including, application_id=application_id)

    async def _update(
        self,
        caller: Caller,
        environment_id: UUID,
        body: schemas.Environment | schemas.UpdateEnvironment,
        including: Including,
        *,
        application_id: UUID | None = None,
        reveal: bool = False,
    ) -> Response:
        sealer = await self._vault.sealer() if body.webhookEnvironmentInfo else None
        async with self._database.write(Locks(environments=(environment_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            environment, _ = await service.get_administered_environment(session, grants, environment_id)
            if application_id is not None:
                service.require_in_application(environment, application_id)
            elif body.version != environment.version:
                # The operation on the application compares no versions: its clients patch single members.
                raise StaleVersion
            await service.update_environment(
                session, environment, body, author=caller.person_id, sealer=sealer
            )
            shown = await service.show_environments(session, [environment], including=including)
            stored = environment.webhook_info
        if reveal:
            shown[0].webhookEnvironmentInfo = await self._revealed(stored, environment_id)
        return answer(shown[0])

    async def delete(
        self,
        caller: SignedIn,
        environment_id: EnvironmentId,
        includeAcls: Flag = False,
        includeFeatures: Flag = False,
        includeDetails: Flag = False,
        decryptWebhookDetails: Flag = False,
    ) -> Response:
        del includeAcls, includeFeatures, includeDetails, decryptWebhookDetails
        async with self._database.write(Locks(environments=(environment_id,))) as session:
            grants = await load_grants(session, caller.person_id)
            found = await service.find_environment(session, environment_id)
            if found is None or not grants.is_admin(found[1].portfolio_id):
                return answer(False)  # not an error: clients of the contract read the boolean
            await service.archive_environment(session, found[0], author=caller.person_id)
        return answer(True)
