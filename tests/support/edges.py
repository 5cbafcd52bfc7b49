"""Edge on a real socket, over a source in memory, and a reader of its streams."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import aiohttp
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from common.ledger import Ledger, RequestMetrics
from common.serve import running
from common.web import BodyGuard, Health, SdkCors, Surroundings, problem_handlers
from edge.app import Edge, edge_for_polls, open_edge
from edge.reach import ReachLog
from edge.settings import EdgeSettings
from edge.source import FeatureSource
from edge.updates import UpdateSink
from tests.support.sources import CLIENT_KEY, ENVIRONMENT, SERVER_KEY, MemorySink, MemorySource
from tests.support.waiting import PATIENCE_SECONDS

CLIENT = f"{ENVIRONMENT}/{CLIENT_KEY}"
SERVER = f"{ENVIRONMENT}/{SERVER_KEY}"
NOBODY = f"{ENVIRONMENT}/nobodynobodynobody*nobodynobodynobody"

Source = TypeVar("Source", bound=FeatureSource)
Sink = TypeVar("Sink", bound=UpdateSink)


@dataclass
class RunningEdge(Generic[Source, Sink]):
    """An Edge that can be asked over HTTP."""

    url: str
    edge: Edge
    source: Source
    sink: Sink
    health: Health
    http: aiohttp.ClientSession
    registry: CollectorRegistry
    ledger: Ledger

    async def poll(self, *keys: str, **headers: str) -> "Response":
        """Poll as JavaScript does; header names with underscores."""
        return await self.get("/features", params=[("apiKey", key) for key in keys], headers=headers)

    async def get(
        self,
        path: str,
        *,
        params: list[tuple[str, str]] | None = None,
        headers: dict[str, str] | None = None,
        method: str = "GET",
    ) -> "Response":
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        async with self.http.request(
            method, self.url + path, params=params, headers=named, allow_redirects=False
        ) as answer:
            return Response(answer.status, dict(answer.headers.items()), await answer.read())

    async def put(self, path: str, body: object | bytes, **headers: str) -> "Response":
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.put(self.url + path, data=data, headers=named) as answer:
            return Response(answer.status, dict(answer.headers.items()), await answer.read())

    @asynccontextmanager
    async def stream(self, key: str, query: str = "", **headers: str) -> AsyncIterator["EventReader"]:
        """Open a stream as SDKs do: the key raw in the path."""
        named = {"accept": "text/event-stream"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with self.http.get(f"{self.url}/features/{key}{query}", headers=named) as answer:
            yield EventReader(answer)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@dataclass(frozen=True)
class Response:
    """An answer that was read to its end; header names are in any case."""

    status: int
    raw_headers: dict[str, str]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.raw_headers.items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Event:
    """One event as it was framed."""

    name: str
    data: Any
    id: str | None = None


@dataclass
class EventReader:
    """Reads a stream event by event; checks the framing of each."""

    answer: aiohttp.ClientResponse
    raw: bytes = b""
    events: list[Event] = field(default_factory=list)

    async def next(
        self, *, within_seconds: float = PATIENCE_SECONDS, heartbeats: bool = False
    ) -> Event | None:
        """Return the next event; None = the stream has ended. Heartbeats are passed over unless asked for."""
        deadline = time.monotonic() + within_seconds
        while True:
            while b"\n\n" not in self.raw:
                async with asyncio.timeout(deadline - time.monotonic()):
                    chunk = await self.answer.content.readany()
                if not chunk:
                    assert self.raw == b"", f"the stream ended within an event: {self.raw!r}"
                    return None
                self.raw += chunk
            block, _, self.raw = self.raw.partition(b"\n\n")
            event = _event(block)
            self.events.append(event)
            if heartbeats or event.data != "\u2764\ufe0f":
                return event

    async def until(self, name: str, *, within_seconds: float = PATIENCE_SECONDS) -> Event:
        """Return the next event of that name."""
        while True:
            event = await self.next(within_seconds=within_seconds)
            assert event is not None, f"the stream ended before {name}; it sent {self.events}"
            if event.name == name:
                return event

    async def rest(self, *, within_seconds: float = PATIENCE_SECONDS) -> list[Event]:
        """Return everything up to the end of the stream."""
        found = []
        while (event := await self.next(within_seconds=within_seconds)) is not None:
            found.append(event)
        return found


def _event(block: bytes) -> Event:
    lines = [line.split(": ", 1) for line in block.decode("ascii").split("\n")]
    assert [name for name, _ in lines] in (["event", "data"], ["event", "id", "data"]), block
    fields = dict(lines)
    return Event(fields["event"], json.loads(fields["data"]), fields.get("id"))


@asynccontextmanager
async def running_edge(
    source: MemorySource | None = None,
    sink: MemorySink | None = None,
    *,
    streams: bool = True,
    **settings: Any,
) -> AsyncIterator[RunningEdge[MemorySource, MemorySink]]:
    """Serve an Edge over a source in memory for as long as the block lasts; settings by name."""
    async with edge_over(
        source or MemorySource(), sink or MemorySink(), streams=streams, **settings
    ) as running_one:
        yield running_one


@asynccontextmanager
async def edge_over(
    source: Source,
    sink: Sink,
    *,
    streams: bool = True,
    reach: ReachLog | None = None,
    registry: CollectorRegistry | None = None,
    **settings: Any,
) -> AsyncIterator[RunningEdge[Source, Sink]]:
    """Serve an Edge over any source, with or without streams, for as long as the block lasts."""
    chosen = EdgeSettings(**{"unknown_key_hold_seconds": 0.3} | settings)
    registry = registry or CollectorRegistry()
    async with AsyncExitStack() as parts:
        if streams:
            opened = open_edge(chosen, source=source, sink=sink, registry=registry, reach=reach)
            edge = await parts.enter_async_context(opened)
        else:
            edge = edge_for_polls(chosen, source=source, sink=sink, registry=registry)
        health = Health({"edge": lambda: edge.ready})
        inner = Starlette(routes=edge.routes(), exception_handlers=problem_handlers())
        inner.router.redirect_slashes = False
        guarded = BodyGuard(inner, max_bytes=chosen.max_body_bytes)
        app = Surroundings(
            SdkCors(guarded), health=health, routes=edge.routes(), metrics=RequestMetrics(registry)
        )
        async with (
            running(app, http=edge.protocol(app.ledger, health)) as url,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        ):
            yield RunningEdge(url, edge, source, sink, health, http, registry, app.ledger)
