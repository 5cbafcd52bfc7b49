"""The routes that SDKs call, the plain Starlette way: statuses and headers exactly as they expect them.

SDKs give up for good on 4xx, so "not known now" is 503, "certainly unknown" 404, unchanged 304. Turns
requests into questions and answers into responses; what is true is decided elsewhere.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from common.contracts.environments import SdkKey
from common.contracts.lookups import SdkUpdateOutcome
from common.errors import AppError, Unavailable
from common.evaluation.context import EvaluationContext
from common.serve import ABORT
from common.web import problem, problem_of, request_id_of
from edge import requests
from edge.access import Access, Grant, TooManyLookups
from edge.answers import (
    DEFAULT_CACHE_CONTROL,
    Answer,
    Answers,
    View,
    answer_poll,
    cache_control,
    unknown,
)
from edge.limits import caller_of
from edge.requests import NoStreams, UnknownKey
from edge.source import FeatureSource
from edge.streams import Streams, Visitor
from edge.updates import Updates, read_change
from edge.usage import Usage

SILENT_HEADER: Final = "Burgee-Silent-Seconds"
# An operator may let answers be cached; what they depend on beside the URL is this.
_VARIES_BY: Final = "x-featurehub, x-sdk"
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
        answers: Answers,
        streams: Streams | None,
        updates: Updates,
        usage: Usage,
        cache_control_setting: str,
        stall_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._access = access
        self._answers = answers
        self._streams = streams
        self._updates = updates
        self._usage = usage
        self._cache_control = cache_control_setting
        self._stall_seconds = stall_seconds
        self._clock = clock

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
        keys = requests.poll_keys(request)
        try:
            grants = await self._grants(keys, caller_of(request.scope))
        except Unavailable:
            self._usage.hit("poll", "unavailable")
            raise
        known = [grant for grant in grants if grant is not None]
        if not known:
            self._usage.hit("poll", "unknown")
            raise UnknownKey
        context = requests.poll_context(request)
        answers = [self._answer(key, grant, context) for key, grant in zip(keys, grants, strict=True)]
        poll = answer_poll(answers, context, request.headers.get("if-none-match"))
        self._count(keys, grants, changed=poll.body is not None)
        snapshots = [grant.snapshot for grant in known]
        headers = {
            "ETag": poll.etag,
            "Cache-Control": cache_control(snapshots, self._cache_control),
            "Vary": _VARIES_BY,
            **self._staleness(),
        }
        if poll.body is None:
            return Response(status_code=304, headers=headers)
        return Response(poll.body, headers=headers, media_type="application/json")

    async def _grants(self, keys: Sequence[SdkKey], caller: str) -> list[Grant | None]:
        """Look all keys up at once; raises Unavailable unless each is known or certainly unknown."""
        found = [self._access.peek(key) for key in keys]
        missing = [index for index, grant in enumerate(found) if grant is None]
        if not missing:
            return found
        lookups = (self._access.find_admitted(keys[index], caller) for index in missing)
        for index, grant in zip(missing, await asyncio.gather(*lookups, return_exceptions=True), strict=True):
            if isinstance(grant, BaseException):
                raise grant
            found[index] = grant
        return found

    def _answer(self, key: SdkKey, grant: Grant | None, context: EvaluationContext) -> Answer:
        if grant is None:
            return unknown(key.environment_id)
        # Decided per key: a client-evaluated key must not open the strategies to the others.
        view = View.of(grant.policy, client_evaluated=key.client_evaluated, context=context)
        return self._answers.get(grant.snapshot, view, self._clock())

    def _count(self, keys: Sequence[SdkKey], grants: Sequence[Grant | None], *, changed: bool) -> None:
        for key, grant in zip(keys, grants, strict=True):
            if grant is None:
                self._usage.hit("poll", "unknown")
            else:
                self._usage.hit(
                    "poll",
                    "found" if changed else "unchanged",
                    environment_id=key.environment_id,
                    account_id=grant.account.id,
                )

    async def stream(self, request: Request) -> Response:
        visitor = Visitor(
            requests.stream_key(request), requests.stream_context(request), caller_of(request.scope)
        )
        # Python comes back at once whatever else it is told, but stops at a 404; others do the reverse.
        is_python = requests.sdk_name(request) == "python"
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
        silent = int(self._source.silent_seconds)
        return {SILENT_HEADER: str(silent)} if silent else {}

    async def update(self, request: Request) -> Response:
        target = requests.update_target(request)
        change = read_change(await request.body())
        update = self._updates.prepare(
            target.key, target.feature_key, change, request.headers.get("idempotency-key")
        )
        if not self._access.admit(target.key, caller_of(request.scope)):
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
