"""Operations of first set-up, sign-in and server information."""

from __future__ import annotations

from starlette.responses import Response

from common.errors import Unauthenticated
from mr.api.operations import Access, Operation, SignedIn, answer, nothing
from mr.auth.passwords import Passwords
from mr.auth.sessions import Sessions
from mr.db.session import Database
from mr.system import schemas, service
from mr.system.organization import find_organization


class SystemEndpoints:
    """What the contract calls SetupService, AuthService (as far as it is built) and InfoService."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        passwords: Passwords,
        admin_group_suffix: str,
        server_name: str,
        version: str,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._passwords = passwords
        self._sign_in = service.SignIn(database, sessions=sessions, passwords=passwords)
        self._suffix = admin_group_suffix
        self._info = schemas.ApplicationVersionInfo(name=server_name, version=version)

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/mr-api/initialize",
                self.state,
                "isInstalled",
                service="SetupService",
                access=Access.OPEN,
                answers=schemas.SetupResponse,
                bodies={404: schemas.SetupMissingResponse},
            ),
            Operation(
                "POST",
                "/mr-api/initialize",
                self.set_up,
                "setupSiteAdmin",
                service="SetupService",
                access=Access.OPEN,
                answers=schemas.TokenizedPerson,
                statuses=(409,),
            ),
            Operation(
                "POST",
                "/mr-api/login",
                self.sign_in,
                "login",
                service="AuthService",
                access=Access.OPEN,
                answers=schemas.TokenizedPerson,
                statuses=(403, 404),
            ),
            Operation("GET", "/mr-api/logout", self.sign_out, "logout", service="AuthService", status=204),
            Operation(
                "GET",
                "/info/version",
                self.version,
                "getInfoVersion",
                service="InfoService",
                access=Access.OPEN,
                answers=schemas.ApplicationVersionInfo,
            ),
        ]

    async def state(self) -> Response:
        async with self._database.read() as session:
            organization = await find_organization(session)
        if organization is None:
            missing = schemas.SetupMissingResponse(
                providers=[service.LOCAL], capabilityInfo={"trackingId": ""}, providerInfo={}
            )
            return answer(missing, 404)
        return answer(
            schemas.SetupResponse(
                organization=service.show_organization(organization),
                providers=[service.LOCAL],
                providerInfo={},
                capabilityInfo=service.capabilities(),
            )
        )

    async def set_up(self, body: schemas.SetupSiteAdmin) -> Response:
        async with self._database.read() as session:
            # Before the password is hashed: strangers must not make a finished server work.
            if await find_organization(session) is not None:
                raise service.AlreadySetUp
        service.require_complete(body)
        password_hash = await self._passwords.hash(body.password or "")
        async with self._database.write() as session:
            person = await service.set_up(session, body, password_hash=password_hash, suffix=self._suffix)
            token = await self._sessions.begin(session, person)
            shown = await service.tokenized(session, person, token)
        return answer(shown)

    async def sign_in(self, body: schemas.UserCredentials) -> Response:
        return answer(await self._sign_in.sign_in(body))

    async def sign_out(self, caller: SignedIn) -> Response:
        if caller.session_id is None:
            # An admin account's token has no session to end; it is revoked by resetting it.
            raise Unauthenticated
        async with self._database.write() as session:
            await self._sessions.end(session, caller.session_id)
        return nothing()

    async def version(self) -> Response:
        return answer(self._info)
