"""An origin over HTTP: the routes below `/internal/` that `common.origins.client` asks.

Serves the same at MR and at a Dacha. Answers are the bytes of `common.contracts.lookups`; *none* is an
answer with status 200, so that no 404 of a proxy or another release can be taken for it. Must not know
which origin it serves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from common.contracts.lookups import ANY, AtLeast
from common.contracts.questions import (
    AskAccount,
    AskChanges,
    AskEnvironment,
    AskListing,
    AskMany,
    AskRevisions,
    AskState,
)
from common.errors import BadRequest
from common.origins.bearers import Bearers
from common.origins.remote import LISTING_LIMIT, Lister, answer_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from common.caching.loader import Origin
    from common.contracts.questions import Question

_KEY_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_UNCACHED: Final = {"Cache-Control": "no-store"}

_revisions = msgspec.json.Decoder(AskRevisions)
_many = msgspec.json.Decoder(AskMany)


def origin_routes(origin: Origin, *, tokens: Sequence[str], others: Sequence[str] = ()) -> list[Route]:
    """Return the routes; who presents one of ``tokens`` may ask, one of ``others`` is told 403.

    Body limits and problem documents are for whoever serves them to put around.
    """
    endpoints = _Endpoints(origin, Bearers(tokens, others=others))
    routes = [
        Route("/internal/environments/{environment_id}", endpoints.environment, methods=["GET"]),
        Route("/internal/accounts/{key_hash}", endpoints.account, methods=["GET"]),
        Route("/internal/changes", endpoints.changes, methods=["GET"]),
        Route("/internal/revisions", endpoints.revisions, methods=["POST"]),
        Route("/internal/state", endpoints.state, methods=["GET"]),
        Route("/internal/many", endpoints.many, methods=["POST"]),
    ]
    if isinstance(origin, Lister):
        routes.append(Route("/internal/listing", endpoints.listing, methods=["GET"]))
    return routes


def answered(body: bytes) -> Response:
    """Return an answer's bytes; nobody in between may keep them."""
    return Response(body, media_type="application/json", headers=_UNCACHED)


class _Endpoints:
    def __init__(self, origin: Origin, bearers: Bearers) -> None:
        self._origin = origin
        self._bearers = bearers

    async def environment(self, request: Request) -> Response:
        self._bearers.require(request)
        return await self._answer(AskEnvironment(request.path_params["environment_id"], _at_least(request)))

    async def account(self, request: Request) -> Response:
        self._bearers.require(request)
        key_hash = request.path_params["key_hash"]
        if not _KEY_HASH.fullmatch(key_hash):
            raise BadRequest("A key's hash has 64 hexadecimal digits.")
        return await self._answer(AskAccount(key_hash, _at_least(request)))

    async def changes(self, request: Request) -> Response:
        self._bearers.require(request)
        return await self._answer(AskChanges(_number(request, "after")))

    async def revisions(self, request: Request) -> Response:
        self._bearers.require(request)
        try:
            asked = _revisions.decode(await request.body())
        except (ValueError, RecursionError):
            raise BadRequest("The body names `counters`, each a kind and an id.") from None
        return await self._answer(asked)

    async def many(self, request: Request) -> Response:
        self._bearers.require(request)
        try:
            asked = _many.decode(await request.body())
        except (ValueError, RecursionError):
            raise BadRequest("The body names `environments` and `accounts`.") from None
        return await self._answer(asked)

    async def state(self, request: Request) -> Response:
        self._bearers.require(request)
        return await self._answer(AskState())

    async def listing(self, request: Request) -> Response:
        self._bearers.require(request)
        after = request.query_params.get("after")
        return await self._answer(AskListing(after, _number(request, "limit", LISTING_LIMIT)))

    async def _answer(self, question: Question) -> Response:
        return answered(await answer_question(self._origin, question))


def _at_least(request: Request) -> AtLeast:
    epoch = request.query_params.get("epoch", "")
    found = AtLeast(epoch, _number(request, "revision", 0), _number(request, "position", 0))
    return ANY if found == ANY else found


def _number(request: Request, name: str, default: int | None = None) -> int:
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    if text is None or not _NUMBER.fullmatch(text):
        raise BadRequest(f"`{name}` is a whole number.")
    return int(text)
