"""COMPOSITION ROOT of Edge: its parts, wired, for any source of features and any sink of updates.

Opens nothing by itself: whoever calls brings the source and the sink and serves the routes.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute

from common.contracts.reports import Reach
from common.ledger import Ledger
from common.serve import STALL_SECONDS, GuardedHttp
from common.web import Health
from edge.access import Access
from edge.answers import Answers
from edge.codings import Packed
from edge.hot import protocol_for
from edge.hub import Hub
from edge.limits import ColdLookups, Holds
from edge.parts import Parts
from edge.polls import Polls
from edge.reach import ReachLog
from edge.routes import SdkEndpoints
from edge.source import FeatureSource
from edge.streams import Streams, StreamTimes
from edge.taken import TakenStreams
from edge.updates import Updates, UpdateSink
from edge.usage import Usage


class PollOptions(Protocol):
    """The settings that polls depend on, in whichever process they are answered."""

    @property
    def cache_control(self) -> str:
        """The operator's `Cache-Control` of polls."""

    @property
    def edge_http(self) -> str:
        """How plain requests are answered: `fast` or `plain`."""


class EdgeOptions(PollOptions, StreamTimes, Protocol):
    """The settings that Edge reads, in whichever process it runs."""

    @property
    def stream_stall_seconds(self) -> float:
        """How long a stream's client may take nothing."""


class Edge:
    """What SDKs talk to. Serve its routes; call `drain` before the server stops accepting."""

    def __init__(
        self,
        endpoints: SdkEndpoints,
        streams: Streams | None,
        source: FeatureSource,
        usage: Usage,
        *,
        polls: Polls,
        fast: bool,
        stall_seconds: float = STALL_SECONDS,
        taken: TakenStreams | None = None,
        hub: Hub | None = None,
        reach: ReachLog | None = None,
    ) -> None:
        self.usage = usage
        self._polls = polls
        self._fast = fast
        self._stall_seconds = stall_seconds
        self._taken = taken
        self._hub = hub
        self._reach = reach
        self._endpoints = endpoints
        self._streams = streams
        self._source = source

    @property
    def ready(self) -> bool:
        """True once what is served can be trusted to be followed up."""
        return self._source.ready

    @property
    def open_streams(self) -> int:
        """How many streams are open, those included that wait for their features."""
        return 0 if self._streams is None else len(self._streams)

    def streams_by_environment(self) -> Mapping[str, int]:
        """How many streams each environment has here (`common.contracts.reports.Report`)."""
        return {} if self._hub is None else self._hub.streams()

    def reaches(self) -> tuple[Reach, ...]:
        """How far the latest changes have come among the streams here."""
        return () if self._reach is None else self._reach.reaches()

    def routes(self) -> list[BaseRoute]:
        """Return the routes below `/features`; CORS, body limit and problem documents stand around them."""
        return self._endpoints.routes()

    def protocol(self, ledger: Ledger, health: Health | None = None) -> type[GuardedHttp]:
        """Return the class of the connections on which these routes are served.

        It answers plain requests by itself; then ``ledger`` and ``health`` do what they do around the
        routes. Everything else, and all in the plain way, is the routes'.
        """
        if not self._fast:
            return type("PlainHttp", (GuardedHttp,), {"stall_seconds": self._stall_seconds})
        parts = Parts(self._polls, ledger=ledger, health=health, streams=self._taken)
        return protocol_for(parts, self._stall_seconds)

    async def drain(self, grace_seconds: float) -> None:
        """Send all streams away, spread over the time; polls and new streams are served meanwhile.

        New streams get their features, and leave as well.
        """
        if self._streams is not None:
            await self._streams.drain(grace_seconds)


@asynccontextmanager
async def open_edge(
    settings: EdgeOptions,
    *,
    source: FeatureSource,
    sink: UpdateSink,
    registry: CollectorRegistry | None = None,
    reach: ReachLog | None = None,
) -> AsyncIterator[Edge]:
    """Open an Edge on a source and a sink; it follows the source until the block ends.

    ``registry``: where its metrics go; without one they go nowhere. ``reach`` counts how far changes come;
    whoever wants to hear of it hands one in, through which the source's bus is `noted`.
    """
    reach = reach or ReachLog()
    usage = Usage(registry or CollectorRegistry())
    if registry is not None:
        registry.register(reach.lateness)
    access = Access(source, ColdLookups())
    answers = Answers()
    packed = Packed()
    polls = Polls(
        source=source,
        access=access,
        answers=answers,
        usage=usage,
        packed=packed,
        cache_control_setting=settings.cache_control,
    )
    async with asyncio.TaskGroup() as tasks:
        hub = Hub(access, answers, reach)
        streams = Streams(
            source=source,
            access=access,
            hub=hub,
            holds=Holds(),
            usage=usage,
            times=settings,
            tasks=tasks,
        )
        taken = TakenStreams(streams, usage, stall_seconds=settings.stream_stall_seconds)
        endpoints = SdkEndpoints(
            source=source,
            access=access,
            polls=polls,
            streams=streams,
            updates=Updates(sink),
            usage=usage,
            stall_seconds=settings.stream_stall_seconds,
        )
        stop_watching = source.watch(hub)
        try:
            yield Edge(
                endpoints,
                streams,
                source,
                usage,
                polls=polls,
                fast=settings.edge_http == "fast",
                stall_seconds=settings.stream_stall_seconds,
                taken=taken,
                hub=hub,
                reach=reach,
            )
        finally:
            stop_watching()
            taken.close()
            streams.close()
            packed.close()


def edge_for_polls(
    settings: PollOptions,
    *,
    source: FeatureSource,
    sink: UpdateSink,
    registry: CollectorRegistry | None = None,
) -> Edge:
    """Return an Edge without streams, for a source that holds nothing at hand and watches nothing.

    Nothing is kept between requests, so there is nothing to close.
    """
    usage = Usage(registry or CollectorRegistry())
    access = Access(source, None)
    polls = Polls(
        source=source,
        access=access,
        answers=Answers(max_bytes=0),
        usage=usage,
        packed=Packed(threaded=False),
        cache_control_setting=settings.cache_control,
    )
    endpoints = SdkEndpoints(
        source=source,
        access=access,
        polls=polls,
        streams=None,
        updates=Updates(sink),
        usage=usage,
        stall_seconds=0,
    )
    return Edge(endpoints, None, source, usage, polls=polls, fast=settings.edge_http == "fast")
