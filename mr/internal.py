"""What other processes ask MR: look-ups, changes, listings, and updates by SDKs. Authenticated, always.

On a listener of its own over HTTP, and (updates) over the bus. Reads are for Dachas, updates for Edges; each
token opens its own part alone. Must not know what carries the bus.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.applications import Starlette
from starlette.routing import Route

from common.contracts.lookups import (
    ANY,
    AccountAnswer,
    AtLeast,
    Changes,
    CounterState,
    EnvironmentAnswer,
    Listing,
    Many,
    SdkUpdate,
    SdkUpdateOutcome,
    State,
    decode_update,
    encode_outcome,
)
from common.errors import BadRequest, Unavailable
from common.origins.bearers import Bearers
from common.origins.server import answered, origin_routes
from common.web import BodyGuard, Surroundings, problem_handlers
from mr.db.snapshots import parse_id
from mr.features.sdk_updates import UNKNOWN, UpdateTooLate, apply_update
from mr.origin import DatabaseOrigin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from common.contracts.events import CounterId
    from common.contracts.questions import AskMany
    from common.ledger import RequestMetrics
    from common.messaging.bus import Handler
    from common.web import Health
    from mr.db.session import Database

T = TypeVar("T")

READS_AT_ONCE: Final = 8
"""Below the readers that the database's pool has by default: people and the relay read as well."""
READS_WAITING: Final = 500
"""A cold start of a whole fleet; whoever comes later is told to come again."""
UPDATES_AT_ONCE: Final = 8
UPDATES_WAITING: Final = 200
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
"""More than what Edge takes from an SDK, for the same may be longer in ASCII."""


class Turnstile:
    """So many at once, so many waiting; more are `Unavailable` at once."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._places = at_once + waiting
        self._inside = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn. Raises `Unavailable` when too many wait already."""
        if self._inside >= self._places:
            raise Unavailable("Too many questions at once.")
        self._inside += 1
        try:
            async with self._slots:
                yield
        finally:
            self._inside -= 1


class BoundedOrigin:
    """MR's database as an origin that a whole fleet may ask at once."""

    def __init__(self, origin: DatabaseOrigin, turnstile: Turnstile) -> None:
        self._origin = origin
        self._turnstile = turnstile

    async def load_environment(self, environment_id: str, at_least: AtLeast = ANY, /) -> EnvironmentAnswer:
        return await self._in_turn(lambda: self._origin.load_environment(environment_id, at_least))

    async def load_account(self, key_hash: str, at_least: AtLeast = ANY, /) -> AccountAnswer:
        return await self._in_turn(lambda: self._origin.load_account(key_hash, at_least))

    async def load_many(self, question: AskMany, /) -> Many:
        return await self._in_turn(lambda: self._origin.load_many(question))

    async def changes(self, after: int) -> Changes:
        return await self._in_turn(lambda: self._origin.changes(after))

    async def revisions(self, counters: Sequence[CounterId]) -> list[CounterState]:
        return await self._in_turn(lambda: self._origin.revisions(counters))

    async def state(self) -> State:
        # Not in turn: who does not know where MR stands can believe nothing else.
        return await self._origin.state()

    async def listing(self, after: str | None, limit: int) -> Listing:
        return await self._in_turn(lambda: self._origin.listing(after, limit))

    async def _in_turn(self, ask: Callable[[], Awaitable[T]]) -> T:
        async with self._turnstile.turn():
            return await ask()


class UpdateDesk:
    """Takes updates in from whatever carried them; a late one starts nothing."""

    def __init__(
        self, database: Database, turnstile: Turnstile, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._turnstile = turnstile
        self._clock = clock

    async def take(self, update: SdkUpdate) -> SdkUpdateOutcome:
        """Return MR's answer. Raises `Unavailable` when it is not known whether there will be one."""
        if parse_id(update.environment_id) is None:
            return UNKNOWN
        async with self._turnstile.turn():
            if self._clock() > update.deadline:
                raise UpdateTooLate
            return await apply_update(self._database, update, clock=self._clock)


def internal_app(
    database: Database,
    *,
    dacha_tokens: Sequence[str],
    edge_tokens: Sequence[str],
    metrics: RequestMetrics | None = None,
    health: Health | None = None,
) -> ASGIApp:
    """Return the application for the internal listener, with all that stands around it."""
    origin = BoundedOrigin(DatabaseOrigin(database), Turnstile(READS_AT_ONCE, READS_WAITING))
    updates = _UpdateEndpoint(_desk(database), Bearers(edge_tokens, others=dacha_tokens))
    routes = [
        *origin_routes(origin, tokens=dacha_tokens, others=edge_tokens),
        Route("/internal/sdk-updates", updates.take, methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers=problem_handlers())
    app.router.redirect_slashes = False
    guarded = BodyGuard(app, max_bytes=MAX_BODY_BYTES)
    return Surroundings(guarded, listener="internal", routes=routes, metrics=metrics, health=health)


def update_handler(database: Database, *, clock: Callable[[], float] = time.time) -> Handler:
    """Return what answers the bus's word `update`."""
    desk = _desk(database, clock=clock)

    async def handle(question: bytes) -> bytes:
        try:
            update = decode_update(question)
        except (ValueError, RecursionError):
            return encode_outcome(SdkUpdateOutcome(status=400, detail="The update was not understood."))
        return encode_outcome(await desk.take(update))

    return handle


def _desk(database: Database, *, clock: Callable[[], float] = time.time) -> UpdateDesk:
    return UpdateDesk(database, Turnstile(UPDATES_AT_ONCE, UPDATES_WAITING), clock=clock)


class _UpdateEndpoint:
    def __init__(self, desk: UpdateDesk, bearers: Bearers) -> None:
        self._desk = desk
        self._bearers = bearers

    async def take(self, request: Request) -> Response:
        self._bearers.require(request)
        try:
            update = decode_update(await request.body())
        except (ValueError, RecursionError):
            raise BadRequest("The body is an update.") from None
        return answered(encode_outcome(await self._desk.take(update)))
