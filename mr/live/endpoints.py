"""The operation that tells of changes while they happen, as Server-Sent Events.

Events: `ready` when it begins, `change` with what changed, `access` when what the caller may see is another,
`reset` when everything may be different and is to be asked for anew, `bye` with a `reason` at the end. Their
ids are where a later stream may go on, as `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from common.serve import ABORT
from mr.api.json_body import encode
from mr.api.operations import Operation, SignedIn
from mr.auth.sessions import hash_token
from mr.live.feed import Listener, LiveFeed, News
from mr.live.hearing import Change
from mr.live.schemas import LiveActor, LiveChange, LiveNews
from mr.live.tail import Mark

HEARTBEAT_SECONDS: Final = 15
STALL_SECONDS: Final = 20
CLOSEST_SECONDS: Final = 0.1
"""Between two events: what changes meanwhile goes into one."""
RETRY_MILLISECONDS: Final = 2_000

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class LiveEndpoints:
    """Burgee's own; clients of the contract do not know it."""

    def __init__(self, feed: LiveFeed) -> None:
        self._feed = feed

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/mr-api/burgee/live",
                self.listen,
                "listenToChanges",
                service="BurgeeService",
                answers=LiveNews,
                event_stream=True,
            )
        ]

    async def listen(self, request: Request, caller: SignedIn) -> Response:
        after = Mark.parse(request.headers.get("last-event-id", ""))
        token = request.headers["authorization"].partition(" ")[2].strip()
        # Here and not in the response: what cannot begin is answered as what it is.
        listener = await self._feed.join(caller.person_id, hash_token(token), after)
        return LiveResponse(self._feed, listener)


class LiveResponse(EventSourceResponse):
    """One stream. A client that takes nothing for too long is cut off."""

    def __init__(self, feed: LiveFeed, listener: Listener) -> None:
        # Heartbeats are among the events: no task of their own for each stream.
        super().__init__(_events(listener), headers=_HEADERS, ping=0, send_timeout=STALL_SECONDS)
        self._feed = feed
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            # Closing would wait until the client has taken what is buffered: that is, for ever.
            scope[ABORT]()
        finally:
            self._feed.leave(self._listener)


async def _events(listener: Listener) -> AsyncGenerator[ServerSentEvent, None]:
    yield ServerSentEvent(
        data=_data(()), event="ready", id=str(listener.mark), retry=RETRY_MILLISECONDS, sep="\n"
    )
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                news = await listener.news()
        except TimeoutError:
            yield ServerSentEvent(comment="", sep="\n")
            continue
        for event in _told(news):
            yield event
        if news.over is not None:
            return
        await asyncio.sleep(CLOSEST_SECONDS)


def _told(news: News) -> Iterator[ServerSentEvent]:
    mark = str(news.mark)
    if news.access:
        yield ServerSentEvent(data=_data(()), event="access", id=mark, sep="\n")
    if news.reset:
        yield ServerSentEvent(data=_data(()), event="reset", id=mark, sep="\n")
    if news.changes:
        yield ServerSentEvent(data=_data(news.changes), event="change", id=mark, sep="\n")
    if news.over is not None:
        yield ServerSentEvent(data=_data((), reason=news.over), event="bye", sep="\n")


def _data(changes: tuple[Change, ...], *, reason: str | None = None) -> str:
    told = LiveNews(changes=[_change(each) for each in changes], reason=reason)
    return encode(told).decode()


def _change(change: Change) -> LiveChange:
    return LiveChange(
        kind=change.object_kind,
        id=change.object_id,
        action=change.action,
        name=change.object_name,
        portfolioId=change.portfolio_id,
        applicationId=change.application_id,
        environmentId=change.environment_id,
        at=change.at,
        by=LiveActor(kind=change.actor_kind, id=change.actor_id, name=change.actor_name),
    )
