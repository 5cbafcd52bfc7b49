"""One operation for browsers: a session that survives a reload of its page, while scripts hold its token.

A page that has just signed in exchanges its token here, and gets a cookie beside the new one. After a
reload it comes with the cookie alone. Both are for pages of this server: others are refused by their origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from common.errors import Forbidden, Unauthenticated
from common.web import problem_of
from mr.api.operations import Access, Operation, answer
from mr.auth.renewal import RENEWAL_PATH, RenewalCookie, new_secret, token_of
from mr.auth.sessions import Identity, Sessions
from mr.db.models.base import utc_now
from mr.db.models.people import LoginSession, Person
from mr.db.session import Database, WriteSession
from mr.system.schemas import TokenizedPerson
from mr.system.service import tokenized

# A secret serves several reloads, then the next one replaces it.
_ROTATED_AFTER: Final = timedelta(minutes=10)
# Other tabs hold the former token; with the new cookie they find the new one.
_GRACE: Final = timedelta(seconds=60)


class ForeignPage(Forbidden):
    """The request does not come from a page of this server."""

    code = "foreign-page"


class RenewalEndpoints:
    """Renews sessions of browsers."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        cookie: RenewalCookie,
        capabilities: Mapping[str, str],
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._cookie = cookie
        self._capabilities = capabilities

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "POST",
                RENEWAL_PATH,
                self.renew,
                "renewSession",
                service="BurgeeService",
                access=Access.OPEN,
                answers=TokenizedPerson,
                statuses=(401, 403),
            )
        ]

    async def renew(self, request: Request) -> Response:
        if not self._cookie.is_own_page(request):
            raise ForeignPage("Only pages of this server may ask; is BURGEE_PUBLIC_URL their address?")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self._kept(token.strip())
        secret = self._cookie.read(request)
        if secret is None:
            raise Unauthenticated
        try:
            return await self._renewed(secret)
        except Unauthenticated as ended:
            response = problem_of(ended, request.scope)
            self._cookie.forget(response)
            return response

    async def _kept(self, token: str) -> Response:
        """Exchange the token of a fresh sign-in for one that the cookie can renew."""
        identity = await self._identity(token)
        async with self._database.write() as session:
            return await self._replaced(session, identity, grace=timedelta())

    async def _renewed(self, secret: str) -> Response:
        identity = await self._identity(token_of(secret))
        async with self._database.write() as session:
            stored = await session.scalar(
                select(LoginSession).where(LoginSession.id == identity.session_id).with_for_update()
            )
            if stored is None:
                raise Unauthenticated
            now = utc_now()
            if stored.expires_at - now <= _GRACE:
                # Replaced already, for another tab: the browser has the secret that lasts, so leave it that.
                return await self._answer(session, identity.person_id, secret)
            if now - stored.created_at > _ROTATED_AFTER:
                return await self._replaced(session, identity, grace=_GRACE)
            return await self._answer(session, identity.person_id, secret, stored.expires_at)

    async def _identity(self, token: str) -> Identity:
        identity = await self._sessions.find(token) if token else None
        # Permanent tokens are not for browsers; temporary passwords are replaced first.
        if identity is None or identity.session_id is None or identity.must_reset_password:
            raise Unauthenticated
        return identity

    async def _replaced(self, session: WriteSession, identity: Identity, *, grace: timedelta) -> Response:
        secret, session_id = new_secret(), identity.session_id
        ends = session_id and await self._sessions.exchange(
            session, session_id, token_of(secret), grace=grace
        )
        if not ends:
            raise Unauthenticated
        return await self._answer(session, identity.person_id, secret, ends)

    async def _answer(
        self, session: WriteSession, person_id: UUID, secret: str, ends: datetime | None = None
    ) -> Response:
        person = await session.scalar(
            select(Person).where(Person.id == person_id, Person.archived_at.is_(None))
        )
        if person is None:
            raise Unauthenticated
        response = answer(await tokenized(session, person, token_of(secret), self._capabilities))
        if ends is not None:
            self._cookie.write(response, secret, seconds=(ends - utc_now()).total_seconds())
        return response
