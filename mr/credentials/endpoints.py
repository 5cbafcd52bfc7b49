"""Operations of registration and of passwords."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Path
from starlette.responses import Response

from mr.api.operations import Access, Operation, SignedIn, answer
from mr.credentials import schemas
from mr.credentials.service import Credentials
from mr.people.endpoints import registration_link
from mr.people.schemas import Person, RegistrationUrl
from mr.system.schemas import TokenizedPerson

_operation = partial(Operation, service="AuthService")

PersonId = Annotated[UUID, Path(alias="id")]
Token = Annotated[str, Path(alias="token")]
EmailInPath = Annotated[str, Path(alias="email")]


class CredentialEndpoints:
    """What the contract calls AuthService, beside signing in and out."""

    def __init__(self, credentials: Credentials, *, public_url: str) -> None:
        self._credentials = credentials
        self._public_url = public_url

    def operations(self) -> list[Operation]:
        below = "/mr-api/authentication/"
        return [
            _operation(
                "POST",
                "/mr-api/authentication",
                self.register,
                "registerPerson",
                access=Access.OPEN,
                answers=TokenizedPerson,
                statuses=(404,),
            ),
            _operation(
                "GET",
                below + "{token}",
                self.invited,
                "personByToken",
                access=Access.OPEN,
                answers=Person,
                statuses=(404,),
            ),
            _operation(
                "PUT",
                below + "{id}/replaceTempPassword",
                self.replace_temporary,
                "replaceTempPassword",
                access=Access.RESETTING,
                answers=TokenizedPerson,
                statuses=(403, 404),
            ),
            _operation(
                "POST",
                below + "{email}/expiredTokenReset",
                self.renew_invitation,
                "resetExpiredToken",
                answers=RegistrationUrl,
                statuses=(403, 404),
            ),
            _operation(
                "PUT",
                below + "{id}/changePassword",
                self.change,
                "changePassword",
                answers=Person,
                statuses=(403, 404),
            ),
            _operation(
                "PUT",
                below + "{id}/resetPassword",
                self.reset,
                "resetPassword",
                answers=Person,
                statuses=(403, 404),
            ),
        ]

    async def register(self, body: schemas.PersonRegistrationDetails) -> Response:
        return answer(await self._credentials.register(body))

    async def invited(self, token: Token) -> Response:
        return answer(await self._credentials.invited(token))

    async def replace_temporary(
        self, caller: SignedIn, person_id: PersonId, body: schemas.PasswordReset
    ) -> Response:
        return answer(await self._credentials.replace_temporary(caller, person_id, body))

    async def renew_invitation(self, caller: SignedIn, email: EmailInPath) -> Response:
        person_id, token = await self._credentials.renew_invitation(caller, email)
        link = registration_link(self._public_url, token)
        return answer(RegistrationUrl(personId=person_id, token=token, registrationUrl=link))

    async def change(self, caller: SignedIn, person_id: PersonId, body: schemas.PasswordUpdate) -> Response:
        return answer(await self._credentials.change(caller, person_id, body))

    async def reset(self, caller: SignedIn, person_id: PersonId, body: schemas.PasswordReset) -> Response:
        return answer(await self._credentials.reset(caller, person_id, body))
