"""One operation of the contract = one route: its id, statuses, authentication, and how it answers.

Answers are encoded here and not by FastAPI, so that numbers keep their text and big lists cost little.
Knows no subject and no schema of one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common.errors import BadRequest, NotFound, Unauthenticated
from common.web import request_id_of
from mr.api.json_body import WireRequest, encode
from mr.api.models import DASHED_UUID, WireModel
from mr.api.words import words_of
from mr.db.audit import Act, acting
from mr.db.session import run_with_retries

CALLER: Final = "burgee.caller"
ATTEMPTS: Final = 3


class Access(Enum):
    """Who may call: anybody, a signed-in caller, or also one who must replace a temporary password."""

    OPEN = "open"
    SIGNED_IN = "signed-in"
    RESETTING = "resetting"


class _EventStream(JSONResponse):
    """For the document alone: what is answered is encoded by whoever answers."""

    media_type = "text/event-stream"


_EVENTS: Final = "Server-Sent Events, for as long as the caller listens; the data of each is one such object."


class Operation(APIRoute):
    """A route that knows its access rule, refuses odd ids first, and repeats transactions that collided."""

    access: Access
    identities: frozenset[str]
    on_retry: Callable[[str], None] | None = None
    """Told the SQLSTATE each time a transaction lost a race and is repeated."""

    def __init__(
        self,
        method: str,
        path: str,
        endpoint: Callable[..., Awaitable[Response]],
        operation_id: str,
        *,
        service: str,
        answers: Any = None,
        statuses: Iterable[int] = (),
        bodies: Mapping[int, type[WireModel]] | None = None,
        status: int = 200,
        access: Access = Access.SIGNED_IN,
        deprecated: bool = False,
        event_stream: bool = False,
    ) -> None:
        """``event_stream``: it answers with Server-Sent Events, whose data are ``answers``."""
        self.access = access
        words = words_of(operation_id)
        super().__init__(
            path,
            endpoint,
            methods=[method],
            operation_id=operation_id,
            name=operation_id,
            tags=[service],
            summary=words.summary,
            description=f"For {words.who.value}.",
            response_model=answers,
            response_class=_EventStream if event_stream else JSONResponse,
            response_description=_EVENTS if event_stream else "Successful Response",
            status_code=status,
            responses=_documented(statuses, bodies or {}, access),
            deprecated=deprecated or None,
            strict_content_type=False,
            openapi_extra=None if access is Access.OPEN else {"security": [{"bearerAuth": []}]},
        )
        self.identities = frozenset(
            field.alias for field in self.dependant.path_params if field.field_info.annotation is UUID
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            for name in self.identities:
                if not DASHED_UUID.fullmatch(request.path_params[name]):
                    raise NotFound
            # No text that could be found holds NUL, and PostgreSQL refuses to look for one.
            if "\x00" in request.url.path:
                raise NotFound
            if b"%00" in request.scope["query_string"]:
                raise BadRequest("The query holds the character NUL.")
            # One request object for all attempts: its body can be received only once.
            wire = WireRequest(request.scope, request.receive)
            with acting(self._act(request)):
                return await run_with_retries(
                    lambda: handler(wire), attempts=ATTEMPTS, on_retry=self.on_retry
                )

        return handle

    def _act(self, request: Request) -> Act:
        caller = request.scope.get(CALLER)
        person_id = caller.person_id if isinstance(caller, Caller) else None
        return Act(self.name, person_id, request_id_of(request.scope))


def _documented(
    statuses: Iterable[int], bodies: Mapping[int, type[WireModel]], access: Access
) -> dict[int | str, dict[str, Any]]:
    told: dict[int | str, dict[str, Any]] = {}
    always = {400, 503} | (set() if access is Access.OPEN else {401})
    for status in sorted(always.union(statuses, bodies)):
        if status in bodies:
            told[status] = {"model": bodies[status], "description": _MEANING.get(status, "")}
        else:
            told[status] = {
                "description": _MEANING.get(status, ""),
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
    return told


_MEANING: Final = {
    400: "The request is malformed.",
    401: "The token is missing, unknown or expired.",
    403: "A role is missing.",
    404: "There is no such thing, or not for this caller.",
    409: "The change collides with what is there.",
    412: "A precondition does not hold.",
    413: "The place in the order is taken.",
    414: "The environment was put away.",
    415: "It was put away.",
    422: "The version is stale, or strategies are invalid.",
    503: "This cannot be known or done right now.",
}


def answer(content: WireModel | Sequence[WireModel] | bool, status: int = 200) -> Response:
    """Answer with a wire model, a list of them, or a bare boolean."""
    return Response(encode(content), status, _PRIVATE, media_type="application/json")


# Answers hold keys and tokens: nothing between us and the caller may keep them.
_PRIVATE: Final = {"Cache-Control": "no-store"}


def nothing() -> Response:
    """Answer 204."""
    return Response(status_code=204)


class Caller:
    """Who calls: established before the route is entered, by `mr.auth.middleware`."""

    __slots__ = ("person_id", "session_id")

    def __init__(self, person_id: UUID, session_id: UUID | None) -> None:
        self.person_id = person_id
        self.session_id = session_id


def _caller(request: Request) -> Caller:
    caller = request.scope.get(CALLER)
    if not isinstance(caller, Caller):
        raise Unauthenticated
    return caller


SignedIn = Annotated[Caller, Depends(_caller)]
