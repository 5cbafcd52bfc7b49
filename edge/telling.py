"""Tells MR from time to time how much was asked here; never holds anything up for it.

What could not be told goes with the next report; what is late for long is dropped and counted, so that a
minute's numbers mean that minute. Must not know who takes it in.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from prometheus_client import Counter as Total

from common.contracts.usage import WORD, UsageCount, UsageKind, UsageReport, encode_usage
from common.errors import Unavailable

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from common.messaging.bus import Requests
    from edge.app import Edge
    from edge.usage import Hit

_log = structlog.get_logger(__name__)

TELL_SECONDS: Final = 10.0
LATE_SECONDS: Final = 60.0
ATTEMPT_SECONDS: Final = 2.0
COUNTS_AT_ONCE: Final = 2_000

Tell = Callable[[UsageReport], Awaitable[None]]


class Key(NamedTuple):
    """What MR keeps numbers by."""

    environment_id: str
    account_id: str
    kind: UsageKind


class Counted:
    """What was counted since it was last told; reads the counters of `edge.usage`, and adds nothing."""

    def __init__(
        self,
        hits: Callable[[], Mapping[Hit, int]],
        streams: Callable[[], Mapping[str, int]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hits = hits
        self._streams = streams
        self._clock = clock
        self._looked = clock()
        self._seen: dict[Hit, int] = {}
        self._counts: Counter[Key] = Counter()

    def look(self) -> None:
        """Take in what was counted since the last look. What streams there are now, there were meanwhile."""
        now = self._clock()
        seconds, self._looked = now - self._looked, now
        for environment_id, streams in self._streams().items():
            if streams:
                self._counts[Key(environment_id, "", "stream-seconds")] += round(streams * seconds)
        hits = dict(self._hits())
        for hit, count in hits.items():
            more = count - self._seen.get(hit, 0)
            kind = _kind_of(hit)
            if more > 0 and kind is not None:
                self._counts[Key(hit.environment_id, hit.account_id, kind)] += more
        self._seen = hits

    def take(self) -> Counter[Key]:
        """Return what there is to tell, and begin anew."""
        counts, self._counts = self._counts, Counter()
        return counts

    def give_back(self, counts: Counter[Key]) -> None:
        """Tell this later after all."""
        self._counts.update(counts)


def _kind_of(hit: Hit) -> UsageKind | None:
    """Keys that nobody knows belong to no environment; what was refused is no use of one."""
    if not hit.environment_id:
        return None
    if hit.kind == "poll":
        return {"found": "poll", "unchanged": "unchanged"}.get(hit.result)  # type: ignore[return-value]
    return hit.kind


class UsageTeller:
    """Tells while it runs, and once more at the end."""

    def __init__(
        self,
        instance: str,
        counted: Counted,
        tell: Tell,
        registry: CollectorRegistry,
        *,
        seconds: float = TELL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._instance = instance
        self._counted = counted
        self._tell = tell
        self._seconds = seconds
        self._clock = clock
        self._told = clock()
        self._failing = False
        self._dropped = Total(
            "burgee_edge_usage_dropped_total",
            "Hits that MR was not told of, because nobody took them in for too long.",
            registry=registry,
        )

    async def run(self) -> None:
        """Tell, for ever."""
        while True:
            await asyncio.sleep(self._seconds)
            await self.tell()

    async def tell(self) -> None:
        """Tell what there is, or keep it for the next time."""
        self._counted.look()
        counts = self._counted.take()
        try:
            for some in _portions(counts):
                report = UsageReport(
                    instance=self._instance, counts=tuple(UsageCount(*key, some[key]) for key in some)
                )
                await self._tell(report)
                counts -= some
        except Unavailable as error:
            self._not_told(counts, error)
            return
        self._failing = False
        self._told = self._clock()

    def _not_told(self, counts: Counter[Key], error: Unavailable) -> None:
        if not self._failing:
            _log.info("usage.not_told", detail=str(error))
        self._failing = True
        if self._clock() - self._told > LATE_SECONDS:
            self._dropped.inc(sum(count for key, count in counts.items() if key.kind != "stream-seconds"))
        else:
            self._counted.give_back(counts)


def _portions(counts: Counter[Key]) -> Iterator[Counter[Key]]:
    keys = sorted(counts)
    for start in range(0, len(keys), COUNTS_AT_ONCE):
        yield Counter({key: counts[key] for key in keys[start : start + COUNTS_AT_ONCE]})


def over_bus(requests: Requests) -> Tell:
    """Tell one of the MRs on the bus."""

    async def tell(report: UsageReport) -> None:
        await requests.request(WORD, encode_usage(report), seconds=ATTEMPT_SECONDS)

    return tell


@asynccontextmanager
async def open_telling(
    instance: str,
    edge: Edge,
    tell: Tell,
    registry: CollectorRegistry,
    *,
    seconds: float = TELL_SECONDS,
) -> AsyncIterator[None]:
    """Tell of an Edge's use for the life of the block, and what is left at its end."""
    counted = Counted(lambda: edge.usage.hits, edge.streams_by_environment)
    teller = UsageTeller(instance, counted, tell, registry, seconds=seconds)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(teller.run(), name="usage")
            try:
                yield
            finally:
                running.cancel()
    finally:
        await teller.tell()
