"""Establish who calls before anything of a request is looked at.

FastAPI reads bodies before it asks its dependencies, so the order 401 → 404 → 400 needs this to stand in
front of it. Which operations are protected is read off the route table.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from common.errors import AppError, Unauthenticated
from common.web import problem_of
from mr.api.operations import CALLER, Access, Caller, Operation
from mr.auth.sessions import Sessions

_LONGEST_TOKEN = 200


class Authentication:
    """Puts the `Caller` into the scope of protected operations, or answers 401."""

    def __init__(self, app: ASGIApp, *, operations: Iterable[Operation], sessions: Sessions) -> None:
        self._app = app
        self._operations = tuple(operations)
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            operation = self._called(scope)
            if operation is not None and operation.access is not Access.OPEN:
                try:
                    scope[CALLER] = await self._authenticate(scope, operation.access)
                except AppError as error:
                    await problem_of(error, scope)(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _called(self, scope: Scope) -> Operation | None:
        for operation in self._operations:
            if operation.matches(scope)[0] is Match.FULL:
                return operation
        return None

    async def _authenticate(self, scope: Scope, access: Access) -> Caller:
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not 0 < len(token) <= _LONGEST_TOKEN:
            raise Unauthenticated
        identity = await self._sessions.find(token)
        if identity is None or (identity.must_reset_password and access is not Access.RESETTING):
            raise Unauthenticated
        return Caller(identity.person_id, identity.session_id)
