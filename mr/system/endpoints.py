"""Operations of first set-up, sign-in and server information."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from common.errors import Unauthenticated
from mr.api.operations import Access, Operation, SignedIn, answer, nothing
from mr.auth.passwords import Passwords
from mr.auth.renewal import RenewalCookie
from mr.auth.sessions import Sessions
from mr.db.session import Database
from mr.system import schemas, service
from mr.system.choices import LOCAL_ALONE, Choices
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
        capabilities: Mapping[str, str],
        cookie: RenewalCookie,
        choices: Choices = LOCAL_ALONE,
    ) -> None:
        self._database = database
        self._choices = choices
        self._cookie = cookie
        self._sessions = sessions
        self._passwords = passwords
        self._sign_in = service.SignIn(
            database, sessions=sessions, passwords=passwords, capabilities=capabilities
        )
        self._capabilities = capabilities
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
                providers=self._choices.codes,
                capabilityInfo={"trackingId": ""},
                providerInfo=dict(self._choices.providers),
            )
            return answer(missing, 404)
        return answer(
            schemas.SetupResponse(
                organization=service.show_organization(organization),
                providers=self._choices.codes,
                providerInfo=dict(self._choices.providers),
                redirectUrl=self._choices.begin_address,
                capabilityInfo=dict(self._capabilities),
            )
        )

    async def set_up(self, request: Request, body: schemas.SetupSiteAdmin) -> Response:
        async with self._database.read() as session:
            # Before the password is hashed: strangers must not make a finished server work.
            if await find_organization(session) is not None:
                raise service.AlreadySetUp
        service.require_named(body)
        if self._choices.set_up is not None and not body.emailAddress:
            return await self._choices.set_up.begin_set_up(request, body)
        if not self._choices.local:
            raise service.IncompleteSetup("The first administrator signs in with an identity provider.")
        password = service.require_password(body)
        self._passwords.require_fit(password)
        password_hash = await self._passwords.hash(password)
        async with self._database.write() as session:
            person = await service.set_up(session, body, password_hash=password_hash, suffix=self._suffix)
            token = await self._sessions.begin(session, person)
            shown = await service.tokenized(session, person, token, self._capabilities)
        return answer(shown)

    async def sign_in(self, body: schemas.UserCredentials) -> Response:
        if not self._choices.local:
            raise service.PasswordsDisabled
        return answer(await self._sign_in.sign_in(body))

    async def sign_out(self, caller: SignedIn) -> Response:
        if caller.session_id is None:
            # An admin account's token has no session to end; it is revoked by resetting it.
            raise Unauthenticated
        async with self._database.write() as session:
            await self._sessions.end(session, caller.session_id)
        response = nothing()
        self._cookie.forget(response)
        return response

    async def version(self) -> Response:
        return answer(self._info)
