"""The routes that SDKs call, the plain Starlette way: statuses and headers exactly as they expect them.

SDKs give up for good on 4xx, so "not known now" is 503, "certainly unknown" 404, unchanged 304. Turns
requests into questions and answers into responses; what is true is decided elsewhere.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from common.contracts.lookups import SdkUpdateOutcome
from common.errors import AppError
from common.serve import ABORT
from common.web import problem, problem_of, request_id_of
from edge import requests
from edge.access import Access, TooManyLookups
from edge.answers import DEFAULT_CACHE_CONTROL
from edge.limits import caller_of
from edge.polls import SILENT_HEADER, Polls, Question, count
from edge.requests import Asked, NoStreams, UnknownKey
from edge.source import FeatureSource
from edge.streams import Streams, Visitor
from edge.updates import Updates, read_change
from edge.usage import Usage

_UNCACHED: Final = {"Cache-Control": DEFAULT_CACHE_CONTROL}

Endpoint = Callable[[Request], Awaitable[Response]]


class StreamResponse(EventSourceResponse):
    """A stream of frames that were made elsewhere; a client that takes nothing for too long is cut off."""

    def __init__(
        self,
        visitor: Visitor,
        streams: Streams,
        usage: Usage,
        *,
        stall_seconds: float,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(
            streams.frames(visitor),
            headers={"Content-Type": "text/event-stream", **_UNCACHED, **headers},
            # Heartbeats are part of the frames: no task of their own for each stream.
            ping=0,
            send_timeout=stall_seconds,
        )
        # Nothing follows on a connection that was a stream; the fast way cannot even tell where one ends.
        self.headers["Connection"] = "close"
        self._usage = usage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            self._usage.slow_closed()
            # Closing would wait until the client has taken what is buffered: that is, for ever.
            scope[ABORT]()
            await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class SdkEndpoints:
    """Poll, stream and PUT. ``streams`` None = this server answers polls and PUTs only."""

    def __init__(
        self,
        *,
        source: FeatureSource,
        access: Access,
        polls: Polls,
        streams: Streams | None,
        updates: Updates,
        usage: Usage,
        stall_seconds: float,
    ) -> None:
        self._source = source
        self._access = access
        self._polls = polls
        self._streams = streams
        self._updates = updates
        self._usage = usage
        self._stall_seconds = stall_seconds

    def routes(self) -> list[BaseRoute]:
        """Return the routes; with and without the slash is the same, since SDKs follow no redirects."""
        return [
            _only("GET", "/features", self.poll),
            _only("GET", "/features/", self.poll),
            _only("GET", "/features/{key:path}", self.stream),
            _only("PUT", "/features/{target:path}", self.update),
        ]

    async def poll(self, request: Request) -> Response:
        """Answer all environments or none: SDKs read a missing one as deleted features."""
        question = Question(Asked.of(request.scope))
        reply = await self._polls.find(question, _caller(request))
        count(reply)
        answer = Response(reply.body, reply.status)
        answer.raw_headers = [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in (*reply.headers, *self._staleness().items())
        ]
        return answer

    async def stream(self, request: Request) -> Response:
        asked = Asked.of(request.scope)
        visitor = Visitor(
            requests.stream_key(asked),
            requests.stream_context(asked),
            _caller(request),
            asked.said.patience_seconds,
        )
        # Python comes back at once whatever else it is told, but stops at a 404; others do the reverse.
        is_python = asked.said.sdk_name == "python"
        if self._streams is None:
            raise UnknownKey if is_python else NoStreams
        if is_python and await self._streams.is_unknown(visitor):
            self._usage.hit("stream", "unknown")
            raise UnknownKey
        return StreamResponse(
            visitor,
            self._streams,
            self._usage,
            stall_seconds=self._stall_seconds,
            headers=self._staleness(),
        )

    def _staleness(self) -> dict[str, str]:
        """Say for how long the log was not heard, when it is not: what is served may be that old."""
        silent = self._polls.silent_seconds()
        return {SILENT_HEADER: str(silent)} if silent else {}

    async def update(self, request: Request) -> Response:
        target = requests.update_target(Asked.of(request.scope))
        change = read_change(await request.body())
        update = self._updates.prepare(
            target.key, target.feature_key, change, request.headers.get("idempotency-key")
        )
        if not self._access.admit(target.key, _caller(request)):
            raise TooManyLookups
        outcome = await self._updates.send(update)
        account = self._source.peek_account(target.key.key_hash)
        self._usage.hit(
            "update",
            str(outcome.status),
            environment_id=target.key.environment_id if account else "",
            account_id=account.id if account else "",
        )
        return _outcome(outcome, request.scope)


def _caller(request: Request) -> str:
    return caller_of(request.scope.get("client"))


def _outcome(outcome: SdkUpdateOutcome, scope: Scope) -> Response:
    if outcome.status < HTTPStatus.BAD_REQUEST:
        return Response(status_code=outcome.status, headers=_UNCACHED)
    title = HTTPStatus(outcome.status).phrase
    return problem(
        outcome.status,
        "sdk-update-refused",
        title,
        detail=outcome.detail or None,
        request_id=request_id_of(scope),
        headers=_UNCACHED,
    )


def _only(method: str, path: str, endpoint: Endpoint) -> Route:
    """Route one method alone: Starlette would answer HEAD like GET, and a stream has no head."""

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except AppError as error:
            refusal = problem_of(error, request.scope)
            # A 404 may be cached unless it says otherwise, and keys can be created a moment later.
            refusal.headers.update(_UNCACHED)
            return refusal

    route = Route(path, answered, methods=[method])
    route.methods = {method}
    return route
