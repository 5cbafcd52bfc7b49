"""The HTTP side that every process shares: problem documents, and what stands around an application.

Everything is pure ASGI, so streams pass through untouched. Paths below `/features` carry API keys:
nothing here logs, counts or repeats a raw path or query, only route templates. Knows no subject.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import tracing
from common.errors import AppError, BadRequest, FieldFault
from common.ledger import Ledger, RequestIds, RequestMetrics
from common.web_tracing import RequestSpan, span_of

log = structlog.stdlib.get_logger(__name__)

PROBLEM_TYPE = "urn:burgee:problem:"
REQUEST_ID = "burgee.request_id"

Handler = Callable[[Request, Exception], Response | Awaitable[Response]]


# --------------------------------------------------------------------------------- problem documents


def problem(
    status: int,
    code: str,
    title: str,
    *,
    detail: str | None = None,
    request_id: str | None = None,
    fields: Sequence[FieldFault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build an RFC 9457 answer; `type` is stable per `code`, `instance` is the request's id."""
    body: dict[str, Any] = {"type": PROBLEM_TYPE + code, "title": title, "status": status}
    if detail:
        body["detail"] = detail
    if request_id:
        body["instance"] = request_id
    if fields:
        body["errors"] = [{"field": fault.field, "detail": fault.detail} for fault in fields]
    return JSONResponse(body, status, dict(headers or {}), media_type="application/problem+json")


def problem_of(error: AppError, scope: Scope) -> Response:
    """Answer an AppError."""
    return problem(
        error.status,
        error.code,
        error.title(),
        detail=error.detail,
        request_id=request_id_of(scope),
        fields=error.field_faults,
        headers=error.headers,
    )


def problem_of_status(status: int, scope: Scope, *, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a bare status."""
    title = HTTPStatus(status).phrase
    return problem(
        status, title.lower().replace(" ", "-"), title, request_id=request_id_of(scope), headers=headers
    )


def problem_handlers() -> dict[Any, Handler]:
    """Answer an application's exception handlers: AppError, HTTPException, and anything else as a bug."""
    return {AppError: _app_error, HTTPException: _http_exception, Exception: _unforeseen}


def _app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 - registered for this type
    return problem_of(error, request.scope)


def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    # FastAPI wraps whatever a body's reading raised into a bare 400.
    if isinstance(error.__cause__, AppError):
        return problem_of(error.__cause__, request.scope)
    return problem_of_status(error.status_code, request.scope, headers=error.headers)


def _unforeseen(request: Request, _error: Exception) -> Response:
    # Logged once, by `Surroundings`, to which Starlette raises it again.
    return problem_of_status(500, request.scope)


# --------------------------------------------------------------------------------------- surroundings


def request_id_of(scope: Scope) -> str | None:
    """Answer the id that `Surroundings` gave the request."""
    found: str | None = scope.get(REQUEST_ID)
    return found


class Surroundings:
    """What stands around every application: request ids, the access log, and the net below bugs.

    A request id is taken over when it is sane, else made, and returned. An exception that nobody
    answered is logged once and becomes a 500 without detail. While `health` is draining, answers close
    their connection, so that clients move on.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        listener: str = "main",
        routes: Iterable[BaseRoute] = (),
        metrics: RequestMetrics | None = None,
        health: "Health | None" = None,
    ) -> None:
        self._app = app
        self._templates: dict[Any, str] = dict(_templates_of(routes))
        self.ledger = Ledger(listener=listener, metrics=metrics)
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, health=self._health, ids=self.ledger.ids)
        with structlog.contextvars.bound_contextvars(request_id=answer.request_id):
            if not tracing.is_on():
                await self._serve(scope, receive, answer)
                return
            span = span_of(scope, answer.request_id)
            if span is not None:
                answer.on_start = partial(self._began, span, scope)
            # Also where there is none: a request that waited behind another one begins inside of that.
            with tracing.inside(None if span is None else span.span):
                await self._serve(scope, receive, answer, span)

    async def _serve(
        self, scope: Scope, receive: Receive, answer: "_Answer", span: RequestSpan | None = None
    ) -> None:
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            log.exception("request.failed", route=self._template(scope), method=scope["method"])
            if answer.status is None:
                await problem_of_status(500, scope)(scope, receive, answer.send)
        finally:
            self._tell(scope, answer, span)

    def _began(self, span: RequestSpan, scope: Scope, message: Message) -> None:
        span.answered(message.get("headers", ()), self._template(scope), message["status"])

    def _tell(self, scope: Scope, answer: "_Answer", span: RequestSpan | None) -> None:
        template = self._template(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        seconds = (answer.began or time.perf_counter()) - answer.arrived
        # A client that went away before its answer began is counted under nginx's 499.
        status = answer.status or 499
        self.ledger.tell(method, template, status, seconds)
        if span is not None:
            span.end(template, status)

    def _template(self, scope: Scope) -> str:
        route = scope.get("route")
        if route is not None and hasattr(route, "path"):
            return str(route.path)
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return "(none)"
        parameters = frozenset(scope.get("path_params", ()))
        return self._templates.get((endpoint, parameters), "(unnamed)")


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Answer:
    """One answer on its way out."""

    def __init__(self, scope: Scope, send: Send, *, health: "Health | None", ids: RequestIds) -> None:
        self.request_id = ids.of(Headers(scope=scope).get("x-request-id", ""))
        scope[REQUEST_ID] = self.request_id
        self.arrived = time.perf_counter()
        self.began: float | None = None
        self.status: int | None = None
        self.on_start: Callable[[Message], None] | None = None
        self._send = send
        self._health = health

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.began = time.perf_counter()
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            if self._health is not None and self._health.draining:
                headers["Connection"] = "close"
            if self.on_start is not None:
                self.on_start(message)
        await self._send(message)


def _templates_of(routes: Iterable[BaseRoute], prefix: str = "") -> Iterable[tuple[Any, str]]:
    for route in routes:
        if isinstance(route, Mount):
            yield from _templates_of(route.routes, prefix + route.path)
        elif isinstance(route, Route):
            yield (route.endpoint, frozenset(route.param_convertors)), prefix + route.path


# ----------------------------------------------------------------------------------------------- CORS

_CORS_ALLOWED = (
    "baggage",
    "if-none-match",
    "etag",
    "x-requested-with",
    "authorization",
    "content-type",
    "accept-version",
    "content-md5",
    "csrf-token",
    "x-ijt",
    "cache-control",
    "x-featurehub",
    "x-sdk",
    "x-sdk-version",
    "last-event-id",
    "x-fh-extraconfig",
)


class SdkCors:
    """CORS for SDKs in browsers: any origin, on every status, below `/features` and `/info` alone."""

    def __init__(self, app: ASGIApp, *, extra_headers: Iterable[str] = ()) -> None:
        self._app = app
        self._allowed = ",".join((*_CORS_ALLOWED, *(header.lower() for header in extra_headers)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "origin" not in Headers(scope=scope) or not _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(open_to_browsers())
            await send(message)

        if scope["method"] == "OPTIONS":
            await self._preflight()(scope, receive, opened)
        else:
            await self._app(scope, receive, opened)

    def _preflight(self) -> Response:
        return Response(
            status_code=200,
            headers={
                "Access-Control-Allow-Credentials": "true",
                "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS, HEAD",
                "Access-Control-Allow-Headers": self._allowed,
                "Access-Control-Max-Age": "86400",
            },
        )


def _is_open(path: str) -> bool:
    return path in {"/features", "/info"} or path.startswith(("/features/", "/info/"))


def open_to_browsers() -> dict[str, str]:
    """Return the headers that let scripts of any origin read an answer."""
    return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "etag,cache-control"}


# --------------------------------------------------------------------------------------------- bodies


class BodyTooLarge(BadRequest):
    """Answered 400: 413 means something else to clients of the wire contract."""

    code = "body-too-large"


BODY_SECONDS = 30.0


class BodyGuard:
    """Read a request's body within a size and a time, and refuse harmful JSON; only when somebody asks.

    So whoever stands inside (routing, authentication) still decides the status first. What a reader then
    receives is the whole body in one message. Every body that our processes take is JSON, whatever its
    content type says.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, max_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        read = False

        async def guarded() -> Message:
            nonlocal read
            if read:
                return await receive()
            read = True
            try:
                async with asyncio.timeout(self._max_seconds):
                    body = await self._body(scope, receive)
            except TimeoutError:
                raise BadRequest("The body did not arrive in time.") from None
            if body is None:
                return {"type": "http.disconnect"}
            refuse_harmful_json(body)
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, guarded, send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            raise BodyTooLarge(f"The body may have {self._max_bytes} bytes.")
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_bytes:
                raise BodyTooLarge(f"The body may have {self._max_bytes} bytes.")
            if not message.get("more_body", False):
                return b"".join(parts)


MAX_JSON_DEPTH = 64

_JSON_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_JSON_BRACKET = re.compile(rb"[\[\]{}]")
_JSON_NOT_A_NUMBER = re.compile(rb"\b(?:NaN|Infinity)\b")
_HIGH = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_JSON_PAIR = re.compile(_HIGH + _LOW)
_JSON_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_JSON_ESCAPED_BACKSLASH = re.compile(rb"\\\\")


def refuse_harmful_json(body: bytes) -> None:
    """Raise BadRequest for JSON that parsers disagree about or that hurts them: before any parses it.

    That is: text that is not UTF-8, lone surrogates, NaN and Infinity, nesting deeper than 64. Whether it
    is JSON at all is the parser's to say.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    if b"\\u" in body and _has_lone_surrogate(body):
        raise BadRequest("The body holds half of a surrogate pair.")
    bare = _JSON_STRING.sub(b"", body)
    if _JSON_NOT_A_NUMBER.search(bare):
        raise BadRequest("The body holds a number that JSON does not have.")
    depth = 0
    for bracket in _JSON_BRACKET.finditer(bare):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > MAX_JSON_DEPTH:
            raise BadRequest(f"The body is nested deeper than {MAX_JSON_DEPTH}.")


def _has_lone_surrogate(body: bytes) -> bool:
    unescaped = _JSON_ESCAPED_BACKSLASH.sub(b"", body)
    return _JSON_SURROGATE.search(_JSON_PAIR.sub(b"", unescaped)) is not None


# -------------------------------------------------------------------------------------- housekeeping


class Check(Protocol):
    """Something that must be in place before a process is ready the first time."""

    def __call__(self) -> bool: ...


class Health:
    """Liveness and readiness of one process.

    Live = the event loop answers. Ready = not draining, and every check came true once, or
    `start_degraded_after_seconds` passed: after that a process is never unready for the sake of a
    dependency, because an Edge that is taken away breaks SDKs while one that serves what it holds does not.
    """

    def __init__(self, checks: Mapping[str, Check], *, start_degraded_after_seconds: float = 30) -> None:
        self._checks = dict(checks)
        self._deadline = time.monotonic() + start_degraded_after_seconds
        self._was_ready = False
        self.draining = False

    def drain(self) -> None:
        """Become unready for good."""
        self.draining = True

    @property
    def ready(self) -> bool:
        if not self._was_ready:
            self._was_ready = not self.missing() or time.monotonic() > self._deadline
        return self._was_ready and not self.draining

    def missing(self) -> list[str]:
        """Name the checks that do not hold right now."""
        return [name for name, check in self._checks.items() if not check()]


def operational_routes(
    *, name: str, version: str, health: Health, metrics: CollectorRegistry | None = None
) -> list[Route]:
    """Answer the routes that every process has: health, `/info/version`, and `/metrics` where asked for."""

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(_request: Request) -> Response:
        if health.ready:
            return JSONResponse({"status": "ready"})
        waiting = ["draining"] if health.draining else health.missing()
        # 500, not 503: what probes written for the wire contract expect.
        return JSONResponse({"status": "not ready", "waiting_for": waiting}, 500)

    async def version_info(_request: Request) -> Response:
        return JSONResponse({"name": name, "version": version})

    async def metric_lines(_request: Request) -> Response:
        assert metrics is not None  # noqa: S101 - only routed where there is a registry
        return Response(generate_latest(metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

    routes = [
        Route("/health/liveness", live),
        Route("/health/readiness", ready),
        Route("/health/readyness", ready, include_in_schema=False),
        Route("/info/version", version_info),
    ]
    if metrics is not None:
        routes.append(Route("/metrics", metric_lines))
    return routes


def field_faults(errors: Iterable[Mapping[str, Any]]) -> list[FieldFault]:
    """Turn pydantic's list of errors into ours; the values themselves are not repeated."""
    return [
        FieldFault(".".join(str(part) for part in error["loc"][1:]) or "body", str(error["msg"]))
        for error in errors
    ]
