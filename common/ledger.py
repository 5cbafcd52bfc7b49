"""What is written down of every request, whichever way it is answered: an id, a line, and numbers.

Numbers are plain counters of one event loop's thread, read when somebody asks for metrics: counting costs
an addition. Knows route templates, never paths or queries: those may carry API keys.
"""

import itertools
import logging
import re
import secrets
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

log = structlog.stdlib.get_logger(__name__)
_lines = logging.getLogger(__name__)

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Asked every few seconds by machines.
_PROBED: Final = frozenset(
    {"/health/liveness", "/health/readiness", "/health/readyness", "/metrics", "/internal/state"}
)
# Asked thousands of times a second: a line for each would cost more than the answer, and drown the others.
_FREQUENT: Final = frozenset({"/features", "/features/", "/features/{key:path}"})
_WELL: Final = frozenset({200, 304})

BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, float("inf"),
)  # fmt: skip
_FIRST_BUCKET: Final = BUCKETS[0]


class RequestIds:
    """Ids of requests: those that came with a sane one keep it, the others get one of their own.

    Unique, not secret: a random start per process, then counted.
    """

    def __init__(self) -> None:
        #: The first half of every id, and the numbers that make up the second, as 16 hexadecimal digits.
        self.start = secrets.token_hex(8).encode()
        self.next = itertools.count(secrets.randbits(48)).__next__

    def new(self) -> str:
        """Return an id that no other request has."""
        return (self.start + self.next().to_bytes(8, "big").hex().encode()).decode()

    def of(self, given: str) -> str:
        """Return what the caller sent if it can be shown to anybody, else a new id."""
        return given if _SANE_REQUEST_ID.fullmatch(given) else self.new()


class Times:
    """How long answers of one route took to begin."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * len(BUCKETS)
        self.seconds = 0.0


class Page:
    """Answers of one route with one status."""

    __slots__ = ("_times", "count")

    def __init__(self, times: Times) -> None:
        self.count = 0
        self._times = times

    def tell(self, seconds: float) -> None:
        """Count one answer that took so long to begin."""
        self.count += 1
        times = self._times
        times.seconds += seconds
        if seconds <= _FIRST_BUCKET:
            times.buckets[0] += 1
        else:
            times.buckets[bisect_left(BUCKETS, seconds)] += 1


class RequestMetrics(Collector):
    """Requests by route template: how many and how long until the answer began."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pages: dict[tuple[str, str, str, str], Page] = {}
        self._times: dict[tuple[str, str, str], Times] = {}
        registry.register(self)

    def page(self, listener: str, method: str, route: str, status: int) -> Page:
        """Return what counts these answers; it stays the same."""
        where = (listener, method, route)
        page = self._pages.get((*where, str(status)))
        if page is None:
            page = self._pages[*where, str(status)] = Page(self._times.setdefault(where, Times()))
        return page

    def describe(self) -> Iterator[Metric]:
        """Name what is collected, so that nobody else registers it."""
        yield self._answered()
        yield self._first_byte()

    def collect(self) -> Iterator[Metric]:
        answered = self._answered()
        for where, page in self._pages.items():
            answered.add_metric(where, page.count)
        yield answered
        first_byte = self._first_byte()
        for route, times in self._times.items():
            counts = itertools.accumulate(times.buckets)
            names = ("+Inf" if bound == float("inf") else str(bound) for bound in BUCKETS)
            first_byte.add_metric(route, list(zip(names, counts, strict=True)), times.seconds)
        yield first_byte

    @staticmethod
    def _answered() -> CounterMetricFamily:
        return CounterMetricFamily(
            "burgee_http_requests",
            "Requests answered, by route template and status.",
            labels=("listener", "method", "route", "status"),
        )

    @staticmethod
    def _first_byte() -> HistogramMetricFamily:
        return HistogramMetricFamily(
            "burgee_http_first_byte_seconds",
            "Time until the answer began, by route template.",
            labels=("listener", "method", "route"),
        )


class Ledger:
    """One listener's requests: their ids, the access log, and the numbers; ``metrics`` None = no numbers."""

    def __init__(self, *, listener: str = "main", metrics: RequestMetrics | None = None) -> None:
        self.ids = RequestIds()
        self._listener = listener
        self._metrics = metrics

    def page(self, method: str, route: str, status: int) -> Page:
        """Return what counts these answers, for whoever writes the line (`line`) by itself."""
        if self._metrics is None:
            return Page(Times())
        return self._metrics.page(self._listener, method, route, status)

    @staticmethod
    def wants_all() -> bool:
        """True when even polls that went well, and opened streams, get their line."""
        return _lines.isEnabledFor(logging.DEBUG)

    def tell(
        self, method: str, route: str, status: int, seconds: float, *, request_id: str | None = None
    ) -> None:
        """Count an answer and write its line. ``request_id`` where the log's context does not have it."""
        if self._metrics is not None:
            self._metrics.page(self._listener, method, route, status).tell(seconds)
        self.line(method, route, status, seconds, request_id=request_id)

    @staticmethod
    def line(method: str, route: str, status: int, seconds: float, *, request_id: str | None = None) -> None:
        """Write the line alone."""
        quiet = route in _PROBED or (route in _FREQUENT and status in _WELL and method == "GET")
        named = {} if request_id is None else {"request_id": request_id}
        (log.debug if quiet else log.info)(
            "request",
            method=method,
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            **named,
        )
